#!/usr/bin/env python3
"""Does the installed system work? The whole loop on a simulated market, by the real programs, in a scratch directory.

    python3 ai/test_rl_system.py [--keep]

It trades a year, trains for a moment, infers, publishes, and reads what the bot would read; each step is a line. The
exit status is 0 if all of them hold. Nothing of your own `state/` and `runtime/` is read or written.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from contract.daemon import CANDIDATE_REFUSED, DONE, FAILED
from contract.files import read_record
from contract.read_allocations import read_allocations
from contract.schema.model import parse_training_log
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.schema.weights import ACTIVE, parse_rl_weights
from contract.system import OperatingSystem

LONGEST_S = 600.0
_QUICK = {
    "TILLER__AGENT__SEARCH_ROUNDS": "2",
    "TILLER__AGENT__WARM_START_STEPS": "5",
    "TILLER__AGENT__EPISODES": "3",
}
"""A training that shows that training works, and teaches little."""


class Step(NamedTuple):
    what: str
    arguments: Sequence[str]
    """Of Python: the program and its flags."""
    allowed: tuple[int, ...]
    """Exit codes."""
    look: Callable[[Root], str]
    """What is wrong with what came of it; nothing if it is right."""


def _book(root: Root) -> str:
    return "" if root.pnl_history.stat().st_size and root.strategy_marks.stat().st_size else "the bot wrote nothing"


def _training(root: Root) -> str:
    log = read_record(OperatingSystem(), root.training_log, parse_training_log)
    return "" if log and log.trainings and log.trainings[-1].reason else "no training stands in the log"


def _proposal(root: Root) -> str:
    proposed = read_record(OperatingSystem(), root.rl_weights, parse_rl_weights)
    return "" if proposed and proposed.model_loaded else "no model speaks"


def _told(root: Root) -> str:
    weights, state = read_allocations(root.path)
    if state != ACTIVE:
        return f"the bot finds the allocations {state}"
    whole = sorted(weights) == sorted(STRATEGIES) and abs(sum(weights.values()) - 1.0) < 1e-9
    return "" if whole and 0.02 <= min(weights.values()) <= max(weights.values()) <= 0.35 else f"it is told {weights}"


STEPS = (
    Step("the bot trades two years", ("agents/paper_trader.py", "--fast-forward", "504"), (DONE,), _book),
    Step("the trainer trains", ("ai/rl_trainer.py", "--train"), (DONE, CANDIDATE_REFUSED), _training),
    Step("inference proposes", ("ai/rl_inference.py", "--update"), (DONE,), _proposal),
    Step("the bridge tells the bot", ("agents/weights_bridge.py", "--once"), (DONE,), _told),
    Step("what it was told follows", ("-m", "console.main", "why"), (DONE,), lambda root: ""),
)


def passes(step: Step, root: Root) -> bool:
    began = time.monotonic()
    try:
        program = subprocess.run(
            [sys.executable, *step.arguments, "--root", str(root.path)],
            cwd=CHECKOUT,
            env={**os.environ, **_QUICK},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        if program.returncode in step.allowed:
            wrong = step.look(root)
        else:
            wrong = f"exit status {program.returncode}\n{program.stderr[-2000:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        wrong = str(error)
    took = f"{time.monotonic() - began:6.1f} s"
    print(f"{'FAILED' if wrong else 'ok':<8}{step.what:<28}{took}  {wrong}".rstrip(), flush=True)
    return not wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the scratch directory, and say where it is")
    options = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="tiller-test-"))
    try:
        return DONE if all(passes(step, Root(scratch)) for step in STEPS) else FAILED
    finally:
        if options.keep:
            print(f"left in {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
