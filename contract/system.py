"""The seam to the operating system: every call by which this program meets files, locks, watches and the clock.

`System` is what the rest of the code asks for; `OperatingSystem` is the real one. Tests put a fake in its place that
crashes between calls, tears writes and forgets what was not synced, and run the daemons on that.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from filelock import FileLock, Timeout


class Stat(NamedTuple):
    """What is known of a file without reading it."""

    size: int
    mtime_ns: int
    inode: int
    mode: int
    uid: int


class Lock(Protocol):
    def release(self) -> None: ...


class Watch(Protocol):
    def is_alive(self) -> bool: ...

    def close(self) -> None: ...


class System(Protocol):
    """One method for each system call; errors are the operating system's own `OSError`."""

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int: ...

    def read(self, descriptor: int, size: int) -> bytes: ...

    def pread(self, descriptor: int, size: int, offset: int) -> bytes: ...

    def write(self, descriptor: int, data: bytes) -> int: ...

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int: ...

    def truncate(self, descriptor: int, size: int) -> None: ...

    def fsync(self, descriptor: int) -> None: ...

    def close(self, descriptor: int) -> None: ...

    def fstat(self, descriptor: int) -> Stat: ...

    def stat(self, path: Path) -> Stat: ...

    def list(self, directory: Path) -> list[str]: ...

    def mkdir(self, directory: Path, mode: int = 0o755) -> None:
        """Make the directory where it is missing; its parent must stand."""
        ...

    def replace(self, source: Path, target: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def lock(self, path: Path) -> Lock | None:
        """Hold the lock file exclusively until `release` or the end of the process; None where another holds it."""
        ...

    def watch(self, directory: Path, wake: Callable[[], None]) -> Watch:
        """Call `wake`, from any thread, soon after anything in the directory changes; a change may be missed."""
        ...

    def now(self) -> datetime:
        """The wall clock, in UTC: for records, never for schedules."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow: for schedules, never for records."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Sleep until the event is set or the time is over; says whether it was set."""
        ...

    def process_id(self) -> int: ...

    def user_id(self) -> int:
        """Whose files we may write and may believe."""
        ...

    def is_running(self, process_id: int) -> bool:
        """Whether a process with this number exists, whosever it is."""
        ...

    def boot_id(self) -> str:
        """What tells this boot of the machine from every other, so that a process id can be trusted."""
        ...

    def unique(self) -> str:
        """A word that no other running process and no earlier call has been given."""
        ...


class OperatingSystem:
    """The real one."""

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def read(self, descriptor: int, size: int) -> bytes:
        return os.read(descriptor, size)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        return os.pread(descriptor, size, offset)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def fstat(self, descriptor: int) -> Stat:
        return _stat(os.fstat(descriptor))

    def stat(self, path: Path) -> Stat:
        return _stat(os.stat(path))

    def list(self, directory: Path) -> list[str]:
        return sorted(os.listdir(directory))

    def mkdir(self, directory: Path, mode: int = 0o755) -> None:
        try:
            os.mkdir(directory, mode)
        except FileExistsError:
            if not directory.is_dir():
                raise

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def lock(self, path: Path) -> Lock | None:
        lock = FileLock(path, fallback_to_soft=False, mode=0o600)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return lock

    def watch(self, directory: Path, wake: Callable[[], None]) -> Watch:
        from contract.observer import DirectoryWatch  # only those who watch pay for watchdog

        return DirectoryWatch(directory, wake)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)

    def process_id(self) -> int:
        return os.getpid()

    def user_id(self) -> int:
        return os.geteuid()

    def is_running(self, process_id: int) -> bool:
        try:
            os.kill(process_id, 0)
        except (ProcessLookupError, OverflowError):  # no such process, or no number of any process
            return False
        except PermissionError:
            pass  # it exists and is another user's
        return True

    def boot_id(self) -> str:
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:  # not Linux: the time of boot, to the second, serves as well
            return f"boot-{time.time() - time.monotonic():.0f}"

    def unique(self) -> str:
        return os.urandom(8).hex()  # a process id would not do: every container has a process 1


def _stat(found: os.stat_result) -> Stat:
    return Stat(found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode, found.st_uid)
