"""Events that get lost: the watcher dies, or the kernel's queue overflows. The next look at the files finds the change.

A program looks every 30 s at the latest. Here it looks every half second, so that the test does not take hours.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import bridge_world
from support.busy_programs import BY_NAME, Busy, world_of
from support.counts import trials_of
from support.figures import DEAD_WATCHER, OVERFLOW, Fault, Record
from support.forked import Forked, Nursery
from support.only_on_linux import only_on_linux
from support.scripted_book import ScriptedBook

from contract.schema.names import Root

pytestmark = only_on_linux

RESCAN_S = 0.5
WITHIN_S = 30.0
PROGRAMS = [BY_NAME[name] for name in ("inference", "bridge", "trainer", "tracker", "optimizer", "lab")]
LONG_PAUSES = {
    "TILLER__BRIDGE__INTERVAL_S": "3600",
    "TILLER__BRIDGE__VALID_S": "86400",
    "TILLER__INFERENCE__MIN_INTERVAL_S": "0",
    "TILLER__INFERENCE__INTERVAL_S": "86400",
}
"""So that nothing but the change is a reason to look."""
ARGUMENTS = {"trainer": ("--loop", "--episodes", "1")}


def news(busy: Busy, book: ScriptedBook, number: int) -> None:
    """In state/, which all of them watch."""
    if busy.program == "bridge":
        weights = [0.3 if place == number % 8 else 0.1 for place in range(8)]
        bridge_world.optimizer(book.root, weights)
    else:
        busy.news(book, number)
    book.root.training_log.unlink(missing_ok=True)  # so that a training is due


def the_watcher_dies(running: Forked, root: Root) -> None:
    """Another directory takes the place of the one that it watches, and it has seen that before there is any news."""
    before = root.state.with_name("before")
    root.state.rename(before)
    shutil.copytree(before, root.state)
    shutil.rmtree(before)
    running.goes_on()
    next(running.calls())
    running.stops_at_rest()


def the_queue_overflows(running: Forked, root: Root) -> None:
    """More changes than the kernel keeps for a process that stands still."""
    events = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    other = root.state / "other"
    for number in range(events // 2):
        other.with_name(f"new{number % 2}").touch()
        other.with_name(f"new{number % 2}").rename(other)


def version(busy: Busy, root: Root) -> list[int]:
    """A copy keeps the times of its original."""
    return [path.stat().st_mtime_ns for path in busy.files[0].found(root)]


def sees(busy: Busy, running: Forked, root: Root, before: list[int]) -> bool:
    """Whether it says something new in time."""
    until_s = time.monotonic() + WITHIN_S
    while version(busy, root) == before:
        next(running.calls())
        if time.monotonic() > until_s:
            return False
    return True


@pytest.mark.parametrize(
    ("happens", "fault"), [(the_watcher_dies, DEAD_WATCHER), (the_queue_overflows, OVERFLOW)], ids=["dead", "overflow"]
)
@trials_of(PROGRAMS[:2], PROGRAMS, 20, lambda busy: busy.program)
def test_no_change_is_missed(
    busy: Busy,
    happens: Callable[[Forked, Root], None],
    fault: Fault,
    trials: int,
    nursery: Nursery,
    tmp_path: Path,
    record: Record,
) -> None:
    arguments, environment = ARGUMENTS.get(busy.program, busy.arguments), {**busy.environment, **LONG_PAUSES}
    missed = 0
    with world_of(busy, tmp_path) as book:
        news(busy, book, 0)
        with nursery.start(
            busy.program, book.root.path, *arguments, environment=environment, rescan_s=RESCAN_S
        ) as running:
            assert sees(busy, running, book.root, [])
            for number in range(1, trials + 1):
                running.stops_at_rest()
                happens(running, book.root)
                before = version(busy, book.root)
                news(busy, book, number)
                running.goes_on()
                missed += not sees(busy, running, book.root, before)
                if happens is the_queue_overflows:
                    running.complains("queue overflowed")  # watchdog's own word that events were lost
            assert running.ends(signal.SIGTERM)[0] == 0
    record(fault, busy.program, trials, {"updates missed": missed})
    assert missed == 0
