"""The account: by hand, against a ledger in money, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trading.allocators import ALLOCATORS
from trading.allocators.online import buy_and_hold, equal_weight
from trading.backtest import backtest, replay
from trading.simplex import InfeasibleBounds

FloatArray = NDArray[np.float64]


def random_account(seed: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    days, assets = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    return rng.uniform(-0.5, 0.5, (days, assets)), rng.dirichlet(np.ones(assets), days)


def test_two_days_by_hand() -> None:
    returns = np.array([[0.10, -0.10], [0.0, 0.20]])
    account = replay(returns, [[0.5, 0.5], [0.5, 0.5]], cost_bps=100.0)
    # Day 1: buys 1.0 for 1%, earns 0. Day 2: drifted to 0.55 / 0.45, trades 0.1 for 0.1%, earns 10%.
    assert account.turnover == pytest.approx([1.0, 0.1])
    assert account.returns == pytest.approx([-0.01, 0.999 * 1.10 - 1.0])
    assert account.wealth == pytest.approx([0.99, 0.99 * 0.999 * 1.10])


@given(seed=st.integers(0, 2**32 - 1), cost_bps=st.floats(0.0, 100.0))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_account_is_a_ledger_in_money(seed: int, cost_bps: float) -> None:
    returns, weights = random_account(seed)
    held, equity = np.zeros(returns.shape[1]), 1_000_000.0
    wealth = []
    for day, wanted in zip(returns, weights, strict=True):
        traded = np.abs(wanted * equity - held).sum()
        equity -= traded * cost_bps / 1e4
        held = wanted * equity * (1.0 + day)
        equity = held.sum()
        wealth.append(equity / 1_000_000.0)
    account = replay(returns, weights, cost_bps)
    assert account.wealth == pytest.approx(wealth, rel=1e-12)
    assert np.cumprod(1.0 + account.returns) == pytest.approx(wealth, rel=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_buy_and_hold_trades_once_and_earns_the_mean_of_its_assets(seed: int) -> None:
    returns, _ = random_account(seed)
    account = backtest(returns, buy_and_hold, cost_bps=10.0)
    assert account.turnover[0] == pytest.approx(1.0) and account.turnover[1:] == pytest.approx(0.0, abs=1e-12)
    assert account.wealth[-1] == pytest.approx(0.999 * np.prod(1.0 + returns, axis=0).mean(), rel=1e-12)


@pytest.mark.parametrize("name", ALLOCATORS)
def test_cost_never_helps_and_changes_no_weight(name: str) -> None:
    returns = 0.01 * np.random.default_rng(4).standard_normal((100, 8))
    free, charged = (backtest(returns, ALLOCATORS[name].allocate, cost_bps) for cost_bps in (0.0, 5.0))
    assert np.array_equal(free.weights, charged.weights)
    assert (charged.returns <= free.returns).all() and charged.wealth[0] < free.wealth[0]


@pytest.mark.parametrize("name", ALLOCATORS)
def test_bounds_hold_on_every_day(name: str) -> None:
    returns = 0.05 * np.random.default_rng(5).standard_normal((200, 8))
    account = backtest(returns, ALLOCATORS[name].allocate, bounds=(0.02, 0.35))
    assert account.weights.min() >= 0.02 and account.weights.max() <= 0.35
    assert account.weights.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


def test_bounds_that_nothing_can_satisfy_are_refused() -> None:
    with pytest.raises(InfeasibleBounds):
        backtest(np.zeros((3, 2)), equal_weight, bounds=(0.6, 0.9))


@pytest.mark.parametrize("value", [-1.0, -2.0, math.nan, math.inf])
def test_a_return_that_cannot_be_is_named(value: float) -> None:
    returns = np.zeros((4, 3))
    returns[2, 1] = value
    with pytest.raises(ValueError, match=r"on day 2 of asset 1: needs a finite fraction above -1"):
        backtest(returns, equal_weight)


@pytest.mark.parametrize("returns", [np.zeros(4), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((2, 2, 2))])
def test_returns_of_another_shape_are_refused(returns: FloatArray) -> None:
    with pytest.raises(ValueError, match="needs days x assets"):
        backtest(returns, equal_weight)


@pytest.mark.parametrize("cost_bps", [-1.0, math.nan, math.inf])
def test_a_cost_that_cannot_be_is_refused(cost_bps: float) -> None:
    with pytest.raises(ValueError, match="bps"):
        backtest(np.zeros((4, 3)), equal_weight, cost_bps)


def test_weights_for_other_days_are_refused() -> None:
    with pytest.raises(ValueError, match="the same days and assets"):
        replay(np.zeros((4, 3)), np.full((3, 3), 1 / 3))
