"""The bot's commits on a machine that crashes at every call and loses power: each row stands in its file once."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.fake_system import Crash, FakeMachine, FakeSystem, crashing, failing, nothing_planned, nth

from agents.bot_files import HEADERS, Memory, commit, complete, load
from contract.errors import RetryLater
from contract.files import read_bytes
from contract.schema.names import Root
from trading.ledger import Ledger

ROOT = Root(Path("/tiller"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILES = {"fills": ROOT.pnl_history, "marks": ROOT.strategy_marks, "metrics": ROOT.performance_metrics}
DAYS = 4


def trade(memory: Memory) -> None:
    """One day that leaves two rows in each file."""
    memory.day += 1
    for name in HEADERS:
        memory.rows[name] += [f"{name} {memory.day} {half}" for half in "ab"]


def live(system: FakeSystem) -> None:
    """What the bot does from its start to its last day."""
    memory = load(system, ROOT)
    if memory is None:
        memory = Memory("a market", Ledger.open(1000.0))
    else:
        complete(system, ROOT, memory)
    while memory.day < DAYS:
        trade(memory)
        commit(system, ROOT, memory, {}, NOW)


def rows(machine: FakeMachine, name: str) -> list[str]:
    content = read_bytes(machine.start(), FILES[name]) or b""
    return content.decode().splitlines()[1:]


def calls_of_a_life() -> int:
    system = FakeMachine().start()
    live(system)
    return system.calls


@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power cut"])
def test_a_crash_at_any_call_loses_and_doubles_nothing(power_cut: bool, seed: int) -> None:
    """And so does a second one, in the midst of mending the first."""
    whole = [f"{day} {half}" for day in range(1, DAYS + 1) for half in "ab"]
    for number in range(1, calls_of_a_life() + 1):
        machine = FakeMachine(seed + number)
        for call in (number, 1 + number % 23):
            try:
                live(machine.start(crashing(nth(call))))
            except Crash:
                pass
            if power_cut:
                machine.power_cut()
        live(machine.start())
        for name in FILES:
            assert rows(machine, name) == [f"{name} {row}" for row in whole], f"crash at call {number}"


@pytest.mark.parametrize("suffix", [".1", "-20260101", ".2026-01-01"])
def test_rotation_between_crash_and_restart_doubles_nothing(suffix: str) -> None:
    machine = FakeMachine()
    live(machine.start())
    system = machine.start()
    system.replace(ROOT.pnl_history, ROOT.pnl_history.with_name(f"pnl_history.csv{suffix}"))
    memory = load(system, ROOT)
    assert memory is not None and memory.rows["fills"]
    assert complete(system, ROOT, memory) == 0


@pytest.mark.parametrize("suffix", ["", ".1", "-20260101"])
@pytest.mark.parametrize("refused", [0, 1])
def test_what_a_killed_commit_left_is_there_to_stay(suffix: str, refused: int) -> None:
    """Killed before it had made its rows durable, which then fails `refused` times; and the file was rotated."""
    for seed in range(8):
        machine = FakeMachine(seed)
        live(machine.start())
        memory = load(machine.start(), ROOT)
        assert memory is not None
        trade(memory)
        with pytest.raises(Crash):
            commit(
                machine.start(crashing(lambda call: (call.name, call.path) == ("fsync", ROOT.pnl_history))),
                *(ROOT, memory, {}, NOW),
            )
        ends = ROOT.pnl_history.with_name(f"pnl_history.csv{suffix}")
        machine.start().replace(ROOT.pnl_history, ends)
        for attempt in range(refused + 1):
            plan = failing(errno.EIO, lambda call: call.name == "fsync") if attempt < refused else nothing_planned
            memory = load(machine.start(), ROOT)
            assert memory is not None
            try:
                complete(machine.start(plan), ROOT, memory)
            except RetryLater:
                assert attempt < refused
        machine.power_cut()
        kept = b"".join(read_bytes(machine.start(), path) or b"" for path in {ends, ROOT.pnl_history})
        assert [kept.count(b"fills %d %s\n" % (DAYS + 1, half)) for half in (b"a", b"b")] == [1, 1]


def test_a_directory_that_cannot_be_listed_is_listed_later() -> None:
    machine = FakeMachine()
    live(machine.start())
    memory = load(machine.start(), ROOT)
    assert memory is not None
    with pytest.raises(RetryLater, match="cannot be listed"):
        complete(machine.start(failing(errno.EIO, lambda call: call.name == "list")), ROOT, memory)
    assert complete(machine.start(), ROOT, memory) == 0


def test_a_file_that_is_rotated_meanwhile_is_looked_for_later() -> None:
    machine = FakeMachine()
    live(machine.start())
    machine.start().replace(ROOT.pnl_history, ROOT.pnl_history.with_name("pnl_history.csv.1"))
    memory = load(machine.start(), ROOT)
    assert memory is not None
    gone = failing(errno.ENOENT, lambda call: call.name == "stat" and call.path.name == "pnl_history.csv.1")
    with pytest.raises(RetryLater, match="was rotated just now"):
        complete(machine.start(gone), ROOT, memory)
