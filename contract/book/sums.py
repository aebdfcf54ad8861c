"""Running sums by key."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from contract.book.bytewise import Floats, Integers
from contract.book.grouping import distinct

EVERY = -(1 << 63)
"""No key is less."""


class KeyedSums:
    """Several sums for each key. Amounts are added one after the other, so it does not matter how rows are grouped."""

    def __init__(self, count: int) -> None:
        self._row: dict[int, int] = {}
        self._keys = np.empty(64, np.int64)
        self._sums = np.zeros((count, 64))

    def add(self, keys: Integers, *amounts: ArrayLike) -> None:
        """One amount `(rows,)` for each sum, added to what the row's key has."""
        if not len(keys):
            return
        found, which = distinct(keys)
        rows = np.array([self._row.setdefault(key, len(self._row)) for key in found.tolist()], np.int64)
        while len(self._row) > len(self._keys):
            self._keys = np.concatenate((self._keys, np.empty_like(self._keys)))
            self._sums = np.concatenate((self._sums, np.zeros_like(self._sums)), axis=1)
        self._keys[rows] = found
        row = rows[which]
        for sums, amount in zip(self._sums, amounts, strict=True):
            np.add.at(sums, row, np.asarray(amount, np.float64))

    def by_key(self, since: int = EVERY) -> tuple[Integers, Floats]:
        """The keys from `since` on, in order `(keys,)`, and their sums `(sums, keys)`."""
        keys = self._keys[: len(self._row)]
        rows = np.flatnonzero(keys >= since)
        rows = rows[np.argsort(keys[rows], kind="stable")]  # the fastest where they came nearly in order, as days do
        return keys[rows], self._sums[:, rows]
