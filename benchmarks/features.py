#!/usr/bin/env python3
"""How long the features take, of a whole history at once and of one day more; and a decision of the policy.

    python3 benchmarks/features.py [--days 5000] [--runs 15] [--json]

Medians. On a machine that others use as well, the processor's own time says more than the clock.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np

from ai.features import FEATURES, START, advance, shared_features
from ai.model_store import read_prior
from benchmarks.figure import Figure, print_figures
from contract.schema.names import STRATEGIES

MOST_DAYS_MORE = 2_000
COMMAND = "python3 benchmarks/features.py"


class Took(NamedTuple):
    """Seconds, by the clock and of the processor."""

    clock: float
    processor: float


def timed(work: Callable[[], object]) -> Took:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - clock, time.process_time() - processor)


class Task(NamedTuple):
    what: str
    several: list[Took]
    unit: str
    per_second: float
    at_most: float

    def medians(self) -> Took:
        """In the unit."""
        return Took(*(self.per_second * median(column) for column in zip(*self.several, strict=True)))

    def line(self) -> str:
        clock, processor = self.medians()
        return f"{self.what:<36} {clock:8.1f} {self.unit}   {processor:8.1f} {self.unit} of the processor"

    def figure(self) -> Figure:
        return Figure(self.what, self.medians().clock, self.unit, COMMAND, at_most=self.at_most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the figures for the table")
    options = parser.parse_args()

    rng = np.random.default_rng(1)
    shape = (options.days, len(STRATEGIES))
    returns, trades = 0.01 * rng.standard_t(5, shape), rng.poisson(1.0, shape)
    wins = rng.binomial(trades, 0.5)
    histories = [timed(partial(shared_features, returns, trades, wins)) for _ in range(options.runs)]
    tasks = [Task(f"the features of {options.days:,} days at once", histories, "ms", 1e3, at_most=50.0)]

    state, days = START, []
    for day in zip(returns[:MOST_DAYS_MORE], trades, wins, strict=False):
        days.append(timed(partial(advance, state, *day)))
        state, _ = advance(state, *day)
    tasks.append(Task("the features of one day more", days, "us", 1e6, at_most=100.0))

    policy, rows = read_prior().policy, rng.normal(size=(MOST_DAYS_MORE, len(FEATURES)))
    decisions = [timed(partial(policy.wanted, row)) for row in rows]
    tasks.append(Task("a decision of the policy", decisions, "us", 1e6, at_most=50.0))
    if options.json:
        print_figures(task.figure() for task in tasks)
    else:
        print("\n".join(task.line() for task in tasks))


if __name__ == "__main__":
    main()
