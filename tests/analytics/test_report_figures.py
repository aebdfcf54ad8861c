"""The figures of accounts, against the plainest way of finding them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import figures
from contract.config import Tracker
from trading import metrics

RETURNS = st.lists(st.sampled_from([-0.1, -0.01, 0.0, 0.01, 0.2]), min_size=1, max_size=30)


@settings(derandomize=True, deadline=None)
@given(RETURNS)
def test_drawdowns_are_the_stretches_below_an_earlier_peak(returns: list[float]) -> None:
    dates = np.datetime64("2026-01-01") + np.arange(len(returns))
    found = figures.drawdowns(np.array(returns), dates, most=100)
    wealth, peak, below = 1.0, 1.0, []
    for earned in returns:
        wealth *= 1.0 + earned
        peak = max(peak, wealth)
        below.append(1.0 - wealth / peak > 1e-12)
    assert sum(fall["days"] for fall in found) == sum(below)
    assert [fall["depth"] for fall in found] == sorted((fall["depth"] for fall in found), reverse=True)
    deepest = float(metrics.max_drawdown(metrics.wealth_of(returns)))
    assert max([fall["depth"] for fall in found], default=0.0) == pytest.approx(deepest, abs=1e-12)
    assert sum(fall["last_day"] is None for fall in found) == int(below[-1])
    for fall in found:
        assert fall["first_day"] <= fall["lowest_day"] <= (fall["last_day"] or "9999")


def test_a_drawdown_says_when_it_began_was_deepest_and_ended() -> None:
    dates = np.datetime64("2026-01-01") + np.arange(6)
    net = np.array([0.1, -0.1, -0.1, 0.1, 0.2, -0.01])
    first, second = figures.drawdowns(net, dates)
    assert first == {
        "depth": pytest.approx(0.19),
        "first_day": "2026-01-02",
        "lowest_day": "2026-01-03",
        "last_day": "2026-01-04",
        "days": 3,
    }
    assert second["last_day"] is None


@settings(derandomize=True, deadline=None)
@given(RETURNS, st.integers(2, 10))
def test_the_rolling_ratio_is_that_of_each_window(returns: list[float], window: int) -> None:
    net = np.array(returns)
    found = figures.rolling_sharpe(net, window, 252.0)
    for day in range(len(net)):
        if day + 1 < window:
            assert np.isnan(found[day])
        else:
            assert found[day] == pytest.approx(float(metrics.sharpe(net[day + 1 - window : day + 1])))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2000), st.integers(2, 300))
def test_sampled_days_are_in_order_and_end_with_the_last(days: int, most: int) -> None:
    places = figures.sampled(days, most)
    assert len(places) == min(days, most)
    if days:
        assert places[-1] == days - 1
        assert np.all(np.diff(places) > 0)


def test_figures_that_are_not_known_are_none() -> None:
    for net in (np.array([]), np.array([0.01]), np.array([0.01, np.nan, 0.02])):
        found = figures.account_figures(net, np.zeros(len(net)), 5.0, 252.0)
        assert found["sharpe"] is None and found["volatility"] is None
        assert all(value is None or np.isfinite(value) for value in found.values())


def test_the_cost_is_that_of_the_turnover() -> None:
    net = np.array([0.01, -0.01, 0.02, 0.0])
    found = figures.account_figures(net, np.full(4, 0.1), 5.0, 252.0)
    assert found["turnover_a_day"] == pytest.approx(0.1)
    assert found["cost_a_year"] == pytest.approx(0.1 * 5e-4 * 252)


def test_intervals_hold_the_figure_and_the_first_is_not_ahead_of_itself() -> None:
    net = np.random.default_rng(1).normal(0.0005, 0.01, (3, 400))
    found = figures.sharpe_intervals(net, np.random.default_rng(0), Tracker(draws=400), 252.0)
    for interval, ratio in zip(found.own, metrics.sharpe(net), strict=True):
        assert interval.low < ratio < interval.high
    assert found.first_ahead[0] == (0.0, 0.0)
    assert all(interval.low < interval.high for interval in found.first_ahead[1:])


def test_the_band_holds_the_middle_of_what_luck_makes() -> None:
    net = np.random.default_rng(1).normal(0.0005, 0.01, 300)
    places = figures.sampled(300, 10)
    low, high = figures.wealth_band(net, np.random.default_rng(0), Tracker(), places)
    final = metrics.wealth_of(net)[1:][places]
    assert np.all(low < high)
    assert low[-1] < final[-1] < high[-1]
    nothing = figures.wealth_band(np.array([np.nan] * 5), np.random.default_rng(0), Tracker(), figures.sampled(5))
    assert np.isnan(nothing).all()
