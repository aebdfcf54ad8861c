"""Rows with equal keys."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.book.bytewise import Flags, Integers

Key = TypeVar("Key", np.int64, np.uint64)

_SLOT_BITS = 16
_WORTH_A_TABLE = 1 << 12
_MIXER = np.uint64(0x9E3779B97F4A7C15)


def distinct(keys: NDArray[Key]) -> tuple[NDArray[Key], Integers]:
    """The different keys, in any order, and for each row the index of its own.

    Every key has a slot in a table; of those that share one, the last to come gets it, and the others are sorted.
    """
    if len(keys) < _WORTH_A_TABLE:
        return _sorted_distinct(keys)
    slots = (keys.view(np.uint64) * _MIXER) >> np.uint64(64 - _SLOT_BITS)
    table, taken = np.zeros(1 << _SLOT_BITS, keys.dtype), np.zeros(1 << _SLOT_BITS, np.bool_)
    table[slots], taken[slots] = keys, True
    found, which = table[taken], (np.cumsum(taken) - 1)[slots]
    left = np.flatnonzero(table[slots] != keys)
    others, which_other = _sorted_distinct(keys[left])
    which[left] = len(found) + which_other
    return np.concatenate((found, others)), which


def run_starts(*columns: NDArray[Any]) -> Integers:
    """Where a row differs from the one before it in any of the columns; the first row always does."""
    return np.flatnonzero(_differ(*columns))


def _sorted_distinct(keys: NDArray[Key]) -> tuple[NDArray[Key], Integers]:
    order = np.argsort(keys)
    ordered = keys[order]
    fresh = _differ(ordered)
    which = np.empty(len(keys), np.int64)
    which[order] = np.cumsum(fresh) - 1
    return ordered[fresh], which


def _differ(*columns: NDArray[Any]) -> Flags:
    differ = np.zeros(len(columns[0]), np.bool_)
    differ[:1] = True
    for column in columns:
        differ[1:] |= column[1:] != column[:-1]
    return differ
