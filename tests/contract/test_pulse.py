import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.scripted_waits import START, ScriptedWaits

from contract.files import publish
from contract.pulse import ABSENT, ALIVE, DEAD, ENDED, STALE, UNREADABLE, Pulse, feel, feel_all
from contract.schema.names import DAEMONS, Root
from contract.schema.operations import DEGRADED, RUNNING, STARTING, STOPPED, Heartbeat, encode_heartbeat


class Machine(ScriptedWaits):
    """A machine on which some processes run, at a certain time after a certain boot."""

    running: tuple[int, ...] = (4711,)
    boot = "this boot"

    def is_running(self, process_id: int) -> bool:
        return process_id in self.running

    def boot_id(self) -> str:
        return self.boot


BEAT = Heartbeat("bridge", 4711, "this boot", 3, START, RUNNING, due_s=40.0, message="published")


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def feel_after(machine: Machine, root: Root, beat: Heartbeat, seconds: float) -> Pulse:
    publish(machine, root.heartbeat("bridge"), encode_heartbeat(beat))
    machine.elapsed_s = seconds
    return feel(machine, root, "bridge")


@pytest.mark.parametrize("state", [STARTING, RUNNING, DEGRADED])
@pytest.mark.parametrize(
    ("seconds", "felt"),
    [(0, ALIVE), (40, ALIVE), (40.001, STALE), (86400, STALE), (-2, ALIVE), (-2.001, STALE), (-3600, STALE)],
)
def test_a_heartbeat_is_good_until_the_next_is_due(
    machine: Machine, root: Root, state: str, seconds: float, felt: str
) -> None:
    beat = replace(BEAT, state=state)
    assert feel_after(machine, root, beat, seconds) == Pulse("bridge", felt, beat, float(seconds))


def test_a_process_that_is_gone_is_dead_at_once(machine: Machine, root: Root) -> None:
    machine.running = ()
    assert feel_after(machine, root, BEAT, 1.0).state == DEAD


def test_a_number_from_before_a_reboot_means_nothing(machine: Machine, root: Root) -> None:
    machine.boot = "the next boot"  # and another process has got the number
    assert feel_after(machine, root, BEAT, 1.0).state == DEAD


def test_a_number_that_another_process_got_does_not_beat(machine: Machine, root: Root) -> None:
    assert feel_after(machine, root, replace(BEAT, pid=1), 1.0).state == DEAD
    machine.running = (1,)
    assert feel_after(machine, root, replace(BEAT, pid=1), 41.0).state == STALE


def test_one_that_ended_is_neither_dead_nor_stale(machine: Machine, root: Root) -> None:
    machine.running = ()
    machine.boot = "the next boot"
    assert feel_after(machine, root, replace(BEAT, state=STOPPED), 1e6).state == ENDED


def test_the_last_error_is_the_trouble(machine: Machine, root: Root) -> None:
    assert feel_after(machine, root, replace(BEAT, last_error="disk full"), 1.0).trouble == "disk full"


def test_one_that_never_ran(machine: Machine, root: Root) -> None:
    assert feel(machine, root, "bridge") == Pulse("bridge", ABSENT)


def garbage(path: Path) -> None:
    path.write_bytes(b'{"daemon": "bridge", "pid": -1}')


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [garbage, fifo, loop, Path.mkdir])
def test_what_cannot_be_read_is_said_not_raised(
    machine: Machine, root: Root, make: Callable[[Path], None]
) -> None:
    root.heartbeats.mkdir(parents=True)
    make(root.heartbeat("bridge"))
    pulse = feel(machine, root, "bridge")
    assert (pulse.state, pulse.heartbeat, pulse.age_s) == (UNREADABLE, None, None)
    assert "bridge.json" in pulse.trouble


def test_all_are_felt_in_order(machine: Machine, root: Root) -> None:
    publish(machine, root.heartbeat("tracker"), encode_heartbeat(replace(BEAT, daemon="tracker")))
    pulses = feel_all(machine, root)
    assert tuple(pulse.daemon for pulse in pulses) == DAEMONS
    assert {pulse.daemon for pulse in pulses if pulse.state == ALIVE} == {"tracker"}


def test_a_real_process_is_found(root: Root) -> None:
    system = ScriptedWaits()
    beat = replace(BEAT, pid=os.getpid(), boot_id=system.boot_id())
    publish(system, root.heartbeat("bridge"), encode_heartbeat(beat))
    assert feel(system, root, "bridge").state == ALIVE
