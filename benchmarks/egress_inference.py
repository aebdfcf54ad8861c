#!/usr/bin/env python3
"""How light and how quick inference is, beside the system that it replaces.

    python3 benchmarks/egress_inference.py                       5 k, 50 k and 500 k trades
    python3 benchmarks/egress_inference.py --trades 5000 --json

Real processes. The first publication is timed from the start of the process until the file is there, on a root where
inference was in service before, as after every restart; memory is what it holds then. An update is timed from the
append of a trade until the new weights are decided and encoded, and again with writing them: three times synced to
the disk, which takes what the disk takes. The replay is of 5,000 days of marks, the whole command.
On a machine that others use as well, the processor's own time says more than the clock.
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
import logging
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from statistics import median

from benchmarks.figure import Figure, Peer, print_figures
from benchmarks.history import peak_mib
from contract.config import Config
from contract.config import Inference as Pace
from contract.daemon import Context
from contract.log import Log
from contract.schema.names import CHECKOUT, MARKS_HEADER, PNL_HEADER, STRATEGIES, Root
from contract.schema.weights import parse_rl_weights
from contract.system import OperatingSystem

TRADES = (5_000, 50_000, 500_000)
THE_ANCESTORS_UPDATE_MS = {5_000: 8.0, 50_000: 29.0, 500_000: 247.0}
THE_ANCESTORS = "the ancestor: import 3.0 s, 324 to 348 MiB"
THE_ANCESTORS_MIB, THE_ANCESTORS_IMPORT_S = 324.0, 3.0
MOST_MIB, MOST_UPDATE_MS, MOST_FIRST_S = 80.0, 5.0, 0.5
FEW_TRADES = 5_000
COMMAND = "python3 benchmarks/egress_inference.py"
UPDATE_LIMIT = (
    "hundreds of small steps, none more than a fifteenth. By the profiler 29% take in the row, 16% make the book of "
    "days, 18% are features, policy and trust, 35% journal, encoding and publication"
)
STARTS = 5
UPDATES = 41
REPLAYED_DAYS = 5_000
FIRST_DAY, MOST_DAYS = date(2010, 1, 1), 1826
INFERENCE = CHECKOUT / "ai/rl_inference.py"

Figures = dict[str, float]


class NoDisk(OperatingSystem):
    """Takes what is written to a device that is never slow: it syncs nothing."""

    def fsync(self, descriptor: int) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, nargs="+", default=TRADES, help="how many there are")
    parser.add_argument("--json", action="store_true", help="print the figures for the table")
    parser.add_argument("--updates-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.updates_in:
        print(json.dumps(updates(Root(options.updates_in))))
        return 0
    measured = []
    for trades in options.trades:
        measured.append(measure(trades))
        if not options.json:
            print_line(measured[-1], with_title=len(measured) == 1)
    replay_s = replay()
    if options.json:
        print_figures(figures(measured, replay_s))
    else:
        print(f"replay of {REPLAYED_DAYS:,} days: {replay_s:.2f} s\n{THE_ANCESTORS}")
    return 0


def figures(measured: list[Figures], replay_s: float) -> Iterator[Figure]:
    """For the table. The ancestor's were measured elsewhere; its start is its import alone."""
    for found in measured:
        trades = int(found["trades"])
        what = f"inference at {trades:,} trades"
        ms, first_s, mib = found["decided_ms"], found["first_publication_s"], found["rss_mib"]
        slow = Peer("the ancestor, elsewhere", THE_ANCESTORS_UPDATE_MS.get(trades))
        late = Peer("the ancestor's import, elsewhere", THE_ANCESTORS_IMPORT_S)
        large = Peer("the ancestor, elsewhere", THE_ANCESTORS_MIB)
        most_s = MOST_FIRST_S if trades <= FEW_TRADES else None
        yield Figure(f"{what}, update", ms, "ms", COMMAND, at_most=MOST_UPDATE_MS, peer=slow, limit=UPDATE_LIMIT)
        yield Figure(f"{what}, first publication", first_s, "s", COMMAND, at_most=most_s, peer=late)
        yield Figure(f"{what}, memory", mib, "MiB", COMMAND, at_most=MOST_MIB, peer=large)
    yield Figure(f"a replay of {REPLAYED_DAYS:,} days, the whole command", replay_s, "s", COMMAND)


def measure(trades: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="tiller-benchmark-") as directory:
        root = Root(Path(directory))
        write(root, trades)
        subprocess.run([sys.executable, INFERENCE, "--update", "--root", directory], check=True, capture_output=True)
        starts = [start(root) for _ in range(STARTS)]
        command = [sys.executable, __file__, "--updates-in", directory]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    of_starts = {name: median(figures[name] for figures in starts) for name in starts[0]}
    return {"trades": trades, **of_starts, **json.loads(done.stdout)}


def write(root: Root, trades: int) -> None:
    """The bot's own 14 columns; five years, or as many days as there are two trades of each strategy a day."""
    chance = random.Random(7)
    root.state.mkdir()
    days = min(MOST_DAYS, -(-trades // 16))
    with root.pnl_history.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(PNL_HEADER) + "\n")
        for number in range(trades):
            file.write(trade(chance, str(FIRST_DAY + timedelta(days=number * days // trades)), number, "paper"))


def trade(chance: random.Random, day: str, number: int, identity: str) -> str:
    """A position that is opened and closed again: two rows."""
    strategy = STRATEGIES[number % len(STRATEGIES)]
    pnl = chance.gauss(0, 25)
    bought = f"{day},{day}T15:00:00Z,SPY,buy,12.500000000,100.000000000,paper_trade {strategy},,{strategy},"
    bought += f"0.125000000,12500.000000000,,,{identity}-{number}-b\n"
    sold = f"{day},{day}T20:00:00Z,SPY,sell,12.500000000,101.000000000,paper_trade {strategy},{pnl:.9f},{strategy},"
    return bought + sold + f"0.125000000,,100000.000000000,{day}T15:00:00Z,{identity}-{number}-s\n"


def start(root: Root) -> Figures:
    """Until the first publication of a process, and how much memory it then holds."""
    root.rl_weights.unlink()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, INFERENCE, "--loop", "--root", root.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not root.rl_weights.exists():
            if process.poll() is not None:
                raise SystemExit("inference ended without having published")
            time.sleep(0.002)
        first_s = time.perf_counter() - begun
        processor_s = used_s(process.pid)
        return {"first_publication_s": first_s, "first_processor_s": processor_s, "rss_mib": rss_mib(process.pid)}
    finally:
        process.kill()
        process.wait()


def used_s(process_id: int) -> float:
    """Of the processor's time."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return float(status.split("VmRSS:")[1].split()[0]) / 1024


def updates(root: Root) -> Figures:
    """Of a process that has served for a while: a trade comes, and the weights follow."""
    from ai.rl_inference import Inference

    size = root.pnl_history.stat().st_size
    found: Figures = {}
    for name, system in (("decided", NoDisk()), ("published", OperatingSystem())):
        settings = Config(inference=Pace(min_interval_s=0.0))
        context = Context(root, settings, system, Log(logging.Logger(name)), argparse.Namespace(json=False))
        inference = Inference(context)
        inference(context)
        times, processor, generations = [], [], set()
        for number in range(UPDATES):
            append(root, f"{name}-{number}", number)
            begun, begun_processor = time.perf_counter(), time.process_time()
            inference(context)
            times.append(time.perf_counter() - begun)
            processor.append(time.process_time() - begun_processor)
            generations.add(parse_rl_weights(root.rl_weights.read_bytes(), root.rl_weights).generation)
        if len(generations) < UPDATES / 2:
            raise SystemExit(f"{UPDATES} trades changed the weights {len(generations)} times")
        found |= {f"{name}_ms": 1000 * median(times), f"{name}_processor_ms": 1000 * median(processor)}
    os.truncate(root.pnl_history, size)
    return found | {"peak_mib": peak_mib()}


def append(root: Root, identity: str, number: int) -> None:
    last = parse_rl_weights(root.rl_weights.read_bytes(), root.rl_weights).metadata["last_day"]
    with root.pnl_history.open("a", encoding="ascii") as file:
        file.write(trade(random.Random(number), str(last), number, identity))


def replay() -> float:
    with tempfile.TemporaryDirectory(prefix="tiller-benchmark-") as directory:
        root, chance = Root(Path(directory)), random.Random(7)
        root.state.mkdir()
        lines = [",".join(MARKS_HEADER)]
        for number in range(REPLAYED_DAYS):
            day = FIRST_DAY + timedelta(days=number)
            lines += [f"{day}T21:00:00Z,{name},12500.0,{chance.gauss(1, 125):.9f},1" for name in STRATEGIES]
        root.strategy_marks.write_text("\n".join(lines) + "\n", encoding="ascii")
        times = []
        for _ in range(STARTS):
            begun = time.perf_counter()
            out = f"{directory}/replay.csv"
            subprocess.run([sys.executable, INFERENCE, "--replay", "--root", directory, "--out", out], check=True)
            times.append(time.perf_counter() - begun)
    return median(times)


def print_line(figures: Figures, with_title: bool) -> None:
    columns = {
        "trades": f"{figures['trades']:,.0f}",
        "first publication s": f"{figures['first_publication_s']:.2f}",
        "its processor s": f"{figures['first_processor_s']:.2f}",
        "RSS MiB": f"{figures['rss_mib']:.0f}",
        "update ms": f"{figures['decided_ms']:.2f}",
        "its processor ms": f"{figures['decided_processor_ms']:.2f}",
        "with writing ms": f"{figures['published_ms']:.2f}",
        "the ancestor's ms": f"{THE_ANCESTORS_UPDATE_MS.get(int(figures['trades']), float('nan')):.0f}",
    }
    if with_title:
        print("".join(f"{title:>21}" for title in columns))
    print("".join(f"{cell:>21}" for cell in columns.values()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
