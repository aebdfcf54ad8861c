"""The prior, made in miniature; and the one that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.lessons import SMALL

from ai.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from ai.course import EQUAL, hold, run
from ai.identity import NOTHING_KNOWN
from ai.model_store import read_prior
from ai.policy import policy_of, untrained
from ai.pretraining import LIVED_DAYS, gains, live, pretrained
from trading.metrics import sharpe
from trading.rebalancing import Rules

RULES = Rules()


def miniature(seed: int) -> tuple[Checkpoint, list[tuple[int, float]]]:
    said: list[tuple[int, float]] = []
    checkpoint = pretrained(RULES, SMALL, seed, 6, 20, lambda step, reached: said.append((step, reached)))
    return checkpoint, said


def test_in_miniature_it_learns_something_and_says_how_far_it_is() -> None:
    checkpoint, said = miniature(seed=1)
    assert [step for step, _ in said] == [10, 20]
    policy = policy_of(decode_checkpoint(encode_checkpoint(checkpoint), Path("prior.pkl")))
    assert policy.layers
    rows = np.random.default_rng(1).normal(size=(50, 34))
    assert np.abs(policy.logits(rows) - untrained().logits(rows)).max() > 1e-3
    assert np.isfinite(gains(policy, RULES, seed=2, worlds=2)).all()


def test_the_same_seed_makes_the_same_prior() -> None:
    first, second, other = (encode_checkpoint(miniature(seed)[0]) for seed in (1, 1, 2))
    assert first == second != other


def test_lives_differ_and_begin_after_what_is_known_of_them() -> None:
    lives = [live((1, number)) for number in range(8)]
    assert {life.history.days for life in lives} == {LIVED_DAYS}
    assert len({float(life.history.returns.sum()) for life in lives}) == len(lives)
    assert any(life.known is NOTHING_KNOWN for life in lives)
    assert any(np.abs(life.known.kinship).max() > 0.0 for life in lives)


def test_the_one_that_ships_knows_no_strategy_by_name_and_tells_none_apart() -> None:
    stored = read_prior()
    policy = policy_of(stored.checkpoint)
    assert stored.manifest.generation == 0
    assert np.abs(policy.standing).max() == np.abs(policy.kinship).max() == 0.0
    rows = np.zeros((1, 34))
    np.testing.assert_allclose(policy.wanted(rows), EQUAL[np.newaxis], atol=1e-6)
    assert stored.manifest.details["gain_on_other_worlds"] > 0.0


def test_the_one_that_ships_beats_equal_weight_where_there_is_something_to_follow() -> None:
    policy = policy_of(read_prior().checkpoint)
    ahead = []
    for number in range(12):
        history = live((77, number)).history
        ahead.append(sharpe(run(policy, history, RULES).net) - sharpe(hold(history, RULES).net))
    assert np.mean(ahead) > 0.3
