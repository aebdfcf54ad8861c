"""What is new in a CSV that another process appends to, rotates, truncates and rewrites: each line once, none skipped.

A position is known by what was read, not by an inode, which copies change and new files inherit: the hash of the
first KiB of the file and of the KiB before the offset. While both stand in the live file, it goes on. Where they do
not, the old file is looked for among its rotated siblings, finished, and every newer one read from its start. Where
no sibling explains it, a file with rows was rewritten, so everything is read afresh; one without rows was truncated.

"Everything" is what stands on the disk: the rotated siblings, oldest first, then the live file. A reader that starts
today therefore has the rows of one that has been running since before the rotation.

What cannot be known from outside: a rewrite that leaves both anchors as they were goes unnoticed; a truncation that
is followed by new rows before the next poll reads as a rewrite; what `copytruncate` loses between its copy and its
truncation is lost. A sibling that begins like a newer file is a copy of it and is left out; a copy under a
rotated name of a file that was then rewritten is taken for older rows: give backups another name.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contract.errors import BadInput, RetryLater
from contract.rotation import Moved, OpenFile, opened, siblings
from contract.rows import BYTE_ORDER_MARK, LONGEST_FIELD, LONGEST_LINE, is_header

if TYPE_CHECKING:
    from contract.system import System

ANCHOR = 1 << 10
LONGEST_BEGINNING = 2 * LONGEST_LINE + 8  # header and first row, line endings and byte order mark
BLOCK = 4 << 20  # the most that is held at once, unless told otherwise; more than LONGEST_LINE


class Turn(StrEnum):
    """What happened to the file, told before the chunks that it concerns."""

    ROTATED = "rotated"  # one file is over: what follows stands in the next
    TORN = "torn"  # a file is over whose last line never got its newline: that line is left out
    REWRITTEN = "rewritten"  # nothing explains what stands there: forget every row, all of them follow
    TRUNCATED = "truncated"  # the file was emptied: keep every row


@dataclass(frozen=True)
class Chunk:
    """Whole lines of one file, without its header line and byte order mark.

    An endless line comes alone, cut to one byte more than `LONGEST_LINE`, so that `parse_row` refuses and counts it.
    """

    path: Path
    offset: int  # of data[0] in the file
    header: bytes  # of this file, or of the one before where `copytruncate` left it none; empty where none is known
    data: bytes  # ends with a newline


@dataclass(frozen=True)
class Position:
    """Where a reader stands: behind a row. There is none before the first row, because a header tells no file apart."""

    offset: int
    head: str  # sha256 of the first KiB, or of all before the offset where that is less
    tail: str  # sha256 of the KiB before the offset, likewise
    opening: bytes  # the first KiB of rows, as far as read: what a copy of the file would begin with
    header: bytes
    mid_line: bool = False  # amid an endless line: what comes up to the next newline belongs to it
    over: tuple[str, ...] | None = None  # the file is known to be over: the marks of the siblings that there were then

    def as_dict(self) -> dict[str, object]:
        """For JSON. Keep it together with what was made of the rows before it."""
        return {
            "offset": self.offset,
            "head": self.head,
            "tail": self.tail,
            "opening": self.opening.decode("latin-1"),
            "header": self.header.decode("latin-1"),
            "mid_line": self.mid_line,
            "over": None if self.over is None else list(self.over),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object]) -> Position:
        match content:
            case {
                "offset": int(offset),
                "head": str(head),
                "tail": str(tail),
                "opening": str(opening),
                "header": str(header),
                "mid_line": bool(mid_line),
                "over": None | [*_] as over,
            } if offset > 0:
                marks = None if over is None else tuple(str(mark) for mark in over)
                return cls(offset, head, tail, _bytes(opening), _bytes(header), mid_line, marks)
        raise BadInput("is not a position in a file", hint="without it everything is read afresh")


class Tail:
    """The reader of one file. Not for two threads.

    `position` moves past a chunk when the next item is asked for, so a consumer that dies over a chunk reads it
    again and never misses it; saved with the rows after `poll` is drained, it survives a restart.
    """

    def __init__(self, system: System, path: Path, position: Position | None = None, block: int | None = None) -> None:
        self.path = path
        self.position = position
        self.pending = 0  # bytes of a last line that waits for its newline
        self.counts: Counter[Turn] = Counter()
        self._system = system
        self._block = block

    def poll(self) -> Iterator[Chunk | Turn]:
        """What is new. Nothing new costs an open, an fstat and two small reads; an append, its own bytes on top."""
        self.pending = 0
        try:
            with opened(self._system, self.path) as file:
                # Where the live file goes on it is not over, whatever an earlier poll took it for.
                place = _Place.resume(file, replace(self.position, over=None)) if file and self.position else None
                if file and place:
                    self.position = place.position()
                    yield from self._read(file, place)
                    return
            yield from self._follow()
        except Moved:
            return  # rotated under our eyes: the next poll finds the files at rest
        except OSError as error:
            reason = f"cannot read: {os.strerror(error.errno) if error.errno else error}"
            raise RetryLater(reason, path=self.path, hint="see that this user may read it and its siblings") from error

    def _follow(self) -> Iterator[Chunk | Turn]:
        """The live file does not go on from the position: find out why, and read on from where that leads."""
        files = self._survey()
        live = files[-1] if files and files[-1].path == self.path else None
        chain = [sight for sight in files if sight.opening and not sight.is_copy]
        marks = tuple(sight.mark for sight in files if sight.opening and sight is not live)
        here = self.position
        if here:
            holders = [index for index, sight in enumerate(chain) if sight.holds_position]
            if holders:
                chain = chain[holders[-1] :]
            elif live is None:
                return  # removed, or renamed out of reach: what appears in its place will tell
            elif here.over is not None and not (live.opening and live.was_read(here)):
                chain = [sight for sight in chain if not sight.was_read(here)]
            elif live.opening:
                yield self._told(Turn.REWRITTEN)
                self.position = None
            else:
                yield self._told(Turn.TRUNCATED)
                self.position = replace(here, over=marks)
                return
        yield from self._read_chain(chain)
        if self.position and self.position.over is None and live and not live.opening:
            yield self._told(Turn.ROTATED)
            self.position = replace(self.position, over=marks)

    def _read_chain(self, chain: list[_Sight]) -> Iterator[Chunk | Turn]:
        """Files from the oldest to the newest, each from its first row, or from the position where it holds that."""
        for sight in chain:
            with opened(self._system, sight.path) as file:
                if file is None or file.size < sight.start + len(sight.opening):
                    raise Moved
                if not sight.holds_position:
                    yield from self._leave()
                    yield from self._read(file, _Place.begin(file, sight), sight.opening)
                elif self.position and (place := _Place.resume(file, self.position)):
                    yield from self._read(file, place)
                else:
                    raise Moved

    def _leave(self) -> Iterator[Turn]:
        """What is to be told when the first row of a file follows the last of another."""
        if self.position is None:
            return
        if self.pending:
            yield self._told(Turn.TORN)
        if self.position.over is None:
            yield self._told(Turn.ROTATED)

    def _read(self, file: OpenFile, place: _Place, opening: bytes = b"") -> Iterator[Chunk]:
        """The whole lines from a place, where the opening stands, to where the file ended when it was opened.

        What was read is proven afterwards to be of the right file: a truncation or rewrite before would show by then.
        """
        while place.offset < file.size:
            block = file.read(min(self._block or BLOCK, file.size - place.offset), place.offset)
            if not block or not place.stands_in(file) or not _alike(block, opening):
                raise Moved
            opening = b""
            end = block.rfind(b"\n") + 1
            if place.mid_line:
                end = block.find(b"\n") + 1
                place = place.after(block[:end]) if end else place.after(block, mid_line=True)
            elif end:
                yield Chunk(file.path, place.offset, place.header, block[:end])
                place = place.after(block[:end])
            elif len(block) > LONGEST_LINE:
                yield Chunk(file.path, place.offset, place.header, block[: LONGEST_LINE + 1] + b"\n")
                place = place.after(block, mid_line=True)
            else:
                break
            self.position = place.position()
        self.pending = file.size - place.offset

    def _survey(self) -> list[_Sight]:
        """The live file and its siblings, oldest first.

        The newest is looked at first. Rows seen in one file are therefore proof that what is read later of an older
        one is all it will ever hold.
        """
        rotated = siblings(self._system, self.path)
        files: list[_Sight] = []
        for path in (self.path, *rotated):
            with opened(self._system, path) as file:
                if file is not None:  # a sibling that is gone shows below
                    sight = _Sight.of(file, self.position)
                    read = [newer.opening for newer in files if newer.opening and not newer.is_copy]
                    is_copy = any(_alike(opening, sight.opening) for opening in read)
                    files.append(sight._replace(is_copy=is_copy))
        if siblings(self._system, self.path) != rotated:
            raise Moved
        header = self.position.header if self.position else b""
        oldest_first = []
        for sight in reversed(files):
            header = sight.header or header
            oldest_first.append(sight._replace(header=header))
        return oldest_first

    def _told(self, turn: Turn) -> Turn:
        self.counts[turn] += 1
        return turn


class _Sight(NamedTuple):
    """What one look at a file told."""

    path: Path
    header: bytes  # empty where it has none
    start: int  # where its rows begin
    opening: bytes  # the first KiB of rows; empty where none is whole
    holds_position: bool
    is_copy: bool = False  # of a newer file, in which its rows are read

    @property
    def mark(self) -> str:
        """Tells the files apart that stand beside each other."""
        return _sha256(self.opening)[:16]

    def was_read(self, position: Position) -> bool:
        """Whether it was there before the file of the position was over, or is that file, or a copy of it."""
        return self.mark in (position.over or ()) or _alike(self.opening, position.opening)

    @classmethod
    def of(cls, file: OpenFile, position: Position | None) -> _Sight:
        block = file.read(LONGEST_FIELD, 0)
        if block.count(b"\n") < 2:  # a first row that is torn, or very long
            block = file.read(LONGEST_BEGINNING, 0)
        header, start = _header(block)
        rows = block[start:]
        whole = b"\n" in rows or len(rows) > LONGEST_LINE
        holds = position is not None and _Place.resume(file, position) is not None
        return cls(file.path, header, start, rows[:ANCHOR] if whole else b"", holds)


@dataclass(frozen=True)
class _Place:
    """A position in an open file, with the bytes that its anchors are made of as they were when they were read."""

    header: bytes
    offset: int
    head: bytes
    tail: bytes
    opening: bytes
    mid_line: bool = False
    over: tuple[str, ...] | None = None

    @classmethod
    def begin(cls, file: OpenFile, sight: _Sight) -> _Place:
        return cls(sight.header, sight.start, *_anchors(file, sight.start), opening=b"")

    @classmethod
    def resume(cls, file: OpenFile, position: Position) -> _Place | None:
        """None where the file is not the one that the position was taken in."""
        if file.size < position.offset:
            return None
        head, tail = _anchors(file, position.offset)
        if (_sha256(head), _sha256(tail)) != (position.head, position.tail):
            return None
        return cls(position.header, position.offset, head, tail, position.opening, position.mid_line, position.over)

    def stands_in(self, file: OpenFile) -> bool:
        return (self.head, self.tail) == _anchors(file, self.offset)

    def after(self, data: bytes, *, mid_line: bool = False) -> _Place:
        return replace(
            self,
            offset=self.offset + len(data),
            head=(self.head + data[:ANCHOR])[:ANCHOR],
            tail=(self.tail + data[-ANCHOR:])[-ANCHOR:],
            opening=(self.opening + data[:ANCHOR])[:ANCHOR],
            mid_line=mid_line,
        )

    def position(self) -> Position:
        head, tail = _sha256(self.head), _sha256(self.tail)
        return Position(self.offset, head, tail, self.opening, self.header, self.mid_line, self.over)


def _header(block: bytes) -> tuple[bytes, int]:
    """The header line that a file begins with, empty where it has none; and where its rows begin."""
    start = len(BYTE_ORDER_MARK) if block.startswith(BYTE_ORDER_MARK) else 0
    end = block.find(b"\n", start) + 1
    line = block[start:end].rstrip(b"\r\n")
    return (line, end) if is_header(line) else (b"", start)


def _anchors(file: OpenFile, offset: int) -> tuple[bytes, bytes]:
    length = min(ANCHOR, offset)
    return file.read(length, 0), file.read(length, offset - length)


def _alike(one: bytes, other: bytes) -> bool:
    """Whether two openings agree as far as both go."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _bytes(text: str) -> bytes:
    """What `as_dict` wrote as text, one character a byte."""
    return text.encode("latin-1", "replace")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
