"""The fake disk: like the real one where nothing goes wrong, and worse than it where the power is cut."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_system import Crash, FakeMachine, FakeSystem, crashing, failing, nth

from contract.files import append_line, make_directory, publish, read_bytes, sync_directory
from contract.system import Lock, OperatingSystem, Stat, System

SEEDS = range(60)
HOME = Path("/home")
FILE = HOME / "file"
OLD, NEW = b"old" * 100, b"new!" * 100
WRITING = os.O_WRONLY | os.O_CREAT


def write(system: System, path: Path, content: bytes, flags: int = WRITING | os.O_TRUNC, *, sync: bool) -> None:
    descriptor = system.open(path, flags)
    system.write(descriptor, content)
    if sync:
        system.fsync(descriptor)
    system.close(descriptor)


def machine_with(content: bytes | None, seed: int) -> FakeMachine:
    """A machine whose one file is safely on its disk."""
    machine = FakeMachine(seed)
    system = machine.start()
    make_directory(system, HOME)
    if content is None:
        sync_directory(system, HOME)
    else:
        publish(system, FILE, content)
    return machine


# Like the real one.

PLACES = ("a", "b", "d", "d/a", "d/e", "d/e/a", "a/below", "nowhere/a", ".")
FLAGS = (
    *(os.O_RDONLY, os.O_RDONLY | os.O_NONBLOCK, os.O_RDONLY | os.O_DIRECTORY, os.O_WRONLY, os.O_RDWR, WRITING),
    *(WRITING | os.O_EXCL | os.O_NOFOLLOW, os.O_RDWR | os.O_CREAT | os.O_APPEND),
    *(os.O_RDWR | os.O_TRUNC, WRITING | os.O_TRUNC),
)
NO_DESCRIPTOR = 9999
BEGINNING: tuple[tuple[Any, ...], ...] = (
    ("open", "a", os.O_RDWR | os.O_CREAT, 0o644),
    ("write", 0, b"the first content of a"),
    ("mkdir", "d"),
    ("open", "d/a", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600),
    ("write", 1, b"what is below"),
    ("open", "d", os.O_RDONLY, 0),
)

place, size, which = st.sampled_from(PLACES), st.integers(0, 40), st.integers(0, 9)
opening = st.tuples(st.just("open"), place, st.sampled_from(FLAGS), st.sampled_from((0o600, 0o644, 0o400)))
operations = st.one_of(
    opening,
    opening,
    st.tuples(st.just("write"), which, st.binary(max_size=20)),
    st.tuples(st.just("pwrite"), which, st.binary(max_size=20), size),
    st.tuples(st.just("read"), which, size),
    st.tuples(st.just("pread"), which, size, size),
    st.tuples(st.just("truncate"), which, size),
    st.tuples(st.sampled_from(("fsync", "close", "fstat")), which),
    st.tuples(st.sampled_from(("stat", "list", "unlink", "mkdir")), place),
    st.tuples(st.just("replace"), place, place),
    st.tuples(st.sampled_from(("lock", "release")), st.integers(0, 1)),
)


class Actor:
    """Does the same to any system, and remembers what came of it."""

    def __init__(self, system: System, home: Path) -> None:
        self.system = system
        self.home = home
        self.descriptors: list[int] = []
        self.locks: list[Lock] = []
        self.outcomes: list[object] = []

    def play(self, steps: Sequence[tuple[Any, ...]]) -> None:
        for name, *arguments in steps:
            try:
                self.outcomes.append(self.do(name, *arguments))
            except OSError as error:
                self.outcomes.append(errno.errorcode[error.errno or 0])
        for descriptor in self.descriptors:
            self.system.close(descriptor)
        for lock in self.locks:
            lock.release()

    def do(self, name: str, *arguments: Any) -> object:
        if name == "open":
            self.descriptors.append(self.system.open(self.home / arguments[0], *arguments[1:]))
            return None
        if name == "lock":
            lock = self.system.lock(self.home / f"lock-{arguments[0]}")
            self.locks += [lock] if lock else []
            return lock is not None
        if name == "release":
            if self.locks:
                self.locks.pop(arguments[0] % len(self.locks)).release()
            return None
        if isinstance(arguments[0], str):
            return self.seen(getattr(self.system, name)(*(self.home / place for place in arguments)))
        held = self.descriptors[arguments[0] % len(self.descriptors)] if self.descriptors else NO_DESCRIPTOR
        if name == "close" and held in self.descriptors:
            self.descriptors.remove(held)
        return self.seen(getattr(self.system, name)(held, *arguments[1:]))

    def seen(self, result: object) -> object:
        """Without what no two systems share."""
        if isinstance(result, Stat):
            kind = stat.S_IFMT(result.mode) | result.mode & stat.S_IRWXU
            return kind, result.size if stat.S_ISREG(result.mode) else None, result.uid
        return result

    def tree(self) -> list[tuple[Path, bytes | None]]:
        return list(self.below(self.home))

    def below(self, directory: Path) -> Iterator[tuple[Path, bytes | None]]:
        for name in self.system.list(directory):
            path = directory / name
            if stat.S_ISDIR(self.system.stat(path).mode):
                yield path.relative_to(self.home), None
                yield from self.below(path)
            else:
                yield path.relative_to(self.home), read_bytes(self.system, path)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(steps=st.lists(operations, max_size=40))
def test_does_what_the_operating_system_does(
    steps: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as home:
        real = Actor(OperatingSystem(), Path(home))
        fake = Actor(machine_with(None, seed=0).start(), HOME)
        for actor in (real, fake):
            actor.play([*BEGINNING, *steps])
        assert fake.outcomes == real.outcomes
        assert fake.tree() == real.tree()


# Power cuts.


def left_of(protocol: Callable[[FakeSystem], object], before: bytes | None) -> list[bytes | None]:
    """What the file holds when the power is cut just after, once for each seed."""
    found = []
    for seed in SEEDS:
        machine = machine_with(before, seed)
        protocol(machine.start())
        machine.power_cut()
        found.append(read_bytes(machine.start(), FILE))
    return found


def test_a_published_file_outlives_every_power_cut() -> None:
    assert set(left_of(lambda system: publish(system, FILE, NEW), OLD)) == {NEW}


def test_appended_lines_outlive_every_power_cut() -> None:
    assert set(left_of(lambda system: append_line(system, FILE, "a", "b", header="h"), None)) == {b"h\na\nb\n"}


def test_without_fsync_content_is_kept_lost_or_torn() -> None:
    found = left_of(lambda system: write(system, FILE, NEW, os.O_WRONLY, sync=False), OLD)
    assert {OLD, NEW} < set(found)
    torn = [content for content in found if content not in (OLD, NEW)]
    assert any(content and b"old" in content and b"new" in content for content in torn)


def test_a_longer_file_may_end_in_zeros_and_a_cut_one_come_back() -> None:
    grown = left_of(lambda system: write(system, FILE, b"x" * 200, os.O_WRONLY | os.O_APPEND, sync=False), OLD)
    assert any(content and content.endswith(b"\0") for content in grown)
    assert all(content is not None and content.startswith(OLD) for content in grown)

    def cut(system: FakeSystem) -> None:
        descriptor = system.open(FILE, os.O_RDWR)
        system.truncate(descriptor, 200)

    assert set(left_of(cut, OLD)) == {OLD, OLD[:200]}


def test_a_rename_before_its_content_leaves_an_empty_file_now_and_then() -> None:
    def careless(system: FakeSystem) -> None:
        write(system, HOME / "temporary", NEW, sync=False)
        system.replace(HOME / "temporary", FILE)

    assert {b"", OLD, NEW} <= set(left_of(careless, OLD))


def test_a_rename_without_fsync_of_the_directory_may_be_undone() -> None:
    def hasty(system: FakeSystem) -> None:
        write(system, HOME / "temporary", NEW, sync=True)
        system.replace(HOME / "temporary", FILE)

    assert set(left_of(hasty, OLD)) == {OLD, NEW}
    assert set(left_of(hasty, None)) == {None, NEW}


def test_after_a_while_everything_is_durable() -> None:
    def patient(system: FakeSystem) -> None:
        write(system, HOME / "temporary", NEW, sync=False)
        system.replace(HOME / "temporary", FILE)
        system.machine.disk.settle()

    assert set(left_of(patient, OLD)) == {NEW}


def test_a_removed_name_may_come_back() -> None:
    assert set(left_of(lambda system: system.unlink(FILE), OLD)) == {None, OLD}


def test_what_one_fsync_failed_to_write_the_next_one_does_not() -> None:
    def insistent(system: FakeSystem) -> None:
        system.plan = failing(errno.EIO, nth(3))
        descriptor = system.open(FILE, os.O_WRONLY | os.O_TRUNC)
        system.write(descriptor, NEW)
        with pytest.raises(OSError, match="Input/output"):
            system.fsync(descriptor)
        system.fsync(descriptor)

    assert any(content != NEW for content in left_of(insistent, OLD))


def test_a_failed_fsync_of_a_directory_leaves_its_names_to_chance() -> None:
    def unlucky(system: FakeSystem) -> None:
        system.mkdir(HOME / "new")
        system.plan = failing(errno.EIO, lambda call: call.name == "fsync")
        with pytest.raises(OSError, match="Input/output"):
            sync_directory(system, HOME)
        write(system, FILE, b"x", sync=False)

    assert {None, b"x"} <= set(left_of(unlucky, None))


def test_fsync_of_a_directory_carries_its_own_name_and_no_other_directory() -> None:
    kept, beside = set(), set()
    for seed in SEEDS:
        machine = FakeMachine(seed)
        system = machine.start()
        for directory in (HOME, HOME / "deep", HOME / "deep" / "down", Path("/beside")):
            system.mkdir(directory)
        publish(system, HOME / "deep" / "down" / "file", b"x")
        machine.power_cut()
        kept.add(read_bytes(machine.start(), HOME / "deep" / "down" / "file"))
        beside.add("beside" in machine.start().list(Path("/")))
    assert kept == {b"x"}
    assert beside == {True, False}


def test_the_same_seed_is_the_same_history() -> None:
    def history(seed: int) -> list[bytes | None]:
        machine = machine_with(OLD, seed)
        found = []
        for number in range(1, 12):
            with pytest.raises(Crash):
                publish(machine.start(crashing(nth(number % 8 + 1))), FILE, b"%d" % number * 100)
            machine.power_cut()
            found.append(read_bytes(machine.start(), FILE))
        return found

    assert history(1) == history(1)
    assert any(history(seed) != history(1) for seed in range(2, 6))


def test_the_number_of_a_file_comes_back_when_nobody_holds_it() -> None:
    system = machine_with(OLD, seed=0).start()
    number = system.stat(FILE).inode
    held = system.open(FILE, os.O_RDONLY)
    publish(system, FILE, b"second")
    publish(system, FILE, b"third")
    assert system.fstat(held).inode == number != system.stat(FILE).inode
    system.close(held)
    publish(system, FILE, b"fourth")
    assert system.stat(FILE).inode == number
