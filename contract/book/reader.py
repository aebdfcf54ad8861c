"""Follows the files that the bot appends to, and keeps the book of what they say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from contract.book.blocks import MOST_BAD_ROWS, BlockReader, Trades
from contract.book.capital import Published
from contract.book.daily import DailyBook
from contract.book.history import Book
from contract.book.marks import Marks
from contract.rows import Attribution, BadRow
from contract.schema.names import Root
from contract.system import System
from contract.tail import Chunk, Tail, Turn

NO_MARK = "mark without a strategy or a capital"

_BYTES_SHOWN = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(NamedTuple):
    """A line that counts for nothing, and the file in which it stands."""

    path: Path
    row: BadRow


class Told(NamedTuple):
    """What happened to which file."""

    path: Path
    turn: Turn


class Update(NamedTuple):
    """What a poll found: what is new, or after a rewrite, all there is."""

    rows: int = 0
    trades: int = 0
    """Rows with a profit or a loss."""
    duplicates: int = 0
    marks: int = 0
    bad: int = 0
    bad_rows: tuple[Refused, ...] = ()
    """The first `MOST_BAD_ROWS` of the bad ones."""
    turns: tuple[Told, ...] = ()


class Input(NamedTuple):
    """What a book was made of."""

    rows: int
    last_timestamp: datetime | None
    sha256: str
    marks: int = 0
    """Rows of marks, where there are any."""


class HistoryReader:
    """The book of `pnl_history.csv` and `strategy_marks.csv`. It begins empty: the first poll reads all there is."""

    def __init__(self, system: System, root: Root, attribution: Attribution, zone: tzinfo = UTC) -> None:
        self.book = Book(zone)
        self.marks = Marks(zone)
        self._zone = zone
        self._blocks = BlockReader(attribution)
        self._history_file = Tail(system, root.pnl_history)
        self._marks_file = Tail(system, root.strategy_marks)
        self._news = Update()

    @property
    def pending(self) -> int:
        """Bytes of a last line of the history that waits for its newline."""
        return self._history_file.pending

    def poll(self) -> Update:
        """Take what is new in both files, in the time that the new bytes take.

        After an error (`RetryLater`, or `BadInput` for a header that lacks a column) nothing is lost: the next poll
        goes on where this one stopped, and tells what this one found.
        """
        for item in self._history_file.poll():
            if isinstance(item, Chunk):
                self._take_history(item)
            else:
                self._hear(self._history_file.path, item)
                if item is Turn.REWRITTEN:
                    self.book = Book(self._zone)
                    self._news = self._news._replace(rows=0, trades=0, duplicates=0)
        for item in self._marks_file.poll():
            if isinstance(item, Chunk):
                self._take_marks(item)
            else:
                self._hear(self._marks_file.path, item)
                if item is Turn.REWRITTEN:
                    self.marks = Marks(self._zone)
                    self._news = self._news._replace(marks=0)
        update, self._news = self._news, Update()
        return update

    def read_first(self, rows: int, marks: int) -> bool:
        """In place of a poll, of a reader that has read nothing: the first rows and marks, as the book was after them.

        Says whether there were as many.
        """
        for file, kept, count in ((self._history_file, self.book, rows), (self._marks_file, self.marks, marks)):
            for item in file.poll():
                for block in self._blocks.read(item) if isinstance(item, Chunk) else ():
                    _add_first(kept, block.trades, count)
        return (self.book.rows, self.marks.rows) == (rows, marks)

    def daily(
        self,
        initial_equity: float,
        equity_of_day: Mapping[date, float] | None = None,
        published: Published | None = None,
    ) -> DailyBook:
        """The book as it stands: of the marks where there are any. See `Book.daily`."""
        return self.book.daily(initial_equity, equity_of_day, published, self.marks)

    def input(self) -> Input:
        """What the book is made of, for whoever publishes what follows from it."""
        last = self.book.last_time
        fingerprint = self.book.sha256()
        if self.marks:
            fingerprint = sha256(f"{fingerprint} {self.marks.sha256()}".encode()).hexdigest()
        moment = None if last is None else _EPOCH + timedelta(microseconds=last)
        return Input(self.book.rows, moment, fingerprint, self.marks.rows)

    def _take_history(self, chunk: Chunk) -> None:
        news, book = self._news, self.book
        rows, trades, duplicates = news.rows - book.rows, news.trades - book.trades, news.duplicates - book.duplicates
        parts = []
        for block in self._blocks.read(chunk):
            parts.append(block.trades)
            self._refuse(chunk.path, block.bad, block.bad_rows)
        book.add(Trades.joined(parts))
        self._news = self._news._replace(
            rows=rows + book.rows, trades=trades + book.trades, duplicates=duplicates + book.duplicates
        )

    def _take_marks(self, chunk: Chunk) -> None:
        for block in self._blocks.read(chunk):
            useless = self.marks.add(block.trades)
            offsets = block.trades.offset[useless].tolist()
            self._news = self._news._replace(marks=self._news.marks + len(useless) - len(offsets))
            self._refuse(chunk.path, block.bad, block.bad_rows)
            no_marks = [BadRow(offset, NO_MARK, _line_at(chunk, offset)) for offset in offsets[:MOST_BAD_ROWS]]
            self._refuse(chunk.path, len(offsets), no_marks)

    def _refuse(self, path: Path, count: int, rows: list[BadRow]) -> None:
        kept = rows[: MOST_BAD_ROWS - len(self._news.bad_rows)]
        self._news = self._news._replace(
            bad=self._news.bad + count, bad_rows=self._news.bad_rows + tuple(Refused(path, row) for row in kept)
        )

    def _hear(self, path: Path, turn: Turn) -> None:
        self._news = self._news._replace(turns=(*self._news.turns, Told(path, turn)))


def _add_first(kept: Book | Marks, trades: Trades, rows: int) -> None:
    """Add as many as make so many rows in all; those that do not count are no rows."""
    while len(trades.time) and kept.rows < rows:
        lacking = rows - kept.rows
        kept.add(trades.take(slice(lacking)))
        trades = trades.take(slice(lacking, None))


def _line_at(chunk: Chunk, offset: int) -> bytes:
    start = offset - chunk.offset
    return chunk.data[start : chunk.data.index(b"\n", start)][:_BYTES_SHOWN]
