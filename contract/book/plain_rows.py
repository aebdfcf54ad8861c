"""The columns of plain lines, for many lines at once.

A line is plain when it has as many fields as its header, no quote, no NUL and nothing but ASCII: then its fields are
what stands between its commas, and no byte of it needs a second look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.book.bytewise import (
    NO_TIME,
    Column,
    Flags,
    Floats,
    Integers,
    Text,
    Words,
    hash_texts,
    read_instants,
    read_numbers,
)
from contract.rows import parse_number

_LONGEST_LINE = 1 << 10

Scalar = TypeVar("Scalar", np.int64, np.float64)


class PlainRows:
    """Those of some whole lines that are plain for a header of `count` fields.

    `sure` says of which of them every field that was read so far was sure.
    """

    def __init__(self, data: bytes, count: int) -> None:
        self._data = data
        self._text = Text(data)
        is_newline = self._text.bytes == ord("\n")
        separators = np.flatnonzero(is_newline | (self._text.bytes == ord(",")))
        last = _last_of_lines(separators, is_newline, count)
        self._line_end = separators[last]
        self._line_start = np.concatenate(([self._text.start], self._line_end[:-1] + 1))
        plain = (last - np.concatenate(([-1], last[:-1])) == count) & self._are_ordinary()
        self._rows: Integers | slice = slice(None) if plain.all() else np.flatnonzero(plain)
        last = last[self._rows]
        self.sure = np.ones(len(last), np.bool_)
        # Around the fields: what stands before the line, and then what stands behind each field.
        self._bounds = np.empty((count + 1, len(last)), np.int64)
        self._bounds[0] = self._line_start[self._rows] - 1
        self._bounds[1:] = _behind_fields(separators, last, count)
        self._bounds[count] -= self._text.bytes[self._bounds[count] - 1] == ord("\r")

    @property
    def start(self) -> Integers:
        """Where in the data each row begins."""
        start: Integers = self._line_start[self._rows] - self._text.start
        return start

    @property
    def are_all(self) -> bool:
        """Whether every line is plain and sure."""
        return len(self.sure) == len(self._line_end) and bool(self.sure.all())

    def others(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not plain or not sure: where in the data they begin, and what they are."""
        others = np.ones(len(self._line_end), np.bool_)
        others[self._rows] = ~self.sure
        starts, ends = (bound[others] - self._text.start for bound in (self._line_start, self._line_end))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            yield start, self._data[start:end]

    def numbers(self, index: int | None) -> Floats:
        """A column; nan where a field is empty or the column is not there."""
        return self._read(_read_numbers, np.nan, index)

    def instants(self, index: int | None) -> Integers:
        """A column; `NO_TIME` where a field is empty or the column is not there."""
        return self._read(read_instants, NO_TIME, index)

    def hashes(self, index: int | None) -> Words:
        return np.zeros(len(self.sure), np.uint64) if index is None else hash_texts(self._text, self._column(index))

    def meanings(self, index: int | None, meanings: Meanings, hashes: Words | None = None) -> Integers:
        """What the texts of a column mean; their hashes, where they are known already."""
        if index is None:
            return np.full(len(self.sure), meanings.of_nothing)
        column = self._column(index)
        return meanings.of(self._text, column, hash_texts(self._text, column) if hashes is None else hashes)

    def _read(
        self, read: Callable[[Text, Column], tuple[NDArray[Scalar], Flags]], missing: float, index: int | None
    ) -> NDArray[Scalar]:
        if index is None:
            return np.full(len(self.sure), missing)
        column = self._column(index)
        filled = np.flatnonzero(column.width)
        if len(filled) == len(self.sure) > 0:
            values, sure = read(self._text, column)
            self.sure &= sure
        else:
            values = np.full(len(self.sure), missing)
            if len(filled):
                values[filled], sure = read(self._text, Column(column.start[filled], column.end[filled]))
                self.sure[filled] &= sure
        return values

    def _column(self, index: int) -> Column:
        return Column(self._bounds[index] + 1, self._bounds[index + 1])

    def _are_ordinary(self) -> Flags:
        """Which lines are short and have no character that would need a second look."""
        ordinary = self._line_end - self._line_start <= _LONGEST_LINE
        if b'"' in self._data or b"\0" in self._data or not self._data.isascii():
            characters = self._text.bytes[self._text.start : self._text.end]
            odd = np.flatnonzero((characters == ord('"')) | (characters == 0) | (characters > 0x7F))
            ordinary[np.searchsorted(self._line_end, odd + self._text.start)] = False
        return ordinary


def _behind_fields(separators: Integers, last: Integers, count: int) -> Integers:
    """The separators behind the fields of some lines, `(count, lines)`, given which are their last."""
    if len(separators) == count * len(last):
        return separators.reshape(-1, count).T
    behind: Integers = separators[last + np.arange(1 - count, 1)[:, np.newaxis]]
    return behind


def _last_of_lines(separators: Integers, is_newline: Flags, count: int) -> Integers:
    """Which of the separators end a line: every `count`-th, if all lines have as many fields as they should."""
    every = np.arange(count - 1, len(separators), count)
    if len(separators) == count * np.count_nonzero(is_newline) and is_newline[separators[every]].all():
        return every
    return np.flatnonzero(is_newline[separators])


class Meanings:
    """What the texts of a column mean, as a number: worked out once for each text that keeps coming.

    As many texts are kept as there are slots; where two share one, the later takes it.
    """

    _SLOT_BITS = 12

    def __init__(self, meaning: Callable[[str], int]) -> None:
        self.of_nothing = meaning("")
        self._meaning = meaning
        self._hashes = np.zeros(1 << self._SLOT_BITS, np.uint64)
        self._known = np.full(1 << self._SLOT_BITS, self.of_nothing)

    def of(self, text: Text, column: Column, hashes: Words) -> Integers:
        slots = hashes >> np.uint64(64 - self._SLOT_BITS)
        meanings: Integers = self._known[slots]
        new = np.flatnonzero(self._hashes[slots] != hashes)
        if len(new):
            distinct, first, which = np.unique(hashes[new], return_index=True, return_inverse=True)
            learnt = np.array([self._meaning(text.string(column, row)) for row in new[first].tolist()])
            meanings[new] = learnt[which]
            taken = slots[new[first]]
            self._hashes[taken], self._known[taken] = distinct, learnt
        return meanings


def _read_numbers(text: Text, column: Column) -> tuple[Floats, Flags]:
    """As `read_numbers`, and sure wherever the strict reader is: what has more digits is read one by one."""
    numbers, sure = read_numbers(text, column)
    for row in np.flatnonzero(~sure).tolist():
        number = parse_number(text.string(column, row))
        if number is not None:
            numbers[row], sure[row] = number, True
    return numbers, sure
