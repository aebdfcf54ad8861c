"""Ranking: how far a ratio is believed, who is retired, and that any record gives valid weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trading.metrics import max_drawdown, sharpe, sharpe_estimate, wealth_of
from trading.strategy_ranking import SHARPE_SD, RetirementRule, Standing, rank

FloatArray = NDArray[np.float64]
Counts = NDArray[np.int64]

YEAR = 252


def history(seed: int, days: int = 250, n: int = 8) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.standard_t(5, (days, n)) * rng.uniform(0.002, 0.02, n) + rng.normal(0, 0.001, n)


def counts(days: int, n: int, per_day: int = 1) -> Counts:
    return np.full((days, n), per_day, dtype=np.int64)


def standings(returns: FloatArray, trades: int = 1, wins: int = 1) -> tuple[Standing, ...]:
    days, n = returns.shape
    return rank(returns, counts(days, n, trades), counts(days, n, wins), YEAR).standings


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(20, 1000))
def test_the_expected_ratio_is_the_mean_of_what_it_may_be(seed: int, days: int) -> None:
    """The posterior mean of a normal prior and a normal error, integrated on a grid."""
    returns = history(seed, days, 2)
    for column, standing in zip(returns.T, standings(returns), strict=True):
        seen = sharpe_estimate(column, YEAR)
        grid = np.linspace(-6, 6, 20_001)
        density = np.exp(
            -0.5 * (grid / SHARPE_SD) ** 2 - 0.5 * ((grid - seen.sharpe) / seen.standard_error) ** 2
        )
        assert standing.sharpe == pytest.approx(float(sharpe(column, YEAR)))
        assert standing.expected_sharpe == pytest.approx(float(grid @ density / density.sum()), abs=1e-6)


def test_the_longer_a_record_the_more_it_is_believed() -> None:
    year = history(4, 250, 1)
    believed = []
    for years in (1, 4, 16):
        [standing] = standings(np.tile(year, (years, 1)))
        believed.append(standing.expected_sharpe / standing.sharpe)
    assert 0.1 < believed[0] < 0.25 < believed[1] < 0.5 < believed[2] < 0.85


def test_a_record_is_measured_as_everywhere_else() -> None:
    returns = history(5)
    for column, standing in zip(returns.T, standings(returns, trades=4, wins=3), strict=True):
        assert standing.sharpe == pytest.approx(float(sharpe(column, YEAR)))
        assert standing.drawdown == pytest.approx(float(max_drawdown(wealth_of(column))))
        assert (standing.trades, standing.win_rate) == (1000, 0.75)


@pytest.mark.parametrize(
    ("record", "faults"),
    [
        ((0.3, 0.4, 0.3, 20), ""),
        ((0.29, 0.4, 0.3, 20), "Sharpe 0.29 < 0.3"),
        ((0.3, 0.39, 0.3, 20), "win rate 39% < 40%"),
        ((0.3, 0.4, 0.31, 20), "drawdown 31% > 30%"),
        ((-1.0, 0.1, 0.9, 20), "Sharpe -1.00 < 0.3, win rate 10% < 40%, drawdown 90% > 30%"),
        ((-1.0, 0.1, 0.9, 19), ""),
        ((-1.0, None, 0.9, 0), ""),
    ],
)
def test_the_rule_of_retirement(record: tuple[float, float | None, float, int], faults: str) -> None:
    assert RetirementRule().faults(*record) == faults


def test_the_retired_get_nothing_and_the_better_get_more() -> None:
    rng = np.random.default_rng(0)
    white = rng.normal(size=(250, 4))
    white = (white - white.mean(axis=0)) / white.std(axis=0)
    returns = 0.01 * white + np.array([2.0, -2.0, 1.0, 3.0]) * 0.01 / np.sqrt(YEAR)
    found = rank(returns, counts(250, 4), counts(250, 4), YEAR)
    assert found.best_first == (3, 0, 2)
    assert [bool(standing.faults) for standing in found.standings] == [False, True, False, False]
    assert found.weights[1] == 0.0 and found.weights[3] > found.weights[0] > found.weights[2] > 0
    ratio = found.standings[3].expected_sharpe - found.standings[0].expected_sharpe
    assert found.weights[3] / found.weights[0] == pytest.approx(np.exp(ratio))
    assert not found.all_at_fault


def test_without_enough_trades_nobody_is_retired() -> None:
    returns = -np.abs(history(7, 60))
    trades = counts(60, 8, 0)
    trades[:19] = 1
    found = rank(returns, trades, 0 * trades, YEAR)
    assert [standing.faults for standing in found.standings] == [""] * 8
    assert [standing.win_rate for standing in found.standings] == [0.0] * 8
    trades[19] = 1
    assert rank(returns, trades, 0 * trades, YEAR).all_at_fault


def test_where_all_have_faults_nobody_is_retired_and_all_get_the_same() -> None:
    returns = history(8) - 0.02
    found = rank(returns, counts(250, 8), counts(250, 8), YEAR)
    assert found.all_at_fault
    assert (found.weights == 1 / 8).all()
    assert sorted(found.best_first) == list(range(8))


def test_days_that_cannot_be_believed_do_not_count_nor_do_their_trades() -> None:
    returns = history(9)
    trades, wins = counts(250, 8, 3), counts(250, 8, 2)
    broken = returns.copy()
    broken[[10, 20], [0, 3]] = np.nan, 1e30
    kept = np.delete(np.arange(250), [10, 20])
    expected = rank(returns[kept], trades[kept], wins[kept], YEAR)
    found = rank(broken, trades, wins, YEAR)
    assert found.standings == expected.standings and (found.weights == expected.weights).all()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.permutations(range(8)))
def test_the_order_of_the_columns_does_not_matter(seed: int, order: list[int]) -> None:
    returns = history(seed, 100)
    trades = np.random.default_rng(seed).integers(0, 2, (100, 8))
    found = rank(returns, trades, trades, YEAR)
    moved = rank(returns[:, order], trades[:, order], trades[:, order], YEAR)
    assert moved.weights == pytest.approx(found.weights[order], abs=1e-12)
    assert [order[column] for column in moved.best_first] == list(found.best_first)


odd = st.one_of(st.floats(-0.1, 0.1), st.sampled_from([0.0, -1.0, -3.0, 1e-300, 99.0, -99.0]))


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.integers(2, 8), st.lists(st.lists(odd, min_size=8, max_size=8), min_size=2, max_size=60), st.data())
def test_any_record_gives_valid_weights(n: int, rows: list[list[float]], data: st.DataObject) -> None:
    returns = np.array(rows)[:, :n]
    if data.draw(st.booleans()):
        returns[:] = returns[0]
    trades = data.draw(st.integers(0, 3)) * np.ones(returns.shape, dtype=np.int64)
    found = rank(returns, trades, trades // 2, YEAR)
    assert (found.weights >= 0).all() and found.weights.sum() == pytest.approx(1, abs=1e-12)
    figures = [(s.sharpe, s.expected_sharpe, s.drawdown, s.win_rate or 0.0) for s in found.standings]
    assert np.isfinite(figures).all()
    assert all(abs(s.expected_sharpe) <= abs(s.sharpe) and 0 <= s.drawdown <= 1 for s in found.standings)
    ranked = [found.standings[column].expected_sharpe for column in found.best_first]
    assert ranked == sorted(ranked, reverse=True)
    retired = {column for column in range(n) if found.weights[column] == 0}
    assert retired == set(range(n)) - set(found.best_first)


def test_wealth_beyond_any_number_counts_as_lost() -> None:
    [standing] = standings(np.tile([[99.0], [99.5]], (100, 1)))
    assert standing.drawdown == 1.0
