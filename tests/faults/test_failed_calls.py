"""A fault at each system call of a publication: killed there, or refused by the kernel.

The two write paths meet real faults of the kernel's, by strace. Every program meets them at the seam, in each call that
writes each of its files.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.busy_programs import PROGRAMS, Busy, look, world_of
from support.counts import trials
from support.figures import FAILED_CALL, Record
from support.forked import Nursery
from support.forking import STRUCK, Misfortune
from support.published import Published, temporaries
from support.scripted_book import ScriptedBook
from support.writers import CHECKOUT

from contract.files import sweep
from contract.schema.names import Root
from contract.schema.operations import parse_heartbeat
from contract.system import OperatingSystem

WRITE_ONCE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from contract.errors import RetryLater
from contract.files import append_line, publish
from contract.system import OperatingSystem
path = Path(sys.argv[3])
os.access("/the-call-begins", os.F_OK)
try:
    if sys.argv[2] == "publish":
        publish(OperatingSystem(), path, b"new" * 1000)
    else:
        append_line(OperatingSystem(), path, "new" * 1000)
except RetryLater as error:
    os.access("/the-call-ends", os.F_OK)
    sys.exit(str(error))
os.access("/the-call-ends", os.F_OK)
"""
FILE_CALLS = (
    *("open", "openat", "read", "pread64", "write", "ftruncate", "fsync", "close", "rename", "unlink", "mkdir"),
    *("stat", "fstat", "newfstatat", "statx"),
)
BEFORE = {"publish": b"old" * 1000, "append": b"one\ntwo\ntorn"}
AFTER = {"publish": b"new" * 1000, "append": b"one\ntwo\n" + b"new" * 1000 + b"\n"}


def traced(kind: str, path: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A process that writes once, under strace; and its system calls, one a line."""
    log = path.parent.with_name("calls")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(BEFORE[kind])
    command = [sys.executable, "-I", "-c", WRITE_ONCE, str(CHECKOUT), kind, str(path)]
    done = subprocess.run(["strace", "-o", str(log), *options, *command], capture_output=True, text=True, check=False)
    return done, log.read_text(errors="replace").splitlines()


def points(calls: list[str]) -> Iterator[tuple[str, int]]:
    """The system calls of the write, each as its name and which of that name in the life of the process it is."""
    seen: Counter[str] = Counter()
    inside = False
    for call in calls:
        name = call.split("(")[0]
        seen[name] += 1
        inside = (inside and "/the-call-ends" not in call) or "/the-call-begins" in call
        if inside and name in FILE_CALLS:
            yield name, seen[name]


@pytest.fixture
def strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("kind", ["publish", "append"])
@trials(1, 3)
def test_each_system_call_refused_or_killed_in(kind: str, trials: int, tmp_path: Path, record: Record) -> None:
    path = tmp_path / "home" / "file"
    traced(kind, path)  # the first start writes byte code, and has other calls than those after it
    untouched, calls = traced(kind, path)
    assert untouched.returncode == 0, untouched.stderr
    found = list(points(calls))
    assert len(found) >= 8
    count = Counter(torn=0, silent=0, temporaries=0)
    tried = 0
    for fault, told in (("signal=KILL", False), ("error=EIO", True), ("error=ENOSPC", True)):
        for name, number in found * trials:
            done, calls = traced(kind, path, f"--inject={name}:{fault}:when={number}")
            hit = next(place for place, call in enumerate(calls) if "(INJECTED)" in call or "killed by" in call)
            assert any("/the-call-begins" in call for call in calls[:hit]), "the fault came too early"
            tried += 1
            content = path.read_bytes()
            whole = content if kind == "publish" else content[: content.rfind(b"\n") + 1]
            before = BEFORE[kind] if kind == "publish" else b"one\ntwo\n"
            count["torn"] += whole not in (before, AFTER[kind])
            count["silent"] += done.returncode == 0 and content != AFTER[kind]
            if told:
                assert done.returncode in (0, 1) and "Traceback" not in done.stderr
                count["temporaries"] += len(list(path.parent.iterdir())) - 1
            sweep(OperatingSystem(), path)
            assert list(path.parent.iterdir()) == [path]
    record(FAILED_CALL, f"{kind}, by strace", tried, count, asked=3 * 3 * len(found))
    assert count.total() == 0


# Every program, at the seam.

FAULTS = (0, errno.EIO, errno.ENOSPC)
BRIEF = {"TILLER__LOOP__BACKOFF_S": "0.01", "TILLER__LOOP__LONGEST_BACKOFF_S": "0.01"}


def is_told(busy: Busy, root: Root, code: int, said: list[str]) -> bool:
    """Whether anybody can see that something went wrong."""
    path = root.heartbeat(busy.program)
    beat = parse_heartbeat(path.read_bytes(), path)
    return code not in (0, 4) or bool(beat.last_error) or any("WARNING" in line or "ERROR" in line for line in said)


class Run(NamedTuple):
    struck: bool
    code: int
    said: list[str]


def run_struck(busy: Busy, file: Published, nursery: Nursery, root: Root, error: int, call: int) -> Run:
    """One run with the fault at that call, if it comes to it."""
    misfortune = Misfortune(error, str(file.directory(root)), file.name, file.by_line, call)
    environment = {**busy.environment, **BRIEF}
    with nursery.start(busy.program, root.path, *busy.once, environment=environment, misfortune=misfortune) as running:
        struck = any(call.name == STRUCK for call in running.calls())
        return Run(struck, running.ended(), running.errors)


class Trials:
    """Of one program."""

    def __init__(self, busy: Busy, nursery: Nursery, book: ScriptedBook) -> None:
        self.busy, self.nursery, self.book = busy, nursery, book
        self.found = Counter(torn=0, empty=0, gone=0, silent=0, temporaries=0)
        self.tried = self.runs = 0
        self._contents: dict[Path, bytes] = {}

    def strike(self, file: Published, call: int, error: int) -> None:
        """Until it is struck: a run can have nothing to write into that file."""
        for _ in range(8):
            self.runs += 1
            self.busy.news(self.book, self.runs)
            before = times(file, self.book.root)
            run = run_struck(self.busy, file, self.nursery, self.book.root, error, call)
            self._contents = look(self.busy, self.book.root, self._contents, self.found)
            if run.struck:
                break
        assert run.struck, f"{self.busy.program} does not write {file.name}"
        self.tried += 1
        if error:
            unwritten = times(file, self.book.root) == before
            self.found["silent"] += unwritten and not is_told(self.busy, self.book.root, run.code, run.said)
            self.found["temporaries"] += len(temporaries(self.book.root))


def times(file: Published, root: Root) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in file.found(root)}


@trials(1, 3, timeout_s=1800)
@pytest.mark.parametrize("busy", [busy for busy in PROGRAMS if busy.once], ids=lambda busy: busy.program)
def test_each_call_that_writes_a_file(
    busy: Busy, trials: int, nursery: Nursery, tmp_path: Path, seed: int, record: Record
) -> None:
    files = [file for file in busy.files if file.check is not parse_heartbeat]  # which may be missing: it is looked at
    points = [(file, call) for file in files for call in range(1, file.calls + 1)]
    with world_of(busy, tmp_path) as book:
        struck = Trials(busy, nursery, book)
        for file, call in points if trials > 1 else random.Random(seed).sample(points, 2):
            for error in FAULTS * trials:
                struck.strike(file, call, error)
    record(FAILED_CALL, busy.program, struck.tried, struck.found, asked=3 * 3 * len(points))
    assert struck.found.total() == 0
