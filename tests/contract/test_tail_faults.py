"""The reader of a growing CSV when files change amid a poll or cannot be read, what a poll costs, and what is kept."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.figures import Tell
from support.watched_csv import HEADER, Watched, rows

from contract import tail as tail_module
from contract.errors import BadInput, RetryLater
from contract.rows import LONGEST_LINE
from contract.schema.names import CHECKOUT
from contract.system import OperatingSystem, Stat
from contract.tail import LONGEST_BEGINNING, Position, Tail, Turn

ROTATED, REWRITTEN = Turn.ROTATED, Turn.REWRITTEN


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "pnl_history.csv")


# Changes amid a poll. Each fault happens once, at the moment that its test names.


class Interfering(OperatingSystem):
    """Runs something else right before (or after a listing) one call."""

    def __init__(self, call: str, interfere: Callable[[], object], name: str = "") -> None:
        super().__init__()
        self.call, self.name, self.interfere = call, name, interfere

    def _now(self, call: str, name: str = "") -> None:
        if self.call == call and self.name in name:
            self.call = "over"
            self.interfere()

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        self._now("open", path.name)
        return super().open(path, flags, mode)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self._now("pread", f"{size} at {offset};")
        return super().pread(descriptor, size, offset)

    def list(self, directory: Path) -> list[str]:
        names = super().list(directory)
        self._now("list")
        return names


def test_a_rewrite_between_two_blocks_is_not_mixed_with_the_old_rows(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "BLOCK", 100)
    watched.append(HEADER + rows(1, 50))
    second_block = len(HEADER) + len(rows(1, 5))
    rewrite = Interfering("pread", lambda: watched.path.write_bytes(HEADER + rows(101, 150)), f"at {second_block};")
    watched.tail = Tail(rewrite, watched.path)
    assert watched.poll() == [rows(1, 5)]
    assert watched.poll() == [REWRITTEN, rows(101, 150)]


def test_a_copytruncate_right_before_the_first_read_loses_nothing(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 3))

    def copytruncate() -> None:
        watched.copytruncate()
        watched.append(HEADER + rows(4, 9))

    size = len(rows(1, 3))
    watched.tail = Tail(Interfering("pread", copytruncate, f"{size} at {len(HEADER)};"), watched.path)
    assert watched.poll() == []
    assert watched.poll() == [rows(1, 3), ROTATED, rows(4, 9)]


def test_a_header_that_is_written_amid_the_first_look_is_no_row(watched: Watched) -> None:
    watched.append(b"")
    second_look = f"{LONGEST_BEGINNING} at 0;"
    watched.tail = Tail(Interfering("pread", lambda: watched.append(HEADER + rows(1, 2)), second_look), watched.path)
    assert watched.poll() + watched.poll() == [rows(1, 2)]


@pytest.mark.parametrize("call", ["list", "open"])
@pytest.mark.parametrize("lost", [False, True])
def test_a_rotation_amid_the_search_is_waited_for(watched: Watched, call: str, lost: bool) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.poll()
    watched.rotate()
    watched.append(rows(2, 2))

    def rotate() -> None:
        watched.rotate()
        watched.append(rows(3, 3))
        if lost:
            watched.named(".1").rename(watched.named(".1.gz"))

    watched.tail = Tail(Interfering(call, rotate, ".1" if call == "open" else ""), watched.path, watched.tail.position)
    assert watched.poll() == []
    rest = [rows(3, 3)] if lost else [rows(2, 2), ROTATED, rows(3, 3)]
    assert watched.poll() == [ROTATED, *rest]


@pytest.mark.parametrize("consumed", [False, True])
@pytest.mark.parametrize("meanwhile", [None, b"", HEADER, HEADER + rows(8, 9), HEADER + rows(7, 7)])
def test_a_sibling_that_changes_between_search_and_reading_is_waited_for(
    watched: Watched, meanwhile: bytes | None, consumed: bool
) -> None:
    old = watched.named(".1")
    watched.append(HEADER + rows(1, 1))
    if consumed:
        watched.poll()
    watched.append(rows(2, 2))
    watched.rotate()
    watched.append(rows(3, 3))
    content = old.read_bytes()

    class Changing(OperatingSystem):
        looks = 0

        def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
            self.looks += path == old
            if path == old and self.looks == 2:
                old.unlink() if meanwhile is None else old.write_bytes(meanwhile)
            return super().open(path, flags, mode)

    watched.tail = Tail(Changing(), watched.path, watched.tail.position)
    assert watched.poll() == []
    old.write_bytes(content)
    assert watched.poll() == [rows(1 + consumed, 2), ROTATED, rows(3, 3)]


# What a poll costs.


class Counting(OperatingSystem):
    """Counts calls, and the bytes that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        self.calls["open"] += 1
        return super().open(path, flags, mode)

    def fstat(self, descriptor: int) -> Stat:
        self.calls["fstat"] += 1
        return super().fstat(descriptor)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        data = super().pread(descriptor, size, offset)
        self.calls["pread"] += 1
        self.calls["bytes"] += len(data)
        return data

    def list(self, directory: Path) -> list[str]:
        self.calls["list"] += 1
        return super().list(directory)


@pytest.mark.parametrize("count", [100, 10_000, 500_000])
def test_a_poll_costs_the_new_bytes_whatever_the_size_of_the_file(tmp_path: Path, count: int, tell: Tell) -> None:
    system = Counting()
    watched = Watched(tmp_path / "pnl_history.csv", system)
    watched.append(HEADER + rows(1, count))
    watched.poll()
    system.calls.clear()
    assert watched.poll() == []
    assert system.calls == {"open": 1, "fstat": 1, "pread": 2, "bytes": 2 * 1024}
    system.calls.clear()
    watched.append(rows(7, 7))
    assert watched.poll() == [rows(7, 7)]
    assert system.calls == {"open": 1, "fstat": 1, "pread": 5, "bytes": 4 * 1024 + len(rows(7, 7))}
    tell(f"\npoll of a CSV of {count:,} rows: {poll_us(watched):.0f} us after an append (median of 100)")


def poll_us(watched: Watched) -> float:
    taken_us: list[float] = []
    for number in range(100):
        watched.append(rows(number, number))
        start = time.perf_counter()
        assert watched.poll() == [rows(number, number)]
        taken_us.append((time.perf_counter() - start) * 1e6)
    return statistics.median(taken_us)


def test_an_endless_line_is_read_once_however_often_it_grows(tmp_path: Path) -> None:
    system = Counting()
    watched = Watched(tmp_path / "pnl_history.csv", system)
    watched.append(HEADER + b"x" * (LONGEST_LINE + 1))
    watched.poll()
    for _ in range(5):
        system.calls.clear()
        watched.append(b"x" * 1_000)
        assert watched.poll() == []
        assert system.calls["bytes"] == 4 * 1024 + 1_000


# What is kept, and what is refused.


@settings(derandomize=True, max_examples=50)
@given(
    st.builds(
        Position,
        offset=st.integers(1),
        head=st.text(),
        tail=st.text(),
        opening=st.binary(),
        header=st.binary(),
        mid_line=st.booleans(),
        over=st.none() | st.lists(st.text()).map(tuple),
    )
)
def test_a_position_survives_json(position: Position) -> None:
    assert Position.from_dict(json.loads(json.dumps(position.as_dict()))) == position


GOOD = Position(5, "a", "b", b"c", b"d").as_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 0},
        {"offset": -1},
        {"offset": 1.5},
        {"offset": "1"},
        {"offset": None},
        {"head": None},
        {"tail": 3},
        {"opening": []},
        {"header": None},
        {"mid_line": 1},
        {"over": 0},
        {"over": False},
    ],
    ids=str,
)
def test_what_is_no_position_is_refused(change: dict[str, object]) -> None:
    assert Position.from_dict({**GOOD, "later": 1})
    with pytest.raises(BadInput, match="is not a position"):
        Position.from_dict({**GOOD, **change})


def test_an_incomplete_position_is_refused() -> None:
    for key in GOOD:
        with pytest.raises(BadInput, match="is not a position"):
            Position.from_dict({name: value for name, value in GOOD.items() if name != key})


def test_a_position_of_another_file_only_costs_a_fresh_start(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 3))
    watched.tail = Tail(watched.system, watched.path, Position(9, "no hash", "\u2713", b"x", b"y"))
    assert watched.poll() == [REWRITTEN, rows(1, 3)]


def test_an_input_error_is_to_be_retried_and_changes_nothing(watched: Watched) -> None:
    watched.append(HEADER + rows(1, 1))
    watched.poll()
    watched.append(rows(2, 2))

    def fail() -> None:
        raise OSError(5, "Input/output error")

    watched.tail = Tail(Interfering("pread", fail), watched.path, watched.tail.position)
    with pytest.raises(RetryLater, match=r"pnl_history.csv: cannot read: Input/output error"):
        watched.poll()
    assert watched.poll() == [rows(2, 2)]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_plain_file_is_refused(watched: Watched, make: Callable[[Path], None]) -> None:
    make(watched.path)
    with pytest.raises(BadInput, match="is not a plain file"):
        watched.poll()


def test_reading_needs_the_standard_library_alone() -> None:
    assert imported("contract.tail, contract.rows") - imported("sys") <= {*sys.stdlib_module_names, "contract"}


def imported(modules: str) -> set[str]:
    script = f"import sys, {modules}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    return {name.partition(".")[0] for name in run.stdout.split()}
