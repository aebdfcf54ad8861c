#!/usr/bin/env python3
"""How long the features take, of a whole history at once and of one day more; and a decision of the policy.

    python3 benchmarks/features.py [--days 5000] [--runs 15]

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
from contract.schema.names import STRATEGIES

MOST_DAYS_MORE = 2_000


class Took(NamedTuple):
    """Seconds, by the clock and of the processor."""

    clock: float
    processor: float


def timed(work: Callable[[], object]) -> Took:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - clock, time.process_time() - processor)


def line(what: str, several: list[Took], unit: str, per_second: float) -> str:
    clock, processor = (per_second * median(column) for column in zip(*several, strict=True))
    return f"{what:<24} {clock:8.1f} {unit}   {processor:8.1f} {unit} of the processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()

    rng = np.random.default_rng(1)
    shape = (options.days, len(STRATEGIES))
    returns, trades = 0.01 * rng.standard_t(5, shape), rng.poisson(1.0, shape)
    wins = rng.binomial(trades, 0.5)
    histories = [timed(partial(shared_features, returns, trades, wins)) for _ in range(options.runs)]
    print(line(f"{options.days:,} days at once", histories, "ms", 1e3))

    state, days = START, []
    for day in zip(returns[:MOST_DAYS_MORE], trades, wins, strict=False):
        days.append(timed(partial(advance, state, *day)))
        state, _ = advance(state, *day)
    print(line("one day more", days, "us", 1e6))

    policy, rows = read_prior().policy, rng.normal(size=(MOST_DAYS_MORE, len(FEATURES)))
    print(line("one decision", [timed(partial(policy.wanted, row)) for row in rows], "us", 1e6))


if __name__ == "__main__":
    main()
