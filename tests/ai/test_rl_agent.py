"""PPO: its parts against numbers worked out by hand, and the whole by what it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.lessons import SMALL, planted, study, without_edge

from ai.adam import moments_in
from ai.checkpoint import Checkpoint, encode_checkpoint
from ai.feature_table import SHARED
from ai.identity import NOTHING_KNOWN, Life, crossed, identity_of
from ai.network import Network, checkpoint_from, network_of
from ai.policy import checkpoint_of, policy_of, untrained
from ai.rl_agent import (
    Batch,
    advantages,
    clipped_loss,
    collect,
    learn,
    log_probability,
    optimizer_of,
    suited,
    update,
    value_loss,
)
from ai.rl_environment import ReplayEnvironment, Walk
from ai.smoothing import FloatArray
from ai.study import Learned, Progress, judged
from contract.config import Agent
from trading.rebalancing import Rules

RULES = Rules()
SHARPES = [SHARED.index(name) for name in SHARED if name.startswith("sharpe_")]


def lesson(
    start: Checkpoint | None = None, seed: int = 3, settings: Agent = SMALL, stop_after: int = 10**9
) -> tuple[Learned, list[Progress]]:
    """A short training, and what it said on the way."""
    said: list[Progress] = []
    return learn(study(seed, settings, start), said.append, lambda: len(said) >= stop_after), said


def column(*numbers: float) -> FloatArray:
    return np.array(numbers)[:, np.newaxis]


def test_advantages_are_those_worked_out_by_hand() -> None:
    # Surprises: 1 + 0.5 x 0.5 - 0.5 = 0.75, then 1.75 and 2.75; each later one counts 0.5 x 0.5 = 0.25 of itself.
    found = advantages(column(1, 2, 3), column(0.5, 0.5, 0.5), np.array([0.5]), column(0, 0, 0) > 0, 0.5, 0.5)
    np.testing.assert_allclose(found, column(0.75 + 0.25 * 2.4375, 1.75 + 0.25 * 2.75, 2.75))


def test_nothing_comes_after_the_end_of_an_account() -> None:
    # The second day is the last one: its surprise is 2 - 0.5, and the third day is no news for the days before.
    found = advantages(column(1, 2, 3), column(0.5, 0.5, 0.5), np.array([0.5]), column(0, 1, 0) > 0, 0.5, 0.5)
    np.testing.assert_allclose(found, column(0.75 + 0.25 * 1.5, 1.5, 2.75))


def test_an_episode_whose_time_is_up_is_worth_what_its_last_morning_is() -> None:
    poor, rich = (
        advantages(column(1), column(0), np.array([last]), column(0) > 0, 0.9, 1.0)[0, 0] for last in (0.0, 10.0)
    )
    assert rich - poor == pytest.approx(9.0)


def test_with_lambda_1_advantages_are_the_discounted_rewards_over_the_values() -> None:
    rng = np.random.default_rng(1)
    rewards, values, last = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=3)
    expected = last
    for day in range(4, -1, -1):
        expected = rewards[day] + 0.97 * expected
    found = advantages(rewards, values, last, np.zeros((5, 3), dtype=bool), 0.97, 1.0)
    np.testing.assert_allclose(found[0], expected - values[0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [
        pytest.param(1.0, 2.0, -2.0, id="nothing has moved"),
        pytest.param(1.5, 1.0, -1.2, id="no credit for going further than the clip"),
        pytest.param(0.5, 1.0, -0.5, id="full blame for moving away from what was good"),
        pytest.param(0.5, -1.0, 0.8, id="no credit for leaving faster than the clip"),
        pytest.param(1.5, -1.0, 1.5, id="full blame for moving towards what was bad"),
    ],
)
def test_the_clipped_loss_is_that_worked_out_by_hand(ratio: float, advantage: float, loss: float) -> None:
    found = clipped_loss(torch.tensor([math.log(ratio)]), torch.tensor([advantage]), 0.2)
    assert found.item() == pytest.approx(loss)


def test_the_loss_of_values() -> None:
    values, returns, old = torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([0.0])
    assert value_loss(values, returns, old, 0.0).item() == pytest.approx(0.5 * 4.0)
    # Within the clip the value could only have gone to 0.2, so the error from there counts.
    assert value_loss(values, returns, old, 0.2).item() == pytest.approx(0.5 * 2.8**2)


def test_log_probabilities_are_those_of_normal_distributions() -> None:
    rng = torch.Generator().manual_seed(1)
    actions, means = torch.randn(5, 8, generator=rng), torch.randn(5, 8, generator=rng)
    log_deviation = torch.tensor(-0.7)
    theirs = torch.distributions.Normal(means, log_deviation.exp()).log_prob(actions)  # type: ignore[no-untyped-call]
    theirs = theirs.sum(dim=-1)
    ours = log_probability(actions, means, log_deviation)
    torch.testing.assert_close(ours - ours[0], theirs - theirs[0])


class Echo(ReplayEnvironment):
    """Pays an account for logits that repeat the Sharpe features of the morning."""

    def walk(self, logits: FloatArray) -> Walk:
        asked = self.ahead(len(logits))[:-1][..., SHARPES]
        walk = super().walk(logits)
        return walk._replace(rewards=-np.square(logits - asked).mean(axis=-1))


def blank(settings: Agent) -> Network:
    """A network that knows nothing, and says so."""
    policy = replace(untrained(), residual=np.zeros(3))
    return network_of(checkpoint_of(policy), settings, NOTHING_KNOWN, torch.Generator().manual_seed(1))


def test_it_learns_to_repeat_what_it_sees() -> None:
    settings = replace(SMALL, batch=256, epochs=4, learning_rate=0.02, deviation=0.3, largest_kl=0.1, gamma=0.0)
    environment = Echo([Life(planted(500), NOTHING_KNOWN)], RULES, 0.01, 16, 64)
    network, rng, generator = blank(settings), np.random.default_rng(1), torch.Generator().manual_seed(1)
    optimizer = optimizer_of(network, settings)
    rewards = []
    for _ in range(40):
        environment.reset(rng)
        batch = collect(network, environment, settings, generator)
        update(network, optimizer, batch, settings, generator)
        rewards.append(batch.mean_reward)
    silence = -float(np.square(planted(500).features[:, SHARPES]).mean())
    assert rewards[0] < silence  # it said nothing, and the noise cost something
    assert np.mean(rewards[-5:]) > 0.2 * silence


def test_what_an_episode_showed_is_under_the_policy_that_walked() -> None:
    environment = ReplayEnvironment([Life(planted(200), NOTHING_KNOWN)], RULES, 0.01, 8, 40)
    network, generator = blank(SMALL), torch.Generator().manual_seed(1)
    environment.reset(np.random.default_rng(1))
    batch = collect(network, environment, SMALL, generator)
    again = log_probability(batch.actions, network.logits(batch.prepared), network.log_deviation)
    torch.testing.assert_close(again.detach(), batch.log_probabilities, atol=1e-4, rtol=1e-4)
    assert [len(part) for part in (batch.actions, batch.advantages, batch.returns, batch.values)] == [320] * 4
    torch.testing.assert_close(batch.returns, batch.advantages + batch.values)


def test_an_actor_that_sees_its_account_walks_day_by_day() -> None:
    settings = replace(SMALL, actor_groups="strategy, portfolio")
    environment = ReplayEnvironment([Life(planted(200), NOTHING_KNOWN)], RULES, 0.01, 4, 10)
    environment.reset(np.random.default_rng(1))
    batch = collect(blank(settings), environment, settings, torch.Generator().manual_seed(1))
    assert len(batch.actions) == 40


def test_an_update_ends_when_the_policy_has_moved_too_far() -> None:
    settings = replace(SMALL, learning_rate=0.5, epochs=50, largest_kl=1e-3)
    environment = ReplayEnvironment([Life(planted(200), NOTHING_KNOWN)], RULES, 0.01, 8, 40)
    network, generator = blank(settings), torch.Generator().manual_seed(1)
    environment.reset(np.random.default_rng(1))
    batch: Batch = collect(network, environment, settings, generator)
    scalars = update(network, optimizer_of(network, settings), batch, settings, generator)
    assert scalars["kl"] > 1e-3
    assert 1 <= scalars["updates"] < 20


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = (encode_checkpoint(lesson(seed=seed)[0].checkpoint) for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_what_comes_of_it_is_a_policy_for_the_same_features() -> None:
    learned, said = lesson()
    policy = policy_of(learned.checkpoint)
    np.testing.assert_array_equal(policy.standing, identity_of(study().known).standing)
    assert learned.episodes == len(said) == 2
    assert learned.steps == 2 * 8 * 40
    assert said[-1].episode == said[-1].episodes == 2
    assert all(math.isfinite(value) for progress in said for value in progress.scalars.values())
    assert learned.note.startswith("PPO in torch")
    assert not learned.stopped_early


def test_it_stops_when_told_to_and_keeps_what_was_best() -> None:
    learned, said = lesson(stop_after=1)
    assert learned.stopped_early
    assert learned.episodes == len(said) == 1
    assert learned.validation_sharpe == said[-1].validation_sharpe


def test_told_to_stop_before_ppo_it_does_not_begin_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai.rl_agent.optimizer_of", lambda *_: pytest.fail("torch needs seconds for this"))
    learned, said = lesson(stop_after=0)
    assert (learned.episodes, learned.stopped_early, said) == (0, True, [])
    policy = policy_of(learned.checkpoint)
    np.testing.assert_array_equal(policy.standing, identity_of(study().known).standing)
    kept = study()
    found_on = replace(policy, **identity_of(kept.training)._asdict())
    assert learned.validation_sharpe == pytest.approx(judged(found_on, kept.validation, kept.rules))


def test_the_best_on_the_validation_days_never_gets_worse() -> None:
    _, said = lesson(settings=replace(SMALL, episodes=5, learning_rate=0.05))
    reached = [progress.validation_sharpe for progress in said]
    assert reached == sorted(reached)


def test_without_validation_days_the_start_is_kept() -> None:
    learned = learn(study(validation=range(160, 160)), lambda _: None, lambda: False)
    assert learned.validation_sharpe == -math.inf
    assert policy_of(learned.checkpoint).layers


@pytest.mark.parametrize("continue_from", ["prior", "service"])
def test_it_goes_on_where_the_model_in_service_ended(continue_from: str) -> None:
    moments = {"adam_0_first", "adam_0_second", "adam_0_steps"}
    environment = ReplayEnvironment([Life(planted(200), NOTHING_KNOWN)], RULES, 0.01, 8, 40)
    environment.reset(np.random.default_rng(1))
    network, generator = blank(SMALL), torch.Generator().manual_seed(1)
    optimizer = optimizer_of(network, SMALL)
    update(network, optimizer, collect(network, environment, SMALL, generator), SMALL, generator)
    service = checkpoint_from(network, moments_in(optimizer))
    settings = replace(SMALL, continue_from=continue_from, search_rounds=0, warm_start_steps=0)
    stops_before_the_first_episode = iter((False, True)).__next__
    learned = learn(study(3, settings, service), lambda _: None, stops_before_the_first_episode)
    assert (moments <= learned.checkpoint.arrays.keys()) == (continue_from == "service")


def test_where_trading_costs_more_than_it_brings_it_says_less() -> None:
    settings, dear = replace(SMALL, search_rounds=10), RULES._replace(cost_bps=100.0)
    fitted = policy_of(suited(checkpoint_of(untrained()), crossed(without_edge(400), 200), dear, settings, seed=1))
    assert fitted.residual[0] < 0.5 * untrained().residual[0]


@pytest.mark.parametrize(("days", "validation_days"), [(2, 0), (20, 10), (45, 0)])
def test_a_short_history_is_no_trouble(days: int, validation_days: int) -> None:
    short = study(training=range(days), validation=range(days, days + validation_days))
    learned = learn(short, lambda _: None, lambda: False)
    assert learned.episodes == 2
    assert np.isfinite(policy_of(learned.checkpoint).logits(np.zeros(34))).all()
