"""A fingerprint of the rows that a book was made of."""

from __future__ import annotations

import hashlib

import numpy as np

from contract.book.blocks import Trades

# For each column but the first, so that a value tells in which column it stood.
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, column, 1 << 64) for column in range(1, 10)], np.uint64)


class Fingerprint:
    """The same for the same rows in the same order, however their files were cut, quoted, rotated or laid out.

    SHA-256 over eight bytes for each row, mixed from all that a book makes use of: hashing the files themselves would
    take as long as reading them does.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, rows: Trades) -> None:
        numbers = (rows.pnl, rows.qty, rows.fee, rows.capital, rows.equity)
        integers = (rows.time, rows.entry_time, rows.strategy, rows.side)
        mixed = rows.symbol.copy()
        for factor, column in zip(_FACTORS, (*numbers, *integers), strict=True):
            mixed += column.view(np.uint64) * factor
        self._hash.update(mixed.tobytes())

    def sha256(self) -> str:
        return self._hash.hexdigest()
