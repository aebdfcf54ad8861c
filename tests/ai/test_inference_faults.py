"""Inference on a machine that fails at any of its calls: nothing torn, nothing lost, and it recovers by itself."""

from __future__ import annotations

import argparse
import errno
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.fake_system import Call, Crash, FakeMachine, FakeSystem, Plan, crashing, failing, nothing_planned, nth

from ai.rl_inference import NAME, Inference
from contract import journal
from contract.config import Config
from contract.config import Inference as Pace
from contract.daemon import Context
from contract.errors import RetryLater
from contract.files import append_line, publish, read_bytes, read_record
from contract.log import Log
from contract.schema.judgement import Trust, parse_trust
from contract.schema.names import MARKS_HEADER, STRATEGIES, Root
from contract.schema.weights import RlWeights, parse_rl_weights

ROOT = Root(Path("/tiller"))
HISTORY = np.random.default_rng(3).normal(0.0005, 0.01, (8, 8)).round(9)
MOST_CALLS = 400


def context(system: FakeSystem) -> Context:
    pace = Config(inference=Pace(min_interval_s=0.0))
    return Context(ROOT, pace, system, Log(logging.Logger(NAME)), argparse.Namespace(json=False))


def mark(system: FakeSystem, day: int) -> None:
    earned = (1000 * HISTORY[day]).tolist()
    rows = [f"2026-01-{day + 1:02d},{name},1000,{pnl},1" for name, pnl in zip(STRATEGIES, earned, strict=True)]
    append_line(system, ROOT.strategy_marks, *rows, header=",".join(MARKS_HEADER))


def serve(system: FakeSystem, first: int, last: int) -> None:
    """One process: it speaks after each of the days."""
    inference = Inference(context(system))
    for day in range(first, last):
        mark(system, day)
        inference(context(system))


def outcome(machine: FakeMachine) -> tuple[RlWeights, Trust]:
    system = machine.start()
    said = read_record(system, ROOT.rl_weights, parse_rl_weights)
    trust = read_record(system, ROOT.trust, parse_trust)
    assert said is not None and trust is not None
    return said, trust


def undisturbed() -> tuple[RlWeights, Trust]:
    machine = FakeMachine()
    for first, last in ((0, 4), (4, 6), (6, 8)):
        serve(machine.start(), first, last)
    return outcome(machine)


def is_whole(machine: FakeMachine) -> None:
    """Whatever stands there can be read."""
    system = machine.start()
    read_record(system, ROOT.rl_weights, parse_rl_weights)
    read_record(system, ROOT.trust, parse_trust)
    content = read_bytes(system, ROOT.journal(NAME)) or b""
    for line in content.splitlines()[:-1]:
        assert line.startswith(b"{") and line.endswith(b"}")


def resumed(machine: FakeMachine) -> None:
    """What the process did not come to do is done: the days that the bot wrote stand, or are written now."""
    system = machine.start()
    rows = (read_bytes(system, ROOT.strategy_marks) or b"").count(b"\n") - 1
    serve(system, max(rows, 0) // 8, 6)
    serve(machine.start(), 6, 8)


@pytest.mark.parametrize("plan_of", [crashing, partial(failing, errno.ENOSPC)], ids=["killed", "disk full"])
def test_a_call_that_fails_costs_nothing_for_good(plan_of: Callable[[Callable[[Call], bool]], Plan]) -> None:
    said, trust = undisturbed()
    number = -3
    while True:
        number += 4
        machine = FakeMachine()
        serve(machine.start(), 0, 4)
        victim = machine.start(plan_of(nth(number)))
        try:
            serve(victim, 4, 6)
        except (Crash, RetryLater):
            victim.kill()
        else:
            if number > 20:
                break
        is_whole(machine)
        resumed(machine)
        again, remembered = outcome(machine)
        assert (again.weights, remembered) == (said.weights, trust), number
    assert number < MOST_CALLS


def test_a_power_cut_leaves_a_trust_that_was_published() -> None:
    for seed in range(10):
        machine = FakeMachine(seed)
        serve(machine.start(), 0, 6)
        _, before = outcome(machine)
        machine.power_cut()
        assert outcome(machine)[1] == before
        assert journal.last_generation(machine.start(), ROOT, NAME) == 6


def test_a_process_recovers_when_there_is_room_again() -> None:
    said, trust = undisturbed()
    machine = FakeMachine()
    serve(machine.start(), 0, 4)
    full = [False]
    system = machine.start(failing(errno.ENOSPC, lambda call: full[0] and call.name in ("write", "fsync", "replace")))
    inference = Inference(context(system))
    for day in range(4, 8):
        mark(machine.start(), day)
        full[0] = day in (5, 6)
        if full[0]:
            with pytest.raises(RetryLater):
                inference(context(system))
        else:
            inference(context(system))
    again, remembered = outcome(machine)
    assert again.weights == said.weights and again.metadata["trust"] == said.metadata["trust"]
    assert remembered == trust


def test_what_was_visible_and_not_durable_keeps_its_generation() -> None:
    """The bot's disk takes rows back, and inference means again what it said before the last, which failed."""
    machine = FakeMachine()
    serve(machine.start(), 0, 4)
    system = machine.start()
    inference = Inference(context(system))
    rows = [f"2026-01-05,{name},1000,{pnl},1" for name, pnl in zip(STRATEGIES, range(8), strict=True)]
    append_line(machine.start(), ROOT.strategy_marks, *rows[:4])
    inference(context(system))
    said, before = outcome(machine)[0], read_bytes(machine.start(), ROOT.strategy_marks)
    append_line(machine.start(), ROOT.strategy_marks, *rows[4:])
    system.plan = failing(errno.EIO, lambda call: call.name == "fsync" and call.path == ROOT.runtime)
    with pytest.raises(RetryLater):
        inference(context(system))
    visible = outcome(machine)[0]
    assert visible.weights != said.weights
    system.plan = nothing_planned
    publish(machine.start(), ROOT.strategy_marks, before or b"")
    inference(context(system))
    again = outcome(machine)[0]
    assert again.weights == said.weights
    numbers = [one.generation for one in (said, visible, again)]
    assert numbers == [5, 6, 7] and journal.last_generation(machine.start(), ROOT, NAME) == 7
