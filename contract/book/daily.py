"""The daily book: what each strategy and the account earned on each day, and on how much capital.

Where the bot writes marks, they alone make the book: profits arise on the days on which prices move, so every day can
be replayed with any weights. A book of trades is what is left otherwise. There a profit stands on the day on which its
position was closed, and is never spread over the days before; but the bet was made on the day of the entry, and that
day's weight is what a replay has to apply. Weighing it by the closing day would pay a rule for looking away while
losses ripen and for stepping in just before gains are taken. `Closings` keep the entry day of every profit for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.book.bytewise import Floats, Integers
from contract.book.capital import RECENT_DAYS
from contract.schema.names import STRATEGIES

UNKNOWN_ENTRY = -1


class BookKind(StrEnum):
    MARKS = "marks"
    TRADES = "trades"


class Closings(NamedTuple):
    """Profits by the days on which their positions were closed and opened; each `(closings,)`, in order of `day`.

    What a strategy closed on one day of all that it opened on another is one entry.
    """

    day: Integers
    """Index of the day of the close."""
    entry: Integers
    """Index of the day of the entry, or `UNKNOWN_ENTRY`."""
    strategy: Integers
    returned: Floats
    """Profit over the capital that the strategy had on the day of the entry."""

    def by_day(self, days: int) -> Floats:
        """The sum of each strategy's returns on each day, `(days, 8)`."""
        returns = np.zeros((days, len(STRATEGIES)))
        np.add.at(returns, (self.day, self.strategy), self.returned)
        return returns


NO_CLOSINGS = Closings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True)
class DailyBook:
    """What happened day by day: a row for each account day, a column for each of the eight `STRATEGIES`."""

    kind: BookKind
    dates: NDArray[np.datetime64]
    pnl: Floats
    """`(days, 8)`, in the account's currency."""
    capital: Floats
    """`(days, 8)`: what a position opened on the day is measured against."""
    returns: Floats
    """`(days, 8)`. Marks: pnl / capital. Trades: the sum of the day's `closings`."""
    trades: Integers
    """`(days, 8)`: rows with a profit or a loss."""
    wins: Integers
    """`(days, 8)`: rows with a profit."""
    closings: Closings
    """What the returns of a book of trades are made of; empty in a book of marks."""
    account_pnl: Floats
    """`(days,)`, like all that follows: of the whole account, with the rows that belong to no strategy."""
    account_opening: Floats
    """What the account was worth when the day began."""
    account_equity: Floats
    """And when it ended."""
    account_trades: Integers
    account_wins: Integers

    def earned(self, weights: Floats) -> Floats:
        """What each day would have earned, as a share of the equity, had other weights `(days, 8)` been in force.

        A profit counts with the weight of the day on which its position was opened; where that is not known, with the
        mean weight of the 20 account days up to its close.
        """
        if self.kind is BookKind.MARKS:
            return np.asarray((weights * self.returns).sum(axis=1))
        day, entry, strategy, returned = self.closings
        sums = np.vstack((np.zeros_like(weights[:1]), np.cumsum(weights, axis=0)))
        since = np.maximum(day + 1 - RECENT_DAYS, 0)
        recent = (sums[day + 1, strategy] - sums[since, strategy]) / (day + 1 - since)
        applied = np.where(entry == UNKNOWN_ENTRY, recent, weights[entry, strategy])
        return np.bincount(day, applied * returned, len(self.dates)).astype(np.float64)
