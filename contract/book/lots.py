"""Which day a closed quantity was opened on: first in, first out, for each instrument, long and short.

What was opened and what was closed of an instrument are laid end to end along one scale each. Because what was opened
first is closed first, the same place on both belongs together, and no lot has to be followed by itself. A position
that changes its side closes all that was open before it opens anything, so the scales need not know about sides.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from contract.book.bytewise import Flags, Floats, Integers, Words
from contract.book.grouping import distinct, run_starts

_DUST = 1e-9  # of the largest quantity or position of its instrument: what is smaller is rounding
_LEAST_SHARE = 1e-6


class Fills(NamedTuple):
    """What was bought and sold, in the order of the file; each `(fills,)`."""

    instrument: Words
    """A number for each pair of strategy and symbol."""
    quantity: Floats
    """Bought: positive; sold: negative; never 0."""
    only_closes: Flags
    """It goes against whatever is open; its sign says nothing."""
    may_open: Flags
    """Where not, a fill that finds nothing open closes what the file does not show, and opens nothing."""
    day: Integers


class Matches(NamedTuple):
    """Which share of a fill closed what was opened when; the shares of a fill add up to 1; each `(matches,)`."""

    fill: Integers
    entry_day: Integers
    share: Floats


class _Held(NamedTuple):
    """What is open of one instrument, oldest first; quantities are positive on either side."""

    side: float
    day: Integers
    quantity: Floats


class _Lots(NamedTuple):
    """All that is or was open: instrument after instrument, oldest first. `end` is the place on the common scale."""

    instrument: Integers
    day: Integers
    quantity: Floats
    end: Floats


_NO_MATCHES = Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
_NOTHING = _Held(0.0, np.empty(0, np.int64), np.empty(0))


class OpenLots:
    """What is open after the fills so far: a lot for each instrument and each run of fills on one day."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}

    def match(self, fills: Fills) -> tuple[Matches, Flags]:
        """Take further fills: what they closed, and which of them opened something `(fills,)`."""
        if not len(fills.day):
            return _NO_MATCHES, np.empty(0, np.bool_)
        names, index = distinct(fills.instrument)
        order = _by_instrument(index, len(names))
        index = index[order]
        fills = Fills._make(column[order] for column in fills)
        held = [self._held.pop(name, _NOTHING) for name in names.tolist()]
        position = np.array([lots.side * float(lots.quantity.sum()) for lots in held])
        unit = np.abs(position)
        np.maximum.at(unit, index, np.abs(fills.quantity))
        position /= unit

        quantity = _effective(fills, fills.quantity / unit[index], position, index)
        before = _running(position, quantity, index)
        closed = np.where(before * quantity < 0, np.minimum(np.abs(quantity), np.abs(before)), 0.0)
        opened = np.abs(quantity) - closed
        opened[opened < _DUST] = 0.0
        lots = _all_lots(held, unit, index, fills.day, opened)
        start = np.concatenate(([0.0], lots.end))[np.searchsorted(lots.instrument, np.arange(len(held)))]
        closing = np.flatnonzero(closed > _DUST)
        matches = _overlaps(lots, _running(start, closed, index)[closing], closed[closing])

        position += np.bincount(index, quantity, len(held))
        self._hold(names, position, unit, lots, start + np.bincount(index, closed, len(held)))
        opens = np.empty(len(order), np.bool_)
        opens[order] = opened > 0
        return Matches(order[closing[matches.fill]], matches.entry_day, matches.share), opens

    def _hold(self, names: Words, position: Floats, unit: Floats, lots: _Lots, closed_until: Floats) -> None:
        """Keep of each instrument what lies behind the place up to which its scale is closed."""
        left = np.minimum(lots.end - closed_until[lots.instrument], lots.quantity)
        kept = (left > _DUST) & (np.abs(position) > _DUST)[lots.instrument]
        instrument, day, quantity = lots.instrument[kept], lots.day[kept], left[kept] * unit[lots.instrument[kept]]
        if not len(day):
            return
        first = run_starts(instrument, day)
        instrument, day, quantity = instrument[first], day[first], np.add.reduceat(quantity, first)
        for start, end in pairwise([*run_starts(instrument).tolist(), len(day)]):
            index = instrument[start]
            held = _Held(float(np.sign(position[index])), day[start:end].copy(), quantity[start:end].copy())
            self._held[int(names[index])] = held


def _by_instrument(index: Integers, count: int) -> Integers:
    """The stable order by instrument; of small integers, numpy sorts the smallest fastest."""
    return np.argsort(index.astype(np.min_scalar_type(count)), kind="stable")


def _running(start: Floats, amounts: Floats, index: Integers) -> Floats:
    """For each row: where its instrument started, plus the amounts of the rows of that instrument before it."""
    before = np.cumsum(amounts) - amounts
    first = np.searchsorted(index, np.arange(len(start)))
    running: Floats = before + (start - before[first])[index]
    return running


def _effective(fills: Fills, quantity: Floats, position: Floats, index: Integers) -> Floats:
    """The quantities with the sign that closing gives them, and 0 where a fill neither opens nor closes."""
    nothing_open = np.abs(_running(position, quantity, index)) < _DUST
    doubtful = fills.only_closes | (nothing_open & ~fills.may_open)
    if not doubtful.any():
        return quantity
    quantity = quantity.copy()
    for instrument in np.unique(index[doubtful]):
        rows = slice(*np.searchsorted(index, (instrument, instrument + 1)))
        quantity[rows] = _walk(position[instrument], quantity[rows], fills.only_closes[rows], fills.may_open[rows])
    return quantity


def _walk(position: float, quantity: Floats, only_closes: Flags, may_open: Flags) -> list[float]:
    """The effective quantities of one instrument, fill by fill."""
    effective = []
    for amount, closes, opens in zip(quantity.tolist(), only_closes.tolist(), may_open.tolist(), strict=True):
        if closes:
            amount = -min(abs(amount), position) if position > 0 else min(abs(amount), -position)
        elif position == 0 and not opens:
            amount = 0.0
        position += amount
        if abs(position) < _DUST:
            position = 0.0
        effective.append(amount)
    return effective


def _all_lots(held: list[_Held], unit: Floats, index: Integers, day: Integers, opened: Floats) -> _Lots:
    """What was held before, and what each fill opened, on one scale."""
    sizes = [len(lots.day) for lots in held]
    opens = np.flatnonzero(opened)
    instrument = np.concatenate((np.repeat(np.arange(len(held)), sizes), index[opens]))
    order = _by_instrument(instrument, len(held))
    held_quantity = np.concatenate([lots.quantity for lots in held]) / np.repeat(unit, sizes)
    quantity = np.concatenate((held_quantity, opened[opens]))[order]
    days = np.concatenate((*(lots.day for lots in held), day[opens]))[order]
    return _Lots(instrument[order], days, quantity, np.cumsum(quantity))


def _overlaps(lots: _Lots, start: Floats, length: Floats) -> Matches:
    """Which lots lie under each stretch of the scale, and with which share of it."""
    end = start + length
    last = np.minimum(np.searchsorted(lots.end, end), len(lots.end) - 1)
    first = np.minimum(np.searchsorted(lots.end, start, side="right"), last)
    count = last - first + 1
    fill = np.repeat(np.arange(len(start)), count)
    lot = np.arange(len(fill)) - np.repeat(np.cumsum(count) - count - first, count)
    overlap = np.minimum(lots.end[lot], end[fill]) - np.maximum((lots.end - lots.quantity)[lot], start[fill])
    real = overlap > _LEAST_SHARE * length[fill]
    fill, lot, overlap = fill[real], lot[real], overlap[real]
    return Matches(fill, lots.day[lot], overlap / np.bincount(fill, overlap, len(start))[fill])
