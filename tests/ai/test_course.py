"""The course of a policy: the same in one batch as day by day, and no day of it knows what comes after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scripted_models import policy

from ai.account import AccountState, portfolio_features
from ai.course import EQUAL, hold, rules_of, run, without_account
from ai.feature_table import FEATURES, PORTFOLIO, whole_rows
from ai.histories import simulated
from ai.policy import Policy, untrained
from ai.smoothing import FloatArray
from contract.config import Bounds, Config, Rebalancing
from market.strategy_worlds import random_world
from trading.rebalancing import Rules, earn, follow

RULES = Rules()
TILTED = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
BLIND = policy(1, ("strategy", "regime"))
SEEING = policy(2, ("strategy", "regime", "portfolio"))
both = pytest.mark.parametrize("chosen", [BLIND, SEEING], ids=["blind", "sees its account"])


def days_of(count: int, seed: int) -> FloatArray:
    return random_world(count, np.random.default_rng(seed)).returns


def looking_away(blind: Policy) -> Policy:
    """The same policy, which is shown its account and gives no weight to what it sees."""
    (weight, bias), *later = blind.layers
    unseen = np.zeros((PORTFOLIO.stop - PORTFOLIO.start, weight.shape[1]))
    layers = ((np.vstack((weight, unseen)), bias), *later)
    return replace(blind, layers=layers, groups=(*blind.groups, "portfolio"))


@pytest.mark.parametrize("start", [EQUAL, TILTED], ids=["from equal weights", "from others"])
def test_day_by_day_is_the_batch(start: FloatArray, seed: int) -> None:
    history = simulated(days_of(120, seed))
    day_by_day, batch = looking_away(BLIND), BLIND
    assert day_by_day.sees_account and not batch.sees_account
    for mine, its in zip(run(day_by_day, history, RULES, start), run(batch, history, RULES, start), strict=True):
        np.testing.assert_allclose(mine, its, rtol=0, atol=1e-12)


def test_a_course_follows_what_is_wanted_each_morning_and_earns_what_the_days_bring(seed: int) -> None:
    history = simulated(days_of(60, seed))
    course = run(BLIND, history, RULES, TILTED)
    held = TILTED
    for day in range(61):
        wanted = BLIND.wanted(without_account(history.features[day]))
        held = follow(wanted[np.newaxis], held, RULES)[0]
        np.testing.assert_allclose(course.weights[day], held, rtol=0, atol=1e-12)
    net, turnover = earn(course.weights[:-1], history.returns, TILTED, RULES)
    np.testing.assert_array_equal(course.net, net)
    np.testing.assert_array_equal(course.turnover, turnover)


def test_who_sees_the_account_sees_what_the_course_so_far_made_of_it(seed: int) -> None:
    history = simulated(days_of(60, seed))
    course = run(SEEING, history, RULES)
    account = AccountState.opened(1)
    for day in range(61):
        row = whole_rows(history.features[day], portfolio_features(account, RULES.floor)[0])
        before = EQUAL if day == 0 else course.weights[day - 1]
        expected = follow(SEEING.wanted(row)[np.newaxis], before, RULES)[0]
        # Of what the account pays, the course leaves out what it takes to keep weights that drift apart.
        np.testing.assert_allclose(course.weights[day], expected, rtol=0, atol=1e-4)
        if day < 60:
            account = account.after(course.weights[day : day + 1], course.net[day : day + 1])
    assert np.abs(course.weights - run(looking_away(BLIND), history, RULES).weights).max() > 0.01


@both
def test_a_day_changes_no_weight_up_to_it_and_those_after_it(chosen: Policy, seed: int) -> None:
    returns = days_of(80, seed)
    course = run(chosen, simulated(returns), RULES)
    for day in (0, 30, 79):
        changed = returns.copy()
        changed[day] = np.linspace(-0.1, 0.1, 8)
        other = run(chosen, simulated(changed), RULES)
        np.testing.assert_array_equal(other.weights[: day + 1], course.weights[: day + 1])
        np.testing.assert_array_equal(other.net[:day], course.net[:day])
        assert np.abs(other.weights[day + 1] - course.weights[day + 1]).max() > 1e-4


def test_a_course_goes_on_from_any_of_its_mornings(seed: int) -> None:
    history = simulated(days_of(80, seed))
    whole = run(BLIND, history, RULES)
    rest = run(BLIND, history.between(50, 80), RULES, whole.weights[49])
    np.testing.assert_allclose(rest.weights, whole.weights[50:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(rest.net[1:], whole.net[51:], rtol=0, atol=1e-12)


@both
def test_weights_are_within_the_bounds_on_each_day(chosen: Policy, seed: int) -> None:
    sure = replace(chosen, residual=50.0 * chosen.residual)
    weights = run(sure, simulated(days_of(80, seed)), RULES).weights
    assert weights.min() >= RULES.floor - 1e-12 and weights.max() <= RULES.cap + 1e-12
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-9)


@both
def test_without_days_there_is_a_first_morning(chosen: Policy) -> None:
    course = run(chosen, simulated(np.empty((0, 8))), RULES)
    assert course.weights.shape == (1, 8) and course.net.shape == course.turnover.shape == (0,)


def test_holding_trades_back_what_drifted_apart_and_no_more(seed: int) -> None:
    history = simulated(days_of(50, seed))
    course = hold(history, RULES, TILTED)
    np.testing.assert_array_equal(course.weights, np.tile(TILTED, (51, 1)))
    grown = TILTED * (1.0 + history.returns)
    drift = np.abs(grown / grown.sum(axis=1, keepdims=True) - TILTED).sum(axis=1)
    np.testing.assert_allclose(course.turnover, [0.0, *drift[:-1]], rtol=0, atol=1e-12)
    gross = history.returns @ TILTED
    np.testing.assert_allclose(course.net, (1 + gross) * (1 - 5e-4 * course.turnover) - 1, rtol=0, atol=1e-12)


def test_a_policy_that_knows_nothing_holds_equal_weights() -> None:
    history = simulated(np.zeros((40, 8)))
    for mine, its in zip(run(untrained(), history, RULES), hold(history, RULES), strict=True):
        np.testing.assert_allclose(mine, its, rtol=0, atol=1e-12)


def test_who_does_not_look_at_the_account_is_shown_zeros_in_its_place(seed: int) -> None:
    history = simulated(days_of(5, seed))
    rows = without_account(history.features)
    assert rows.shape == (6, len(FEATURES)) and not rows[:, PORTFOLIO].any()
    np.testing.assert_array_equal(np.delete(rows, np.arange(len(FEATURES))[PORTFOLIO], axis=1), history.features)


def test_the_settings_say_how_weights_move() -> None:
    config = Config(
        bounds=Bounds(floor=0.01, cap=0.5),
        rebalancing=Rebalancing(inertia=0.3, max_turnover=0.4, cost_bps=7.0),
    )
    assert rules_of(config) == Rules(floor=0.01, cap=0.5, inertia=0.3, max_turnover=0.4, cost_bps=7.0)
    assert rules_of(Config()) == Rules()
