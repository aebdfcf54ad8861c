"""A bot's files with what a test wants to stand in them, and a daemon in this process that reads them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contract.daemon import Daemon, Signals, add_common_options, run
from contract.log import Log
from contract.schema.names import MARKS_HEADER, STRATEGIES, Root
from contract.schema.operations import Heartbeat, parse_heartbeat
from support.scripted_daemon import Lines
from support.scripted_waits import ScriptedWaits

CAPITAL = 1000.0
FIRST_DAY = date(2024, 1, 1)


class ScriptedBook:
    """A bot that earns what it is told to."""

    def __init__(self, path: Path) -> None:
        self.root = Root(path)
        self.root.state.mkdir(parents=True)
        self.days = 0

    def mark(self, returns: NDArray[np.float64]) -> None:
        """Further days (days, 8)."""
        self._begin(self.root.strategy_marks, ",".join(MARKS_HEADER))
        with self.root.strategy_marks.open("a") as file:
            for day in returns:
                for strategy, earned in zip(STRATEGIES, day.tolist(), strict=True):
                    file.write(f"{self.date(self.days)}T21:00:00Z,{strategy},{CAPITAL},{CAPITAL * earned:.9f},1\n")
                self.days += 1

    def close(self, strategy: str, *pnls: float, day: int | None = None) -> None:
        """Closed trades on a day, the last one that is marked unless told otherwise."""
        self._begin(self.root.pnl_history, "timestamp,symbol,pnl,reason")
        with self.root.pnl_history.open("a") as file:
            for pnl in pnls:
                when = self.date(self.days - 1 if day is None else day)
                file.write(f"{when}T20:00:00Z,AAA,{pnl},paper_trade {strategy}\n")

    @staticmethod
    def date(day: int) -> date:
        return FIRST_DAY + timedelta(days=day)

    @staticmethod
    def _begin(path: Path, header: str) -> None:
        if not path.exists():
            path.write_text(f"{header}\n")


class ScriptedReader:
    """A daemon that reads the book, with a clock and waits that are scripted."""

    def __init__(self, daemon: Daemon, root: Root) -> None:
        self.daemon = daemon
        self.root = root
        self.lines = Lines()
        self.waits = ScriptedWaits()

    def once(self, *arguments: str) -> int:
        return self._run("--once", *arguments)

    def loop(self, *steps: Callable[[], object], options: Sequence[str] = ()) -> int:
        """It starts; then each step is what happens in one of its waits, which passes whole; then it is ended."""
        signals = Signals()
        self.waits.steps = [*steps, signals.end]
        return self._run(*options, signals=signals)

    def heartbeat(self) -> Heartbeat:
        path = self.root.heartbeat(self.daemon.name)
        return parse_heartbeat(path.read_bytes(), path)

    def _run(self, *arguments: str, signals: Signals | None = None) -> int:
        parser = argparse.ArgumentParser()
        add_common_options(parser)
        parser.add_argument("--once", action="store_true")
        self.daemon.add_options(parser)
        logger = logging.Logger(self.daemon.name)
        logger.addHandler(self.lines)
        options = parser.parse_args(arguments)
        return run(self.daemon, self.root, self.waits, Log(logger), options, signals or Signals())
