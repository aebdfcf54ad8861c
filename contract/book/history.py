"""Rows -> the daily book (`daily`), one block of rows after the other, in the time that the new rows take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, tzinfo
from typing import NamedTuple

import numpy as np

from contract.book.blocks import CLOSE, NO_SIDE, SELL, UNATTRIBUTED, Trades
from contract.book.bytewise import NO_TIME, Floats, Integers
from contract.book.capital import Capital, Published, capital_of, equity_of
from contract.book.daily import NO_CLOSINGS, UNKNOWN_ENTRY, BookKind, Closings, DailyBook
from contract.book.days import book_days, day_number
from contract.book.fingerprint import Fingerprint
from contract.book.grouping import run_starts
from contract.book.lots import Fills, OpenLots
from contract.book.marks import Marks
from contract.book.repeats import SeenHashes
from contract.book.sums import EVERY, KeyedSums
from contract.schema.names import STRATEGIES

_COUNT = len(STRATEGIES)
_STRATEGY_BITS = 4
_HELD_BITS = 23
_NOT_KNOWN = (1 << _HELD_BITS) - 1  # held for more days than the calendar has: the entry is not known
_NEVER = 1 << 62  # later than any day
_LAST_DECIMAL = 1e-5  # what two ways of writing one amount of money may differ by


class Book:
    """All that is remembered of the rows so far: some sums for each day, and the positions that are open.

    Amounts are added in the order of the file, so that it does not matter how the rows were cut into blocks, nor
    whether they came at once or over years; only the shares of what closed several lots are rounded. A late row counts
    on its own day.

    When a profit's position was opened is told by the row's `entry_time`; else by what it closed of what earlier rows
    opened (`lots`); else, where the row opens a position itself, by its own day (it is a fee, as a rule). Any
    other row stands for a whole trade whose entry is not known. A strategy's capital is one number a day: the mean of
    what its rows say that open a position, or stand for a whole trade.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.rows = 0
        self.trades = 0
        """Rows with a profit or a loss."""
        self.unattributed = 0
        self.duplicates = 0
        self.last_time: int | None = None
        """The latest of all rows, in microseconds since 1970, UTC."""
        self._zone = zone
        self._lots = OpenLots()
        self._fingerprint = Fingerprint()
        self._ids = SeenHashes()
        self._results = KeyedSums(3)  # day, strategy -> pnl, trades, wins
        self._closed = KeyedSums(1)  # day of the close, days held, strategy -> pnl
        self._stated = KeyedSums(2)  # day, strategy -> capital, how many rows said so
        self._equity: dict[int, tuple[int, float]] = {}  # day -> time of the row that said it, equity
        self._changed_from = EVERY  # the first day that rows were about since `daily` was last asked
        self._before: _Before | None = None

    def add(self, trades: Trades) -> None:
        """Take further rows, in the order of the file."""
        repeated = self._ids.repeats(trades.id)
        if repeated.any():
            self.duplicates += int(repeated.sum())
            trades = trades.take(~repeated)
        if not len(trades.time):
            return
        day = book_days(trades.time, self._zone)
        self._changed_from = min(self._changed_from, int(day.min()))
        traded = trades.pnl != 0
        own = trades.strategy != UNATTRIBUTED
        self._results.add(_key(day, trades.strategy), trades.pnl, traded, trades.pnl > 0)
        self._take_equity(day, trades)
        if own.all():
            self._take_own(day, trades)
        elif own.any():
            self._take_own(day[own], trades.take(own))
        self._fingerprint.add(trades)
        self.rows += len(day)
        self.trades += int(traded.sum())
        self.unattributed += len(day) - int(own.sum())
        self.last_time = max(int(trades.time.max()), NO_TIME if self.last_time is None else self.last_time)

    def sha256(self) -> str:
        """The `Fingerprint` of the rows, without repeated ones."""
        return self._fingerprint.sha256()

    def daily(
        self,
        initial_equity: float,
        equity_of_day: Mapping[date, float] | None = None,
        published: Published | None = None,
        marks: Marks | None = None,
    ) -> DailyBook:
        """The book as it stands; where there are marks, of the days that they mark.

        `equity_of_day`: what the account was worth at the end of a day, for days on which no row says it. `published`:
        the weights that were in force when a day began.

        Asked the same again, it computes the days that further rows are about and takes the others as they were.
        """
        asked = (initial_equity, dict(equity_of_day or {}), dict(published or {}), marks or None)
        before = self._before if self._before and self._before.asked == asked else None
        rows, kept = self._rows(marks, asked[1], before)
        account_pnl = rows.pnl.sum(axis=1) if marks else rows.results[0].sum(axis=1)
        equity = equity_of(account_pnl, rows.marked, initial_equity)
        capital = capital_of(rows.days, rows.stated, asked[2], equity.opening)
        had = np.where(np.isfinite(rows.stated), rows.stated, capital.entered) if marks else capital.entered
        if marks:
            closings, returns = NO_CLOSINGS, rows.pnl / had
        else:
            closings, returns = self._closings(rows.days, capital, kept, before.book if before else None)
        counts = rows.results[1:].astype(np.int64)
        book = DailyBook(
            kind=BookKind.MARKS if marks else BookKind.TRADES,
            dates=rows.days.astype("M8[D]"),
            pnl=rows.pnl,
            capital=had,
            returns=returns,
            trades=counts[0, :, :_COUNT],
            wins=counts[1, :, :_COUNT],
            closings=closings,
            account_pnl=account_pnl,
            account_opening=equity.opening,
            account_equity=equity.closing,
            account_trades=counts[0].sum(axis=1),
            account_wins=counts[1].sum(axis=1),
        )
        self._before = _Before(asked, rows, book)
        return book

    def _rows(
        self, marks: Marks | None, equity_of_day: Mapping[date, float], before: _Before | None
    ) -> tuple[_Rows, int]:
        """What the rows say of each day; and of how many days, from the first on, it is what they said before."""
        since, kept = EVERY, 0
        if before:
            changed = min(self._changed_from, marks.changed_from if marks else _NEVER)
            # What is said of a day without rows counts on the day before it.
            kept = max(int(np.searchsorted(before.rows.days, changed)) - 1, 0)
            since = int(before.rows.days[kept]) if kept else EVERY
        if marks:
            days, pnl, stated = marks.by_day(since)
            results = self._results_on(days, since)
        else:
            days = np.unique(_unpacked(self._results.by_key(_first_key(since))[0])[0])
            results = self._results_on(days, since)
            pnl, stated = results[0, :, :_COUNT], self._stated_on(days, since)
        rows = _Rows(days, results, pnl, stated, self._equity_on(days, equity_of_day))
        if before and kept:
            first_mark_is_new = np.isfinite(rows.marked).any() and not np.isfinite(before.rows.marked[:kept]).any()
            if first_mark_is_new:  # from which the equity of all days before follows
                return self._rows(marks, equity_of_day, None)
            rows = before.rows.up_to(kept).followed_by(rows)
        self._changed_from = _NEVER
        if marks:
            marks.changed_from = _NEVER
        return rows, kept

    def _take_equity(self, day: Integers, trades: Trades) -> None:
        """Of each day the equity that the latest row states; of rows at the same time, the last in the file."""
        stated = np.flatnonzero(np.isfinite(trades.equity))
        if not len(stated):
            return
        stated = stated[np.argsort(trades.time[stated], kind="stable")]
        last = stated[np.append(run_starts(day[stated])[1:], len(stated)) - 1]
        columns = (column[last].tolist() for column in (day, trades.time, trades.equity))
        for of_day, time, equity in zip(*columns, strict=True):
            if of_day not in self._equity or time >= self._equity[of_day][0]:
                self._equity[of_day] = time, equity

    def _take_own(self, day: Integers, trades: Trades) -> None:
        """Take rows whose strategy is known: when was opened what they closed, and on what capital?"""
        is_fill = (trades.side != NO_SIDE) & (np.abs(trades.qty) > 0)
        fills: Integers | slice = slice(None) if is_fill.all() else np.flatnonzero(is_fill)
        matches, fill_opens = self._lots.match(_as_fills(day[fills], trades.take(fills)))
        matched = np.arange(len(day))[fills][matches.fill]
        opens, closes = np.zeros((2, len(day)), np.bool_)
        opens[fills], closes[matched] = fill_opens, True
        whole = ~opens & ~closes
        dated = trades.entry_time != NO_TIME
        entry = np.where(opens, day, day - _NOT_KNOWN)
        entry[dated] = np.minimum(book_days(trades.entry_time[dated], self._zone), day[dated])

        states = (trades.capital > 0) & (opens | whole)
        had_on = np.where(whole & dated, entry, day)[states]
        self._changed_from = min(self._changed_from, int(had_on.min(initial=_NEVER)))
        self._stated.add(_key(had_on, trades.strategy[states]), trades.capital[states], np.ones(len(had_on)))

        traded = trades.pnl != 0
        single = np.flatnonzero(traded & (dated | ~closes))
        self._close(day[single], entry[single], trades.strategy[single], trades.pnl[single])
        split = np.flatnonzero((traded & ~dated)[matched])
        matched = matched[split]
        entry = np.minimum(matches.entry_day[split], day[matched])
        self._close(day[matched], entry, trades.strategy[matched], trades.pnl[matched] * matches.share[split])

    def _close(self, day: Integers, entry: Integers, strategy: Integers, pnl: Floats) -> None:
        self._closed.add(_key(day << _HELD_BITS | day - entry, strategy), pnl)

    def _results_on(self, days: Integers, since: int) -> Floats:
        """Pnl, trades and wins as `(3, days, 9)`: what belongs to no strategy comes last."""
        keys, sums = self._results.by_key(_first_key(since))
        day, strategy = _unpacked(keys)
        known = np.isin(day, days)
        results = np.zeros((len(sums), len(days), _COUNT + 1))
        results[:, np.searchsorted(days, day[known]), strategy[known]] = sums[:, known]  # UNATTRIBUTED, -1, is the last
        return results

    def _stated_on(self, days: Integers, since: int) -> Floats:
        """The mean capital that rows state for each day, or for the days after it without any row; `(days, 8)`."""
        keys, sums = self._stated.by_key(_first_key(since))
        day, strategy = _unpacked(keys)
        row = np.searchsorted(days, day, side="right") - 1
        inside = row >= 0
        total, rows = np.zeros((2, len(days), _COUNT))
        np.add.at(total, (row[inside], strategy[inside]), sums[0, inside])
        np.add.at(rows, (row[inside], strategy[inside]), sums[1, inside])
        return np.where(rows > 0, total / np.maximum(rows, 1), np.nan)

    def _equity_on(self, days: Integers, equity_of_day: Mapping[date, float]) -> Floats:
        known = {day_number(day): equity for day, equity in equity_of_day.items()} if len(days) else {}
        known.update({day: self._equity[day][1] for day in days.tolist() if day in self._equity})
        return np.array([known.get(day, np.nan) for day in days.tolist()], np.float64)

    def _closings(
        self, days: Integers, capital: Capital, kept: int, before: DailyBook | None
    ) -> tuple[Closings, Floats]:
        """All closings, and the sum of each strategy's returns on each day `(days, 8)`."""
        since = int(days[kept]) if kept else EVERY
        keys, (pnl,) = self._closed.by_key(_first_key(max(since, EVERY >> _HELD_BITS) << _HELD_BITS))
        closed_and_held, strategy = _unpacked(keys)
        closed = closed_and_held >> _HELD_BITS
        day = np.searchsorted(days, closed)
        # What was opened before the book begins comes out as -1: not known either.
        entry = np.searchsorted(days, closed - (closed_and_held & _NOT_KNOWN), side="right") - 1
        base = np.where(entry == UNKNOWN_ENTRY, capital.closed[day, strategy], capital.entered[entry, strategy])
        closings = Closings(day, entry, strategy, pnl / base)
        returns = closings.by_day(len(days))
        if before and kept:
            returns[:kept] = before.returns[:kept]
            old = before.closings
            count = int(np.searchsorted(old.day, kept))
            closings = Closings(*(np.concatenate((one[:count], two)) for one, two in zip(old, closings, strict=True)))
        return closings, returns


class _Rows(NamedTuple):
    """What the rows say of each day."""

    days: Integers
    results: Floats
    """`(3, days, 9)`"""
    pnl: Floats
    stated: Floats
    marked: Floats

    def up_to(self, count: int) -> _Rows:
        days, results, *rest = self
        return _Rows(days[:count], results[:, :count], *(part[:count] for part in rest))

    def followed_by(self, later: _Rows) -> _Rows:
        axes = (0, 1, 0, 0, 0)
        return _Rows(*(np.concatenate(parts, axis=axis) for *parts, axis in zip(self, later, axes, strict=True)))


class _Before(NamedTuple):
    """What was asked last, and the answer."""

    asked: tuple[object, ...]
    rows: _Rows
    book: DailyBook


def _key(number: Integers, strategy: Integers) -> Integers:
    return number << _STRATEGY_BITS | strategy + 1


def _first_key(number: int) -> int:
    """No key of this number, or of a later one, is less."""
    return max(number, EVERY >> _STRATEGY_BITS) << _STRATEGY_BITS


def _unpacked(keys: Integers) -> tuple[Integers, Integers]:
    return keys >> _STRATEGY_BITS, (keys & (1 << _STRATEGY_BITS) - 1) - 1


def _as_fills(day: Integers, trades: Trades) -> Fills:
    """What `lots` wants to know of rows with a side and a quantity.

    A row with a profit or a loss cannot open a position where none is open, unless that is its fee: the history began
    before the file, and the position that it closed is not in it.
    """
    is_fee = np.abs(trades.pnl + trades.fee) <= _LAST_DECIMAL
    return Fills(
        instrument=trades.symbol * np.uint64(_COUNT) + trades.strategy.view(np.uint64),
        quantity=np.where(trades.side == SELL, -1.0, 1.0) * np.abs(trades.qty),
        only_closes=trades.side == CLOSE,
        may_open=(trades.pnl == 0) | is_fee,
        day=day,
    )
