"""A daemon in this process: its waits and the outcome of each of its runs are scripted, its files are real."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from contract.daemon import Context, Daemon, RunOnce, Signals, Status, add_common_options, run
from contract.files import read_record
from contract.log import Log
from contract.schema.names import Root
from contract.schema.operations import Heartbeat, parse_heartbeat
from contract.system import OperatingSystem
from support.scripted_waits import ScriptedWaits

NAME = "bridge"
INTERVAL_S = 300.0

Outcome = Status | BaseException | Callable[[Context], Status]


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.levelname} {record.getMessage()}")


class ScriptedDaemon:
    """Runs end as `outcomes` say, one after the other, and well when there are none left."""

    def __init__(self, path: Path) -> None:
        self.root = Root(path)
        self.root.state.mkdir()
        self.system = ScriptedWaits()
        self.signals = Signals()
        self.outcomes: list[Outcome] = []
        self.beginnings: list[BaseException | None] = []
        self.contexts: list[Context] = []
        self.ran_at_s: list[float] = []
        self.beats: list[Heartbeat] = []
        self.begun = 0
        self.lines = Lines()
        self.options = self.parse()
        logger = logging.Logger(NAME, logging.DEBUG)
        logger.addHandler(self.lines)
        self.log = Log(logger)
        self.daemon = Daemon(
            name=NAME,
            summary="Publishes.",
            begin=self._begin,
            watches=lambda root: (root.pnl_history,),
            interval_s=lambda config: INTERVAL_S,
        )

    @staticmethod
    def parse(*arguments: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        add_common_options(parser)
        parser.add_argument("--once", action="store_true")
        return parser.parse_args(arguments)

    def waits(self, *steps: Callable[[], object]) -> None:
        """What happens while it waits, one step each time; then it is told to end."""
        self.system.steps = [*steps, self.signals.end]

    def ends_after(self, runs: int) -> None:
        self.system.otherwise = lambda: self.signals.end() if len(self.ran_at_s) == runs else None

    def run(self) -> int:
        return run(self.daemon, self.root, self.system, self.log, self.options, self.signals)

    def run_once(self) -> int:
        self.options = self.parse("--once")
        return self.run()

    def _begin(self, context: Context) -> RunOnce:
        self.begun += 1
        error = self.beginnings.pop(0) if self.beginnings else None
        if error is not None:
            raise error
        return self._run

    def _run(self, context: Context) -> Status:
        self.contexts.append(context)
        self.ran_at_s.append(self.system.elapsed_s)
        outcome = self.outcomes.pop(0) if self.outcomes else Status("done")
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome if isinstance(outcome, Status) else outcome(context)

    @property
    def said(self) -> list[str]:
        return self.lines.said

    def is_unlocked(self) -> bool:
        lock = OperatingSystem().lock(self.root.lock(NAME))
        if lock is not None:
            lock.release()
        return lock is not None

    def note_heartbeat(self) -> None:
        self.beats.append(self.heartbeat())

    def heartbeat(self) -> Heartbeat:
        found = read_record(self.system, self.root.heartbeat(NAME), parse_heartbeat)
        assert found is not None
        return found

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
