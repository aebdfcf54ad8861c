"""Every call of the two write paths refused or interrupted, on the fake: nothing torn, nothing lost in silence."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from support.fake_disk import BLOCK
from support.fake_system import Call, Crash, FakeMachine, FakeSystem, crashing, failing, nth
from support.figures import Tell, table

from contract.errors import RetryLater
from contract.files import append_line, make_directory, publish, read_bytes, sweep

HOME = Path("/tiller/runtime")
FILE = HOME / "file"
SEEDS = range(3)
KILL, POWER_CUT = "kill", "power cut"
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EROFS": errno.EROFS, "EACCES": errno.EACCES}
FAULTS = (KILL, POWER_CUT, *ERRORS)

Write = Callable[[FakeSystem], object]
SHORT_WRITES = (0.0, 0.9)
"""The part of writes that take only some of their bytes."""


def sum_of(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total


def machine_after(before: Write, seed: int) -> FakeMachine:
    machine = FakeMachine(seed)
    before(machine.start())
    return machine


def number_of_calls(write: Write, before: Write, short_writes: float) -> int:
    calls: list[Call] = []
    system = machine_after(before, seed=0).start(calls.append)
    system.short_writes = short_writes
    write(system)
    return len(calls)


def interrupted(
    write: Write, before: Write, fault: str, short_writes: float, seeds: range = SEEDS
) -> Iterator[tuple[FakeMachine, bool]]:
    """The machine after the fault met each call of the write in turn, and whether the writer was told.

    With short writes chance has a say in the number of calls: a fault that comes too late meets no call at all.
    """
    for number in range(1, number_of_calls(write, before, short_writes) + 1):
        for seed in seeds:
            machine = machine_after(before, seed + 1000 * number)
            system = machine.start(failing(ERRORS[fault], nth(number)) if fault in ERRORS else crashing(nth(number)))
            system.short_writes = short_writes
            told = False
            try:
                write(system)
            except RetryLater as error:
                told = True
                assert error.path == FILE and error.hint and str(error).isprintable()
            except Crash:
                pass
            if fault == POWER_CUT:
                machine.power_cut()
            yield machine, told


# publish

OLD, NEW = b"old content, " * 40, b"the new content, and more of it, " * 40
BEFORE_PUBLICATION: dict[str, tuple[Write, bytes | None]] = {
    "a new file": (lambda system: None, None),
    "over old content": (lambda system: publish(system, FILE, OLD), OLD),
}
NOTHING_WRONG = {"torn": 0, "silent": 0, "lost": 0, "temporary after an error": 0, "temporary after a sweep": 0}


def temporaries(system: FakeSystem) -> int:
    try:
        return sum(name.endswith(".tmp") for name in system.list(HOME))
    except FileNotFoundError:
        return 0


def publication_faults(write: Write, state: str, fault: str, short_writes: float) -> Counter[str]:
    before, content_before = BEFORE_PUBLICATION[state]
    count = Counter(trials=0, **NOTHING_WRONG)
    for machine, told in interrupted(write, before, fault, short_writes):
        count["trials"] += 1
        count["torn"] += read_bytes(machine.start(), FILE) not in (content_before, NEW)
        if fault in ERRORS:
            count["temporary after an error"] += temporaries(machine.start())
        sweep(machine.start(), FILE)
        count["temporary after a sweep"] += temporaries(machine.start())
        if fault in ERRORS and not told:
            machine.power_cut()
            count["silent"] += read_bytes(machine.start(), FILE) != NEW
        write(machine.start())
        machine.power_cut()
        count["lost"] += read_bytes(machine.start(), FILE) != NEW
    return count


def publish_new(system: FakeSystem) -> None:
    publish(system, FILE, NEW)


def test_publish_with_a_fault_at_each_call(tell: Tell) -> None:
    counts = {
        fault: sum_of(
            publication_faults(publish_new, state, fault, short_writes)
            for state in BEFORE_PUBLICATION
            for short_writes in SHORT_WRITES
        )
        for fault in FAULTS
    }
    tell(table("publish, with a fault at each call", counts))
    for count in counts.values():
        assert count.pop("trials") >= 50 * len(SEEDS)
        assert dict(count) == NOTHING_WRONG


def write_in_place(system: FakeSystem) -> None:
    try:
        make_directory(system, HOME)
        descriptor = system.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        system.write(descriptor, NEW)
        system.fsync(descriptor)
        system.close(descriptor)
    except OSError as error:
        raise RetryLater("failed", path=FILE, hint="try again") from error


def rename_unsynced(system: FakeSystem) -> None:
    temporary = HOME / f".file.{system.unique()}.tmp"
    try:
        make_directory(system, HOME)
        descriptor = system.open(temporary, os.O_WRONLY | os.O_CREAT)
        system.write(descriptor, NEW)
        system.close(descriptor)
        system.replace(temporary, FILE)
    except OSError as error:
        raise RetryLater("failed", path=FILE, hint="try again") from error


@pytest.mark.parametrize(
    ("write", "fault", "wrong"),
    [
        (write_in_place, KILL, "torn"),
        (write_in_place, "ENOSPC", "torn"),
        (rename_unsynced, POWER_CUT, "lost"),
        (rename_unsynced, "EIO", "temporary after an error"),
    ],
)
def test_a_careless_writer_is_found_out(write: Write, fault: str, wrong: str) -> None:
    assert publication_faults(write, "over old content", fault, 0.0)[wrong] > 0


# append_line

HEADER, LINE = "name,number", "a line that is longer than a block," * 5 + "1"
WHOLE = [HEADER, "first,1", "second,2"]


def append_new(system: FakeSystem) -> None:
    append_line(system, FILE, LINE, header=HEADER)


def leave(system: FakeSystem, *lines: str, torn: str = "") -> None:
    """What a writer left that was killed, and that has reached the disk since."""
    if lines:
        append_line(system, FILE, *lines)
    make_directory(system, HOME)
    descriptor = system.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    system.write(descriptor, torn.encode())
    system.fsync(descriptor)
    directory = system.open(HOME, os.O_RDONLY)
    system.fsync(directory)


TO_THE_END_OF_A_BLOCK = "x" * (BLOCK - len("\n".join([*WHOLE, ""])) % BLOCK)
BEFORE_APPENDING: dict[str, tuple[Write, list[str]]] = {
    "no file": (lambda system: None, []),
    "whole lines": (lambda system: leave(system, *WHOLE), WHOLE),
    "a torn line": (lambda system: leave(system, *WHOLE, torn="third"), WHOLE),
    "a torn block": (lambda system: leave(system, *WHOLE, torn=TO_THE_END_OF_A_BLOCK), WHOLE),
    "a torn header": (lambda system: leave(system, torn=HEADER[:5]), []),
}
NO_LINE_WRONG = {"not whole": 0, "in disorder": 0, "there after an error": 0, "doubled or lost": 0}


def lines_of(machine: FakeMachine) -> list[str]:
    """As readers take them: up to the last newline, and none with a NUL, which a power cut can leave."""
    content = read_bytes(machine.start(), FILE) or b""
    return [line for line in content.decode().split("\n")[:-1] if "\0" not in line]


def append_faults(write: Write, state: str, fault: str, short_writes: float, seeds: range = SEEDS) -> Counter[str]:
    before, lines_before = BEFORE_APPENDING[state]
    after = [*(lines_before or [HEADER]), LINE]
    count = Counter(trials=0, **NO_LINE_WRONG)
    for machine, told in interrupted(write, before, fault, short_writes, seeds):
        count["trials"] += 1
        content = read_bytes(machine.start(), FILE) or b""
        lines = lines_of(machine)
        count["not whole"] += any(line not in after for line in lines) or (fault != POWER_CUT and b"\0" in content)
        count["in disorder"] += not len(lines_before) <= len(lines) <= len(after) or lines != after[: len(lines)]
        if fault in ERRORS:
            count["there after an error"] += told and lines != lines_before
        done = LINE in lines and not told  # a writer that died looks when it starts again
        if not done:
            write(machine.start())
        if not done or fault != KILL:  # a killed writer has synced nothing
            machine.power_cut()
        count["doubled or lost"] += lines_of(machine) != after
    return count


def test_append_line_with_a_fault_at_each_call(tell: Tell) -> None:
    counts = {
        fault: sum_of(
            append_faults(append_new, state, fault, short_writes)
            for state in BEFORE_APPENDING
            for short_writes in SHORT_WRITES
        )
        for fault in FAULTS
    }
    tell(table("append_line, with a fault at each call", counts))
    for count in counts.values():
        assert count.pop("trials") >= 100 * len(SEEDS)
        assert dict(count) == NO_LINE_WRONG


@pytest.mark.parametrize("state", ["a torn block", "a torn header"])
def test_a_power_cut_does_not_mix_a_torn_line_with_the_next(state: str) -> None:
    count = append_faults(append_new, state, POWER_CUT, 0.0, seeds=range(60))
    assert count.pop("trials") >= 500
    assert dict(count) == NO_LINE_WRONG


def append_carelessly(system: FakeSystem) -> None:
    """As a program does that knows neither torn lines nor full disks."""
    try:
        make_directory(system, HOME)
        descriptor = system.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        text = f"{LINE}\n" if system.fstat(descriptor).size else f"{HEADER}\n{LINE}\n"
        while text:
            text = text[system.write(descriptor, text.encode()) :]
        system.fsync(descriptor)
        system.close(descriptor)
    except OSError as error:
        raise RetryLater("failed", path=FILE, hint="try again") from error


@pytest.mark.parametrize(
    ("state", "fault", "wrong"),
    [
        ("a torn line", "EIO", "not whole"),
        ("whole lines", "EIO", "there after an error"),
        ("whole lines", "EIO", "doubled or lost"),
        ("no file", POWER_CUT, "doubled or lost"),
    ],
)
def test_a_careless_appender_is_found_out(state: str, fault: str, wrong: str) -> None:
    assert append_faults(append_carelessly, state, fault, 0.9)[wrong] > 0


def test_of_several_lines_a_dead_writer_leaves_the_first_few() -> None:
    lines = [f"{number}:" + "x" * 40 for number in range(6)]
    before, lines_before = BEFORE_APPENDING["whole lines"]
    found = set()
    for short_writes in SHORT_WRITES:
        for machine, _ in interrupted(lambda system: append_line(system, FILE, *lines), before, KILL, short_writes):
            left = lines_of(machine)
            assert left == [*lines_before, *lines][: len(left)]
            found.add(len(left) - len(lines_before))
    assert {0, 6} < found


@pytest.mark.parametrize("write", [publish_new, append_new])
def test_a_disk_that_stays_full_costs_nothing_and_is_filled_again_when_there_is_room(write: Write) -> None:
    machine = machine_after(BEFORE_APPENDING["whole lines"][0], seed=0)
    old = read_bytes(machine.start(), FILE) or b""
    system = machine.start(failing(errno.ENOSPC, lambda call: call.name == "write"))
    for _ in range(50):
        with pytest.raises(RetryLater, match="No space left on device"):
            write(system)
        assert read_bytes(system, FILE) == old
        assert temporaries(system) == 0
    system.plan = lambda call: None
    write(system)
    assert read_bytes(system, FILE) in (NEW, old + f"{LINE}\n".encode())
