from __future__ import annotations

import numpy as np
import pytest

from contract.book.daily import NO_CLOSINGS, UNKNOWN_ENTRY, BookKind, Closings, DailyBook

DAYS = 30


def book_of(closings: Closings, kind: BookKind = BookKind.TRADES) -> DailyBook:
    nothing, none = np.zeros((DAYS, 8)), np.zeros(DAYS)
    return DailyBook(
        kind=kind,
        dates=np.arange(DAYS).astype("M8[D]"),
        pnl=nothing,
        capital=nothing + 1,
        returns=closings.by_day(DAYS),
        trades=nothing.astype(np.int64),
        wins=nothing.astype(np.int64),
        closings=closings,
        account_pnl=none,
        account_opening=none,
        account_equity=none,
        account_trades=none.astype(np.int64),
        account_wins=none.astype(np.int64),
    )


def closings(*rows: tuple[int, int, int, float]) -> Closings:
    day, entry, strategy, returned = zip(*rows, strict=True)
    return Closings(np.array(day), np.array(entry), np.array(strategy), np.array(returned))


WEIGHTS = np.arange(DAYS * 8, dtype=np.float64).reshape(DAYS, 8)


def test_a_profit_is_earned_with_the_weight_of_its_entry() -> None:
    earned = book_of(closings((5, 2, 0, 0.1), (5, 3, 7, 0.2), (5, 3, 7, 0.3), (9, 9, 1, 1.0))).earned(WEIGHTS)
    expected = 0.1 * WEIGHTS[2, 0] + 0.5 * WEIGHTS[3, 7]
    assert earned[[5, 9]] == pytest.approx([expected, WEIGHTS[9, 1]])
    assert np.count_nonzero(earned) == 2


@pytest.mark.parametrize(("day", "since"), [(0, 0), (5, 0), (19, 0), (20, 1), (29, 10)])
def test_where_the_entry_is_not_known_it_is_the_mean_weight_of_twenty_days(day: int, since: int) -> None:
    earned = book_of(closings((day, UNKNOWN_ENTRY, 3, 2.0))).earned(WEIGHTS)
    assert earned[day] == pytest.approx(2 * WEIGHTS[since : day + 1, 3].mean())


def test_in_a_book_of_marks_each_day_stands_for_itself() -> None:
    of_marks = book_of(closings((4, 1, 0, 0.5), (4, UNKNOWN_ENTRY, 1, 0.25)), BookKind.MARKS)
    assert of_marks.earned(WEIGHTS)[4] == pytest.approx(0.5 * WEIGHTS[4, 0] + 0.25 * WEIGHTS[4, 1])


def test_nothing_closed_earns_nothing() -> None:
    assert not book_of(NO_CLOSINGS).earned(WEIGHTS).any()
