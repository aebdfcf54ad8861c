from __future__ import annotations

from pathlib import Path

import pytest

from contract.book.blocks import BlockReader, Trades
from contract.book.fingerprint import Fingerprint
from contract.rows import Attribution
from contract.tail import Chunk

HEADER = b"timestamp,symbol,side,qty,pnl,strategy,fee,capital,equity,entry_time"
LINES = [
    b"2026-03-02T10:00:00Z,SPY,buy,1,,vix_strategy,0.5,100,1000,",
    b"2026-03-03T10:00:00Z,SPY,sell,1,7.5,vix_strategy,0.5,,1007,2026-03-02T10:00:00Z",
    b"2026-03-03T11:00:00Z,QQQ,sell,1,-7.5,,0.5,,1000,",
]


def fingerprint(*parts: list[bytes], header: bytes = HEADER) -> str:
    of = Fingerprint()
    for lines in parts:
        chunk = Chunk(Path("pnl_history.csv"), 5, header, b"".join(line + b"\n" for line in lines))
        of.add(Trades.joined([block.trades for block in BlockReader(Attribution()).read(chunk)]))
    return of.sha256()


def test_it_does_not_matter_how_rows_are_cut_quoted_and_laid_out() -> None:
    assert fingerprint(LINES) == fingerprint(LINES[:1], LINES[1:])
    assert fingerprint(LINES) == fingerprint([line.replace(b"SPY", b'"SPY"') + b"\r" for line in LINES])
    turned = [b",".join(line.split(b",")[::-1]) for line in (HEADER, *LINES)]
    assert fingerprint(LINES) == fingerprint(turned[1:], header=turned[0])


@pytest.mark.parametrize("column", range(10))
def test_every_column_matters(column: int) -> None:
    fields = LINES[1].split(b",")
    fields[column] = b"buy" if column == 2 else b"macd_momentum" if column == 5 else fields[column][:-1] + b"3"
    fields[column] = b"2026-03-01" if column in (0, 9) else fields[column]
    assert fingerprint([LINES[0], b",".join(fields), LINES[2]]) != fingerprint(LINES)


def test_the_order_and_the_number_of_rows_matter() -> None:
    assert len({fingerprint(LINES), fingerprint(LINES[::-1]), fingerprint(LINES[:2]), fingerprint()}) == 4


def test_the_same_value_in_another_column_is_another_row() -> None:
    header = b"timestamp,pnl,fee,equity"
    rows = [b"2026-03-02,1,2,", b"2026-03-02,2,1,", b"2026-03-02,1,,2"]
    assert len({fingerprint([row], header=header) for row in rows}) == 3
