"""The daily book of a list of trades, worked out row by row and day by day, with nothing clever about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from contract.book.blocks import BUY, CLOSE, NO_SIDE, SELL, side_of
from contract.book.capital import Published
from contract.rows import Trade
from contract.schema.names import STRATEGIES
from support.naive_lots import Closed, NaiveLots

EPOCH = date(1970, 1, 1)
UNATTRIBUTED = len(STRATEGIES)


class NaiveBook:
    def __init__(
        self, trades: list[Trade], initial_equity: float, equity_of_day: Mapping[date, float], published: Published
    ) -> None:
        self._published = published
        self.pnl: dict[tuple[date, int], float] = defaultdict(float)
        self.trades: dict[tuple[date, int], int] = defaultdict(int)
        self.wins: dict[tuple[date, int], int] = defaultdict(int)
        self._stated: dict[tuple[date, int], list[float]] = defaultdict(list)
        self._closings: dict[tuple[date, date | None, int], float] = defaultdict(float)
        self._equity: dict[date, tuple[int, float]] = {}
        self._lots = NaiveLots()
        seen: set[str] = set()
        for trade in trades:
            if trade.id is None or trade.id not in seen:
                self._take(trade)
            seen |= {trade.id} if trade.id else set()
        self.days = sorted({day for day, _ in self.pnl})
        self._set_equity(initial_equity, equity_of_day)

    def _take(self, trade: Trade) -> None:
        day = _day(trade.time)
        strategy = UNATTRIBUTED if trade.strategy is None else STRATEGIES.index(trade.strategy)
        self.pnl[day, strategy] += trade.pnl
        self.trades[day, strategy] += trade.pnl != 0
        self.wins[day, strategy] += trade.pnl > 0
        if trade.equity is not None and trade.time >= self._equity.get(day, (trade.time, 0.0))[0]:
            self._equity[day] = trade.time, trade.equity
        if trade.strategy is None:
            return
        fill = self._fill(trade, day)
        whole = not fill.shares and not fill.opens
        entries: dict[date | None, float] = {EPOCH + timedelta(days=days): part for days, part in fill.shares.items()}
        if trade.entry_time is not None:
            entries = {min(_day(trade.entry_time), day): 1.0}
        elif not fill.shares:
            entries = {day if fill.opens else None: 1.0}
        if trade.capital is not None and trade.capital > 0 and (fill.opens or whole):
            had_on = next(iter(entries)) if whole else day
            self._stated[had_on or day, strategy].append(trade.capital)
        for entry, share in entries.items():
            if trade.pnl != 0:
                self._closings[day, entry and min(entry, day), strategy] += share * trade.pnl

    def _fill(self, trade: Trade, day: date) -> Closed:
        side = side_of(trade.side or "")
        if side == NO_SIDE or not trade.qty:
            return Closed({}, False)
        fee_only = trade.fee is not None and abs(trade.pnl + trade.fee) < 1e-5
        quantity = abs(trade.qty) * (-1 if side == SELL else 1)
        assert side in (BUY, SELL, CLOSE)
        instrument = trade.strategy, trade.symbol
        return self._lots.take(instrument, quantity, side == CLOSE, trade.pnl == 0 or fee_only, (day - EPOCH).days)

    def _set_equity(self, initial_equity: float, equity_of_day: Mapping[date, float]) -> None:
        known = dict(equity_of_day) | {day: equity for day, (_, equity) in self._equity.items()}
        account = {day: sum(self.pnl[day, strategy] for strategy in range(UNATTRIBUTED + 1)) for day in self.days}
        first_known = next((day for day in self.days if day in known), None)
        equity = initial_equity
        if first_known is not None:
            equity = known[first_known] - sum(account[day] for day in self.days if day <= first_known)
        self.account_pnl, self.opening, self.closing = account, {}, {}
        for day in self.days:
            self.opening[day] = equity
            equity = known.get(day, equity + account[day])
            self.closing[day] = equity

    def capital(self, day: date, strategy: int, entry_known: bool) -> float:
        peak = max([1.0, *(0.01 * self.opening[earlier] for earlier in self.days if earlier <= day)])
        equity = max(self.opening[day], peak)
        recent = [weights[strategy] for when, weights in self._published.items() if 0 <= (day - when).days < 20]
        if stated := self._stated_for(day, strategy):
            capital = sum(stated) / len(stated)
        elif entry_known and day in self._published:
            capital = self._published[day][strategy] * equity
        else:
            capital = (sum(recent) / len(recent) if recent else 1 / 8) * equity
        return max(capital, 0.02 * equity)

    def closings(self) -> dict[tuple[int, int, int], float]:
        """(index of the day of the close, of the entry or -1, strategy) -> return."""
        returns: dict[tuple[int, int, int], float] = defaultdict(float)
        for (day, entry, strategy), pnl in self._closings.items():
            entry = self._book_day(entry)
            capital = self.capital(entry or day, strategy, entry is not None)
            returns[self.days.index(day), self.days.index(entry) if entry else -1, strategy] += pnl / capital
        return returns

    def table(self, values: Mapping[tuple[date, int], float]) -> list[list[float]]:
        return [[values.get((day, strategy), 0) for strategy in range(UNATTRIBUTED)] for day in self.days]

    def _stated_for(self, day: date, strategy: int) -> list[float]:
        return [
            capital
            for (when, of), capitals in self._stated.items()
            if of == strategy and self._book_day(when) == day
            for capital in capitals
        ]

    def _book_day(self, day: date | None) -> date | None:
        """The latest day of the book up to a day; None before the first."""
        return max((earlier for earlier in self.days if day and earlier <= day), default=None)


def _day(time_us: int) -> date:
    return EPOCH + timedelta(microseconds=time_us)


def by_index(book_closings: tuple[np.ndarray, ...]) -> dict[tuple[int, int, int], float]:
    found: dict[tuple[int, int, int], float] = defaultdict(float)
    for day, entry, strategy, returned in zip(*(column.tolist() for column in book_closings), strict=True):
        found[day, entry, strategy] += returned
    return found
