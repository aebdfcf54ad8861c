"""What was told to the bot, and what every allocator would have told it, on the same days, bounds, pace and costs.

All begin the first of these days with equal weights and know the whole history before each day. The allocators' wishes
are projected to the bounds and followed as the policy's are; what was published is taken as it was.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ai.account import LARGEST_GAIN, LARGEST_LOSS, counted
from ai.course import EQUAL
from contract.book.daily import BookKind, DailyBook
from trading.allocators import ALLOCATORS
from trading.rebalancing import Earned, Rules, earn, follow

FloatArray = NDArray[np.float64]

PUBLISHED, EQUAL_WEIGHT = "published", "equal_weight"


class Ledger(NamedTuple):
    """Several accounts on the same days."""

    dates: NDArray[np.datetime64]
    """(days,)"""
    names: tuple[str, ...]
    """`PUBLISHED` first, then `ALLOCATORS`."""
    weights: FloatArray
    """(accounts, days, 8)"""
    net: FloatArray
    """(accounts, days): returns, costs taken off."""
    turnover: FloatArray
    """(accounts, days)"""

    def of(self, name: str) -> FloatArray:
        """(days,) net returns."""
        return np.asarray(self.net[self.names.index(name)])


def ledger_of(book: DailyBook, days: NDArray[np.intp], published: FloatArray, rules: Rules) -> Ledger:
    """days (live,): the places of the live days in the book, in order; published (live, 8): in force on them.

    Days of the book between the first of them and the end that are not live are left out: nobody knows what was told.
    """
    first = int(days[0]) if len(days) else len(book.dates)
    path = np.tile(EQUAL, (len(book.dates) - first, 1))
    path[days - first] = published
    paths = np.stack([path, *(wished(name, book.returns, first, rules) for name in ALLOCATORS)])
    accounts = [earned_by(book, weights, first, rules) for weights in paths]
    chosen = days - first
    return Ledger(
        dates=book.dates[days],
        names=(PUBLISHED, *ALLOCATORS),
        weights=paths[:, chosen],
        net=np.stack([account.net[chosen] for account in accounts]),
        turnover=np.stack([account.turnover[chosen] for account in accounts]),
    )


def wished(name: str, returns: FloatArray, first: int, rules: Rules) -> FloatArray:
    """What an allocator would have held from the day `first` on, (days - first, 8), of returns (days, 8)."""
    if first == len(returns):
        return np.empty((0, returns.shape[1]))
    entry, known = ALLOCATORS[name], np.clip(returns, -LARGEST_LOSS, LARGEST_GAIN)
    # In hindsight over the days that are judged, not over those before.
    wanted = entry.allocate(known[first:])[:-1] if entry.hindsight else entry.allocate(known)[first:-1]
    return follow(wanted, EQUAL, rules)


def earned_by(book: DailyBook, weights: FloatArray, first: int, rules: Rules) -> Earned:
    """What weights (days - first, 8) brought from the day `first` of the book on, the account being equal before.

    In a book of marks that is what the days paid. Where only closed trades are known, a profit counts on the day of
    its close, at the weight of the day of its entry.
    """
    if book.kind is BookKind.MARKS:
        return earn(weights, np.clip(book.returns[first:], -LARGEST_LOSS, LARGEST_GAIN), EQUAL, rules)
    gross = book.earned(np.vstack((np.tile(EQUAL, (first, 1)), weights)))[first:]
    traded = np.abs(np.diff(weights, axis=0, prepend=EQUAL[np.newaxis])).sum(axis=1)
    return Earned(counted((1.0 + gross) * (1.0 - rules.cost_bps / 1e4 * traded) - 1.0), traded)


def contributions(book: DailyBook, days: NDArray[np.intp], weights: FloatArray) -> FloatArray:
    """(live, 8): what each strategy added to the gross return of each live day, weights (live, 8) being in force."""
    whole = np.tile(EQUAL, (len(book.dates), 1))
    whole[days] = weights
    columns = np.eye(len(EQUAL))
    return np.stack([book.earned(whole * column)[days] for column in columns], axis=1)
