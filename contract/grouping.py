"""Equal keys, found without sorting."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.bytewise import Integers

Key = TypeVar("Key", np.int64, np.uint64)

_SLOT_BITS = 16
_WORTH_A_TABLE = 1 << 12
_MIXER = np.uint64(0x9E3779B97F4A7C15)


def distinct(keys: NDArray[Key]) -> tuple[NDArray[Key], Integers]:
    """The different keys, in any order, and for each row the index of its own; like `np.unique`, but quicker.

    Every key has a slot, and of those that share one the last to come gets it. What comes away empty is sorted.
    """
    if len(keys) < _WORTH_A_TABLE:
        return np.unique(keys, return_inverse=True)
    slots = (keys.view(np.uint64) * _MIXER) >> np.uint64(64 - _SLOT_BITS)
    table = np.zeros(1 << _SLOT_BITS, keys.dtype)
    table[slots] = keys
    taken = np.zeros(1 << _SLOT_BITS, np.bool_)
    taken[slots] = True
    which = (np.cumsum(taken) - 1)[slots]
    found = table[taken]
    left = np.flatnonzero(table[slots] != keys)
    others, which_other = np.unique(keys[left], return_inverse=True)
    which[left] = len(found) + which_other
    return np.concatenate((found, others)), which
