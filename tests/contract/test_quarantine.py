from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quarantine import quarantine_line, unwritten_lines
from contract.rows import BadRow
from contract.schema.names import QUARANTINE_HEADER

FILE = "pnl_history.csv"


@pytest.mark.parametrize(
    ("row", "line"),
    [
        pytest.param(b"2026-01-01,1.5,10000\n", r'"2026-01-01,1.5,10000\n"', id="commas and a newline"),
        pytest.param(b"2026\r\n", r"2026\r\n", id="CRLF"),
        pytest.param(b"\x1b[2J\x07\0", r"\x1b[2J\x07\x00", id="terminal controls"),
        pytest.param("\u202egnp.exe\u009b".encode(), r"\u202egnp.exe\x9b", id="controls beyond ASCII"),
        pytest.param(b"\xff\xfe", r"\xff\xfe", id="not UTF-8"),
        pytest.param("caf\u00e9".encode(), "caf\u00e9", id="letters stay"),
        pytest.param(b"=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0", id="formula"),
        pytest.param(b"+1", "'+1", id="plus"),
        pytest.param(b"-1", "'-1", id="minus"),
        pytest.param(b"@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\uff1d1".encode(), "'\uff1d1", id="a wide equals sign"),
        pytest.param(b"2026;=1;-2;x-3", "2026;'=1;'-2;x-3", id="formulas where semicolons part cells"),
        pytest.param(b'a;"=1', '"a;""\'=1"', id="a formula in quotes behind a semicolon"),
        pytest.param(b"\t=1", r"\t=1", id="tab before a formula"),
        pytest.param(b'say "x"', '"say ""x"""', id="quotes"),
        pytest.param(b"", "", id="blank"),
    ],
)
def test_a_bad_row_is_shown_and_disarmed(row: bytes, line: str) -> None:
    assert quarantine_line(FILE, BadRow(42, "unreadable pnl", row)) == f"{FILE},42,unreadable pnl,{line}"


@settings(derandomize=True, max_examples=200)
@given(st.integers(0), st.text(), st.binary() | st.text(';" =-+@\uff1dx', max_size=9).map(str.encode))
def test_every_bad_row_makes_one_line_of_four_harmless_fields(offset: int, file: str, row: bytes) -> None:
    line = quarantine_line(file, BadRow(offset, "NUL byte", row))
    assert line.isprintable()
    (fields,) = csv.reader([line])
    assert len(fields) == len(QUARANTINE_HEADER)
    assert fields[1:3] == [str(offset), "NUL byte"]
    where_semicolons_part = line.split(";")
    for cell in (*fields, *where_semicolons_part):
        assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))


def test_a_bad_row_is_written_once() -> None:
    first, second = BadRow(1, "NUL byte", b"\0"), BadRow(9, "NUL byte", b"\0")
    lines = unwritten_lines(FILE, [first, second, first], written=())
    assert lines == [quarantine_line(FILE, first), quarantine_line(FILE, second)]
    assert unwritten_lines(FILE, [first, second], written={lines[0]}) == [lines[1]]
