"""The rows of the history that the bridge has not seen yet, each once, without numpy and in little memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from contract.errors import BadInput
from contract.rows import LONGEST_LINE, Attribution, BadRow, Columns, SeenIds, Trade, parse_row
from contract.system import System
from contract.tail import Chunk, Position, Tail, Turn

_BLOCK = LONGEST_LINE + (64 << 10)
"""Bytes that are read at once: for a reader that has time, and wants to stay small."""
IDS_COMPARED = 10_000
IDS_KEPT = 256
"""So many ids outlast a restart: a bot that crashed repeats the rows of its last append, and those stand at the end."""


class Rows:
    """`wanted`: the columns that are looked at, of those that a row can do without; an id is looked at anyway."""

    def __init__(
        self,
        system: System,
        path: Path,
        wanted: Iterable[str],
        position: Position | None = None,
        ids: Iterable[str] = (),
    ) -> None:
        self._tail = Tail(system, path, position, block=_BLOCK)
        self._seen = SeenIds(IDS_COMPARED)
        self._last_ids = deque(ids, IDS_KEPT)
        self._columns: dict[bytes, Columns] = {}
        self._wanted = {"id", *wanted}
        for row_id in self._last_ids:
            self._seen.repeats(row_id)

    @property
    def position(self) -> Position | None:
        """Behind the last row once `new` is exhausted; in the midst of it, behind an earlier one."""
        return self._tail.position

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._last_ids)

    def new(self, attribution: Attribution) -> Iterator[Trade | Turn]:
        """Rows that cannot be read are left out: the tracker quarantines them, and `status` shows how many."""
        for item in self._tail.poll():
            if isinstance(item, Chunk):
                yield from self._trades(item, attribution)
                del item  # lest it be held while the next block is read
            else:
                if item is Turn.REWRITTEN:
                    self._seen = SeenIds(IDS_COMPARED)
                    self._last_ids.clear()
                yield item

    def _trades(self, chunk: Chunk, attribution: Attribution) -> Iterator[Trade]:
        columns = self._columns.get(chunk.header)
        if columns is None:
            columns = self._columns[chunk.header] = _columns(chunk).only(self._wanted)
        start = 0
        while start < len(chunk.data):
            end = chunk.data.index(b"\n", start) + 1
            trade = parse_row(chunk.data[start:end], chunk.offset + start, columns, attribution)
            start = end
            if isinstance(trade, BadRow) or self._seen.repeats(trade.id):
                continue
            if trade.id is not None:
                self._last_ids.append(trade.id)
            yield trade


def _columns(chunk: Chunk) -> Columns:
    try:
        return Columns.parse(chunk.header)
    except BadInput as error:
        raise BadInput(error.message, path=chunk.path, hint=error.hint) from None
