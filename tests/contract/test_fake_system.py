"""The fake seam: processes, locks, watches and the clock; and a daemon that lives on it."""

from __future__ import annotations

import argparse
import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.fake_system import Call, Crash, FakeMachine, Plan, crashing, failing, nothing_planned, nth

from contract.daemon import DONE, Context, Daemon, Signals, Status, run
from contract.errors import MustStop
from contract.files import make_directory, publish, read_bytes, sync_directory
from contract.log import open_log
from contract.schema.names import Root
from contract.schema.operations import STOPPED, parse_heartbeat

SEEDS = range(60)
HOME = Path("/home")
FILE = HOME / "file"
OLD, NEW = b"old" * 100, b"new!" * 100


def machine_with(content: bytes | None, seed: int) -> FakeMachine:
    """A machine whose one file is safely on its disk."""
    machine = FakeMachine(seed)
    system = machine.start()
    make_directory(system, HOME)
    if content is None:
        sync_directory(system, HOME)
    else:
        publish(system, FILE, content)
    return machine


# Processes.


def test_a_dead_process_does_nothing_more() -> None:
    machine = machine_with(OLD, seed=1)
    system = machine.start(crashing(nth(1)))
    with pytest.raises(Crash, match="open"):
        system.open(FILE, os.O_RDONLY)
    with pytest.raises(Crash, match="is dead"):
        system.unlink(FILE)
    assert not system.alive
    assert not machine.start().is_running(system.process_id())


def test_a_call_that_a_crash_interrupts_happens_not_at_all_in_part_or_wholly() -> None:
    found = set()
    for seed in SEEDS:
        machine = machine_with(b"", seed)
        system = machine.start()
        descriptor = system.open(FILE, os.O_WRONLY)
        system.plan = crashing(lambda call: True)
        with pytest.raises(Crash):
            system.write(descriptor, b"whole")
        found.add(read_bytes(machine.start(), FILE))
    assert {b"", b"whole"} < found


def test_an_error_in_an_interrupted_call_is_not_heard() -> None:
    for seed in SEEDS:
        with pytest.raises(Crash):
            machine_with(None, seed).start(crashing(nth(1))).unlink(FILE)


def test_short_writes_take_at_least_a_byte() -> None:
    system = machine_with(OLD, seed=3).start()
    system.short_writes = 1.0
    descriptor = system.open(FILE, os.O_WRONLY)
    assert {system.write(descriptor, b"abcd") for _ in SEEDS} == {1, 2, 3}
    assert system.write(descriptor, b"a") == 1
    publish(system, FILE, NEW)
    assert read_bytes(system, FILE) == NEW


def test_a_failed_close_closes() -> None:
    system = machine_with(OLD, seed=0).start(failing(errno.EIO, nth(2)))
    descriptor = system.open(FILE, os.O_RDONLY)
    for expected in (errno.EIO, errno.EBADF):
        with pytest.raises(OSError) as caught:
            system.close(descriptor)
        assert caught.value.errno == expected


def test_a_lock_has_one_holder_and_dies_with_it() -> None:
    machine = machine_with(None, seed=0)
    first, second = machine.start(), machine.start()
    lock = first.lock(FILE)
    assert lock is not None
    assert first.lock(FILE) is None
    assert second.lock(FILE) is None
    first.kill()
    taken = second.lock(FILE)
    assert taken is not None
    lock.release()  # what a dead process releases is no longer its own
    assert machine.start().lock(FILE) is None
    taken.release()
    assert machine.start().lock(FILE) is not None


def test_a_new_process_with_an_old_number_is_not_the_old_process() -> None:
    machine = machine_with(None, seed=0)
    first = machine.start(process_id=1)
    first.kill()
    second = machine.start(process_id=1)
    assert second.alive and not first.alive
    first.kill()
    assert second.alive


def test_words_and_boots_are_never_the_same_again() -> None:
    machine = FakeMachine()
    first = machine.start()
    words = {first.unique(), first.unique(), machine.start().unique()}
    boot = first.boot_id()
    machine.power_cut()
    second = machine.start()
    assert len(words | {second.unique()}) == 4
    assert second.boot_id() != boot
    assert second.process_id() != first.process_id()


# Watches and the clock.


def test_a_watch_hears_of_every_change_in_its_directory() -> None:
    machine = machine_with(OLD, seed=0)
    heard: list[str] = []
    watcher, system = machine.start(), machine.start()
    watch = watcher.watch(HOME, lambda: heard.append("here"))
    watcher.watch(Path("/"), lambda: heard.append("above"))
    system.write(system.open(FILE, os.O_WRONLY), b"x")
    assert heard == ["here"]
    heard.clear()
    publish(system, FILE, NEW)
    assert set(heard) == {"here"}
    assert watch.is_alive()
    watch.close()
    watch.close()
    heard.clear()
    publish(system, FILE, OLD)
    assert not heard
    with pytest.raises(NotADirectoryError):
        watcher.watch(FILE, lambda: None)


def test_a_watch_may_miss_a_change_and_dies_with_its_process() -> None:
    machine = machine_with(OLD, seed=0)
    heard: list[int] = []
    watcher, system = machine.start(), machine.start()
    watch = watcher.watch(HOME, lambda: heard.append(1))
    machine.missed_events = 0.5
    for _ in range(40):
        system.mkdir(HOME / f"{system.unique()}")
    assert 0 < len(heard) < 40
    watcher.kill()
    assert not watch.is_alive()


def test_the_clock_moves_only_for_those_who_wait() -> None:
    machine = FakeMachine()
    system = machine.start()
    started, event = system.now(), threading.Event()
    assert system.monotonic() == 0.0
    assert not system.wait(event, 90.0)
    assert system.now() - started == timedelta(seconds=90)
    assert system.monotonic() == 90.0
    machine.jump(-3600)
    assert system.now() - started == timedelta(seconds=90 - 3600)
    assert system.monotonic() == 90.0
    machine.power_cut()
    assert machine.start().monotonic() == 0.0
    event.set()
    assert machine.start().wait(event, 60.0)
    assert machine.start().monotonic() == 0.0


def test_what_is_arranged_happens_in_its_turn_while_somebody_waits() -> None:
    machine = FakeMachine()
    system, event, seen = machine.start(), threading.Event(), []
    machine.at(20, event.set)
    machine.at(10, lambda: seen.append(system.monotonic()))
    machine.at(15, lambda: machine.start().wait(threading.Event(), 2))
    machine.at(30, lambda: seen.append(system.monotonic()))
    assert system.wait(event, 60)
    assert seen == [10.0]
    assert system.monotonic() == 20.0
    event.clear()
    assert not system.wait(event, 60)
    assert seen == [10.0, 30.0]
    assert system.monotonic() == 80.0
    machine.at(1, lambda: machine.start().wait(threading.Event(), 100))
    assert not system.wait(event, 5)  # somebody else's wait, in the midst of ours, was longer
    assert system.monotonic() == 181.0


def test_who_is_killed_while_waiting_does_not_wake() -> None:
    machine = FakeMachine()
    system = machine.start()
    machine.at(5, machine.power_cut)
    with pytest.raises(Crash, match="is dead"):
        system.wait(threading.Event(), 60)


def test_a_plan_may_kill_between_two_calls() -> None:
    machine = machine_with(OLD, seed=0)
    system = machine.start(lambda call: machine.power_cut() if call.number == 2 else None)
    system.stat(FILE)
    with pytest.raises(Crash):
        system.unlink(FILE)
    assert read_bytes(machine.start(), FILE) == OLD


# A daemon on it.


def daemon(ran_at: list[float]) -> Daemon:
    def begin(context: Context) -> Callable[[Context], Status]:
        def run_once(context: Context) -> Status:
            ran_at.append(context.system.monotonic())
            publish(context.system, context.root.rl_weights, b"%d" % len(ran_at))
            return Status("published")

        return run_once

    return Daemon("inference", "a test", begin, lambda root: (root.allocations,), lambda config: 300.0)


def start(machine: FakeMachine, daemon: Daemon, signals: Signals, plan: Plan = nothing_planned) -> int:
    system = machine.start(plan)
    options = argparse.Namespace(once=False)
    return run(daemon, Root(HOME), system, open_log("test", None), options, signals)


def test_a_daemon_runs_on_it_for_hours_in_no_time() -> None:
    machine = machine_with(None, seed=0)
    bot, signals, ran_at = machine.start(), Signals(), list[float]()

    def start_another() -> None:
        with pytest.raises(MustStop, match="another inference is running"):
            start(machine, daemon(ran_at), Signals())

    machine.at(500, start_another)
    machine.at(1000, lambda: publish(bot, Root(HOME).allocations, b"{}"))
    machine.at(7000, signals.end)
    assert start(machine, daemon(ran_at), signals) == DONE
    assert ran_at == [0.0, 300.0, 600.0, 900.0, *(1000.0 + 300.0 * n for n in range(20))]
    assert machine.elapsed_s == 7000.0
    heartbeat = parse_heartbeat(read_bytes(bot, Root(HOME).heartbeat("inference")) or b"", FILE)
    assert heartbeat.state == STOPPED


def test_a_daemon_killed_at_any_call_starts_again() -> None:
    whole = FakeMachine()
    make_directory(whole.start(), HOME)
    signals = Signals()
    whole.at(1000, signals.end)
    calls = 0

    def counted(call: Call) -> None:
        nonlocal calls
        calls = call.number

    start(whole, daemon([]), signals, counted)
    for number in range(1, calls + 1, 5):
        machine = machine_with(None, seed=number)
        with pytest.raises(Crash):
            start(machine, daemon([]), Signals(), crashing(nth(number)))
        machine.power_cut()
        signals, ran_at = Signals(), list[float]()
        machine.at(1000, signals.end)
        assert start(machine, daemon(ran_at), signals) == DONE
        assert read_bytes(machine.start(), Root(HOME).rl_weights) == b"%d" % len(ran_at)
