"""Daily books of given returns, without any file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contract.book.daily import NO_CLOSINGS, BookKind, Closings, DailyBook

FIRST_DAY = np.datetime64("2024-01-01")
HOLDING_DAYS = 3
EQUITY = 10_000.0


def marked_book(returns: NDArray[np.float64]) -> DailyBook:
    """A book of marks (days, 8): every strategy has an eighth of the equity, and trades every day."""
    return _book(BookKind.MARKS, returns, NO_CLOSINGS)


def traded_book(returns: NDArray[np.float64]) -> DailyBook:
    """The same profits as closed trades, each opened `HOLDING_DAYS` before."""
    day, strategy = (places.ravel() for places in np.indices(returns.shape))
    opened = np.maximum(day - HOLDING_DAYS, 0)
    return _book(BookKind.TRADES, returns, Closings(day, opened, strategy, returns.ravel()))


def _book(kind: BookKind, returns: NDArray[np.float64], closings: Closings) -> DailyBook:
    capital = np.full(returns.shape, EQUITY / 8)
    pnl = returns * capital
    total = pnl.sum(axis=1)
    equity = EQUITY + np.cumsum(total)
    trades = np.ones(returns.shape, np.int64)
    wins = (returns > 0.0).astype(np.int64)
    return DailyBook(
        kind=kind,
        dates=FIRST_DAY + np.arange(len(returns)),
        pnl=pnl,
        capital=capital,
        returns=returns,
        trades=trades,
        wins=wins,
        closings=closings,
        account_pnl=total,
        account_opening=equity - total,
        account_equity=equity,
        account_trades=trades.sum(axis=1),
        account_wins=wins.sum(axis=1),
    )
