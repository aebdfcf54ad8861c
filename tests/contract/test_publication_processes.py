"""The two write paths in real processes on a real disk: killed, and out of room."""

from __future__ import annotations

import os
import random
import resource
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.counts import trials
from support.figures import Tell, table
from support.writers import Writers, is_whole, line, version_of

from contract.errors import RetryLater
from contract.files import append_line, publish, read_bytes, sweep
from contract.system import OperatingSystem

LONGEST_LIFE = 30
"""Calls: several publications, so that a kill can meet any part of one."""


# kill -9


def killed(writers: Writers, kind: str, path: Path, chance: random.Random) -> int:
    """Let a writer live for some calls; returns the last version that it said was written."""
    writer = writers.start(kind, path, followed=True)
    writer.follow(chance.randint(1, LONGEST_LIFE))
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
