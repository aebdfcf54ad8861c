"""Which of these files changed: a generator for loops that work when there is something to do.

Events say *when* to look, never *what* changed: they get lost when a queue overflows, and they do not exist on network
file systems. So every wake, and every `RESCAN_S` without one, compares what `stat` says of each file with before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contract.system import Stat, System, Watch

RESCAN_S = 30.0
POLL_S = 1.0  # where a directory cannot be watched

Look = tuple[int, int, int]
"""Size, modification time and inode: what tells one state of a file from the next."""


def changes(
    system: System,
    paths: Sequence[Path],
    wake: threading.Event,
    stop: threading.Event,
    pause_s: Callable[[], float],
    *,
    asked: Callable[[], bool] = lambda: False,
    polling: Callable[[], bool] = lambda: False,
) -> Iterator[frozenset[Path]]:
    """Yields the files that changed as soon as some did, and an empty set when `pause_s()` is over without one.

    All files that stand at the start count as changed. `pause_s` is asked after each yield, so that the consumer can
    stretch or shorten its next wait; while `asked` is true there is none. Ends when `stop` is set. Whoever sets it, or
    makes `asked` true, sets `wake` afterwards.
    """
    watches = _Watches(system, {path.parent for path in paths}, wake)
    seen: dict[Path, Look | None] = dict.fromkeys(paths)
    try:
        if not polling():
            watches.renew()
        due = system.monotonic()
        while True:
            wake.clear()  # before looking at anything: what happens from here on wakes the next round
            if stop.is_set():
                return
            changed = _compare(system, seen)
            left_s = due - system.monotonic()
            if changed or left_s <= 0 or asked():
                yield changed
                due = system.monotonic() + pause_s()
                continue
            rescan_s = POLL_S if polling() or not watches.complete else RESCAN_S
            if not system.wait(wake, min(left_s, rescan_s)) and not polling():
                watches.renew()
    finally:
        watches.close()


def _compare(system: System, seen: dict[Path, Look | None]) -> frozenset[Path]:
    """The files that look different from `seen`, which is brought up to date."""
    changed = set()
    for path, before in seen.items():
        now = _look(_stat(system, path))
        if now != before:
            changed.add(path)
            seen[path] = now
    return frozenset(changed)


def _look(found: Stat | None) -> Look | None:
    return None if found is None else (found.size, found.mtime_ns, found.inode)


def _stat(system: System, path: Path) -> Stat | None:
    try:
        return system.stat(path)
    except OSError:
        return None


class _Watches:
    """One watch for each directory, made again where it died or where another directory took the place."""

    def __init__(self, system: System, directories: set[Path], wake: threading.Event) -> None:
        self._system = system
        self._directories = sorted(directories)
        self._wake = wake
        self._watched: dict[Path, tuple[int, Watch]] = {}

    @property
    def complete(self) -> bool:
        return len(self._watched) == len(self._directories)

    def renew(self) -> None:
        for directory in self._directories:
            found = _stat(self._system, directory)
            inode, watch = self._watched.get(directory, (None, None))
            if watch is not None:
                if found is not None and found.inode == inode and watch.is_alive():
                    continue
                del self._watched[directory]
                watch.close()
            if found is not None:
                try:
                    self._watched[directory] = found.inode, self._system.watch(directory, self._wake.set)
                except OSError:
                    pass  # the limit on watches is reached: `complete` stays false, so the loop polls

    def close(self) -> None:
        for _, watch in self._watched.values():
            watch.close()
        self._watched.clear()
