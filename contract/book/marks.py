"""What the bot says each strategy earned each day, open positions included: `state/strategy_marks.csv`."""

from __future__ import annotations

from datetime import tzinfo

import numpy as np

from contract.book.blocks import UNATTRIBUTED, Trades
from contract.book.bytewise import Flags, Floats, Integers
from contract.book.days import book_days
from contract.book.fingerprint import Fingerprint
from contract.book.sums import EVERY
from contract.schema.names import STRATEGIES


class Marks:
    """The last mark in the file for each strategy and day."""

    def __init__(self, zone: tzinfo) -> None:
        self.rows = 0
        self._zone = zone
        self._fingerprint = Fingerprint()
        self.changed_from = EVERY
        """The first day of which a row has been added since the book last asked."""
        self._days: dict[int, Floats] = {}  # day -> pnl and capital, nan without a mark (2, 8)

    def __len__(self) -> int:
        """How many days have marks."""
        return len(self._days)

    def add(self, rows: Trades) -> Flags:
        """Take further rows; says which are no marks, for want of a strategy or of a capital `(rows,)`."""
        useless: Flags = (rows.strategy == UNATTRIBUTED) | ~(rows.capital > 0)
        good = rows.take(~useless)
        self._fingerprint.add(good)
        self.rows += len(good.time)
        columns = (book_days(good.time, self._zone), good.strategy, good.pnl, good.capital)
        for day, strategy, pnl, capital in zip(*(column.tolist() for column in columns), strict=True):
            if day not in self._days:
                self._days[day] = np.full((2, len(STRATEGIES)), np.nan)
            self._days[day][:, strategy] = pnl, capital
            self.changed_from = min(self.changed_from, day)
        return useless

    def sha256(self) -> str:
        return self._fingerprint.sha256()

    def by_day(self, since: int = EVERY) -> tuple[Integers, Floats, Floats]:
        """The days that have marks, from `since` on `(days,)`; what was earned; and on what capital, nan without a
        mark: `(days, 8)`."""
        days = np.fromiter(self._days, np.int64, len(self._days))
        days = np.sort(days[days >= since])
        marks = np.array([self._days[day] for day in days.tolist()]).reshape(-1, 2, len(STRATEGIES))
        pnl, capital = marks[:, 0], marks[:, 1]
        return days, np.where(np.isfinite(capital), pnl, 0.0), capital
