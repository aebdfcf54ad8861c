"""What the bot says each strategy earned each day, open positions included: `state/strategy_marks.csv`."""

from __future__ import annotations

from datetime import tzinfo

import numpy as np

from contract.book.blocks import UNATTRIBUTED, Trades
from contract.book.bytewise import Flags, Floats, Integers
from contract.book.days import book_days
from contract.book.fingerprint import Fingerprint
from contract.schema.names import STRATEGIES


class Marks:
    """The last mark in the file for each strategy and day."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._fingerprint = Fingerprint()
        self._marks: dict[tuple[int, int], tuple[float, float]] = {}  # day, strategy -> pnl, capital

    def __len__(self) -> int:
        return len(self._marks)

    def add(self, rows: Trades) -> Flags:
        """Take further rows; says which are no marks, for want of a strategy or of a capital `(rows,)`."""
        useless: Flags = (rows.strategy == UNATTRIBUTED) | ~(rows.capital > 0)
        good = rows.take(~useless)
        self._fingerprint.add(good)
        columns = (book_days(good.time, self._zone), good.strategy, good.pnl, good.capital)
        for day, strategy, pnl, capital in zip(*(column.tolist() for column in columns), strict=True):
            self._marks[day, strategy] = pnl, capital
        return useless

    def sha256(self) -> str:
        return self._fingerprint.sha256()

    def by_day(self) -> tuple[Integers, Floats, Floats]:
        """The days that have marks `(days,)`; what was earned; and on what capital, nan without a mark: `(days, 8)`."""
        keys = np.array(list(self._marks), np.int64).reshape(-1, 2)
        days, row = np.unique(keys[:, 0], return_inverse=True)
        pnl, capital = np.zeros((len(days), len(STRATEGIES))), np.full((len(days), len(STRATEGIES)), np.nan)
        pnl[row, keys[:, 1]], capital[row, keys[:, 1]] = np.array(list(self._marks.values())).reshape(-1, 2).T
        return days, pnl, capital
