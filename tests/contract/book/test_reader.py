from __future__ import annotations

import errno
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.fake_system import FakeMachine

from contract.book.blocks import MOST_BAD_ROWS
from contract.book.daily import BookKind
from contract.book.reader import NO_MARK, HistoryReader, Update
from contract.errors import BadInput, RetryLater
from contract.files import append_line
from contract.rows import Attribution
from contract.schema.names import MARKS_HEADER, PNL_HEADER, STRATEGIES, Root
from contract.system import OperatingSystem
from contract.tail import Turn

HEADER = ",".join(PNL_HEADER) + "\n"
EQUITY = 10_000.0


class Counting(OperatingSystem):
    """Counts the bytes that are read, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0
        self.reads_before_failure = -1

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        if self.reads_before_failure == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.reads_before_failure -= 1
        data = super().pread(descriptor, size, offset)
        self.bytes_read += len(data)
        return data


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "state").mkdir()
    return Root(tmp_path)


def reader_of(root: Root, system: OperatingSystem | None = None) -> HistoryReader:
    return HistoryReader(system or OperatingSystem(), root, Attribution())


def line(number: int, **fields: object) -> str:
    time = f"2026-03-{1 + number // 10 % 28:02d}T{number % 10:02d}:00:00Z"
    content = {"timestamp": time, "strategy": STRATEGIES[number % 8], "pnl": number % 3, "id": number} | fields
    return ",".join(str(content.get(name, "")) for name in PNL_HEADER) + "\n"


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_without_files_there_is_nothing(root: Root) -> None:
    reader = reader_of(root)
    assert reader.poll() == Update()
    assert (reader.input().rows, reader.input().last_timestamp) == (0, None)
    assert len(reader.daily(EQUITY).dates) == 0


def test_a_poll_tells_what_is_new(root: Root) -> None:
    reader = reader_of(root)
    append(root.pnl_history, HEADER + line(1) + line(3) + "garbage\n" + line(1))
    assert reader.poll()._replace(bad_rows=()) == Update(rows=2, trades=1, duplicates=1, bad=1)
    append(root.pnl_history, line(5) + "2026-03-0")
    assert reader.poll() == Update(rows=1, trades=1)
    assert reader.pending == len("2026-03-0")
    assert reader.poll() == Update()
    made_of = reader.input()
    assert (made_of.rows, made_of.last_timestamp) == (3, datetime(2026, 3, 1, 5, tzinfo=UTC))
    assert reader.daily(EQUITY).account_pnl.tolist() == [3.0]


def test_bad_rows_come_with_their_place(root: Root) -> None:
    append(root.pnl_history, HEADER + line(1) + 'tur"tle\n' + line(2))
    (refused,) = reader_of(root).poll().bad_rows
    assert refused.path == root.pnl_history
    assert refused.row.offset == len(HEADER + line(1))
    assert refused.row.line == b'tur"tle'


def test_bad_rows_are_all_counted_but_not_all_kept(root: Root) -> None:
    append(root.pnl_history, HEADER + "x\n" * (MOST_BAD_ROWS + 5))
    update = reader_of(root).poll()
    assert update.bad == MOST_BAD_ROWS + 5
    offsets = [refused.row.offset for refused in update.bad_rows]
    assert offsets == [len(HEADER) + 2 * row for row in range(MOST_BAD_ROWS)]


def test_a_rewrite_starts_the_book_afresh(root: Root) -> None:
    append(root.pnl_history, HEADER + "".join(map(line, range(300))))
    reader = reader_of(root)
    reader.poll()
    root.pnl_history.write_text(HEADER + "".join(line(number, pnl=7) for number in range(100, 120)), encoding="utf-8")
    update = reader.poll()
    assert (update.rows, update.trades) == (20, 20)
    assert [told.turn for told in update.turns] == [Turn.REWRITTEN]
    assert reader.daily(EQUITY).account_pnl.sum() == 140


def test_rotation_and_truncation_keep_the_book(root: Root) -> None:
    append(root.pnl_history, HEADER + "".join(map(line, range(50))))
    reader = reader_of(root)
    reader.poll()
    root.pnl_history.rename(root.state / "pnl_history.csv.1")
    append(root.pnl_history, HEADER + "".join(map(line, range(50, 60))))
    update = reader.poll()
    assert (update.rows, [told.turn for told in update.turns]) == (10, [Turn.ROTATED])
    assert reader.book.rows == 60
    (root.state / "pnl_history.csv.1").unlink()
    root.pnl_history.write_bytes(b"")
    assert [told.turn for told in reader.poll().turns] == [Turn.TRUNCATED]
    assert reader.book.rows == 60


def test_marks_make_the_book_and_a_rewrite_of_them_leaves_the_trades_alone(root: Root) -> None:
    marks_header = ",".join(MARKS_HEADER) + "\n"
    append(root.pnl_history, HEADER + line(1))
    reader = reader_of(root)
    reader.poll()
    assert reader.daily(EQUITY).kind is BookKind.TRADES
    of_trades = reader.input()
    good, useless = "2026-03-01T21:00:00Z,vix_strategy,1000,50,0.5\n", "2026-03-01T21:00:00Z,nobody,1000,50,0\n"
    append(root.strategy_marks, marks_header + good + useless + "garbage\n")
    update = reader.poll()
    assert (update.rows, update.marks, update.bad) == (0, 1, 2)
    assert {refused.row.reason for refused in update.bad_rows} == {NO_MARK, "wrong column count"}
    (refused,) = (refused for refused in update.bad_rows if refused.row.reason == NO_MARK)
    assert (refused.path, refused.row.line) == (root.strategy_marks, useless.strip().encode())
    assert refused.row.offset == len(marks_header + good)
    assert reader.daily(EQUITY).kind is BookKind.MARKS
    assert reader.daily(EQUITY).returns[0, 7] == 0.05
    assert reader.input().rows == of_trades.rows
    assert reader.input().sha256 != of_trades.sha256
    root.strategy_marks.rename(root.state / "strategy_marks.csv.1")
    append(root.strategy_marks, marks_header + "2026-03-02T21:00:00Z,vix_strategy,1000,10,0.5\n")
    assert [told.turn for told in reader.poll().turns] == [Turn.ROTATED]
    assert reader.daily(EQUITY).returns[:, 7].tolist() == [0.05, 0.01]
    (root.state / "strategy_marks.csv.1").unlink()
    root.strategy_marks.write_text(marks_header + "2026-03-04,pairs_trading,10,1,0\n", encoding="utf-8")
    update = reader.poll()
    assert (update.marks, update.turns[0].path) == (1, root.strategy_marks)
    assert reader.daily(EQUITY).dates.astype(str).tolist() == ["2026-03-04"]
    assert reader.book.rows == 1


def test_a_header_that_makes_no_sense_is_refused_until_it_is_mended(root: Root) -> None:
    append(root.pnl_history, "timestamp,symbol\n2026-03-01,SPY\n")
    reader = reader_of(root)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"pnl_history.csv: .*pnl"):
            reader.poll()
    root.pnl_history.write_text(HEADER + line(1), encoding="utf-8")
    assert reader.poll().rows == 1


def test_a_disk_that_fails_amid_a_poll_loses_and_doubles_nothing(root: Root) -> None:
    append(root.pnl_history, HEADER + "x\n" + "".join(line(number, reason="." * 900) for number in range(9000)))
    whole = reader_of(root)
    found = whole.poll()
    system = Counting()
    reader = reader_of(root, system)
    failures = 0
    for reads in range(1, 40):
        system.reads_before_failure = reads
        try:
            update = reader.poll()
        except RetryLater:
            failures += 1
            continue
        break
    assert failures > 2
    assert update == found
    assert reader.input() == whole.input()


@pytest.mark.parametrize("rows", [1_000, 100_000])
def test_a_poll_costs_the_new_bytes_whatever_the_size_of_the_file(root: Root, rows: int) -> None:
    append(root.pnl_history, HEADER + "".join(map(line, range(rows))))
    system = Counting()
    reader = reader_of(root, system)
    reader.poll()
    system.bytes_read = 0
    append(root.pnl_history, line(rows))
    assert reader.poll().rows == 1
    assert system.bytes_read < 8192


def test_following_a_file_and_reading_it_at_once_make_the_same_book(root: Root) -> None:
    chance = random.Random(8)
    reader = reader_of(root)
    append(root.pnl_history, HEADER)
    symbols, sides = ["SPY", "QQQ"], ["buy", "sell"]
    text = "".join(
        line(number, symbol=chance.choice(symbols), side=chance.choice(sides), qty=chance.randint(1, 9), capital=1000)
        for number in range(3000)
    )
    while text:
        size = int(10 ** chance.uniform(0, 5))
        append(root.pnl_history, text[:size])
        text = text[size:]
        reader.poll()
    late = reader_of(root)
    late.poll()
    assert reader.input() == late.input()
    assert reader.input().rows == 3000
    one, other = reader.daily(EQUITY), late.daily(EQUITY)
    assert one.pnl.tolist() == other.pnl.tolist()
    assert one.capital.tolist() == other.capital.tolist()
    assert one.returns == pytest.approx(other.returns, abs=1e-9)
    assert np.abs(one.returns).sum() > 0


def test_strategies_are_told_by_their_symbols_where_the_settings_say_so(root: Root) -> None:
    append(root.pnl_history, "date,symbol,pnl\n2026-03-01,SPY,5\n2026-03-01,GLD,7\n")
    reader = HistoryReader(OperatingSystem(), root, Attribution({"SPY": "macd_momentum"}))
    reader.poll()
    day = reader.daily(EQUITY)
    assert (day.pnl[0, STRATEGIES.index("macd_momentum")], day.pnl.sum(), day.account_pnl[0]) == (5, 5, 12)
    assert reader.book.unattributed == 1


def test_the_first_rows_make_the_book_that_there_was_after_them(root: Root) -> None:
    append(root.pnl_history, ",".join(PNL_HEADER) + "\n")
    append(root.strategy_marks, ",".join(MARKS_HEADER) + "\n")
    followed, inputs = reader_of(root), []
    for number in range(6):
        append(root.pnl_history, line(number, id=f"fill-{number // 2}") + line(number))
        append(root.strategy_marks, f"2026-03-0{number + 1},pairs_trading,100,{number},1\n2026-03-01,nobody,1,1,1\n")
        followed.poll()
        inputs.append(followed.input())
    assert [made_of.marks for made_of in inputs] == [1, 2, 3, 4, 5, 6]
    for made_of in inputs:
        again = reader_of(root)
        assert again.read_first(made_of.rows, made_of.marks)
        assert again.input() == made_of
    assert not reader_of(root).read_first(1000, 6)
    assert not reader_of(root).read_first(2, 7)


def test_it_reads_through_the_seam() -> None:
    system = FakeMachine(seed=1).start()
    root = Root(Path("/somewhere"))
    append_line(system, root.pnl_history, line(1).strip(), line(3).strip(), header=HEADER.strip())
    reader = HistoryReader(system, root, Attribution())
    assert reader.poll() == Update(rows=2, trades=1)
    append_line(system, root.pnl_history, line(4).strip())
    assert reader.poll() == Update(rows=1, trades=1)
