#!/usr/bin/env python3
"""A daemon in a process of its own whose clock stands still until it is told the time.

    python3 benchmarks/told_time.py inference --root DIR --now 2027-01-04T14:00:00+00:00

Its loop, its files, its locks and its log are the real ones. Where it would wait, it says on standard output what it
has done since it was told the time, a line of JSON (`Took`), and goes on when the next time comes in on standard
input. The end of the input is its SIGTERM.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import json
import subprocess
import threading
import time
from contextlib import closing
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from contract.daemon import Daemon, Signals, run
from contract.log import open_log
from contract.schema.names import Root
from contract.system import OperatingSystem

DAEMONS = {
    "inference": ("ai.rl_inference", "INFERENCE"),
    "bridge": ("agents.weights_bridge", "BRIDGE"),
    "tracker": ("analytics.rl_performance", "TRACKER"),
}


class Took(NamedTuple):
    """For one look of a daemon at its files."""

    ms: float
    processor_ms: float


class ToldTime(OperatingSystem):
    """The real system, under a clock that moves only when a line comes in."""

    def __init__(self, now: datetime, signals: Signals) -> None:
        self._now = now
        self._signals = signals
        self._begun = time.perf_counter(), time.process_time()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        clock, processor = (1e3 * (now - begun) for now, begun in zip(_clocks(), self._begun, strict=True))
        print(json.dumps(Took(clock, processor)), flush=True)
        line = sys.stdin.readline()
        if line:
            self._now = datetime.fromisoformat(line.strip())
        else:
            self._signals.end()
        self._begun = _clocks()
        return not line


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class Told:
    """The other end: such a process, and its answers."""

    def __init__(self, name: str, root: Root, now: datetime) -> None:
        self.name = name
        command = [sys.executable, __file__, name, "--root", str(root.path), "--now", now.isoformat()]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.pid = self._process.pid
        self.started = self._answer()

    def look(self, now: datetime) -> Took:
        """Tell it the time, and hear what it did then."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{now.isoformat()}\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> int:
        self._process.communicate()
        return self._process.returncode

    def _answer(self) -> Took:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self._process.wait()}: see its log")
        return Took(*json.loads(line))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("daemon", choices=DAEMONS)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--now", type=datetime.fromisoformat, required=True)
    chosen = parser.parse_args()
    module, name = DAEMONS[chosen.daemon]
    daemon: Daemon = getattr(import_module(module), name)
    usual = argparse.ArgumentParser()
    daemon.add_options(usual)
    options = usual.parse_args(["--loop"] if "loop" in vars(usual.parse_args([])) else [])
    options.once = options.json = False
    root, signals = Root(chosen.root), Signals()
    with closing(open_log(daemon.name, root.log(daemon.name))) as log:
        return run(daemon, root, ToldTime(chosen.now, signals), log, options, signals)


if __name__ == "__main__":
    sys.exit(main())
