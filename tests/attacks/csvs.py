"""Histories that somebody has made to do harm, for all that read them: the book, the bridge, and the equity curve.

Rows that count for nothing are counted, never guessed; what no reader can make sense of is refused. Each case says how
many rows can be read, and how many cannot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from agents.bridge_rows import Rows
from attacks.confined import Cases
from attacks.names import FORMULAS, HOSTILE
from contract.book.reader import HistoryReader
from contract.errors import BadInput
from contract.files import read_record
from contract.rows import LONGEST_LINE, Attribution
from contract.schema.account import parse_performance_metrics
from contract.schema.names import PNL_HEADER, Root
from contract.system import OperatingSystem

MIB = 1 << 20
COLUMNS = 1_000_000
HEADER = ",".join(PNL_HEADER).encode() + b"\n"
ROW = b"2026-01-05,2026-01-05T09:00:00Z,SPY,sell,1,1,r,1.5,vix_strategy,,,,,\n"


class History(NamedTuple):
    """How the file is written, and what can be read of it; None where the whole of it is refused."""

    write: Callable[[BinaryIO], object]
    rows: int | None
    bad: int = 0


Piece = bytes | tuple[bytes, int]
"""Bytes, or bytes so many times over: made when they are written, because all the cases together are large."""


def _pieces(*pieces: Piece) -> Callable[[BinaryIO], object]:
    def write(file: BinaryIO) -> None:
        for piece in pieces:
            content, times = piece if isinstance(piece, tuple) else (piece, 1)
            at_once = max(1, MIB // max(1, len(content)))
            for done in range(0, times, at_once):
                file.write(content * min(at_once, times - done))

    return write


def _rows(*pieces: Piece) -> Callable[[BinaryIO], object]:
    """Between two good rows."""
    return _pieces(HEADER + ROW, *pieces, ROW)


def _hole(size: int) -> Callable[[BinaryIO], object]:
    """A line of zeros that takes no room on the disk."""

    def write(file: BinaryIO) -> None:
        file.write(HEADER + ROW)
        file.truncate(file.tell() + size)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + ROW)

    return write


def _numbered(before: bytes, row: bytes, numbers: range) -> Callable[[BinaryIO], object]:
    def write(file: BinaryIO) -> None:
        file.write(before)
        file.writelines(row % number for number in numbers)

    return write


def row_with(text: str) -> bytes:
    """A row with that wherever text may stand. Its time can be read, its pnl cannot."""
    words = '"' + text.replace('"', '""').replace("\n", " ") + '"'
    time = "2026-01-05,2026-01-05T09:00:00Z"
    return f"{time},{words},{words},1,1,{words},not known,{words},,,,,{words}\n".encode()


HISTORIES: dict[str, History] = {
    "one line of 1 GiB, of zeros": History(_hole(1 << 30), rows=2, bad=1),
    "one line of 64 MiB": History(_rows((b"x", 64 * MIB), b"\n"), rows=2, bad=1),
    "a line that never ends": History(_pieces(HEADER + ROW, (b"x", 8 * MIB)), rows=1, bad=1),
    "a million columns": History(_rows((b",", COLUMNS), b"\n", (b",", COLUMNS), b"\n"), rows=2, bad=2),
    "a million columns in quotes": History(_rows((b'"",', LONGEST_LINE // 3), b"\n"), rows=2, bad=1),
    "a header of a million columns": History(_pieces(b"timestamp,pnl", (b",", COLUMNS), b"\n" + ROW), rows=0, bad=1),
    "a header of a million names": History(_numbered(b"timestamp,pnl", b",%d", range(COLUMNS)), rows=None),
    "rows of 900 columns": History(
        _pieces(b"timestamp,pnl" + b"," * 900 + b"\n", (b"2026-01-05,1.5" + b"," * 900 + b"\n", 2_000)), rows=2_000
    ),
    "nothing but newlines": History(_rows((b"\n", 100_000)), rows=2, bad=100_000),
    "nothing but quotes": History(_rows((b'"', MIB - 1), b"\n", (b'"', MIB - 1), b"\n"), rows=2, bad=2),
    "nothing but zeros": History(_rows((b"\0" * 1023 + b"\n", 16 * 1024)), rows=2, bad=16 * 1024),
    "zeros among the rows": History(_rows(ROW.replace(b"SPY", b"S\0Y")), rows=2, bad=1),
    "zeros before the header": History(_pieces(bytes(100), HEADER + ROW), rows=None),
    "no header": History(_pieces(ROW * 3), rows=None),
    "a column twice": History(_pieces(HEADER.replace(b"\n", b",pnl\n") + ROW), rows=None),
    "UTF-16": History(_pieces((HEADER + ROW).decode().encode("utf-16")), rows=None),
    "half a character": History(_rows(ROW.replace(b"SPY", b"\xc3")), rows=2, bad=1),
    "a surrogate": History(_rows(ROW.replace(b"SPY", b"\xed\xa0\x80")), rows=2, bad=1),
    "numbers of many digits": History(_rows(ROW.replace(b"1.5", b"9" * 60_000)), rows=2, bad=1),
    "numbers beyond all measure": History(_rows(ROW.replace(b"1.5", b"1e999"), ROW.replace(b"1.5", b"nan")), 2, 2),
    "days without end": History(
        _numbered(HEADER, ROW.replace(b"2026-01-05T", b"%04d-01-05T"), range(1, 9999, 4)), rows=2_500
    ),
    "a symbol in every row": History(_numbered(HEADER, ROW.replace(b"SPY,sell", b"S%d,buy"), range(20_000)), 20_000),
    "formulas": History(_rows(*map(row_with, FORMULAS)), rows=2, bad=len(FORMULAS)),
    "escapes, markup and more": History(_rows(*map(row_with, HOSTILE)), rows=2, bad=len(HOSTILE)),
}
LONG = {"one line of 1 GiB": History(_rows((b"x", 1 << 30), b"\n"), rows=2, bad=1)}
"""For the long run."""


def write(root: Root, history: History) -> None:
    root.state.mkdir(parents=True, exist_ok=True)
    root.pnl_history.unlink(missing_ok=True)
    with root.pnl_history.open("wb") as file:
        history.write(file)


def read_into_the_book(root: Root) -> tuple[int, int]:
    """As everybody does who needs the book: rows and bad rows."""
    reader = HistoryReader(OperatingSystem(), root, Attribution())
    update = reader.poll()
    reader.daily(10_000.0)
    return update.rows, update.bad


def read_row_by_row(root: Root) -> int:
    """As the bridge does."""
    rows = Rows(OperatingSystem(), root.pnl_history, ("equity",))
    return sum(1 for _ in rows.new(Attribution()))


def cases(directory: Path) -> Cases:
    """For `confined`. A history that can be read in part says so by a refusal that names the counts."""
    root = Root(directory / "root")
    histories = {**HISTORIES, **(LONG if (directory / "long").exists() else {})}
    write(root, History(_rows(), 2))
    yield "good", lambda: (read_into_the_book(root), read_row_by_row(root))
    for name, history in histories.items():
        write(root, history)
        yield from _readings(root, name, history)


def _readings(root: Root, name: str, history: History) -> Iterator[tuple[str, Callable[[], object]]]:
    def into_the_book() -> None:
        found = read_into_the_book(root)
        if found != (history.rows, history.bad):
            raise AssertionError(found)
        raise BadInput(f"{found[0]} rows, {found[1]} bad", path=root.pnl_history, hint="as it should be")

    def row_by_row() -> None:
        found = read_row_by_row(root)
        if found != history.rows:
            raise AssertionError(found)
        raise BadInput(f"{found} rows", path=root.pnl_history, hint="as it should be")

    def equity_curve() -> None:
        found = read_record(OperatingSystem(), root.pnl_history, parse_performance_metrics)
        assert found is not None
        raise BadInput(f"{len(found.rows)} rows, {found.bad_rows} bad", path=root.pnl_history, hint="as it should be")

    yield f"{name}: the book", into_the_book
    yield f"{name}: the bridge", row_by_row
    yield f"{name}: the equity curve", equity_curve
