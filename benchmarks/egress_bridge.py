#!/usr/bin/env python3
"""What the bridge costs: its memory, and how long the bot waits for what a source has written.

    python3 benchmarks/egress_bridge.py                    200 updates at 0, 5 k and 500 k trades: about a minute
    python3 benchmarks/egress_bridge.py --trades 5000      only there
    python3 benchmarks/egress_bridge.py --json             for the table

The bridge is a process of its own, as an operator starts it. The clock runs from before the source's file is renamed
into its place until a reader that does nothing but look finds the new generation in allocations_override.json, which
is on the disk by then. The trades are there before the bridge starts for the first time; `start` is until it publishes
and `met` until it has read them all, which it does in between.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles

from benchmarks.figure import Figure, Peer, print_figures
from contract.errors import TillerError
from contract.files import publish, read_record
from contract.schema.names import PNL_HEADER, STRATEGIES, Root
from contract.schema.risk import parse_risk_state
from contract.schema.weights import RlWeights, encode_rl_weights, parse_allocations
from contract.system import OperatingSystem

TRADES = (0, 5_000, 500_000)
UPDATES = 200
PATIENCE_S = 120.0
COMMAND = "python3 benchmarks/egress_bridge.py"
MOST_MIB, THE_ANCESTORS_MIB = 40.0, 12.0
BRIDGE = Path(__file__).resolve().parents[1] / "agents" / "weights_bridge.py"

Figures = dict[str, float]

_WIDTHS = (9, 10, 10, 12, 12, 12, 12)
_TITLES = ("trades", "start s", "met s", "median ms", "p99 ms", "RSS MiB", "peak MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, nargs="+", default=TRADES, help="how many (default: 0, 5 k and 500 k)")
    parser.add_argument("--updates", type=int, default=UPDATES, help=f"how many to time (default: {UPDATES})")
    parser.add_argument("--json", action="store_true", help="print the figures for the table")
    options = parser.parse_args()
    measured = []
    for trades in options.trades:
        measured.append(measure(trades, options.updates))
        if not options.json:
            if len(measured) == 1:
                print("".join(f"{title:>{width}}" for title, width in zip(_TITLES, _WIDTHS, strict=True)))
            print("".join(f"{cell:>{width}}" for cell, width in zip(cells(measured[-1]), _WIDTHS, strict=True)))
    if options.json:
        print_figures(figure for found in measured for figure in figures(found))
    return 0


def figures(found: Figures) -> Iterator[Figure]:
    """For the table."""
    what = f"the bridge at {found['trades']:,.0f} trades"
    yield Figure(f"{what}, a source's weights told", found["median_ms"], "ms", COMMAND)
    yield Figure(f"{what}, until it has read them all", found["met_s"], "s", COMMAND)
    theirs = Peer("the ancestor, elsewhere", THE_ANCESTORS_MIB)
    yield Figure(f"{what}, memory at the most", found["peak_mib"], "MiB", COMMAND, at_most=MOST_MIB, peer=theirs)


def cells(figures: Figures) -> tuple[str, ...]:
    return (
        *(f"{figures['trades']:,.0f}", f"{figures['start_s']:.2f}", f"{figures['met_s']:.2f}"),
        *(f"{figures[name]:.1f}" for name in ("median_ms", "p99_ms", "rss_mib", "peak_mib")),
    )


def measure(trades: int, updates: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="tiller-benchmark-") as directory:
        root = Root(Path(directory))
        write_trades(root, trades)
        begun = time.perf_counter()
        bridge = subprocess.Popen(
            [sys.executable, str(BRIDGE), "--root", directory], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            start_s = wait_until(lambda: root.allocations.exists(), begun)
            met_s = wait_until(lambda: has_met(root), begun)
            took_ms = [1000 * update(root, generation) for generation in range(1, updates + 1)]
            status = memory_mib(bridge.pid)
        finally:
            bridge.send_signal(signal.SIGTERM)
            bridge.wait()
    return {
        **{"trades": trades, "start_s": start_s, "met_s": met_s},
        **{"median_ms": median(took_ms), "p99_ms": quantiles(took_ms, n=100)[98]},
        **{"rss_mib": status["VmRSS"], "peak_mib": status["VmHWM"]},
    }


def update(root: Root, generation: int) -> float:
    """Seconds from a new file of the first source to the bot's."""
    chance = random.Random(generation)
    shares = [0.05 + chance.random() for _ in STRATEGIES]
    now = datetime.now(UTC)
    weights = tuple(share / sum(shares) for share in shares)
    content = encode_rl_weights(RlWeights(weights, now, now + timedelta(minutes=15), True, generation))
    begun = time.perf_counter()
    publish(OperatingSystem(), root.rl_weights, content)
    return wait_until(lambda: generation_told(root) == generation, begun)


def generation_told(root: Root) -> object:
    told = read_record(OperatingSystem(), root.allocations, parse_allocations)
    return told and told.metadata["source_generation"]


def has_met(root: Root) -> bool:
    try:
        state = read_record(OperatingSystem(), root.risk_state, parse_risk_state)
    except TillerError:
        return False
    return state is not None and not state.breaker.account.meeting


def wait_until(holds: Callable[[], bool], begun: float) -> float:
    """How many seconds after `begun` it came to hold."""
    while not holds():
        if time.perf_counter() - begun > PATIENCE_S:
            raise SystemExit("the bridge did not answer")
    return time.perf_counter() - begun


def memory_mib(process_id: int) -> Figures:
    """As the kernel counts it; NaN where it does not say."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {"VmRSS": float("nan"), "VmHWM": float("nan")}
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}


def write_trades(root: Root, trades: int) -> None:
    """Of six years, with ids, as the paper trader writes them."""
    chance, first = random.Random(7), datetime(2020, 1, 1, tzinfo=UTC)
    root.state.mkdir()
    with root.pnl_history.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(PNL_HEADER) + "\n")
        for number in range(trades):
            when = first + timedelta(seconds=2_190 * 86_400 * number // trades)
            strategy = STRATEGIES[number % len(STRATEGIES)]
            file.write(f"{when:%Y-%m-%d},{when:%Y-%m-%dT%H:%M:%SZ},SPY,sell,1.5,410.25,paper_trade {strategy},")
            file.write(f"{chance.gauss(0.1, 25):.9f},{strategy},0.123456789,1250.0,100000.0,,paper-{number:09d}\n")


if __name__ == "__main__":
    sys.exit(main())
