"""The two write paths in real processes on a real disk: killed, raced, refused by the kernel, out of room."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.figures import Tell, table
from support.writers import CHECKOUT, Writers, is_whole, line, version_of

from contract.errors import RetryLater
from contract.files import append_line, publish, read_bytes, sweep
from contract.system import OperatingSystem

LONGEST_LIFE_S = 0.006
"""Several publications, so that a kill can meet any part of one."""


def trials(usual: int, many: int) -> pytest.MarkDecorator:
    long_count = pytest.param(many, marks=[pytest.mark.faults, pytest.mark.timeout(600)])
    return pytest.mark.parametrize("trials", [usual, long_count])


# kill -9


def killed(writers: Writers, kind: str, path: Path, chance: random.Random) -> int:
    """Let a writer live for a moment; returns the last version that it said was written."""
    writer = writers.start(kind, path)
    time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
    writer.kill()
    return writer.said


@trials(40, 150)
def test_a_killed_publisher_leaves_a_whole_file(trials: int, tmp_path: Path, seed: int, tell: Tell) -> None:
    path, chance = tmp_path / "weights.json", random.Random(seed)
    count = Counter(kills=0, publications=0, torn=0, empty=0, lost=0, temporaries=0)
    with Writers() as writers:
        for _ in range(trials):
            said = killed(writers, "publish", path, chance)
            found = path.read_bytes()
            count["kills"] += 1
            count["torn"] += not is_whole(found)
            count["empty"] += not found
            count["lost"] += version_of(found) < said
            count["temporaries"] += len(list(tmp_path.iterdir())) - 1
        count["publications"] = version_of(path.read_bytes())
    sweep(OperatingSystem(), path)
    tell(table("publish, kill -9", {"": count}))
    assert count["publications"] >= trials
    assert count["torn"] == count["empty"] == count["lost"] == 0
    assert list(tmp_path.iterdir()) == [path]


@trials(40, 150)
def test_a_killed_appender_leaves_whole_lines_and_a_torn_one_at_most(
    trials: int, tmp_path: Path, seed: int, tell: Tell
) -> None:
    path, chance = tmp_path / "journal.jsonl", random.Random(seed)
    count = Counter(kills=0, lines=0, wrong=0, lost=0)
    with Writers() as writers:
        for _ in range(trials):
            said = killed(writers, "append", path, chance)
            whole = path.read_text().split("\n")[:-1]
            count["kills"] += 1
            count["wrong"] += whole != [line(number) for number in range(1, len(whole) + 1)]
            count["lost"] += len(whole) < said
            count["lines"] = len(whole)
    tell(table("append_line, kill -9", {"": count}))
    assert count["lines"] >= trials
    assert count["wrong"] == count["lost"] == 0


# Concurrent readers


def race(writers: Writers, kind: str, path: Path, reads: int, least_versions: int) -> Counter[str]:
    """Read while a writer writes, until enough was read and enough versions went by."""
    count = Counter(reads=0, versions=0, torn=0, backwards=0)
    system, last = OperatingSystem(), 0
    writer = writers.start(kind, path)
    while count["reads"] < reads or count["versions"] < least_versions:
        found = read_bytes(system, path) or b""
        count["reads"] += 1
        if not is_whole(found):
            count["torn"] += 1
            continue
        count["backwards"] += version_of(found) < last
        count["versions"] += version_of(found) > last
        last = version_of(found)
    writer.kill()
    return count


@trials(5_000, 50_000)
def test_readers_never_see_half_a_publication(trials: int, tmp_path: Path, tell: Tell) -> None:
    with Writers() as writers:
        count = race(writers, "publish", tmp_path / "weights.json", trials, least_versions=100)
        careless = race(writers, "overwrite", tmp_path / "other.json", reads=500, least_versions=20)
    tell(table("reads during publication", {"publish": count, "overwritten in place": careless}))
    assert count["torn"] == count["backwards"] == 0
    assert careless["torn"] > 0


# Each system call of one publication refused, or killed in, by strace

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
def test_each_system_call_refused_or_killed_in(kind: str, trials: int, tmp_path: Path, tell: Tell) -> None:
    path = tmp_path / "home" / "file"
    traced(kind, path)  # the first start writes byte code, and has other calls than those after it
    untouched, calls = traced(kind, path)
    assert untouched.returncode == 0, untouched.stderr
    found = list(points(calls))
    assert len(found) >= 8
    counts = {}
    for fault, told in (("signal=KILL", False), ("error=EIO", True), ("error=ENOSPC", True)):
        count = counts[fault] = Counter(trials=0, torn=0, silent=0, temporaries=0)
        for name, number in found * trials:
            done, calls = traced(kind, path, f"--inject={name}:{fault}:when={number}")
            hit = next(place for place, call in enumerate(calls) if "(INJECTED)" in call or "killed by" in call)
            assert any("/the-call-begins" in call for call in calls[:hit]), "the fault came too early"
            count["trials"] += 1
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
    tell(table(f"{kind}: strace, a fault in each system call", counts))
    for count in counts.values():
        assert count["torn"] == count["silent"] == count["temporaries"] == 0


# No room


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_limit_on_the_size_of_files_costs_nothing_that_was_there(tmp_path: Path) -> None:
    system, weights, journal = OperatingSystem(), tmp_path / "weights.json", tmp_path / "journal.jsonl"
    publish(system, weights, b"old")
    append_line(system, journal, "one")
    with largest_file(10_000):
        with pytest.raises(RetryLater, match=r"File too large \(raise the limit"):
            publish(system, weights, b"x" * 10_001)
        with pytest.raises(RetryLater, match="File too large"):
            append_line(system, journal, "x" * 6_000, "y" * 6_000)
        append_line(system, journal, "two")
    assert sorted(tmp_path.iterdir()) == [journal, weights]
    assert weights.read_bytes() == b"old"
    assert journal.read_text() == "one\ntwo\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if mounted is None or mounted.returncode:
        pytest.skip(f"only root can mount: {mounted.stderr.strip() if mounted else 'not root'}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_costs_nothing_that_was_there_and_is_forgiven(small_disk: Path, tell: Tell) -> None:
    system, weights, journal = OperatingSystem(), small_disk / "weights.json", small_disk / "journal.jsonl"
    publish(system, weights, b"old" * 20_000)
    append_line(system, journal, "one")
    ballast = small_disk / "ballast"
    count = Counter(trials=0, told=0, changed=0, temporaries=0)
    too_large: tuple[Callable[[], None], ...] = (
        lambda: publish(system, weights, b"new" * 40_000),
        lambda: append_line(system, journal, "y" * 120_000),
    )
    for free_kb in range(50):
        ballast.write_bytes(b"x" * (896 - free_kb << 10))
        count["trials"] += 1
        for write in too_large:
            with pytest.raises(RetryLater, match=r"No space left on device \(free some disk space\)"):
                write()
            count["told"] += 1
        count["changed"] += weights.read_bytes() != b"old" * 20_000 or journal.read_text() != "one\n"
        count["temporaries"] += len(list(small_disk.iterdir())) - 3
    tell(table("publish and append_line on a full disk", {"": count}))
    assert count["changed"] == count["temporaries"] == 0
    ballast.unlink()
    publish(system, weights, b"new")
    append_line(system, journal, "two")
    assert weights.read_bytes() == b"new"
    assert journal.read_text() == "one\ntwo\n"


def test_a_disk_that_turns_read_only_costs_nothing_and_is_forgiven(small_disk: Path) -> None:
    system, weights, journal = OperatingSystem(), small_disk / "weights.json", small_disk / "journal.jsonl"
    publish(system, weights, b"old")
    append_line(system, journal, "one")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    writes: tuple[Callable[[], None], ...] = (
        lambda: publish(system, weights, b"new"),
        lambda: append_line(system, journal, "two"),
    )
    for write in writes:
        with pytest.raises(RetryLater, match=r"Read-only file system \(remount"):
            write()
    assert read_bytes(system, weights) == b"old"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    publish(system, weights, b"new")
    append_line(system, journal, "two")
    assert (weights.read_bytes(), journal.read_text()) == (b"new", "one\ntwo\n")
