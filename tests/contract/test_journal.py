"""The journals: what is written is found again, whatever day it is, and whatever a crash left behind."""

from __future__ import annotations

import errno
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_system import Call, Crash, FakeMachine, FakeSystem, crashing, failing, nth

from contract.errors import RetryLater
from contract.journal import last_generation, read, write
from contract.schema.names import Root
from contract.schema.operations import JournalEntry
from contract.system import OperatingSystem

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROOT = Root(Path("/root"))
NAME = "bridge"


def entry(generation: int, moment: datetime = NOON, text: str = "") -> JournalEntry:
    return JournalEntry(NAME, generation, moment, {"chosen": text})


def on_day(generation: int, day: int) -> JournalEntry:
    return entry(generation, NOON + timedelta(days=day))


def names(root: Root) -> list[str]:
    return sorted(path.name for path in root.journals.iterdir())


@pytest.fixture
def system() -> FakeSystem:
    return FakeMachine().start()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_nothing_was_written_yet(system: FakeSystem) -> None:
    assert read(system, ROOT, NAME) is None
    assert read(system, ROOT, NAME, 1) is None
    assert last_generation(system, ROOT, NAME) == 0


@settings(derandomize=True, max_examples=50)
@given(
    steps=st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 200_000)), min_size=1, max_size=12),
    asked=st.integers(1, 12),
)
def test_every_entry_is_found_whatever_the_clock_did(steps: list[tuple[int, int]], asked: int) -> None:
    """Days pass, the clock is set back, and entries are longer than what is read at once."""
    system, day = FakeMachine().start(), 0
    written = []
    for generation, (days, length) in enumerate(steps, start=1):
        day += days
        written.append(entry(generation, NOON + timedelta(days=day), "x" * length))
        write(system, ROOT, written[-1])
    assert last_generation(system, ROOT, NAME) == len(written)
    assert read(system, ROOT, NAME) == written[-1]
    assert read(system, ROOT, NAME, asked) == (written[asked - 1] if asked <= len(written) else None)


def test_a_day_is_a_file(root: Root) -> None:
    system = OperatingSystem()
    for generation, hours in ((1, 0), (2, 11), (3, 12), (4, 60)):
        write(system, root, entry(generation, NOON + timedelta(hours=hours)))
    assert names(root) == ["bridge.jsonl", "bridge.jsonl.2026-01-31", "bridge.jsonl.2026-02-01"]
    assert (root.journals / "bridge.jsonl.2026-01-31").read_text().count("\n") == 2


def test_days_are_those_of_utc(root: Root) -> None:
    late = datetime(2026, 2, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    for moment in (late, NOON + timedelta(days=1)):
        write(OperatingSystem(), root, entry(1, moment))
    assert names(root) == ["bridge.jsonl", "bridge.jsonl.2026-01-31"]


def test_old_days_go_and_what_is_not_ours_stays(root: Root) -> None:
    root.journals.mkdir(parents=True)
    others = ["bridge.jsonl.2025-02-31", "bridge.jsonl.20250101", "bridge.jsonl.old", "inference.jsonl.2025-01-01"]
    for name in others:
        (root.journals / name).write_text("")
    for day in range(5):
        write(OperatingSystem(), root, on_day(day, day), keep_days=2)
    kept = [date(2026, 1, 31) + timedelta(days=day) for day in (2, 3)]
    assert names(root) == sorted(["bridge.jsonl", *(f"bridge.jsonl.{day}" for day in kept), *others])


def test_a_day_that_comes_twice_replaces_nothing(system: FakeSystem) -> None:
    for generation, day in enumerate((0, 1, 0, 1, 2), start=1):
        write(system, ROOT, on_day(generation, day))
    for generation in range(1, 6):
        assert read(system, ROOT, NAME, generation) is not None


@pytest.mark.parametrize("spoilt", [b"{}\n", b"\0\0\n", b"\n", b"not JSON\n", b'{"torn":'])
def test_spoilt_lines_are_passed_over(root: Root, spoilt: bytes) -> None:
    write(OperatingSystem(), root, entry(1))
    with root.journal(NAME).open("ab") as file:
        file.write(spoilt)
    assert read(OperatingSystem(), root, NAME) == entry(1)
    write(OperatingSystem(), root, entry(2))
    assert last_generation(OperatingSystem(), root, NAME) == 2
    assert read(OperatingSystem(), root, NAME, 1) == entry(1)


def test_of_one_generation_the_newest_counts(system: FakeSystem) -> None:
    for text in ("lost with its state", "made again"):
        write(system, ROOT, entry(7, text=text))
    found = read(system, ROOT, NAME, 7)
    assert found is not None and found.body == {"chosen": "made again"}


@pytest.mark.parametrize("call", range(1, 30))
def test_a_writer_that_dies_loses_no_entry_that_was_written(call: int) -> None:
    machine = FakeMachine(seed=call)
    writer = machine.start()
    write(writer, ROOT, on_day(1, 0))
    write(writer, ROOT, on_day(2, 1))
    dying = machine.start(crashing(nth(call)))
    try:
        write(dying, ROOT, on_day(3, 2), keep_days=1)
    except Crash:
        pass
    else:
        assert call > dying.calls
    again = machine.start()
    assert last_generation(again, ROOT, NAME) in (2, 3)
    write(again, ROOT, on_day(4, 2), keep_days=1)
    assert read(again, ROOT, NAME, 2) is not None
    assert last_generation(again, ROOT, NAME) == 4


def test_a_day_that_ends_in_a_torn_line_is_put_away_without_it(root: Root) -> None:
    system = OperatingSystem()
    write(system, root, on_day(1, 0))
    whole = root.journal(NAME).read_bytes()
    root.journal(NAME).write_bytes(whole + b'{"schema":1,"dae')
    write(system, root, on_day(2, 1))
    assert root.journal(NAME).with_name(f"{NAME}.jsonl.2026-01-31").read_bytes() == whole


def test_the_newest_is_found_where_the_clock_was_set_back_and_the_writer_died_before_its_first_line() -> None:
    machine = FakeMachine()
    for generation, day in enumerate((2, 3, 0), start=1):  # generation 1 is put away under a later day than the others
        write(machine.start(), ROOT, on_day(generation, day))
    assert last_generation(machine.start(), ROOT, NAME) == 3
    with pytest.raises(Crash):
        write(machine.start(crashing(lambda call: call.name == "write")), ROOT, on_day(4, 9))
    assert last_generation(machine.start(), ROOT, NAME) == 3


@pytest.mark.parametrize("call", range(1, 40))
def test_a_power_cut_while_a_day_is_put_away_loses_no_entry_that_was_written(call: int) -> None:
    for seed in range(12):
        machine = FakeMachine(seed)
        write(machine.start(), ROOT, on_day(1, 0))
        try:
            write(machine.start(crashing(nth(call))), ROOT, on_day(2, 1))
        except Crash:
            pass
        machine.power_cut()
        assert read(machine.start(), ROOT, NAME, 1) == on_day(1, 0), f"seed {seed}"


def renaming(call: Call) -> bool:
    return call.name == "replace"


def listing(call: Call) -> bool:
    return call.name == "list"


def test_what_the_disk_refuses_is_tried_again_later(system: FakeSystem) -> None:
    write(system, ROOT, on_day(1, 0))
    system.plan = failing(errno.EROFS, renaming)
    with pytest.raises(RetryLater, match=r"cannot rotate: Read-only file system"):
        write(system, ROOT, on_day(2, 1))
    system.plan = failing(errno.EACCES, listing)
    with pytest.raises(RetryLater, match=r"cannot read: Permission denied"):
        read(system, ROOT, NAME, 5)
    system.plan = lambda call: None
    write(system, ROOT, on_day(2, 1))
    assert last_generation(system, ROOT, NAME) == 2


def test_an_error_without_a_number_is_told_as_it_is(system: FakeSystem) -> None:
    def broken(call: Call) -> None:
        raise OSError("the seam is broken")

    system.plan = broken
    with pytest.raises(RetryLater, match="cannot read: the seam is broken"):
        read(system, ROOT, NAME)
