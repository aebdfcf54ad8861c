#!/usr/bin/env python3
"""How long the bot waits: from the append of a day's marks until allocations_override.json holds what follows from it.

    python3 benchmarks/egress.py [--days 756] [--updates 100] [--json]

Inference and the bridge are processes of their own, as an operator starts them, with `inference.min_interval_s` 0. The
clock runs from before the append until a reader that does nothing but look finds the next generation, which is on the
disk by then: a look at the history, the features, the policy, trust, three synced files; then the bridge, and two more.
`egress_inference.py` and `egress_bridge.py` say what each of the two costs alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import Any

from benchmarks.egress_bridge import memory_mib, wait_until
from benchmarks.figure import Figure, print_figures
from contract.files import read_record
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.schema.weights import parse_allocations
from contract.system import OperatingSystem

COMMAND = "python3 benchmarks/egress.py"
MOST_MS = 100.0
QUICK = {"TILLER__INFERENCE__MIN_INTERVAL_S": "0"}
QUIET: dict[str, Any] = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=756, help="of history, as the paper trader makes it")
    parser.add_argument("--updates", type=int, default=100, help="how many to time")
    parser.add_argument("--json", action="store_true", help="print the figures for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tiller-benchmark-") as directory, ExitStack() as running:
        root = Root(Path(directory))
        trader = program(root, "agents/paper_trader.py", "--fast-forward", str(options.days))
        subprocess.run(trader, check=True, **QUIET)
        started = [
            subprocess.Popen(program(root, *arguments), env={**os.environ, **QUICK}, **QUIET)
            for arguments in (("ai/rl_inference.py", "--loop"), ("agents/weights_bridge.py",))
        ]
        for process in started:
            running.callback(process.wait)
            running.callback(process.send_signal, signal.SIGTERM)
        wait_until(lambda: source(root) == "rl_inference", time.perf_counter())
        took_ms = [1e3 * update(root, number) for number in range(options.updates)]
        memory = [memory_mib(process.pid)["VmRSS"] for process in started]
    slow_ms = quantiles(took_ms, n=20)[18]
    if options.json:
        what = "a day's marks appended, the bot's file on the disk"
        print_figures(
            [
                Figure(f"{what}, median", median(took_ms), "ms", COMMAND, at_most=MOST_MS),
                Figure(f"{what}, 95 of 100", slow_ms, "ms", COMMAND),
            ]
        )
        return 0
    print(f"append -> the bot's file: {median(took_ms):.1f} ms at the median, {slow_ms:.1f} at 95%")
    print(f"inference {memory[0]:.0f} MiB, bridge {memory[1]:.0f} MiB")
    return 0


def program(root: Root, path: str, *arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / path), *arguments, "--root", str(root.path)]


def update(root: Root, number: int) -> float:
    """Seconds from a day more to the bot's new weights."""
    before = generation(root)
    chance = random.Random(number)
    last = root.strategy_marks.read_text(encoding="ascii").splitlines()[-1].split(",")[0]
    day = datetime.fromisoformat(last) + timedelta(days=1)
    rows = "".join(
        f"{day:%Y-%m-%dT%H:%M:%SZ},{strategy},1250.0,{chance.gauss(0.0, 12.0):.9f},1.0\n" for strategy in STRATEGIES
    )
    begun = time.perf_counter()
    with root.strategy_marks.open("a", encoding="ascii") as file:
        file.write(rows)
    return wait_until(lambda: generation(root) > before, begun)


def generation(root: Root) -> int:
    told = read_record(OperatingSystem(), root.allocations, parse_allocations)
    return (told.generation if told else None) or 0


def source(root: Root) -> str:
    told = read_record(OperatingSystem(), root.allocations, parse_allocations)
    return told.source if told else ""


if __name__ == "__main__":
    sys.exit(main())
