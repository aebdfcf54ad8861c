"""The walk-forward: nothing that decides a day has learnt from a day near it, and the trainer's own rules decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted_learner import ScriptedLearner, turning_returns

from ai.course import EQUAL, rules_of
from ai.histories import History, simulated
from ai.model_store import read_prior
from ai.promotion import split
from ai.serving import Model, settings_of
from ai.study import Learned
from analytics import walk_forward_command
from analytics.ledger import EQUAL_WEIGHT, PUBLISHED
from analytics.walk_forward import EXPANDING, POLICY, PRIOR, ROLLING, UNGATED, Fold, Plan, Walk, folds, walk
from contract.config import Config, Promotion, Tracker
from contract.daemon import DONE, FAILED
from contract.errors import BadInput
from contract.schema.names import STRATEGIES
from trading.allocators import ALLOCATORS
from trading.rebalancing import earn

CONFIG = Config(
    promotion=Promotion(min_test_days=60, test_days=120, validation_days=60, draws=200), tracker=Tracker(draws=200)
)
PLAN = Plan(first_days=420, block_days=90)


def in_turn(train: Callable[[Fold], Learned], blocks: Sequence[Fold]) -> Sequence[Learned]:
    return [train(fold) for fold in blocks]


def walked(history: History, learner: ScriptedLearner, plan: Plan = PLAN, config: Config = CONFIG) -> Walk:
    prior = read_prior()
    settings = settings_of(config, Model(prior.policy, prior.manifest))
    return walk(history, prior, settings, config, plan, in_turn, learner)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.integers(80, 3000),
    st.sampled_from([EXPANDING, ROLLING]),
    st.integers(70, 1500),
    st.integers(1, 600),
    st.integers(60, 2000),
    st.integers(30, 60),
)
def test_no_day_that_is_learnt_from_is_within_the_purge_of_a_day_that_counts(
    days: int, scheme: str, first: int, block: int, window: int, purge: int
) -> None:
    plan = Plan(scheme, first, block, window, purge)
    if days <= first or first - purge < 40:
        with pytest.raises(BadInput):
            folds(days, plan, Promotion())
        return
    found = folds(days, plan, Promotion())
    assert [day for fold in found for day in fold.block] == list(range(first, days)), "each day once, in order"
    for fold in found:
        learnt = [part for part in fold.parts if part]
        assert learnt
        for part in learnt:
            assert part[-1] < fold.block.start - 30 and part[-1] < fold.block.start - purge
            assert part[0] >= (max(0, fold.block.start - purge - window) if scheme == ROLLING else 0)
            assert part[0] in fold.known and part[-1] in fold.known
        gap = fold.parts.validation.start - fold.parts.training.stop
        assert gap >= min(30, len(fold.known) // 4) or not fold.parts.training


def test_the_known_days_are_divided_as_the_trainer_divides_them() -> None:
    for fold in folds(3000, Plan(ROLLING, 900, 300, 700), Promotion()):
        expected = split(len(fold.known), Promotion())
        for part, relative in zip(fold.parts, expected, strict=True):
            assert (part.start, part.stop) == (relative.start + fold.known.start, relative.stop + fold.known.start)


@pytest.fixture(scope="module")
def turning() -> tuple[Walk, ScriptedLearner, History]:
    """A world in which the scripted candidate, which flees what did well, is far better than the prior."""
    history, learner = simulated(turning_returns(900)), ScriptedLearner()
    return walked(history, learner), learner, history


def test_each_training_sees_its_known_days_and_no_other(turning: tuple[Walk, ScriptedLearner, History]) -> None:
    _, learner, history = turning
    blocks = folds(history.days, PLAN, CONFIG.promotion)
    assert len(learner.lessons) == len(blocks) == 6
    for lesson, fold in zip(learner.lessons, blocks, strict=True):
        for seen, part in ((lesson.training, fold.parts.training), (lesson.validation, fold.parts.validation)):
            assert np.array_equal(seen.dates, history.dates[part.start : part.stop])
            assert np.array_equal(seen.returns, history.returns[part.start : part.stop])


def test_what_passes_the_gate_serves_from_the_block_on(turning: tuple[Walk, ScriptedLearner, History]) -> None:
    found, _, history = turning
    first = found.trained[0]
    assert first.verdict.promoted and first.generation == 1
    assert [one.generation for one in found.trained] == [1] * 6, "the same model is no better than itself"
    assert not any(one.verdict.promoted for one in found.trained[1:])
    ledger = found.ledger
    assert np.allclose(ledger.of(POLICY), ledger.of(UNGATED))
    assert ledger.dates.tolist() == history.dates[420:].tolist()
    assert float(ledger.of(POLICY).mean()) > float(ledger.of(EQUAL_WEIGHT).mean()) > float(ledger.of(PRIOR).mean())


def test_a_candidate_that_is_refused_never_serves() -> None:
    """It is the prior over again, and a little more sure of itself: nothing shows that to be better."""
    history = simulated(np.random.default_rng(3).normal(0.0, 0.01, (700, 8)))
    sure = replace(CONFIG, promotion=replace(CONFIG.promotion, level=0.99))
    found = walked(history, ScriptedLearner(strength=1.1), config=sure)
    assert [one.generation for one in found.trained] == [0] * len(found.trained)
    assert np.array_equal(found.ledger.of(POLICY), found.ledger.of(PRIOR))
    assert not np.array_equal(found.ledger.of(UNGATED), found.ledger.of(PRIOR))


def test_what_is_published_is_trusts_blend(turning: tuple[Walk, ScriptedLearner, History]) -> None:
    found, _, history = turning
    ledger = found.ledger
    policy = ledger.weights[ledger.names.index(POLICY)]
    blend = found.trust[:, np.newaxis] * policy + (1.0 - found.trust[:, np.newaxis]) * 0.125
    assert ledger.weights[0] == pytest.approx(blend)
    assert found.trust[0] == 0.5
    assert found.trust[-1] > 0.6 and found.e_value > 2.0
    expected = earn(ledger.weights[0], history.returns[420:], EQUAL, rules_of(CONFIG))
    assert ledger.of(PUBLISHED) == pytest.approx(expected.net)


def test_days_to_come_change_nothing(turning: tuple[Walk, ScriptedLearner, History]) -> None:
    found, _, history = turning
    changed = history.seen[:, 0].copy()
    changed[700:] *= -1.0
    other = walked(simulated(changed), ScriptedLearner())
    for row, name in enumerate(found.ledger.names):
        if name not in ALLOCATORS or not ALLOCATORS[name].hindsight:
            same = found.ledger.weights[row, : 700 - 420], other.ledger.weights[row, : 700 - 420]
            assert np.array_equal(*same), name


def contrary(*lesson: Any, **named: Any) -> Learned:
    """A way of learning that can be sent to another process."""
    return ScriptedLearner()(*lesson, **named)


def returns_file(path: Path, days: int = 620) -> Path:
    lines = [",".join(("date", *STRATEGIES))]
    for day, row in enumerate(turning_returns(days).tolist()):
        lines.append(",".join((str(np.datetime64("2020-01-01") + day), *map(repr, row))))
    path.write_text("\n".join(lines) + "\n")
    return path


OPTIONS = ("--walk-forward", "--first-days", "420", "--block-days", "100", "--episodes", "1")


def result(tmp_path: Path, *options: str) -> dict[str, Any]:
    file, root = returns_file(tmp_path / "returns.csv"), tmp_path / "root"
    out = tmp_path / "result.json"
    given = [*OPTIONS, "--returns", str(file), "--root", str(root), "--out", str(out), *options]
    assert walk_forward_command.main(given, contrary) == DONE
    values: dict[str, Any] = json.loads(out.read_bytes())
    return values


def test_processes_side_by_side_find_the_same_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILLER__TRACKER__DRAWS", "100")
    one, two = (result(tmp_path, "--workers", workers) for workers in ("1", "2"))
    assert one == two
    assert one["out_of_sample"] == {"days": 200, "first_day": "2021-02-24", "last_day": "2021-09-11"}
    assert [row["name"] for row in one["accounts"]] == [PUBLISHED, POLICY, UNGATED, PRIOR, *ALLOCATORS]
    assert len(one["trainings"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{one['verdict']}: {one['reason']}")
    assert "walking forward [########################] 100%" in captured.err


def test_a_history_that_is_too_short_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert walk_forward_command.main(["--walk-forward", "--root", str(tmp_path)]) == FAILED
    assert capsys.readouterr().err == "tracker: the history has 0 days (more than 750 are needed)\n"


def test_returns_of_other_than_eight_strategies_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "returns.csv"
    file.write_text("date,a,b\n2020-01-01,0.1,0.1\n2020-01-02,0.1,0.1\n")
    assert walk_forward_command.main(["--walk-forward", "--returns", str(file), "--root", str(tmp_path)]) == FAILED
    assert "2 columns of returns (one for each of the 8 strategies are needed)" in capsys.readouterr().err
