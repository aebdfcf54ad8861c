from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from support.watched_csv import HEADER, Watched, rows

from contract import tail as tail_module
from contract.rows import LONGEST_LINE, Attribution, BadRow, Columns, parse_row
from contract.tail import BLOCK, Chunk, Turn

ROTATED, TORN, REWRITTEN, TRUNCATED = Turn.ROTATED, Turn.TORN, Turn.REWRITTEN, Turn.TRUNCATED


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "pnl_history.csv")


# A file that only grows.


def test_a_chunk_says_where_it_stands_and_under_which_header(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 2))
    assert watched.chunks() == [Chunk(watched.path, len(HEADER), HEADER.strip(), rows(1, 2))]
    watched.append(rows(3, 3))
    assert watched.chunks() == [Chunk(watched.path, len(HEADER + rows(1, 2)), HEADER.strip(), rows(3, 3))]
    assert watched.poll() == []


@pytest.mark.parametrize("size", [1, len(HEADER) - 1, len(HEADER), len(HEADER) + 1, 40, 60])
def test_whatever_is_torn_waits_for_its_newline(watched: Watched, size: int) -> None:
    content = HEADER + rows(1, 3)
    watched.append(content[:size])
    first = watched.poll()
    watched.append(content[size:])
    assert first + watched.poll() in ([rows(1, 3)], [rows(1, 1), rows(2, 3)], [rows(1, 2), rows(3, 3)])
    assert watched.tail.pending == 0


def test_a_torn_line_is_pending(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1) + b"2026-01-02,12")
    assert watched.poll() == [rows(1, 1)]
    assert watched.tail.pending == len(b"2026-01-02,12")
    watched.append(b".5,2\n")
    assert watched.poll() == [b"2026-01-02,12.5,2\n"]
    assert watched.tail.pending == 0


@pytest.mark.parametrize(
    ("start", "header"),
    [
        pytest.param(HEADER, HEADER.strip(), id="plain"),
        pytest.param(b"\xef\xbb\xbf" + HEADER, HEADER.strip(), id="byte order mark"),
        pytest.param(HEADER.replace(b"\n", b"\r\n"), HEADER.strip(), id="CRLF"),
        pytest.param(b"", b"", id="none"),
        pytest.param(b"\xef\xbb\xbf", b"", id="byte order mark alone"),
    ],
)
def test_rows_begin_behind_byte_order_mark_and_header(watched: Watched, start: bytes, header: bytes) -> None:
    watched.append(start + rows(1, 2, b"\r\n"))
    assert watched.chunks() == [Chunk(watched.path, len(start), header, rows(1, 2, b"\r\n"))]


def test_a_file_without_rows_has_no_position(watched: Watched) -> None:
    assert (watched.poll(), watched.tail.position) == ([], None)
    watched.append(b"")
    assert (watched.poll(), watched.tail.position) == ([], None)
    watched.append(HEADER)
    assert (watched.poll(), watched.tail.position) == ([], None)


def test_a_missing_directory_holds_nothing_yet(tmp_path: Path) -> None:
    assert Watched(tmp_path / "state" / "pnl_history.csv").poll() == []


def test_long_files_come_in_blocks_of_whole_lines(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 400_000))
    chunks = watched.chunks()
    assert len(chunks) > 1
    assert b"".join(chunk.data for chunk in chunks) == rows(1, 400_000)
    assert all(chunk.data.endswith(b"\n") and len(chunk.data) <= BLOCK for chunk in chunks)
    content = watched.path.read_bytes()
    assert all(content.startswith(chunk.data, chunk.offset) for chunk in chunks)


def test_what_was_not_taken_comes_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "BLOCK", 30)
    watched.append(HEADER + rows(1, 3))
    polling = watched.tail.poll()
    assert getattr(next(polling), "data", None) == rows(1, 1)
    assert getattr(next(polling), "data", None) == rows(2, 2)
    polling.close()  # type: ignore[attr-defined]
    watched.restart()
    assert watched.poll() == [rows(2, 3)]


# Endless lines.


def test_an_endless_line_is_one_bad_row_and_never_held_whole(watched: Watched) -> None:
    endless = 16 * BLOCK
    watched.append(HEADER + rows(1, 1))
    os.truncate(watched.path, len(HEADER + rows(1, 1)) + endless)  # a hole of zero bytes
    watched.append(b"\n" + rows(2, 2))
    tracemalloc.start()
    chunks = watched.chunks()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * BLOCK
    first = len(HEADER)
    offsets = [first, first + len(rows(1, 1)), first + len(rows(1, 1)) + endless + 1]
    assert [chunk.offset for chunk in chunks] == offsets
    columns = Columns.parse(chunks[0].header)
    parsed = [parse_row(chunk.data, chunk.offset, columns, Attribution()) for chunk in chunks]
    assert [isinstance(row, BadRow) for row in parsed] == [False, True, False]
    assert len(chunks[1].data) == LONGEST_LINE + 2


def test_an_endless_line_is_told_at_once_and_skipped_wherever_it_ends(watched: Watched) -> None:
    watched.append(HEADER + b"x" * (LONGEST_LINE + 5))
    assert watched.poll() == [b"x" * (LONGEST_LINE + 1) + b"\n"]
    for more in (b"x", b"x" * 3 * LONGEST_LINE, b""):
        watched.append(more)
        watched.restart()
        assert (watched.poll(), watched.tail.pending) == ([], 0)
    watched.append(b"\n" + rows(1, 1))
    assert watched.poll() == [rows(1, 1)]


def test_a_line_of_a_mib_still_waits(watched: Watched) -> None:
    watched.append(HEADER + b"x" * LONGEST_LINE)
    assert watched.poll() == []
    watched.append(b"\n")
    assert watched.poll() == [b"x" * LONGEST_LINE + b"\n"]


def test_a_header_may_be_as_long_as_any_line(watched: Watched) -> None:
    header = HEADER.strip() + b"," * (LONGEST_LINE - len(HEADER.strip()))
    row = rows(1, 1).strip() + b"," * (LONGEST_LINE - len(rows(1, 1).strip()))
    watched.append(header + b"\r\n" + row)
    assert watched.poll() == []
    watched.append(b"\r\n")
    (chunk,) = watched.chunks()
    assert (chunk.header, chunk.data) == (header, row + b"\r\n")


# Rotation.


def test_the_old_file_is_finished_before_the_new_one_is_begun(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 2))
    assert watched.poll() == [rows(1, 2)]
    watched.append(rows(3, 4))
    watched.rotate()
    watched.append(rows(5, 6))
    assert watched.poll() == [rows(3, 4), ROTATED, rows(5, 6)]
    assert watched.poll() == []
    assert watched.tail.counts == {ROTATED: 1}


@pytest.mark.parametrize("restart", [False, True])
def test_several_rotations_between_two_polls(watched: Watched, restart: bool) -> None:
    watched.append(HEADER + rows(1, 2))
    assert watched.poll() == [rows(1, 2)]
    for number in range(3, 15):
        watched.rotate()
        watched.append(rows(number, number))
    if restart:
        watched.restart()
    told = watched.poll()
    assert [item for item in told if item is not ROTATED] == [rows(number, number) for number in range(3, 15)]
    assert told.count(ROTATED) == 12


@pytest.mark.parametrize(
    "suffixes",
    [
        pytest.param(["-20261119", "-20261120"], id="dateext"),
        pytest.param([".20261119", ".20261120"], id="dateext with a dot"),
        pytest.param(["-20261119-235959", "-20261120-000000"], id="date and time"),
        pytest.param([".2026-11-19_23-59", ".2026-11-20_00-00"], id="Python's handler"),
        pytest.param(["-1795216338", "-1795216339"], id="epoch"),
        pytest.param([".2026-11-19T10:00", ".2026-11-19T11:00"], id="ISO"),
        pytest.param([".10", ".9"], id="numbers"),
        pytest.param([".002", ".001"], id="numbers with zeros"),
    ],
)
def test_names_of_rotated_files(watched: Watched, suffixes: list[str]) -> None:
    watched.append(HEADER + rows(1, 1))
    assert watched.poll() == [rows(1, 1)]
    for number, suffix in enumerate(suffixes, start=2):
        watched.rotate(to=suffix)
        watched.append(rows(number, number))
    assert watched.poll() == [ROTATED, rows(2, 2), ROTATED, rows(3, 3)]


def test_a_change_from_numbers_to_dates_is_told_by_the_modification_times(watched: Watched) -> None:
    for number, name in enumerate([".2", ".1", "-20260101", "-20260102", ""], start=1):
        watched.named(name).write_bytes(HEADER + rows(number, number))
        os.utime(watched.named(name), (number, number))
    assert b"".join(item for item in watched.poll() if isinstance(item, bytes)) == rows(1, 5)


@pytest.mark.parametrize("suffix", [".1.gz", ".backup", ".old", ".bak", ".tmp", "~", ".1~", "x", "1", "-2026.zst"])
def test_other_names_are_no_rotated_files(watched: Watched, suffix: str) -> None:
    watched.named(suffix).write_bytes(HEADER + rows(1, 2))
    watched.append(HEADER + rows(3, 3))
    assert watched.poll() == [rows(3, 3)]
    watched.rotate(to=suffix)
    watched.append(rows(4, 4))
    assert watched.poll() == [REWRITTEN, rows(4, 4)]


def test_between_rename_and_new_file_the_old_one_is_followed(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.poll()
    watched.rotate(then=None)
    with watched.named(".1").open("ab") as file:  # the bot still has it open
        file.write(rows(2, 2))
    assert watched.poll() == [rows(2, 2)]
    assert watched.poll() == []
    watched.append(HEADER + rows(3, 3))
    assert watched.poll() == [ROTATED, rows(3, 3)]


def test_a_rotation_is_told_once_however_long_the_new_file_stays_empty(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.poll()
    watched.rotate()
    assert watched.poll() == [ROTATED]
    watched.restart()
    assert watched.poll() == []
    with watched.named(".1").open("ab") as file:
        file.write(rows(2, 2))
    assert watched.poll() == [rows(2, 2)]
    watched.rotate()
    watched.append(rows(3, 3))
    assert watched.poll() == [rows(3, 3)]


def test_an_old_file_that_is_compressed_once_it_was_seen_to_be_over_is_not_missed(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.rotate()
    watched.append(rows(2, 2))
    watched.poll()
    watched.rotate()
    assert watched.poll() == [ROTATED]
    watched.named(".1").rename(watched.named(".1.gz"))
    assert watched.poll() == []
    watched.append(rows(3, 3))
    assert watched.poll() == [rows(3, 3)]


def test_a_line_that_was_torn_for_good_is_told_and_left_out(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1) + b"2026-01-01,12")
    watched.poll()
    watched.rotate()
    assert watched.poll() == [ROTATED]
    assert watched.tail.pending == len(b"2026-01-01,12")
    watched.append(rows(2, 2))
    assert watched.poll() == [TORN, rows(2, 2)]
    assert watched.tail.counts == {ROTATED: 1, TORN: 1}


def test_copytruncate(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 2))
    assert watched.poll() == [rows(1, 2)]
    watched.append(rows(3, 3))
    watched.copytruncate()
    watched.append(rows(4, 4))
    items = list(watched.tail.poll())
    assert [getattr(item, "data", item) for item in items] == [rows(3, 3), ROTATED, rows(4, 4)]
    assert items[2] == Chunk(watched.path, 0, HEADER.strip(), rows(4, 4))  # the header is in the copy


def test_a_new_reader_begins_with_the_oldest_sibling(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.rotate()
    watched.append(rows(2, 2))
    watched.copytruncate()
    watched.append(rows(3, 3))
    watched.named(".2").write_bytes(HEADER + rows(1, 1))
    assert watched.poll() == [rows(1, 1), ROTATED, rows(2, 2), ROTATED, rows(3, 3)]


@pytest.mark.parametrize("copied", [rows(1, 1), rows(1, 2), rows(1, 100), b""])
def test_a_sibling_that_is_a_copy_is_not_read_twice(watched: Watched, copied: bytes) -> None:
    watched.named(".1").write_bytes(HEADER + copied)
    watched.named(".2").write_bytes(HEADER + rows(1, 1))
    watched.append(HEADER + rows(1, 100))
    assert watched.poll() == [rows(1, 100)]


# Truncation and rewrites.


@pytest.mark.parametrize("left", [b"", HEADER])
def test_an_emptied_file_keeps_the_book(watched: Watched, left: bytes) -> None:
    watched.append(HEADER + rows(1, 3))
    watched.poll()
    watched.path.write_bytes(left)
    assert watched.poll() == [TRUNCATED]
    watched.restart()
    assert watched.poll() == []
    watched.append(rows(4, 4))
    chunks = watched.chunks()
    assert chunks == [Chunk(watched.path, len(left), HEADER.strip(), rows(4, 4))]


def test_rows_behind_a_truncation_survive_a_rotation(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.rotate()
    watched.append(rows(2, 3))
    watched.poll()
    os.truncate(watched.path, 0)
    assert watched.poll() == [TRUNCATED]
    watched.append(HEADER + rows(4, 4))
    watched.rotate()
    watched.append(rows(5, 5))
    assert watched.poll() == [rows(4, 4), ROTATED, rows(5, 5)]


def test_old_rows_that_come_back_after_a_truncation_are_a_rewrite(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 100))
    watched.poll()
    os.truncate(watched.path, 0)
    assert watched.poll() == [TRUNCATED]
    watched.append(HEADER + rows(1, 3))
    assert watched.poll() == [REWRITTEN, rows(1, 3)]


def test_a_file_that_comes_back_whole_goes_on(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 3))
    watched.poll()
    content = watched.path.read_bytes()
    for _ in range(2):
        os.truncate(watched.path, 0)
        assert watched.poll() == [TRUNCATED]
        watched.append(content)
        assert watched.poll() == []
    watched.append(rows(4, 4))
    assert watched.poll() == [rows(4, 4)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"timestamp,pnl,id,fee\n" + rows(1, 200), id="header"),
        pytest.param(b"timestamp,pnl,no\n" + rows(1, 200), id="header of the same length"),
        pytest.param(b"\xef\xbb\xbf" + HEADER + rows(1, 200), id="byte order mark"),
        pytest.param(HEADER + rows(2, 200), id="first row gone"),
        pytest.param(HEADER + rows(1, 199), id="last row gone"),
        pytest.param(HEADER + rows(1, 199) + b"2026-01-01,0.6,200\n", id="last row corrected"),
        pytest.param(HEADER + rows(301, 301), id="all new"),
        pytest.param(rows(301, 301), id="all new, no header"),
    ],
)
def test_a_rewrite_is_read_from_the_start_and_from_the_siblings(watched: Watched, content: bytes) -> None:
    watched.append(HEADER + rows(-9, 0))
    watched.rotate()
    watched.append(rows(1, 200))
    assert watched.poll() == [rows(-9, 0), ROTATED, rows(1, 200)]
    watched.path.write_bytes(content)
    assert watched.poll() == [REWRITTEN, rows(-9, 0), ROTATED, content[content.index(b"2026") :]]
    assert watched.tail.counts[REWRITTEN] == 1
    assert watched.poll() == []


def test_a_truncation_with_new_rows_and_no_sibling_reads_as_a_rewrite_under_the_old_header(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 3))
    watched.poll()
    os.truncate(watched.path, 0)
    watched.append(rows(4, 4))
    assert [getattr(item, "header", item) for item in watched.tail.poll()] == [REWRITTEN, HEADER.strip()]


def test_a_replacement_with_the_same_rows_and_more_goes_on(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 3))
    watched.poll()
    for content in (HEADER + rows(1, 3), HEADER + rows(1, 4)):
        watched.named(".new").write_bytes(content)
        watched.named(".new").replace(watched.path)
        assert watched.poll() == ([] if content.endswith(rows(3, 3)) else [rows(4, 4)])


def test_a_new_file_is_not_the_old_one_whatever_its_inode(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 3))
    watched.poll()
    watched.path.unlink()
    assert watched.poll() == []
    watched.append(HEADER + rows(4, 9))  # as a rule it gets the inode that just became free
    assert watched.poll() == [REWRITTEN, rows(4, 9)]


def test_a_rewrite_between_the_anchors_goes_unnoticed(watched: Watched) -> None:
    content = HEADER + rows(1000, 1200)
    watched.append(content)
    watched.poll()
    watched.path.write_bytes(content.replace(b"0.5,1100", b"9.9,1100"))
    assert watched.poll() == []
