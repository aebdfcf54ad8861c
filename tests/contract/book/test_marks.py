from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from contract.book.blocks import BlockReader, Trades
from contract.book.marks import Marks
from contract.rows import Attribution
from contract.schema.names import MARKS_HEADER
from contract.tail import Chunk

HEADER = ",".join(MARKS_HEADER).encode()


def rows(*lines: str) -> Trades:
    chunk = Chunk(Path("strategy_marks.csv"), 0, HEADER, "".join(f"{line}\n" for line in lines).encode())
    return Trades.joined([block.trades for block in BlockReader(Attribution()).read(chunk)])


def test_the_last_mark_of_a_day_counts() -> None:
    marks = Marks(UTC)
    first = rows("2026-03-03T21:00:00Z,vix_strategy,100,1,0.5", "2026-03-02,turtle_trading,50,-2,0")
    assert not marks.add(first).any()
    marks.add(rows("2026-03-03T22:00:00Z,vix_strategy,200,4,0.5"))
    days, pnl, capital = marks.by_day()
    assert days.astype("M8[D]").astype(str).tolist() == ["2026-03-02", "2026-03-03"]
    assert pnl[:, [0, 7]].tolist() == [[-2, 0], [0, 4]]
    assert capital[0, 0] == 50 and capital[1, 7] == 200
    assert np.isfinite(capital).sum() == len(marks) == 2


def test_what_has_no_strategy_or_no_capital_is_no_mark() -> None:
    lines = ["2026-03-02,nobody,100,1,0", "2026-03-02,vix_strategy,,1,0", "2026-03-02,vix_strategy,0,1,0"]
    marks = Marks(UTC)
    useless = marks.add(rows(*lines, "2026-03-02,vix_strategy,-5,1,0", "2026-03-02,vix_strategy,5,,0"))
    assert useless.tolist() == [True, True, True, True, False]
    assert len(marks) == 1


def test_no_marks_are_no_book() -> None:
    marks = Marks(UTC)
    days, pnl, capital = marks.by_day()
    assert not marks
    assert (days.shape, pnl.shape, capital.shape) == ((0,), (0, 8), (0, 8))


def test_days_are_those_of_the_zone() -> None:
    marks = Marks(ZoneInfo("Asia/Tokyo"))
    marks.add(rows("2026-03-02T21:00:00Z,vix_strategy,100,1,0.5"))
    assert marks.by_day()[0].astype("M8[D]").astype(str).tolist() == ["2026-03-03"]


def test_the_fingerprint_is_that_of_the_marks() -> None:
    one, other = Marks(UTC), Marks(UTC)
    assert one.sha256() == other.sha256()
    one.add(rows("2026-03-02,vix_strategy,100,1,0.5", "2026-03-03,vix_strategy,100,1,0.5"))
    other.add(rows("2026-03-02,vix_strategy,100,1,0.5"))
    other.add(rows("2026-03-02,nobody,100,1,0.5"))
    assert one.sha256() != other.sha256()
    other.add(rows("2026-03-03,vix_strategy,100,1,0.5"))
    assert one.sha256() == other.sha256()
