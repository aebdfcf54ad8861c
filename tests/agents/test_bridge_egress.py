"""When the bot's file is written, and what becomes of it where the disk or the clock do what they want."""

from __future__ import annotations

import argparse
import errno
import logging
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from support.bridge_world import SKEWED
from support.fake_system import Call, Crash, FakeMachine, FakeSystem, Plan, crashing, failing, nothing_planned, nth
from support.scripted_daemon import Lines

from agents.weights_bridge import Bridge
from contract import journal
from contract.config import Bridge as BridgeSettings
from contract.config import Config
from contract.daemon import DONE, FAILED, Context, Status
from contract.errors import RetryLater
from contract.files import publish, read_bytes
from contract.log import Log
from contract.schema.fields import by_name
from contract.schema.names import Root
from contract.schema.weights import Allocations, RlWeights, encode_rl_weights, parse_allocations

ROOT = Root(Path("/root"))


class World:
    """A bridge on a machine in memory; `run` is one run of it."""

    def __init__(self, seed: int = 0) -> None:
        self.machine = FakeMachine(seed)
        self.writer = self.machine.start()
        self.lines = Lines()
        self.start()

    def start(self, plan: Plan = nothing_planned) -> None:
        logger = logging.Logger("bridge")
        logger.addHandler(self.lines)
        self.process: FakeSystem = self.machine.start(plan)
        options = argparse.Namespace(once=False, json=False)
        self.context = Context(ROOT, Config(), self.process, Log(logger), options)
        self.bridge: Bridge | None = None

    def run(self, after_s: float = 0.0) -> Status:
        self.machine.advance(after_s)
        self.bridge = self.bridge or Bridge(self.context)
        return self.bridge(self.context)

    def rl(self, generation: int) -> None:
        now = self.machine.now
        record = RlWeights(SKEWED, now, now + timedelta(minutes=15), True, generation)
        publish(self.writer, ROOT.rl_weights, encode_rl_weights(record))

    @property
    def content(self) -> bytes:
        return read_bytes(self.writer, ROOT.allocations) or b""

    @property
    def told(self) -> Allocations:
        return parse_allocations(self.content, ROOT.allocations)

    @property
    def journalled(self) -> int:
        return journal.last_generation(self.writer, ROOT, "bridge")


@pytest.fixture
def world() -> World:
    world = World()
    assert world.run() == Status("generation 1: equal_weight, ACTIVE")
    return world


def test_the_same_is_said_once_and_renewed_in_time(world: World) -> None:
    first = world.content
    for _ in range(5):  # half of its minute is over after six intervals
        assert world.run(after_s=5) == Status("generation 1: equal_weight, ACTIVE")
        assert world.content == first
    world.run(after_s=5)
    assert world.content != first
    assert world.told.valid_until == world.machine.now + timedelta(seconds=60)
    assert (world.told.generation, world.journalled) == (1, 1)


def test_at_no_time_has_a_living_bridges_word_run_out(world: World) -> None:
    for _ in range(100):
        world.run(after_s=5)
        left = world.told.valid_until
        assert left is not None and left - world.machine.now > timedelta(seconds=5)


@pytest.mark.parametrize("jump_s", [3600, -3600, 1e9, -1e8])
def test_a_clock_that_jumps_leaves_nobody_with_a_word_too_long_or_over(world: World, jump_s: float) -> None:
    world.machine.jump(jump_s)
    world.run(after_s=5)
    assert world.told.valid_until == world.machine.now + timedelta(seconds=60)
    assert world.told.generation == 1


def test_a_new_generation_of_the_source_is_one_of_ours(world: World) -> None:
    """Also with the same weights, so that one can ask why of either."""
    generations = []
    for generation in (7, 7, 8):
        world.rl(generation)
        world.run()
        generations.append((world.told.metadata["source_generation"], world.told.generation))
    assert generations == [(7, 2), (7, 2), (8, 3)]


def test_settings_are_taken_up(world: World) -> None:
    world.rl(1)
    world.context = replace(world.context, config=Config(bridge=BridgeSettings(valid_s=600.0)))
    world.run()
    assert world.told.valid_until == world.machine.now + timedelta(seconds=600)


def test_who_wants_symbols_and_has_no_history_to_read_is_told_of_strategies(world: World) -> None:
    world.context = replace(world.context, config=Config(bridge=BridgeSettings(keys="symbols")))
    assert world.run().trouble == "no symbols are known yet: the bot is told of strategies"
    publish(world.writer, ROOT.pnl_history, b"timestamp,price\n2026-01-05,1\n")
    assert "no column 'pnl'" in world.run().trouble
    assert world.told.allocations == by_name(world.told.strategy_allocations)


def test_what_stands_there_and_is_ours_is_gone_on_with(world: World) -> None:
    before = world.content
    world.start()
    assert world.run(after_s=1).message == "generation 1: equal_weight, ACTIVE"
    assert world.content == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"allocations": {"SPY": 1.0}}'])
def test_what_is_not_ours_is_replaced(world: World, content: bytes) -> None:
    publish(world.writer, ROOT.allocations, content)
    world.start()
    assert world.run().exit_code == DONE
    assert world.told.generation == 2
    assert any("begins without what was published" in line for line in world.lines.said)


def opening(path: Path) -> Plan:
    return failing(errno.EACCES, lambda call: call.name == "open" and call.path == path)


def test_a_journal_that_cannot_be_read_at_the_start_takes_no_generation_back(world: World) -> None:
    for generation in (1, 2):
        world.rl(generation)
        world.run()
    world.start(opening(ROOT.journal("bridge")))
    world.rl(3)
    world.run()
    assert world.told.generation == 4


def test_a_journal_must_be_read_where_the_file_is_gone(world: World) -> None:
    world.rl(1)
    world.run()
    world.writer.unlink(ROOT.allocations)
    world.start(opening(ROOT.journal("bridge")))
    with pytest.raises(RetryLater):
        world.run()
    world.start()
    world.run()
    assert world.told.generation == 3


def reading(beyond: int) -> Plan:
    """The bot's file cannot be read any more after so many calls."""
    calls = count()
    read = ("read", ROOT.allocations)
    return failing(errno.EIO, lambda call: (call.name, call.path) == read and next(calls) >= beyond)


@pytest.mark.parametrize("refused", [opening(ROOT.allocations), reading(0), reading(2)], ids=["open", "read", "again"])
def test_a_file_that_cannot_be_read_at_the_start_is_waited_for(world: World, refused: Plan) -> None:
    """The journal does not know its generation: it could not be written."""
    world.start(opening(ROOT.journal("bridge")))
    world.rl(1)
    world.run()
    world.start(refused)
    world.rl(2)
    with pytest.raises(RetryLater):
        world.run()
    assert world.told.generation == 2
    world.start()
    world.run()
    assert world.told.generation == 3


def test_while_nothing_can_be_read_nothing_is_told(world: World) -> None:
    world.start(failing(errno.EIO, lambda call: call.name in ("pread", "read")))
    world.rl(1)
    with pytest.raises(RetryLater):
        world.run()
    world.process.plan = nothing_planned
    world.run()
    assert (world.told.source, world.told.generation) == ("rl_inference", 2)


def test_a_full_disk_keeps_the_last_good_and_recovers_by_itself(world: World) -> None:
    last_good = world.content
    world.rl(1)
    world.process.plan = failing(errno.ENOSPC, lambda call: call.name == "write")
    for _ in range(3):
        status = world.run(after_s=5)
        assert status.exit_code == FAILED and "No space left on device" in status.trouble
        assert world.content == last_good
    world.process.plan = nothing_planned
    assert world.run(after_s=5) == Status("generation 2: rl_inference, ACTIVE")
    assert world.told.source == "rl_inference" and world.journalled == 2


def test_a_journal_that_cannot_be_written_stops_no_halt(world: World) -> None:
    def in_state(call: Call) -> bool:
        return call.name in ("write", "mkdir") and ROOT.state in call.path.parents

    publish(world.writer, ROOT.halt, b"lunch")
    world.process.plan = failing(errno.EROFS, in_state)
    status = world.run()
    assert (world.told.risk.state, status.exit_code) == ("HALTED", DONE)
    assert "bridge.jsonl: cannot append: Read-only file system" in status.trouble


def test_what_is_visible_and_may_not_be_durable_is_written_again(world: World) -> None:
    world.rl(1)
    syncs = 0

    def last_sync(call: Call) -> bool:
        nonlocal syncs
        syncs += call.name == "fsync" and call.path == ROOT.runtime
        return call.name == "fsync" and call.path == ROOT.runtime

    world.process.plan = failing(errno.EIO, last_sync)
    assert world.run().exit_code == FAILED and syncs == 1
    world.process.plan = nothing_planned
    assert world.run().exit_code == DONE
    world.machine.power_cut()
    world.writer = world.machine.start()
    assert world.told.source == "rl_inference"


@pytest.mark.parametrize("unreadable", [False, True], ids=["readable", "unreadable"])
def test_a_generation_that_was_visible_is_not_taken_back(world: World, unreadable: bool) -> None:
    """Its last step fails, and then the source says again what it said before."""
    world.rl(1)
    world.run()
    world.rl(2)

    calls = {("fsync", ROOT.runtime), ("read", ROOT.allocations)} if unreadable else {("fsync", ROOT.runtime)}
    world.process.plan = failing(errno.EIO, lambda call: (call.name, call.path) in calls)
    assert world.run().exit_code == FAILED and world.told.generation == 3
    world.process.plan = nothing_planned
    world.rl(1)
    assert world.run().trouble == ""
    assert (world.told.metadata["source_generation"], world.told.generation) == (1, 4)
    assert world.run().trouble == "" and world.journalled == 4


@pytest.mark.parametrize("call", range(1, 80, 2))
def test_killed_at_any_call_the_bot_reads_the_old_word_or_the_new(call: int) -> None:
    world = World(seed=call)
    world.run()
    old = world.content
    world.rl(1)
    world.start(crashing(nth(call)))
    try:
        world.run()
    except Crash:
        pass
    else:
        assert call > world.process.calls
    assert world.content == old or world.told.source == "rl_inference"
    world.start()
    world.run()
    assert world.told.source == "rl_inference"
    assert world.told.generation == world.journalled  # explained, whenever it died
