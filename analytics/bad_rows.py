"""state/quarantine.csv: the rows of the bot's files that count for nothing, each written once."""

from __future__ import annotations

import csv
from collections.abc import Iterable

from contract.book.reader import Refused
from contract.errors import BadInput
from contract.files import append_line, read_bytes
from contract.quarantine import unwritten_lines
from contract.schema.names import QUARANTINE_HEADER, Root
from contract.system import System

MOST_ROWS = 10_000
"""A file that holds nothing but garbage must not fill the disk twice. What is beyond is counted, not written."""
_LARGEST = 64 << 20
_HEADER = ",".join(QUARANTINE_HEADER)


class Quarantine:
    """Of a tracker, which is its one writer."""

    def __init__(self, system: System, root: Root) -> None:
        self._system = system
        self._path = root.quarantine
        self._is_unusable = False
        self._written = dict.fromkeys(self._read())

    @property
    def is_full(self) -> bool:
        return self._is_unusable or len(self._written) >= MOST_ROWS

    @property
    def count(self) -> int:
        return len(self._written)

    def add(self, refused: Iterable[Refused]) -> int:
        """Write those that are not written yet; says how many."""
        by_file: dict[str, list[Refused]] = {}
        for one in refused:
            by_file.setdefault(_live_name(one.path.name), []).append(one)
        room = 0 if self.is_full else MOST_ROWS - len(self._written)
        lines = [
            line
            for file, found in by_file.items()
            for line in unwritten_lines(file, (one.row for one in found), self._written)
        ][:room]
        append_line(self._system, self._path, *lines, header=_HEADER)
        self._written.update(dict.fromkeys(lines))
        return len(lines)

    def last(self, count: int = 10) -> list[dict[str, str]]:
        """The newest rows, by the names of their columns."""
        lines = list(self._written)[-count:]
        return [dict(zip(QUARANTINE_HEADER, row, strict=False)) for row in csv.reader(lines)]

    def _read(self) -> list[str]:
        try:
            content = read_bytes(self._system, self._path, largest=_LARGEST) or b""
        except BadInput:  # no plain file, or grown beyond all measure: nothing is added to it
            self._is_unusable = True
            return []
        lines = content.decode("utf-8", "replace").split("\n")[:-1]
        return [line for line in lines if line and line != _HEADER]


def _live_name(name: str) -> str:
    """Of a rotated sibling, the file that it was: `pnl_history.csv.1` was `pnl_history.csv`."""
    stem, found, _ = name.partition(".csv")
    return f"{stem}{found}" if found else name
