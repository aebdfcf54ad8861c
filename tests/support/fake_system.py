"""The seam to the operating system in memory: a machine that crashes, forgets and fails as it is told.

    machine = FakeMachine(seed=7)
    writer = machine.start(failing(errno.ENOSPC, nth(3)))      # a process whose third call finds the disk full
    reader = machine.start()                                   # another one: the same disk, the same clock
    machine.power_cut()                                        # both are dead; what was not synced is left to chance

All chance comes from the machine's seed, so every run can be repeated. Nothing moves the clock but `advance`, `jump`
and a process that waits; what is to happen in the meantime is arranged with `at`.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from contract.system import Lock, Stat, Watch
from support.fake_disk import Directory, FakeDisk, File, Inode, Opened, refusal, stat_of

_BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Result = TypeVar("Result")


class Crash(BaseException):
    """The process died. Whatever it still tries raises this again."""


class Call(NamedTuple):
    """One call of a process, counted from 1. `path` is what it is about, also where a descriptor said so."""

    number: int
    name: str
    path: Path


Plan = Callable[[Call], object]
"""Is told every call before it happens, and may do something of its own between two calls. What it raises is what
happens: an `OSError` instead of the call, a `Crash` in the midst of it, so that it may have had its effect or half."""


def nothing_planned(call: Call) -> None:
    pass


def failing(code: int, when: Callable[[Call], bool]) -> Plan:
    def plan(call: Call) -> None:
        if when(call):
            raise refusal(code, call.path)

    return plan


def crashing(when: Callable[[Call], bool]) -> Plan:
    def plan(call: Call) -> None:
        if when(call):
            raise Crash(f"in {call}")

    return plan


def nth(number: int) -> Callable[[Call], bool]:
    return lambda call: call.number == number


class FakeMachine:
    """A disk, a clock, and the processes that share them."""

    def __init__(self, seed: int = 0) -> None:
        self.now = _BIRTH
        self.elapsed_s = 0.0
        self.disk = FakeDisk(seed, lambda: (self.now - _EPOCH) // timedelta(microseconds=1) * 1000, self._wake)
        self.chance = self.disk.chance
        self.boots: list[float] = [0.0]
        """When the machine booted, in elapsed seconds; the last is the present boot."""
        self.processes: dict[int, FakeSystem] = {}
        self.locks: dict[Inode, FakeLock] = {}
        self.watches: list[FakeWatch] = []
        self.missed_events = 0.0
        """The part of all changes of which no watch hears."""
        self.words = count()
        self._process_ids = count(100)
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._arranged = count()

    def start(self, plan: Plan = nothing_planned, *, process_id: int | None = None) -> FakeSystem:
        """A new process."""
        process = FakeSystem(self, plan, next(self._process_ids) if process_id is None else process_id)
        self.processes[process.process_id()] = process
        return process

    def power_cut(self) -> None:
        """All processes die, what was not synced is left to chance, and the machine boots again."""
        for process in list(self.processes.values()):
            process.kill()
        self.disk.power_cut()
        self.boots.append(self.elapsed_s)

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Arrange for something to happen so many seconds from now."""
        heappush(self._due, (self.elapsed_s + seconds, next(self._arranged), action))

    def advance(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass, with all that is due in it, or until it is enough; says whether it was."""
        end_s = self.elapsed_s + seconds
        while not enough() and self._due and self._due[0][0] <= end_s:
            due_s, _, action = heappop(self._due)
            self._pass_until(due_s)
            action()
        if enough():
            return True
        self._pass_until(end_s)
        return False

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back. Forward is also what a suspended machine sees when it wakes."""
        self.now += timedelta(seconds=seconds)

    def _pass_until(self, elapsed_s: float) -> None:
        if elapsed_s > self.elapsed_s:  # an action that waited itself may have passed it already
            self.now += timedelta(seconds=elapsed_s - self.elapsed_s)
            self.elapsed_s = elapsed_s

    def _wake(self, changed: Inode) -> None:
        for watch in list(self.watches):
            inside = isinstance(changed, File) and changed in watch.directory.names.values()
            if (inside or changed is watch.directory) and self.chance.random() >= self.missed_events:
                watch.wake()


@dataclass(eq=False)
class FakeLock:
    file: Inode
    holder: FakeSystem

    def release(self) -> None:
        if self.holder.machine.locks.get(self.file) is self:
            del self.holder.machine.locks[self.file]


@dataclass(eq=False)
class FakeWatch:
    directory: Directory
    wake: Callable[[], None]
    owner: FakeSystem

    def is_alive(self) -> bool:
        return self in self.owner.machine.watches

    def close(self) -> None:
        """Also how a test lets it die."""
        if self.is_alive():
            self.owner.machine.watches.remove(self)


class FakeSystem:
    """One process: its descriptors, its locks, its watches, and what is planned for its calls."""

    def __init__(self, machine: FakeMachine, plan: Plan, process_id: int) -> None:
        self.machine = machine
        self.plan = plan
        self.calls = 0
        self.short_writes = 0.0
        """The part of all writes that take only some of their bytes."""
        self._disk = machine.disk
        self._process_id = process_id
        self._opened: dict[int, Opened] = {}

    @property
    def alive(self) -> bool:
        return self.machine.processes.get(self._process_id) is self

    def kill(self) -> None:
        """What the process holds goes with it; what it wrote stays, as long as the power does."""
        for descriptor in list(self._opened):
            self._close(descriptor)
        for held in [*self.machine.locks.values()]:
            if held.holder is self:
                held.release()
        for watch in [*self.machine.watches]:
            if watch.owner is self:
                watch.close()
        if self.alive:
            del self.machine.processes[self._process_id]

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        return self._call("open", path, lambda: self._open(path, flags, mode))

    def read(self, descriptor: int, size: int) -> bytes:
        return self._call("read", descriptor, lambda: self._held(descriptor).read(size))

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        return self._call("pread", descriptor, lambda: self._held(descriptor).pread(size, offset))

    def write(self, descriptor: int, data: bytes) -> int:
        return self._write("write", descriptor, data, lambda part: self._held(descriptor).write(part))

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        return self._write("pwrite", descriptor, data, lambda part: self._held(descriptor).pwrite(part, offset))

    def _write(self, name: str, descriptor: int, data: bytes, write: Callable[[bytes], int]) -> int:
        chance = self.machine.chance
        is_short = len(data) > 1 and chance.random() < self.short_writes
        taken = data[: chance.randrange(1, len(data))] if is_short else data
        torn = data[: chance.randint(0, len(data))]
        return self._call(name, descriptor, lambda: write(taken), half=lambda: write(torn))

    def truncate(self, descriptor: int, size: int) -> None:
        self._call("truncate", descriptor, lambda: self._held(descriptor).truncate(size))

    def fsync(self, descriptor: int) -> None:
        self._call(
            "fsync",
            descriptor,
            lambda: self._held(descriptor).sync(),
            failed=lambda: self._held(descriptor).fail_to_sync(),
        )

    def close(self, descriptor: int) -> None:
        self._call("close", descriptor, lambda: self._close(descriptor), failed=lambda: self._close(descriptor))

    def fstat(self, descriptor: int) -> Stat:
        return self._call("fstat", descriptor, lambda: self._held(descriptor).stat())

    def stat(self, path: Path) -> Stat:
        return self._call("stat", path, lambda: stat_of(self._disk.find(path)))

    def list(self, directory: Path) -> list[str]:
        return self._call("list", directory, lambda: sorted(self._disk.directory(directory).names))

    def mkdir(self, directory: Path, mode: int = 0o755) -> None:
        self._call("mkdir", directory, lambda: self._disk.mkdir(directory, mode))

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace", target, lambda: self._disk.replace(source, target))

    def unlink(self, path: Path) -> None:
        self._call("unlink", path, lambda: self._disk.unlink(path))

    def lock(self, path: Path) -> Lock | None:
        return self._call("lock", path, lambda: self._lock(path))

    def watch(self, directory: Path, wake: Callable[[], None]) -> Watch:
        return self._call("watch", directory, lambda: self._watch(directory, wake))

    def now(self) -> datetime:
        return self.machine.now

    def monotonic(self) -> float:
        return self.machine.elapsed_s - self.machine.boots[-1]

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        was_set = self._call("wait", Path(), lambda: self.machine.advance(timeout_s, event.is_set))
        self._must_live()
        return was_set

    def process_id(self) -> int:
        return self._process_id

    def user_id(self) -> int:
        return os.getuid()  # as `stat_of` has it

    def is_running(self, process_id: int) -> bool:
        return process_id in self.machine.processes

    def boot_id(self) -> str:
        return f"boot-{len(self.machine.boots)}"

    def unique(self) -> str:
        return f"{next(self.machine.words)}"

    def _call(
        self,
        name: str,
        subject: Path | int,
        effect: Callable[[], Result],
        *,
        half: Callable[[], object] = lambda: None,
        failed: Callable[[], object] = lambda: None,
    ) -> Result:
        """The way of every call that can go wrong. `half` is what it does where the process dies in it, `failed` what
        it does nevertheless where its plan lets it fail."""
        self._must_live()
        self.calls += 1
        try:
            self.plan(Call(self.calls, name, subject if isinstance(subject, Path) else self._path(subject)))
        except OSError:
            failed()
            raise
        except Crash:
            with suppress(OSError):
                self.machine.chance.choice((lambda: None, half, effect))()
            self.kill()
            raise
        self._must_live()
        return effect()

    def _must_live(self) -> None:
        if not self.alive:
            raise Crash(f"process {self._process_id} is dead")

    def _open(self, path: Path, flags: int, mode: int) -> int:
        opened = self._disk.open(path, flags, mode)
        descriptor = next(number for number in count(3) if number not in self._opened)
        self._opened[descriptor] = opened
        return descriptor

    def _held(self, descriptor: int) -> Opened:
        if descriptor not in self._opened:
            raise refusal(errno.EBADF)
        return self._opened[descriptor]

    def _path(self, descriptor: int) -> Path:
        return self._opened[descriptor].path if descriptor in self._opened else Path()

    def _close(self, descriptor: int) -> None:
        self._held(descriptor).close()
        del self._opened[descriptor]

    def _lock(self, path: Path) -> FakeLock | None:
        descriptor = self._open(path, os.O_RDWR | os.O_CREAT, 0o600)
        file = self._held(descriptor).inode
        self._close(descriptor)
        if file in self.machine.locks:
            return None
        return self.machine.locks.setdefault(file, FakeLock(file, self))

    def _watch(self, directory: Path, wake: Callable[[], None]) -> FakeWatch:
        watch = FakeWatch(self._disk.directory(directory), wake, self)
        self.machine.watches.append(watch)
        return watch
