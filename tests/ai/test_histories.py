"""Histories: what each day is said to have brought, and that no stretch of one knows what comes after it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.account import LARGEST_GAIN, LARGEST_LOSS
from ai.feature_table import SHARED
from ai.features import shared_features
from ai.histories import History, decided_returns, history_of, resampled, simulated
from ai.smoothing import FloatArray
from contract.book.daily import NO_CLOSINGS, UNKNOWN_ENTRY, BookKind, Closings, DailyBook

derandomised = settings(derandomize=True, max_examples=100, deadline=None)

DAYS = 12


def book_of_trades(*rows: tuple[int, int, int, float]) -> DailyBook:
    """Of closings (day, entry, strategy, returned)."""
    if not rows:
        return book(BookKind.TRADES, np.zeros((DAYS, 8)), NO_CLOSINGS)
    day, entry, strategy = np.array([row[:3] for row in rows]).T
    closings = Closings(day, entry, strategy, np.array([row[3] for row in rows]))
    return book(BookKind.TRADES, closings.by_day(DAYS), closings)


def book_of_marks(returns: FloatArray) -> DailyBook:
    return book(BookKind.MARKS, returns, NO_CLOSINGS)


def book(kind: BookKind, returns: FloatArray, closings: Closings) -> DailyBook:
    none, counts = np.zeros(len(returns)), np.zeros(len(returns), np.int64)
    return DailyBook(
        kind=kind,
        dates=np.datetime64("2024-01-01") + np.arange(len(returns)),
        pnl=returns,
        capital=np.ones_like(returns),
        returns=returns,
        trades=(returns != 0).astype(np.int64),
        wins=(returns > 0).astype(np.int64),
        closings=closings,
        account_pnl=none,
        account_opening=none,
        account_equity=none,
        account_trades=counts,
        account_wins=counts,
    )


def noise(days: int, seed: int) -> FloatArray:
    return np.asarray(0.01 * np.random.default_rng(seed).standard_normal((days, 8)))


def assert_same(one: History, other: History) -> None:
    for name, mine, its in zip(History._fields, one, other, strict=True):
        np.testing.assert_array_equal(mine, its, err_msg=name)


@st.composite
def closings_with_entries(draw: st.DrawFn) -> list[tuple[int, int, int, float]]:
    days = st.integers(0, DAYS - 1)
    pairs = st.tuples(days, days).map(sorted)
    # Few and small enough for no day to be worth less than the largest loss.
    rows = st.tuples(pairs, st.integers(0, 7), st.floats(-0.02, 0.02)).map(
        lambda row: (row[0][1], row[0][0], row[1], row[2])
    )
    return sorted(draw(st.lists(rows, max_size=40)))


@derandomised
@given(closings_with_entries(), st.integers(0, 99))
def test_whatever_the_weights_decided_returns_earn_the_total_of_the_book(
    rows: list[tuple[int, int, int, float]], number: int
) -> None:
    weights = np.random.default_rng(number).dirichlet(np.ones(8), DAYS)
    traded = book_of_trades(*rows)
    total = float((weights * decided_returns(traded)).sum())
    assert total == pytest.approx(float(traded.earned(weights).sum()), abs=1e-12)


def test_a_profit_stands_on_the_day_of_its_entry() -> None:
    decided = decided_returns(book_of_trades((5, 2, 0, 0.1), (5, 3, 7, 0.2), (6, 3, 7, -0.05), (9, 9, 1, 0.3)))
    assert decided[[2, 3, 9], [0, 7, 1]] == pytest.approx([0.1, 0.15, 0.3])
    assert np.count_nonzero(decided) == 3


def test_where_the_entry_is_not_known_it_stays_on_the_day_of_the_close() -> None:
    decided = decided_returns(book_of_trades((5, UNKNOWN_ENTRY, 0, 0.1), (5, 2, 0, 0.2)))
    assert decided[[2, 5], 0] == pytest.approx([0.2, 0.1])
    assert np.count_nonzero(decided) == 2


def test_in_a_book_of_marks_each_day_stands_for_itself(seed: int) -> None:
    returns = noise(DAYS, seed)
    np.testing.assert_array_equal(decided_returns(book_of_marks(returns)), returns)


def test_no_day_takes_more_than_there_is_nor_gives_without_limit() -> None:
    decided = decided_returns(book_of_trades((4, 1, 0, -0.8), (5, 1, 0, -0.8), (5, 2, 3, 1e9)))
    assert decided[1, 0] == -LARGEST_LOSS and decided[2, 3] == LARGEST_GAIN


def test_a_book_whose_trades_were_decided_on_other_days_is_left_as_it_was() -> None:
    traded = book_of_trades((5, 2, 0, 0.1))
    before = traded.returns.copy()
    decided_returns(traded)
    np.testing.assert_array_equal(traded.returns, before)


def test_a_book_as_a_history_shows_what_was_closed_and_pays_what_was_decided() -> None:
    traded = book_of_trades((5, 2, 0, 0.1), (7, UNKNOWN_ENTRY, 4, -0.1))
    history = history_of(traded)
    assert history.days == DAYS and history.features.shape == (DAYS + 1, len(SHARED))
    np.testing.assert_array_equal(history.returns, decided_returns(traded))
    np.testing.assert_array_equal(history.seen[:, 0], traded.returns)
    np.testing.assert_array_equal(history.features, shared_features(traded.returns, traded.trades, traded.wins))
    np.testing.assert_array_equal(history.dates, traded.dates)


def test_a_book_without_days_is_a_history_without_days() -> None:
    history = history_of(book_of_marks(np.empty((0, 8))))
    assert history.days == 0 and history.features.shape == (1, len(SHARED)) and history.returns.shape == (0, 8)


def test_simulated_strategies_trade_daily_and_win_when_they_gain(seed: int) -> None:
    returns = noise(30, seed)
    history = simulated(returns, trades_a_day=3.0)
    np.testing.assert_array_equal(history.returns, returns)
    np.testing.assert_array_equal(history.seen[:, 0], returns)
    np.testing.assert_array_equal(history.seen[:, 1], np.full((30, 8), 3.0))
    np.testing.assert_array_equal(history.seen[:, 2], np.where(returns > 0, 3.0, 0.0))
    assert (np.diff(history.dates) == np.timedelta64(1, "D")).all()


@pytest.mark.parametrize(("start", "stop"), [(0, 60), (0, 0), (20, 45), (59, 60), (60, 60)])
def test_a_stretch_has_the_features_of_the_whole_history_and_knows_nothing_after_it(
    start: int, stop: int, seed: int
) -> None:
    returns = noise(60, seed)
    stretch = simulated(returns).between(start, stop)
    assert stretch.days == stop - start and len(stretch.features) == stop - start + 1
    np.testing.assert_array_equal(stretch.features, simulated(returns).features[start : stop + 1])
    np.testing.assert_array_equal(stretch.returns, returns[start:stop])
    changed = returns.copy()
    changed[stop:] *= -3.0
    assert_same(simulated(changed).between(start, stop), stretch)


def test_a_stretch_of_a_stretch_is_a_stretch(seed: int) -> None:
    history = simulated(noise(60, seed))
    assert_same(history.between(10, 50).between(5, 25), history.between(15, 35))


@pytest.mark.parametrize("mean_block_days", [1.0, 20.0, 1e9])
def test_a_resampled_history_is_another_life_of_the_same_days(mean_block_days: float, seed: int) -> None:
    history = history_of(book_of_trades(*((day, day // 2, day % 8, 0.01 * (day + 1)) for day in range(DAYS))))
    again = resampled(history, np.random.default_rng(seed), mean_block_days)
    assert again.days == history.days
    known = {(seen.tobytes(), paid.tobytes()) for seen, paid in zip(history.seen, history.returns, strict=True)}
    assert {(seen.tobytes(), paid.tobytes()) for seen, paid in zip(again.seen, again.returns, strict=True)} <= known
    np.testing.assert_array_equal(again.features, shared_features(*np.moveaxis(again.seen, 1, 0)))
    np.testing.assert_array_equal(again.dates, history.dates)


def test_days_stay_together_in_blocks(seed: int) -> None:
    order = np.arange(2_000.0)
    history = simulated(np.tile(1e-6 * order[:, np.newaxis], 8))
    for mean_block_days in (5.0, 50.0):
        again = resampled(history, np.random.default_rng(seed), mean_block_days)
        steps = np.diff(np.rint(again.returns[:, 0] * 1e6)) % len(order)
        assert (steps != 1).sum() == pytest.approx(2_000 / mean_block_days, rel=0.5)


def test_a_generator_says_which_life_it_is(seed: int) -> None:
    history = simulated(noise(100, seed))
    one, same, other = (resampled(history, np.random.default_rng(number), 10.0) for number in (1, 1, 2))
    assert_same(one, same)
    assert not np.array_equal(one.returns, other.returns)
