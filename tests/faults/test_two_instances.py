"""Two instances of a program that begin at the same moment, after an end or a kill of the last holder: one holds."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.announcing import writing
from support.busy_programs import BY_NAME, Busy, world_of
from support.counts import trials
from support.figures import TWO_INSTANCES, Record
from support.forked import Forked, Nursery
from support.forking import AT_THE_GATE

from contract.schema.names import Root

DAEMONS = [busy for name, busy in BY_NAME.items() if name != "tiller"]


def holds(running: Forked, busy: Busy, root: Root) -> bool:
    """Whether it comes to its first heartbeat; who does not hold ends before that."""
    return running.reaches(1, writing(root.heartbeats, rf"{busy.program}\.json", by_line=False))


def race(busy: Busy, nursery: Nursery, root: Root, number: int) -> list[Forked]:
    """The holders. They are ended, and by turns killed, before the next race; whoever does not hold ends by itself."""
    both = [nursery.start(busy.program, root.path, *busy.arguments, begins=AT_THE_GATE) for _ in range(2)]
    for running in both:
        running.says("ready")
    for running in both:
        running.tell("go")
    holders = [running for running in both if holds(running, busy, root)]
    for running in both:
        if running not in holders:
            assert running.ended() == 1
            assert len(running.errors) == 1, running.errors
            assert running.errors[0].startswith(f"{busy.program}: another {busy.program} is running")
    for running in holders:
        running.process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        running.ended()
    return holders


@trials(2, 200, timeout_s=1800)
@pytest.mark.parametrize("busy", DAEMONS, ids=lambda busy: busy.program)
def test_one_holds(busy: Busy, trials: int, nursery: Nursery, tmp_path: Path, record: Record) -> None:
    found = {"double holders": 0, "without a holder": 0}
    with world_of(busy, tmp_path) as book:
        book.root.wanted.unlink(missing_ok=True)  # a supervisor that has nothing to start
        for number in range(trials):
            holders = race(busy, nursery, book.root, number)
            found["double holders"] += len(holders) > 1
            found["without a holder"] += not holders
    record(TWO_INSTANCES, busy.program, trials, found)
    assert not any(found.values())
