"""The bridge and inference on a clock that is set, on a machine that sleeps, with sources from the past and the future.

Nothing stale is believed, the bot can always tell how old its file is, and both go on as soon as they look again.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from support.bridge_world import lab, optimizer, told
from support.counts import trials
from support.figures import WRONG_CLOCK, Record
from support.scripted_book import ScriptedBook
from support.scripted_waits import START

from agents.weights_bridge import BRIDGE
from ai.rl_inference import INFERENCE
from contract.config import Config
from contract.daemon import Context, Daemon, RunOnce
from contract.log import Log
from contract.schema.names import EQUAL_WEIGHT, PORTFOLIO_OPTIMIZER, RL_INFERENCE, STRATEGY_LAB, Root
from contract.schema.weights import parse_lab_weights, parse_optimizer_weights, parse_rl_weights
from contract.system import OperatingSystem

TICK_S = 5.0
TICKS = 240
HOUR_S = 3600.0
CONFIG = Config()
WEIGHTS = (0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)


class WrongClock(OperatingSystem):
    """The wall clock is what somebody sets it to; the other one stands still while the machine sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self.wrong_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s + self.wrong_s)

    def monotonic(self) -> float:
        return self.elapsed_s


class Running:
    """A daemon's `run_once`, called when its wait is over or its files have changed, as the loop does."""

    def __init__(self, daemon: Daemon, root: Root, clock: WrongClock) -> None:
        options = argparse.Namespace(json=False, once=False, loop=True)
        self._context = Context(root, CONFIG, clock, Log(logging.Logger(daemon.name)), options)
        self._run_once: RunOnce = daemon.begin(self._context)
        self._daemon, self._clock, self._due_s = daemon, clock, 0.0

    def look(self, *, changed: bool = False) -> None:
        if changed or self._clock.elapsed_s >= self._due_s:
            status = self._run_once(self._context)
            wait_s = self._daemon.interval_s(CONFIG) if status.wait_s is None else status.wait_s
            self._due_s = self._clock.elapsed_s + wait_s


class Hours:
    """Some of a system's life, with all that a seed brings."""

    def __init__(self, path: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        book = ScriptedBook(path)
        book.root.runtime.mkdir()
        book.mark(np.random.default_rng(seed).normal(0.0005, 0.01, (20, 8)).round(9))
        self.root, self.clock = book.root, WrongClock()
        self.inference = Running(INFERENCE, self.root, self.clock)
        self.bridge = Running(BRIDGE, self.root, self.clock)
        self.found = Counter({"stale used": 0, "stalls": 0})
        self.disturbed_s = 0.0
        """When the clock was last set, or the machine last slept."""
        self.disturbances = 0

    def pass_by(self) -> None:
        for _ in range(TICKS):
            self.clock.elapsed_s += TICK_S
            if self.chance.random() < 0.02:
                self.disturb()
            self.others_speak()
            before = _bytes(self.root.rl_weights)
            self.inference.look()
            self.bridge.look(changed=_bytes(self.root.rl_weights) != before)
            self.judge()

    def disturb(self) -> None:
        """The clock is set by up to an hour, or the machine sleeps for up to ten."""
        moved_s = self.chance.choice(
            (self.chance.uniform(-HOUR_S, HOUR_S), HOUR_S, -HOUR_S, self.chance.uniform(0.0, 10 * HOUR_S))
        )
        self.clock.wrong_s += moved_s
        self.disturbed_s = self.clock.elapsed_s
        self.disturbances += 1

    def others_speak(self) -> None:
        if self.chance.random() < 0.05:
            when = self.clock.now() + timedelta(seconds=self.chance.uniform(-5 * HOUR_S, 2 * HOUR_S))
            self.chance.choice((optimizer, lab))(self.root, WEIGHTS, when)

    def judge(self) -> None:
        now, said = self.clock.now(), told(self.root)
        age_s = source_age_s(self.root, said.source, now)
        limits_s = {RL_INFERENCE: 3 * CONFIG.inference.interval_s, PORTFOLIO_OPTIMIZER: CONFIG.bridge.optimizer_age_s}
        limit_s = {**limits_s, STRATEGY_LAB: CONFIG.bridge.lab_age_s}.get(said.source, 0.0)
        if said.source != EQUAL_WEIGHT:
            self.found["stale used"] += not -CONFIG.bridge.clock_skew_s <= age_s <= limit_s + TICK_S
        assert said.valid_until is not None
        left_s = (said.valid_until - now).total_seconds()
        self.found["stalls"] += not 0 < left_s <= CONFIG.bridge.valid_s
        quiet_s = self.clock.elapsed_s - self.disturbed_s
        if quiet_s > CONFIG.inference.interval_s + 4 * CONFIG.bridge.interval_s:
            self.found["stalls"] += said.source != RL_INFERENCE


def source_age_s(root: Root, source: str, now: datetime) -> float:
    """Read from the source's own file, not from what the bridge says of it."""
    match source:
        case "rl_inference":
            when = parse_rl_weights(root.rl_weights.read_bytes(), root.rl_weights).timestamp
        case "portfolio_optimizer":
            when = parse_optimizer_weights(root.optimizer_weights.read_bytes(), root.optimizer_weights).timestamp
        case "strategy_lab":
            found = parse_lab_weights(root.lab_weights.read_bytes(), root.lab_weights).timestamp
            assert found is not None
            when = found
        case _:
            return 0.0
    return (now - when).total_seconds()


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


@trials(3, 100)
def test_nothing_stale_is_used_and_nothing_stalls(trials: int, tmp_path: Path, seed: int, record: Record) -> None:
    found: Counter[str] = Counter({"stale used": 0, "stalls": 0})
    disturbances = 0
    for each in range(seed, seed + trials):
        hours = Hours(tmp_path / str(each), each)
        hours.pass_by()
        found.update(hours.found)
        disturbances += hours.disturbances
        assert not found.total(), f"--seed {each}: {dict(found)}"
    record(WRONG_CLOCK, f"inference and bridge, {disturbances:,} times", trials, found)
    assert disturbances > trials
