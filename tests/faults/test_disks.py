"""Every program on a disk that fills up or turns read-only: the last good files stand, and it recovers by itself.

The program is stopped while the trouble is made, so that it meets it right after there is something to say.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.busy_programs import BY_NAME, Busy, look, world_of
from support.counts import trials_of
from support.figures import FULL_DISK, READ_ONLY_DISK, Record
from support.forked import Forked, Nursery
from support.published import Published, temporaries
from support.scripted_book import ScriptedBook

from contract.schema.names import Root

PROGRAMS = [busy for name, busy in BY_NAME.items() if name not in ("supervisor", "tiller")]
IMPATIENT = {
    "TILLER__LOOP__BACKOFF_S": "0.02",
    "TILLER__LOOP__LONGEST_BACKOFF_S": "0.05",
    "TILLER__BRIDGE__INTERVAL_S": "0.05",
    "TILLER__INFERENCE__MIN_INTERVAL_S": "0",
}
ARGUMENTS = {
    "trainer": ("--loop", "--episodes", "1"),
    "paper_trader": ("--live", "--bar-seconds", "0.1"),  # so that it rests between two days
}


class Disk:
    """A small file system, which only root can make."""

    def __init__(self, place: Path) -> None:
        self.place = place / "disk"
        self._ballast = self.place / "ballast"
        self.place.mkdir()
        mount = shutil.which("mount") or "mount"
        command = [mount, "-t", "tmpfs", "-o", "size=32m", "tiller-test", str(self.place)]
        made = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
        if made is None or made.returncode:
            pytest.skip(f"only root can mount: {made.stderr.strip() if made else 'not root'}")
        for kept_open in ("logs", "runtime/locks"):  # a disk with files open for writing cannot turn read-only
            elsewhere = place / kept_open.replace("/", "_")
            elsewhere.mkdir(mode=0o700)
            (self.place / kept_open).parent.mkdir(exist_ok=True)
            (self.place / kept_open).symlink_to(elsewhere)

    def end(self) -> None:
        subprocess.run(["umount", str(self.place)], check=True)

    def fall_ill(self, trouble: str) -> None:
        if trouble == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(self.place)], check=True, capture_output=True)
            return
        with self._ballast.open("wb", buffering=0) as file:
            for block in (bytes(1 << 20), bytes(1 << 12)):
                with pytest.raises(OSError, match="No space left"):
                    while True:
                        file.write(block)

    def get_well(self, trouble: str) -> None:
        if trouble == "read-only":
            subprocess.run(["mount", "-o", "remount,rw", str(self.place)], check=True)
        else:
            self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.end()


class Troubled:
    """A program, and the first of its files."""

    def __init__(self, busy: Busy, running: Forked, book: ScriptedBook) -> None:
        self.busy, self.running, self.book = busy, running, book
        self.file: Published = busy.files[0]
        self.found = Counter(torn=0, empty=0, gone=0, **{"lines lost": 0}, temporaries=0)
        self.contents: dict[Path, bytes] = {}

    def look(self) -> None:
        before, self.contents = self.contents, look(self.busy, self.book.root, self.contents, self.found)
        for file in self.busy.files:
            for path in file.found(self.book.root) if file.by_line else ():
                known = before.get(path, b"")
                self.found["lines lost"] += not self.contents[path].startswith(known[: known.rfind(b"\n") + 1])

    def version(self) -> dict[Path, int]:
        return {path: path.stat().st_ino for path in self.file.found(self.book.root)}

    def tries_in_vain(self) -> None:
        """Wait until it has turned to one of its files, and waits itself."""
        root, files, calls = self.book.root, self.busy.files, self.running.calls()
        tried = any(file.is_about(call, root) for call in calls for file in files)
        assert tried and any(call.name == "wait" for call in calls), self.running.errors

    def recovers(self, before: dict[Path, int]) -> None:
        """By itself, whatever time it takes."""
        calls = self.running.calls()
        while self.version() == before:
            next(calls)


def cycle(troubled: Troubled, disk: Disk, trouble: str, number: int) -> None:
    """Ill while it stands still with news before it; then well again."""
    troubled.running.stops_at_rest()
    troubled.busy.news(troubled.book, number)
    due(troubled.book.root)
    disk.fall_ill(trouble)
    before = troubled.version()
    troubled.running.goes_on()
    troubled.tries_in_vain()
    troubled.look()
    disk.get_well(trouble)
    troubled.recovers(before)


def due(root: Root) -> None:
    """For the trainer."""
    root.training_log.unlink(missing_ok=True)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
@trials_of(PROGRAMS[:4], PROGRAMS, 50, lambda busy: busy.program)
def test_a_disk_in_trouble(busy: Busy, trouble: str, trials: int, disk: Disk, nursery: Nursery, record: Record) -> None:
    environment = {**busy.environment, **IMPATIENT}
    with world_of(busy, disk.place) as book:
        busy.news(book, 0)
        arguments = ARGUMENTS.get(busy.program, busy.arguments)
        with nursery.start(busy.program, book.root.path, *arguments, environment=environment) as running:
            troubled = Troubled(busy, running, book)
            troubled.recovers({})
            for number in range(1, trials + 1):
                cycle(troubled, disk, trouble, number)
            assert running.ends(signal.SIGTERM)[0] == 0
        troubled.look()
        with nursery.start(busy.program, book.root.path, *busy.once, environment=environment) as another:
            another.ended()  # which sweeps what could not be removed from a disk that was read-only
        troubled.found["temporaries"] = len(temporaries(book.root))
    record(FULL_DISK if trouble == "full" else READ_ONLY_DISK, busy.program, trials, troubled.found)
    assert troubled.found.total() == 0
