"""What there is to learn from: the features of each morning, and what the day then paid for each strategy's weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ai.account import LARGEST_GAIN, LARGEST_LOSS
from ai.features import shared_features
from ai.smoothing import FloatArray
from contract.book.daily import UNKNOWN_ENTRY, BookKind, DailyBook
from trading.metrics import stationary_bootstrap_indices


class History(NamedTuple):
    """An account's days, all of them or a stretch."""

    features: FloatArray
    """(days + 1, 28): `ai.feature_table.SHARED` on the morning of each day, and of the day after the last."""
    returns: FloatArray
    """(days, 8): what a unit of weight, put on the strategy that morning, brought."""
    seen: FloatArray
    """(days, 3, 8): the returns, trades and wins of each day, of which the features are made."""
    dates: NDArray[np.datetime64]
    """(days,)"""

    @property
    def days(self) -> int:
        return len(self.returns)

    def between(self, start: int, stop: int) -> History:
        """The days from start up to and without stop, with the features that all days before them made."""
        return History(
            self.features[start : stop + 1], self.returns[start:stop], self.seen[start:stop], self.dates[start:stop]
        )


def history_of(book: DailyBook) -> History:
    """A whole book as a history."""
    seen = np.stack((book.returns, book.trades, book.wins), axis=1, dtype=np.float64)
    return History(_features(seen), decided_returns(book), seen, book.dates)


def simulated(returns: FloatArray, trades_a_day: float = 1.0) -> History:
    """A history of returns (days, 8) without a book: every strategy trades every day, and wins when it gains."""
    trades = np.full(returns.shape, trades_a_day)
    seen = np.stack((returns, trades, trades * (returns > 0.0)), axis=1, dtype=np.float64)
    return History(_features(seen), returns, seen, np.datetime64("2000-01-01") + np.arange(len(returns)))


def resampled(history: History, rng: np.random.Generator, mean_block_days: float) -> History:
    """As many days, in blocks from all over the history: another life with the same kinds of days in it."""
    order = stationary_bootstrap_indices(history.days, 1, mean_block_days, rng)[0]
    seen = history.seen[order]
    return History(_features(seen), history.returns[order], seen, history.dates)


def _features(seen: FloatArray) -> FloatArray:
    return shared_features(seen[:, 0], seen[:, 1], seen[:, 2])


def decided_returns(book: DailyBook) -> FloatArray:
    """What each day's weights brought, (days, 8), on the day on which the bets were made.

    In a book of marks that is the day itself. In a book of trades it is the day of the entry, whenever the position
    was closed; a profit whose entry is not known stays on the day of its close.
    """
    returns = book.returns
    if book.kind is BookKind.TRADES:
        day, entry, strategy, returned = book.closings
        returns = np.zeros_like(book.returns)
        np.add.at(returns, (np.where(entry == UNKNOWN_ENTRY, day, entry), strategy), returned)
    return np.clip(returns, -LARGEST_LOSS, LARGEST_GAIN)
