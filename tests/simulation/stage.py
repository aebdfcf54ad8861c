"""What every schedule begins with: the five programs as they are, a small market, and what they have left on the disk.

What is slow and has nothing to do with files is replaced: the market and the settings are made once, forty days instead
of two hundred are enough to learn from (which one step does), and the tracker's report says what was counted and draws
no conclusions.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from support.fake_disk import Directory, File
from support.fake_system import FakeMachine
from support.policies_of_strength import policy_with
from support.scripted_learner import ScriptedLearner

from agents.paper_trader import BOT, DAYS_BEFORE, Market, PaperTrader
from agents.weights_bridge import BRIDGE
from ai.checkpoint import Checkpoint
from ai.curves import NoCurves
from ai.model_store import read_prior
from ai.policy import checkpoint_of
from ai.rl_inference import INFERENCE
from ai.rl_trainer import trainer
from ai.study import Learned, Progress, Study
from analytics.report import Material
from analytics.rl_performance import TRACKER
from contract.config import Bot
from contract.configure import Configured, configure
from contract.daemon import Daemon, Signals, add_common_options, run
from contract.log import Log
from contract.schema.judgement import NOT_PROVEN, Report
from contract.schema.names import Root
from market.prices import MarketParameters, simulate

ROOT = Root(Path("/tiller"))
DAYS_KNOWN = 52
"""Days that the bot has traded before a schedule begins."""
BAR_S = 20.0
"""A day of the market takes so long."""
SETTINGS: Mapping[str, Any] = {
    "agent.episodes": 1,
    "bot.symbols": 3,
    "bridge.interval_s": 10.0,
    "bridge.valid_s": 60.0,
    "inference.interval_s": 25.0,
    "loop.longest_backoff_s": 8.0,
    "promotion.draws": 100,
    "promotion.least_effective": 1.0,
    "promotion.level": 0.5,
    "promotion.min_test_days": 10,
    "promotion.most_turnover": 2.0,
    "promotion.purge_days": 0,
    "promotion.test_days": 12,
    "risk.daily_loss": 0.9,
    "risk.drawdown": 0.9,
    "risk.losing_days": 1000,
    "risk.weekly_loss": 0.9,
    "tracker.draws": 100,
    "tracker.interval_s": 25.0,
    "trainer.interval_s": 30.0,
    "trainer.min_trades": 10,
    "trainer.retrain_trades": 4,
}
STRENGTHS = (-1.0, 0.5, 2.0, -0.5, 3.0, 1.5, -2.0)
_LEAST_DAYS_BEFORE_TEST = 40


class Program(NamedTuple):
    """A daemon, and the arguments that it is started with."""

    daemon: Daemon
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.daemon.name

    def run(self, system: Any, log: Log, signals: Signals, *instead: str) -> int:
        """Its whole life: `contract.daemon.run`."""
        return run(self.daemon, ROOT, system, log, _options(self.daemon, instead or self.arguments), signals)


class TraderOfOneMarket(PaperTrader):
    """The bot, on a market that is not computed again in every life."""

    def _open_market(self, bot: Bot, day: int) -> Market:
        return _market(bot.seed, bot.symbols)


def learn(study: Study, report: Callable[[Progress], None], stopping: Callable[[], bool]) -> Learned:
    """One step: a policy of a strength that its seed decides."""
    return ScriptedLearner()(study, report, stopping)._replace(checkpoint=checkpoint_of_seed(study.seed))


def checkpoint_of_seed(seed: int) -> Checkpoint:
    return checkpoint_of(policy_with(STRENGTHS[seed % len(STRENGTHS)]), settings={"seed": seed})


PROGRAMS = (
    Program(replace(BOT, begin=TraderOfOneMarket), ("--live", "--bar-seconds", str(BAR_S))),
    Program(INFERENCE, ("--loop",)),
    Program(BRIDGE, ()),
    Program(TRACKER, ("--loop",)),
    Program(trainer(learn), ("--loop",)),
)


@contextmanager
def set_up() -> Iterator[None]:
    """In force while schedules run."""
    with (
        mock.patch("ai.promotion.LEAST_BEFORE_TEST", _LEAST_DAYS_BEFORE_TEST),
        mock.patch("ai.model_store.read_prior", cache(read_prior)),
        mock.patch("ai.rl_trainer.read_prior", cache(read_prior)),
        mock.patch("ai.training_progress.open_curves", lambda directory, run: NoCurves()),
        mock.patch("analytics.judging.replayed", lambda book, settings: None),
        mock.patch("analytics.judging.report", _what_was_counted),
        mock.patch("analytics.rl_performance.page", lambda found, pictures: b"a page"),
        mock.patch("analytics.rl_performance.pictures", lambda found: {}),
        mock.patch("contract.daemon.configure", _configured),
    ):
        yield


@cache
def past() -> Mapping[Path, bytes]:
    """What is on the disk after the bot has traded for a while, and inference and the bridge have begun."""
    machine = FakeMachine()
    machine.disk.mkdir(ROOT.path, 0o755)
    once = {"paper_trader": ("--fast-forward", str(DAYS_KNOWN)), "inference": ("--update",), "bridge": ("--once",)}
    for program in PROGRAMS:
        if program.name in once:
            program.run(machine.start(), silent(), Signals(), *once[program.name])
    return dict(_files(machine, Path("/")))


def plant(machine: FakeMachine, files: Mapping[Path, bytes]) -> None:
    """The disk as it was, all of it durable."""
    machine.disk.mkdir(ROOT.path, 0o755)
    for path, content in files.items():
        for directory in reversed(path.parents[: len(path.parts) - len(ROOT.path.parts) - 1]):
            machine.disk.mkdir(directory, 0o700 if directory == ROOT.locks else 0o755)
        opened = machine.disk.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        opened.write(content)
        opened.close()
    machine.disk.settle()


def _what_was_counted(material: Material) -> Report:
    book = material.book
    counted = {"days": len(book.dates), "trades": int(book.account_trades.sum()), "bad_rows": material.bad_rows}
    return Report(material.now, NOT_PROVEN, {"reason": "not judged", "book": counted})


@cache
def _configuration() -> Configured:
    return configure(FakeMachine().start(), ROOT, {}, SETTINGS)


def _configured(*asked: object) -> Configured:
    return _configuration()


def silent() -> Log:
    logger = logging.Logger("silent")
    logger.addHandler(logging.NullHandler())
    return Log(logger)


@cache
def _market(seed: int, symbols: int) -> Market:
    names = tuple(f"SIM{number:02d}" for number in range(1, symbols + 1))
    quiet = MarketParameters(symbols=names, cointegrated_pairs=symbols // 2)
    wild = {
        name: replace(regime, market_volatility=3 * regime.market_volatility, own_volatility=3 * regime.own_volatility)
        for name, regime in (("trend", quiet.trend), ("range", quiet.range), ("crisis", quiet.crisis))
    }
    days = DAYS_BEFORE + DAYS_KNOWN + 100
    return Market.of("a wild market", simulate(days, np.random.default_rng(seed), replace(quiet, **wild)).bars)


@cache
def _parser(daemon: Daemon) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    parser.add_argument("--once", action="store_true")
    daemon.add_options(parser)
    return parser


def _options(daemon: Daemon, arguments: tuple[str, ...]) -> argparse.Namespace:
    return _parser(daemon).parse_args(arguments)


def _files(machine: FakeMachine, path: Path) -> Iterator[tuple[Path, bytes]]:
    found = machine.disk.find(path)
    if isinstance(found, File):
        yield path, bytes(found.content)
    elif isinstance(found, Directory):
        for name in found.names:
            yield from _files(machine, path / name)
