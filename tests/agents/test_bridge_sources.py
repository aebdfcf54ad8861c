"""Whom the bridge believes, under a clock that the test moves."""

from __future__ import annotations

import errno
import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.bridge_world import EQUAL, RISKY, SKEWED, lab, optimizer, rl
from support.broken_sources import BROKEN, Broken
from support.scripted_waits import ScriptedWaits

from agents.bridge_sources import MISSING, RECOVERING, STALE, UNUSABLE, USABLE, Reading, Sources
from contract.config import Attribution, Bridge, Config
from contract.schema.fields import by_name
from contract.schema.names import PORTFOLIO_OPTIMIZER, RL_INFERENCE, STRATEGIES, STRATEGY_LAB, Root

INTERVAL_S = 5.0


class Clock(ScriptedWaits):
    """`elapsed_s` is the monotonic one; the wall clock can be set."""

    jumped = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.jumped


class World:
    def __init__(self, path: Path) -> None:
        self.root = Root(path)
        self.clock = Clock()
        self.config = Config()
        self.sources = Sources()

    def look(self, source: str = RL_INFERENCE, after_s: float = 0.0) -> Reading:
        self.clock.elapsed_s += after_s
        (found,) = (r for r in self.sources.consult(self.clock, self.root, self.config) if r.source == source)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    rl(world.root, now=world.clock.now())
    return world


def write(path: Path, **values: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))


def test_a_good_source_is_read_as_it_proposes(world: World) -> None:
    found = world.look(after_s=2.5)
    assert (found.verdict, found.weights, found.age_s, found.generation) == (USABLE, SKEWED, 2.5, 1)
    assert len(found.sha256) == 64


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_source_is_passed_over_and_must_be_good_twice(world: World, broken: Broken) -> None:
    broken.do(world.root, world.clock.now())
    found = world.look()
    assert (found.verdict, found.weights) == (broken.verdict, ())
    assert broken.reason in found.reason and found.reason.isprintable()
    assert world.look(after_s=1).reason == found.reason  # or every look would be news
    if world.root.rl_weights.is_dir():
        shutil.rmtree(world.root.rl_weights)
    rl(world.root, now=world.clock.now())
    verdicts = [world.look(after_s=after_s).verdict for after_s in (0.1, 4.8, 0.3, 0)]
    waits = broken.verdict not in (MISSING, STALE)
    assert verdicts == ([RECOVERING, RECOVERING, USABLE, USABLE] if waits else [USABLE] * 4)


def test_who_is_broken_again_begins_again(world: World) -> None:
    def good() -> None:
        rl(world.root, now=world.clock.now())

    def bad() -> None:
        world.root.rl_weights.write_text("{")

    seen = []
    for change in (bad, good, bad, good, good):
        change()
        seen.append(world.look(after_s=4).verdict)
    assert seen == [UNUSABLE, RECOVERING, UNUSABLE, RECOVERING, RECOVERING]
    assert world.look(after_s=1).verdict == USABLE


def test_clocks_may_differ_a_little(world: World) -> None:
    for ahead_s, verdict in ((5.0, USABLE), (5.1, "from the future")):
        rl(world.root, now=world.clock.now() + timedelta(seconds=ahead_s))
        assert world.look().verdict == verdict


@pytest.mark.parametrize(("hours", "verdict"), [(1, STALE), (-1, "from the future")])
def test_a_clock_that_jumps_makes_nothing_old_fresh(world: World, hours: float, verdict: str) -> None:
    assert world.look().verdict == USABLE
    world.clock.jumped = timedelta(hours=hours)
    assert world.look(after_s=1).verdict == verdict
    rl(world.root, now=world.clock.now())
    world.look(after_s=1)
    assert world.look(after_s=INTERVAL_S).verdict == USABLE


def test_what_cannot_be_read_now_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int, mode: int = 0o644) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(world.clock, "open", refuse)
    found = world.look()
    assert (found.verdict, found.reason) == (UNUSABLE, "cannot read: Input/output error")


# The other two, and the ancestor's files as they are.


def test_the_optimizer_ages(world: World) -> None:
    optimizer(world.root, now=world.clock.now())
    assert world.look(PORTFOLIO_OPTIMIZER).weights == RISKY
    assert world.look(PORTFOLIO_OPTIMIZER, after_s=10_800).verdict == USABLE
    assert world.look(PORTFOLIO_OPTIMIZER, after_s=1).verdict == STALE


def test_the_ancestors_optimizer_speaks_symbols(world: World) -> None:
    root, when = world.root, world.clock.now().isoformat()
    weights = {"BTC-USD": 0.4, "SPY": 0.5, "GLD": 0.1}
    write(root.optimizer_weights, weights=weights, method="sharpe", timestamp=when, risk_budget=1.0)
    found = world.look(PORTFOLIO_OPTIMIZER)
    assert found.verdict == UNUSABLE and found.reason.startswith("weights: 'BTC-USD' is neither a strategy nor")
    symbols = {"BTC-USD": STRATEGIES[7], "SPY": STRATEGIES[0], "GLD": STRATEGIES[0]}
    world.config = Config(attribution=Attribution(symbols))
    assert world.look(PORTFOLIO_OPTIMIZER).verdict == RECOVERING
    assert world.look(PORTFOLIO_OPTIMIZER, after_s=5).weights == (0.6, *[0.0] * 6, 0.4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ninth": 0.1}, "weights: 'ninth' is no strategy"),
        ({"SPY": 0.1}, "weights: 'SPY' is no strategy"),
        ({STRATEGIES[3]: None}, "weights: breakout_trading is missing"),
    ],
)
def test_exactly_the_eight_are_a_proposal(world: World, changes: dict[str, Any], reason: str) -> None:
    weights = {name: weight for name, weight in (by_name(EQUAL) | changes).items() if weight is not None}
    write(world.root.lab_weights, weights=weights)
    found = world.look(STRATEGY_LAB)
    assert found.verdict == UNUSABLE and found.reason.startswith(reason)


@pytest.mark.parametrize("nested", [True, False])
def test_what_a_person_typed_does_not_age(world: World, nested: bool) -> None:
    weights = by_name(SKEWED)
    write(world.root.lab_weights, **({"weights": weights} if nested else weights))
    found = world.look(STRATEGY_LAB, after_s=1e6)
    assert (found.verdict, found.weights, found.age_s) == (USABLE, SKEWED, None)


def test_what_the_lab_wrote_does(world: World) -> None:
    lab(world.root, now=world.clock.now())
    assert world.look(STRATEGY_LAB, after_s=10_800).verdict == USABLE
    assert world.look(STRATEGY_LAB, after_s=1).verdict == STALE


def test_the_ancestors_inference_gives_no_date_of_expiry(world: World) -> None:
    when = world.clock.now().isoformat()
    values = {"weights": by_name(SKEWED), "source": "rl_inference", "timestamp": when, "model_loaded": True}
    write(world.root.rl_weights, **values, metadata={"deterministic": True, "sum": 1.0, "top_strategy": None})
    assert world.look(after_s=900).verdict == USABLE
    assert world.look(after_s=1).verdict == STALE


def test_how_concentrated_a_proposal_may_be_is_configured(world: World) -> None:
    two = (0.5, 0.5, *[0.0] * 6)
    rl(world.root, two, now=world.clock.now())
    assert world.look().verdict == USABLE
    world.config = Config(bridge=Bridge(least_effective=2.1))
    assert world.look().verdict == "collapsed"
