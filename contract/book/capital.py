"""What an account was worth on each of its days, and how much of that each strategy had.

A strategy's return is its profit over the capital it had, so that no strategy looks good because it was given much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from contract.book.bytewise import Floats, Integers
from contract.book.days import day_number
from contract.schema.names import STRATEGIES

RECENT_DAYS = 20
_LEAST_CAPITAL = 0.02  # of the equity
# An account never counts as smaller than this share of its peak, nor than one unit of its currency: a ruined one
# would turn every later profit into an endless return.
_LEAST_OF_PEAK = 0.01

Published = Mapping[date, Sequence[float]]
"""For each day, the weights `(8,)` that were in force when it began."""


class Equity(NamedTuple):
    """What the account was worth when each day began, and when it ended; each `(days,)`."""

    opening: Floats
    closing: Floats


class Capital(NamedTuple):
    """What a profit is to be divided by; each `(days, 8)`."""

    entered: Floats
    """For a position by the day on which it was opened."""
    closed: Floats
    """For a position of which only the day of its closing is known."""


def equity_of(pnl: Floats, marked: Floats, initial_equity: float) -> Equity:
    """From each day's profit `(days,)`, and what a file said it was worth at its end (nan where none did).

    Between marks the equity follows the profits. Before the first mark it follows them backwards from there; without
    any mark it starts at `initial_equity`.
    """
    earned = np.cumsum(pnl)
    known = np.flatnonzero(np.isfinite(marked))
    if len(known):
        latest = known[np.maximum(np.searchsorted(known, np.arange(len(pnl)), side="right") - 1, 0)]
        closing = marked[latest] + (earned - earned[latest])
        first = closing[:1] - pnl[:1]
    else:
        closing = initial_equity + earned
        first = np.full(len(pnl), initial_equity)[:1]
    return Equity(np.concatenate((first, closing[:-1])), closing)


def capital_of(days: Integers, stated: Floats, published: Published, opening_equity: Floats) -> Capital:
    """What each strategy had on each day, from the best source that knows.

    First what the rows state, `(days, 8)`, nan where they say nothing. Next the weight in force on the day, times the
    equity at its beginning; next the mean of the weights published for the last 20 days; at last an equal share. A
    profit whose entry is not known goes straight to the mean: the weight of the day on which it happened to close says
    nothing about it. No strategy counts as having less than 2% of the equity.
    """
    equity = _solvent(opening_equity)[:, np.newaxis]
    in_force, recent = _weights(days, published)
    least = _LEAST_CAPITAL * equity
    entered, closed = (
        np.maximum(np.where(np.isfinite(stated), stated, weights * equity), least) for weights in (in_force, recent)
    )
    return Capital(entered, closed)


def _solvent(equity: Floats) -> Floats:
    return np.maximum(equity, np.maximum(_LEAST_OF_PEAK * np.maximum.accumulate(equity), 1.0))


def _weights(days: Integers, published: Published) -> tuple[Floats, Floats]:
    """For each day the weights in force, and the mean of those published in the days up to it; both `(days, 8)`."""
    count = len(STRATEGIES)
    known = np.array(sorted(map(day_number, published)), np.int64)
    weights = np.array([published[day] for day in sorted(published)], np.float64).reshape(len(known), count)
    until = np.searchsorted(known, days, side="right")
    since = np.searchsorted(known, days - RECENT_DAYS, side="right")
    sums = np.concatenate((np.zeros((1, count)), np.cumsum(weights, axis=0)))
    found = (until - since)[:, np.newaxis]
    recent = np.where(found > 0, (sums[until] - sums[since]) / np.maximum(found, 1), 1 / count)
    in_force = recent.copy()
    exact = np.isin(days, known)
    in_force[exact] = weights[until[exact] - 1]
    return in_force, recent
