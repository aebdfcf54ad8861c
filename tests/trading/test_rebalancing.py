"""The step that a day's weights take, and its price: what holds for any wish, and sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from trading import simplex_array
from trading.rebalancing import Rules, earn, follow

derandomised = settings(derandomize=True, max_examples=100, deadline=None)

Array = NDArray[np.float64]

EQUAL = np.full(8, 1 / 8)
AT_ONCE = Rules(inertia=1.0, max_turnover=2.0)

any_wish = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 5e-324, 1e-12, 0.02, 0.35, 1.0, 1e308]))
wishes = st.integers(0, 20).flatmap(lambda days: arrays(np.float64, (days, 8), elements=any_wish))
any_rules = st.builds(
    Rules,
    floor=st.sampled_from([0.0, 0.02, 0.1]),
    cap=st.sampled_from([0.2, 0.35, 1.0]),
    inertia=st.floats(0.0, 1.0),
    max_turnover=st.floats(0.0, 2.0),
    cost_bps=st.floats(0.0, 100.0),
)


def feasible(weights: Array, rules: Rules) -> Array:
    return simplex_array.project(weights, rules.floor, rules.cap)


def random_days(days: int, seed: int) -> tuple[Array, Array]:
    """Weights and returns, (days, 8) each."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(8), days), 0.02 * rng.standard_normal((days, 8))


@derandomised
@given(wishes, arrays(np.float64, 8, elements=any_wish), any_rules)
def test_whatever_is_wanted_weights_stay_within_the_bounds_and_sum_to_one(
    wanted: Array, start: Array, rules: Rules
) -> None:
    weights = follow(wanted, feasible(start, rules), rules)
    assert weights.shape == wanted.shape
    assert weights.min(initial=rules.floor) >= rules.floor - 1e-12
    assert weights.max(initial=rules.cap) <= rules.cap + 1e-12
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=0, atol=1e-9)


@derandomised
@given(wishes, arrays(np.float64, 8, elements=any_wish), any_rules)
def test_a_day_goes_its_share_of_the_way_and_no_further_than_the_limit(
    wanted: Array, start: Array, rules: Rules
) -> None:
    before = feasible(start, rules)
    for goal, weights in zip(feasible(wanted, rules), follow(wanted, before, rules), strict=True):
        distance, gone = np.abs(goal - before).sum(), np.abs(weights - before).sum()
        assert gone == pytest.approx(min(rules.inertia * distance, rules.max_turnover), abs=1e-9)
        # What is left to go and what was gone lie on one line.
        assert gone + np.abs(goal - weights).sum() == pytest.approx(distance, abs=1e-9)
        before = weights


@derandomised
@given(wishes)
def test_without_inertia_or_a_limit_a_wish_is_reached_at_once(wanted: Array) -> None:
    np.testing.assert_allclose(follow(wanted, EQUAL, AT_ONCE), feasible(wanted, AT_ONCE), rtol=0, atol=1e-15)


def test_a_step_by_hand() -> None:
    # Both 0.35: each is 0.225 above an eighth. The other six share 0.3.
    wanted = np.array([[0.35, 0.35, *[0.05] * 6]])
    assert follow(wanted, EQUAL, Rules(inertia=0.2))[0] == pytest.approx([0.17, 0.17, *[0.11] * 6])
    # The whole way is 0.9 long, and a third of it is allowed.
    limited = follow(wanted, EQUAL, Rules(inertia=1.0, max_turnover=0.3))[0]
    assert limited == pytest.approx([0.2, 0.2, *[0.1] * 6])


def test_in_the_long_run_a_constant_wish_is_reached() -> None:
    wanted = np.tile([0.9, 0.1, 0, 0, 0, 0, 0, 0], (200, 1))
    rules = Rules()
    np.testing.assert_allclose(follow(wanted, EQUAL, rules)[-1], feasible(wanted[-1], rules), atol=1e-12)


def test_days_at_once_are_the_same_days_one_by_one(seed: int) -> None:
    wanted, _ = random_days(50, seed)
    rules, held, one_by_one = Rules(), EQUAL, []
    for day in wanted:
        held = follow(day[np.newaxis], held, rules)[0]
        one_by_one.append(held)
    np.testing.assert_array_equal(follow(wanted, EQUAL, rules), one_by_one)


def test_what_a_day_earns_by_hand() -> None:
    half = np.array([0.5, 0.5])
    weights, returns = np.array([[0.6, 0.4], [0.6, 0.4]]), np.array([[0.10, -0.05], [0.02, 0.03]])
    earned = earn(weights, returns, half, Rules(cost_bps=100.0))
    # Day 1 turns 0.6 and 0.4 into 0.66 and 0.38 of 1.04; day 2 trades back from there.
    assert earned.turnover == pytest.approx([0.2, 2 * (0.66 / 1.04 - 0.6)])
    growth = [(1 - 0.01 * earned.turnover[0]) * 1.04, (1 - 0.01 * earned.turnover[1]) * 1.024]
    assert 1 + earned.net == pytest.approx(growth)


def test_without_a_price_the_net_is_the_sum_of_products(seed: int) -> None:
    weights, returns = random_days(40, seed)
    free, dear = (earn(weights, returns, EQUAL, Rules(cost_bps=bps)) for bps in (0.0, 50.0))
    np.testing.assert_allclose(free.net, (weights * returns).sum(axis=1), atol=1e-15)
    np.testing.assert_array_equal(free.turnover, dear.turnover)
    np.testing.assert_allclose((1 + dear.net) / (1 + free.net), 1 - 0.005 * dear.turnover, atol=1e-14)


def test_an_account_that_is_let_drift_pays_nothing() -> None:
    returns = np.array([[0.1, -0.1], [0.0, 0.0]])
    drifting = np.array([[0.5, 0.5], [0.55, 0.45]])
    earned = earn(drifting, returns, drifting[0], Rules())
    assert earned.turnover == pytest.approx([0.0, 0.0], abs=1e-15)
    assert earned.net == pytest.approx([0.0, 0.0], abs=1e-15)


def test_accounts_together_are_as_each_is_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rules = Rules()
    wanted = rng.dirichlet(np.full(8, 0.3), (30, 5))
    before = feasible(rng.dirichlet(np.ones(8), 5), rules)
    returns = 0.02 * rng.standard_normal((30, 5, 8))
    weights = follow(wanted, before, rules)
    net, turnover = earn(weights, returns, before, rules)
    assert net.shape == turnover.shape == (30, 5)
    for account in range(5):
        alone = follow(wanted[:, account], before[account], rules)
        np.testing.assert_array_equal(weights[:, account], alone)
        earned = earn(alone, returns[:, account], before[account], rules)
        np.testing.assert_allclose(net[:, account], earned.net, rtol=0, atol=1e-15)
        np.testing.assert_allclose(turnover[:, account], earned.turnover, rtol=0, atol=1e-15)


def test_no_days_are_no_weights_and_no_returns() -> None:
    weights = follow(np.empty((0, 8)), EQUAL, Rules())
    earned = earn(weights, np.empty((0, 8)), EQUAL, Rules())
    assert weights.shape == (0, 8) and earned.net.shape == earned.turnover.shape == (0,)
