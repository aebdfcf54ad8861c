import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.scripted_daemon import NAME, ScriptedDaemon
from support.scripted_waits import START

from contract.daemon import DONE, Context, Status
from contract.errors import MustStop
from contract.files import publish
from contract.schema.operations import RUNNING, STARTING, STOPPED, Heartbeat, encode_heartbeat
from contract.system import Lock, OperatingSystem


@pytest.fixture
def bridge(tmp_path: Path) -> ScriptedDaemon:
    return ScriptedDaemon(tmp_path)


# One at a time.


def test_the_lock_is_held_while_it_runs_and_its_file_stays_behind(
    bridge: ScriptedDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked: list[bool] = []
    bridge.waits(lambda: unlocked.append(bridge.is_unlocked()))
    locks: list[Lock | None] = []  # kept, because a lock that is thrown away lets go by itself
    take = bridge.system.lock
    monkeypatch.setattr(bridge.system, "lock", lambda path: locks.append(take(path)) or locks[-1])  # type: ignore[func-returns-value]
    bridge.run()
    assert unlocked == [False]
    assert bridge.root.lock(NAME).exists()
    assert bridge.is_unlocked()


def test_nobody_else_may_look_into_the_directory_of_locks(bridge: ScriptedDaemon) -> None:
    before = os.umask(0)
    try:
        bridge.run_once()
    finally:
        os.umask(before)
    assert stat.S_IMODE(bridge.root.locks.stat().st_mode) == 0o700


def beat_of(bridge: ScriptedDaemon, state: str, pid: int) -> None:
    beat = Heartbeat(NAME, pid, bridge.system.boot_id(), 1, START, state, due_s=30.0)
    publish(bridge.system, bridge.root.heartbeat(NAME), encode_heartbeat(beat))


@contextmanager
def held(bridge: ScriptedDaemon) -> Iterator[Lock]:
    """By somebody else."""
    bridge.root.locks.mkdir()
    lock = OperatingSystem().lock(bridge.root.lock(NAME))
    assert lock is not None
    yield lock
    lock.release()


@pytest.mark.parametrize(
    ("state", "pid", "told"),
    [
        (RUNNING, os.getpid(), f" (pid {os.getpid()})"),
        (STARTING, os.getpid(), f" (pid {os.getpid()})"),
        (STOPPED, os.getpid(), ""),  # the predecessor's
        (RUNNING, 2**22 + 1, ""),  # a predecessor that was killed: no process has that number
    ],
    ids=["running", "starting", "stopped", "killed"],
)
def test_a_second_instance_is_refused_and_told_who_holds(
    bridge: ScriptedDaemon, state: str, pid: int, told: str
) -> None:
    beat_of(bridge, state, pid)
    bridge.system.otherwise = lambda: None
    with held(bridge), pytest.raises(MustStop) as caught:
        bridge.run()
    assert str(caught.value) == f"another bridge is running{told} (stop it first)"
    assert bridge.begun == 0
    assert bridge.system.elapsed_s == (0.0 if told else pytest.approx(0.5, abs=0.021)), "who is known is not waited for"


def test_an_unreadable_heartbeat_does_not_hide_the_refusal(bridge: ScriptedDaemon) -> None:
    bridge.write(bridge.root.heartbeat(NAME), "{")
    bridge.system.otherwise = lambda: None
    with held(bridge), pytest.raises(MustStop, match=r"^another bridge is running \("):
        bridge.run()


def test_a_lock_that_a_killed_predecessor_is_about_to_let_go_is_waited_for(bridge: ScriptedDaemon) -> None:
    """A child that it had just forked holds it until it becomes another program."""
    beat_of(bridge, RUNNING, 2**22 + 1)
    with held(bridge) as lock:
        bridge.waits(lambda: None, lock.release)
        assert bridge.run() == DONE
    assert bridge.begun == 1


def test_what_a_killed_predecessor_left_is_swept(bridge: ScriptedDaemon) -> None:
    bridge.daemon = replace(bridge.daemon, owns=lambda root: (root.allocations,))
    root = bridge.root
    mine = [root.runtime / ".allocations_override.json.77-1.tmp", root.heartbeats / ".bridge.json.77-2.tmp"]
    others = [root.runtime / ".rl_strategy_weights.json.78-1.tmp", root.heartbeats / ".tracker.json.78-1.tmp"]
    for path in (*mine, *others, root.allocations):
        bridge.write(path, "torn")
    bridge.run_once()
    assert not any(path.exists() for path in mine)
    assert all(path.exists() for path in (*others, root.allocations))


# The heartbeat.


def test_the_heartbeat_tells_the_truth(bridge: ScriptedDaemon) -> None:
    def look(context: Context) -> Status:
        bridge.note_heartbeat()
        return Status("published generation 7", wait_s=5.0)

    bridge.outcomes = [look, look]
    bridge.waits(bridge.note_heartbeat)
    bridge.run()
    starting, after_one, before_two = bridge.beats
    assert starting == Heartbeat(
        daemon="bridge",
        pid=os.getpid(),
        boot_id=OperatingSystem().boot_id(),
        sequence=0,
        utc=START,
        state=STARTING,
        due_s=30.0,
        message="Publishes.",
    )
    assert (after_one.sequence, after_one.state, after_one.due_s) == (1, RUNNING, 35.0)
    assert after_one.message == "published generation 7"
    assert before_two == after_one
    last = bridge.heartbeat()
    assert (last.sequence, last.state, last.message) == (3, STOPPED, "stopped")
    assert (last.utc - START).total_seconds() == 5.0


def test_a_heartbeat_that_cannot_be_written_does_not_stop_the_work(bridge: ScriptedDaemon) -> None:
    bridge.write(bridge.root.heartbeats, "a file where the directory belongs")
    bridge.waits()
    assert bridge.run() == DONE
    assert len(bridge.ran_at_s) == 1
    assert sum(line.startswith("DEBUG no heartbeat") for line in bridge.said) == 3
