"""The reward: by hand, day by day against a whole path, and what it can and cannot be moved by."""

from __future__ import annotations

from math import sqrt, tanh

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike

from ai.account import counted
from ai.reward import WINDOW_DAYS, RewardState, rewards, sigma_of, walk
from ai.smoothing import FloatArray
from trading import metrics

derandomised = settings(derandomize=True, max_examples=100, deadline=None)

SIGMA = 0.01

any_return = st.one_of(st.floats(), st.floats(-0.1, 0.1), st.sampled_from([-1.0, -1e12, 1e12, 0.0, np.nan, np.inf]))
paths = st.integers(0, 50).flatmap(lambda days: arrays(np.float64, days, elements=any_return))


def step(state: RewardState, net_returns: ArrayLike, sigma: float) -> tuple[RewardState, FloatArray]:
    """A walk of a day: net_returns (n,)."""
    after, paid = walk(state, np.asarray(net_returns)[np.newaxis], sigma)
    return after, paid[0]


def stepwise(net_returns: FloatArray, sigma: float) -> FloatArray:
    """Of replicas (days, n): (days, n)."""
    state, paid = RewardState.at_start(net_returns.shape[1]), np.empty(net_returns.shape)
    for day, returns in enumerate(net_returns):
        state, paid[day] = step(state, returns, sigma)
    return paid


def by_the_formula(net_returns: FloatArray, sigma: float) -> float:
    """What the last of at least 30 days is paid."""
    last = net_returns[-30:]
    sharpe = sqrt(252) * last.mean() / sqrt((last.var(ddof=1) + sigma**2) / 2)
    drawdown = float(metrics.drawdown(metrics.wealth_of(net_returns))[-1])
    return 0.6 * tanh(sharpe / 6) + 0.3 * tanh(net_returns[-1] / (3 * sigma)) - 0.1 * min(drawdown / 0.2, 1.0)


@pytest.mark.parametrize(("mean", "deviation"), [(0.001, 0.01), (-0.004, 0.01), (0.0, 0.03), (0.002, 1e-5), (0.0, 0.0)])
def test_the_formula(mean: float, deviation: float, seed: int) -> None:
    returns = mean + deviation * np.random.default_rng(seed).standard_normal(90)
    expected = [by_the_formula(returns[: day + 1], SIGMA) for day in range(29, 90)]
    np.testing.assert_allclose(rewards(returns, SIGMA)[29:], expected, atol=1e-12)


def test_the_first_day_by_hand() -> None:
    # 29 flat days and one of +3%: mean 0.1%, squared deviations 0.029^2 + 29 x 0.001^2 = 0.00087
    sharpe = sqrt(252) * 0.001 / sqrt((0.00087 / 29 + 0.01**2) / 2)
    assert rewards([0.03], SIGMA) == pytest.approx(0.6 * tanh(sharpe / 6) + 0.3 * tanh(1.0))
    # After a loss the account is below where it began.
    assert rewards([-0.03], SIGMA) == pytest.approx(-0.6 * tanh(sharpe / 6) - 0.3 * tanh(1.0) - 0.1 * 0.03 / 0.2)


def test_an_account_that_does_not_move_is_paid_nothing() -> None:
    assert not rewards(np.zeros(40), SIGMA).any()
    assert rewards(np.empty(0), SIGMA).shape == (0,)


@derandomised
@given(paths, st.sampled_from([1e-9, 1e-3, 0.01, 1.0, 1e9]))
def test_whatever_is_earned_the_reward_is_bounded_and_the_same_day_by_day(path: FloatArray, sigma: float) -> None:
    paid = rewards(path, sigma)
    assert (np.abs(paid) <= 1.0).all()
    np.testing.assert_allclose(stepwise(np.tile(path[:, np.newaxis], 3), sigma).T, [paid] * 3, atol=1e-9)


@derandomised
@given(paths, st.integers(0, 50))
def test_a_path_may_be_walked_in_pieces(path: FloatArray, first: int) -> None:
    state, start = walk(RewardState.at_start(2), np.tile(path[:first, np.newaxis], 2), SIGMA)
    after, end = walk(state, np.tile(path[first:, np.newaxis], 2), SIGMA)
    np.testing.assert_allclose(np.concatenate((start, end)).T, [rewards(path, SIGMA)] * 2, rtol=0, atol=1e-9)
    if len(path) >= WINDOW_DAYS:
        np.testing.assert_array_equal(after.recent, [counted(path[-WINDOW_DAYS:])] * 2)


def test_replicas_do_not_know_each_other(seed: int) -> None:
    paths_of_many = 0.02 * np.random.default_rng(seed).standard_normal((70, 5))
    alone = [rewards(path, SIGMA) for path in paths_of_many.T]
    np.testing.assert_allclose(stepwise(paths_of_many, SIGMA).T, alone, atol=1e-12)


def test_a_step_leaves_the_state_before_as_it_was() -> None:
    state, _ = step(RewardState.at_start(2), [0.01, -0.02], SIGMA)
    once, again = (step(state, [0.03, 0.03], SIGMA)[1] for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_two_choices_on_one_day_are_paid_differently(seed: int) -> None:
    returns = 0.01 * np.random.default_rng(seed).standard_normal((60, 8))
    equal = np.full(8, 1 / 8)
    state = RewardState.at_start(2)
    for day in returns[:-1]:
        state, _ = step(state, [day @ equal] * 2, SIGMA)
    best, worst = (np.where(returns[-1] == pick, 0.35, 0.65 / 7) for pick in (returns[-1].max(), returns[-1].min()))
    cost = 5e-4 * np.abs(best - equal).sum()
    _, (paid_best, paid_worst) = step(state, [best @ returns[-1] - cost, worst @ returns[-1] - cost], SIGMA)
    assert paid_best > paid_worst + 0.05


def test_turnover_costs_reward() -> None:
    free, charged = (rewards([0.01, 0.01 - cost], SIGMA)[-1] for cost in (0.0, 5e-4 * 0.5))
    assert charged < free


@derandomised
@given(
    arrays(np.float64, WINDOW_DAYS - 1, elements=st.floats(-0.3, 0.3)),
    st.floats(-4.0, 4.0),
    st.floats(1e-3, 1.0),
    st.sampled_from([252.0, 365.0]),
)
def test_within_four_sigma_the_better_day_is_paid_better(
    before: FloatArray, deviations: float, more: float, periods_per_year: float
) -> None:
    worse, better = deviations * SIGMA, min(deviations + more, 4.001) * SIGMA
    paid = [rewards(np.append(before, day), SIGMA, periods_per_year)[-1] for day in (worse, better)]
    assert paid[1] > paid[0]


def test_a_deeper_drawdown_costs_up_to_a_tenth() -> None:
    # The fall is more than 30 days ago, so that only the drawdown is left of it.
    paid = [rewards(np.append(fall, np.zeros(30)), SIGMA)[-1] for fall in (0.0, -0.05, -0.1, -0.2, -0.6)]
    assert paid == pytest.approx([0.0, -0.025, -0.05, -0.1, -0.1])


@pytest.mark.parametrize("sigma", [0.0, -0.01, np.nan, np.inf, 1e-300])
def test_without_a_yardstick_nothing_is_paid(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        rewards([0.01], sigma)
    with pytest.raises(ValueError, match="sigma"):
        step(RewardState.at_start(1), [0.01], sigma)


def test_the_yardstick_is_the_deviation_at_equal_weights() -> None:
    assert sigma_of(np.tile([[0.01], [-0.01]], (10, 8))) == pytest.approx(0.01)
    assert sigma_of(np.zeros((10, 8))) == 1e-6, "nothing ever moved: a yardstick all the same"
