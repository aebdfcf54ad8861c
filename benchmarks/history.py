#!/usr/bin/env python3
"""How fast the history of trades is read, beside `pandas.read_csv` with a sum for each day.

    python3 benchmarks/history.py                          10 k, 1 M and 10 M rows: a few minutes, 800 MB of disk
    python3 benchmarks/history.py --rows 10000 1000000     only these
    python3 benchmarks/history.py --json                   for the table

Every reading has a process of its own; the two readers take turns, and the figures are medians. Tiller's side is all
that a daemon does at its start: it parses every row strictly, finds its strategy, matches what it closed with what was
opened before, and makes the daily book. The rows are the ancestor's (8 columns, strategies known by their symbols)
and, up to a million, ours (14 columns, with ids that must not repeat).
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
import os
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from statistics import median

from benchmarks.figure import Figure, Peer, print_figures
from contract.book.reader import HistoryReader
from contract.rows import Attribution
from contract.schema.names import PNL_HEADER, STRATEGIES, Root
from contract.system import OperatingSystem

ROWS = (10_000, 1_000_000, 10_000_000)
MOST_WIDE_ROWS = 1_000_000
MOST_ROWS_TO_REPEAT = 1_000_000
RUNS = 5
POLLS = 41
APPENDS = (1, 50)
NARROW, WIDE = 8, 14
COMMAND = "python3 benchmarks/history.py"
LEAST_ROWS_PER_S, MOST_MIB, MOST_POLL_MS = 1e6, 286.0, 1.0
WIDE_LIMIT = (
    "no part of it is more than a quarter. By the profiler a quarter goes into five columns of numbers with nine "
    "decimals, a quarter into what closed which position and its sums, a tenth each into times and into finding the "
    "fields, a twentieth into ids"
)

Figures = dict[str, float]

_DAYS = 1_826
_TEMPLATES = 16
_ROUND = 16  # fills: every symbol is sold, and bought again
_DATE = "YYYY-MM-DD"
_FIRST_DAY = date(2021, 1, 1)
_WIDTHS = (11, 8, 7, 11, 9, 11, 12, 12, 9, 7)
_QUANTITIES = {
    **{"BTC-USD": "0.01250000", "ETH-USD": "0.31250000", "SPY": "12.5", "QQQ": "9.75"},
    **{"GLD": "31.0", "TLT": "54.375", "AAPL": "28.0", "NVDA": "7.0625"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="how many (default: 10 k, 1 M and 10 M)")
    parser.add_argument("--json", action="store_true", help="print the figures for the table")
    parser.add_argument("--part", choices=("write", "tiller", "pandas"), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--columns", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part = {"write": write, "tiller": read_with_tiller, "pandas": read_with_pandas}[options.part]
        print(json.dumps(part(Root(options.root), options.rows[0], options.columns)))
        return 0
    measured = []
    for rows in options.rows:
        for columns in (NARROW, WIDE) if rows <= MOST_WIDE_ROWS else (NARROW,):
            measured.append(measure(rows, columns))
            if not options.json:
                print_line(measured[-1], with_title=len(measured) == 1)
    if options.json:
        print_figures(figure for found in measured for figure in figures(found))
    return 0


def figures(found: Figures) -> Iterator[Figure]:
    """For the table. How fast it must be is said for files that take longer than the start of a process."""
    rows, wide = found["rows"], found["columns"] == WIDE
    what = f"{rows:,.0f} rows of {found['columns']:.0f} columns"
    least, limit = LEAST_ROWS_PER_S if rows >= MOST_WIDE_ROWS else None, WIDE_LIMIT if wide else ""
    pandas = "pandas.read_csv with a sum a day"
    fast, small = Peer(pandas, found["pandas_rows_per_s"]), Peer(pandas, found["pandas_peak_mib"])
    yield Figure(f"{what}, read", found["rows_per_s"], "rows/s", COMMAND, at_least=least, peer=fast, limit=limit)
    yield Figure(f"{what}, memory at the most", found["peak_mib"], "MiB", COMMAND, at_most=MOST_MIB, peer=small)
    yield Figure(f"{what}, the book after one more", found["poll_1_ms"], "ms", COMMAND, at_most=MOST_POLL_MS)


def measure(rows: int, columns: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="tiller-benchmark-") as directory:
        written = run("write", directory, rows, columns)
        ours, theirs = [], []
        for _ in range(RUNS if rows <= MOST_ROWS_TO_REPEAT else 1):
            ours.append(run("tiller", directory, rows, columns))
            theirs.append(run("pandas", directory, rows, columns))
    figures = {name: median(figures[name] for figures in ours) for name in ours[0]}
    pandas_s = median(figures["seconds"] for figures in theirs)
    return {
        "rows": rows,
        "columns": columns,
        "megabytes": written["megabytes"],
        "rows_per_s": rows / figures.pop("seconds"),
        **figures,
        "pandas_rows_per_s": rows / pandas_s,
        "pandas_peak_mib": median(figures["peak_mib"] for figures in theirs),
        "times_as_fast": median(their["seconds"] / our["seconds"] for our, their in zip(ours, theirs, strict=True)),
    }


def run(part: str, directory: str, rows: int, columns: int) -> Figures:
    """One part in a process of its own, so that its memory is its own too."""
    options = ["--part", part, "--root", directory, "--rows", str(rows), "--columns", str(columns)]
    done = subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def print_line(figures: Figures, with_title: bool) -> None:
    if with_title:
        print(f"{'':>22}{'tiller':^48}{'pandas.read_csv':^22}")
        titles = ("rows", "columns", "MB", "rows/s", "peak MiB", "poll +1 ms", "poll +50 ms", "rows/s", "peak MiB")
        print("".join(f"{title:>{width}}" for title, width in zip((*titles, "ratio"), _WIDTHS, strict=True)))
    cells = (
        *(f"{figures['rows']:,.0f}", f"{figures['columns']:.0f}", f"{figures['megabytes']:,.0f}"),
        *(f"{figures['rows_per_s']:,.0f}", f"{figures['peak_mib']:.0f}"),
        *(f"{figures[f'poll_{count}_ms']:.2f}" for count in APPENDS),
        *(f"{figures['pandas_rows_per_s']:,.0f}", f"{figures['pandas_peak_mib']:,.0f}"),
        f"{figures['times_as_fast']:.2f}",
    )
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)), flush=True)


def read_with_tiller(root: Root, rows: int, columns: int) -> Figures:
    strategy_of_symbol = dict(zip(_QUANTITIES, STRATEGIES, strict=True)) if columns == NARROW else {}
    reader = HistoryReader(OperatingSystem(), root, Attribution(strategy_of_symbol))
    start = time.perf_counter()
    update = reader.poll()
    days = len(reader.daily(100_000.0).dates)
    figures = {"seconds": time.perf_counter() - start, "peak_mib": peak_mib(), "days": float(days)}
    if (update.rows, update.bad, update.duplicates) != (rows, 0, 0):
        raise SystemExit(f"not what was written: {update}")
    size = root.pnl_history.stat().st_size
    for count in APPENDS:
        figures[f"poll_{count}_ms"] = 1000 * median(poll_s(reader, root, columns, count, turn) for turn in range(POLLS))
    os.truncate(root.pnl_history, size)
    return figures


def poll_s(reader: HistoryReader, root: Root, columns: int, count: int, turn: int) -> float:
    """How long the reader takes over some rows that were just appended."""
    day = _FIRST_DAY + timedelta(days=_DAYS + 100 * count + turn)
    with root.pnl_history.open("a", encoding="ascii") as file:
        file.write(day_of_rows(random.Random(turn), count, columns).replace(_DATE, str(day)))
    start = time.perf_counter()
    found = reader.poll().rows
    seconds = time.perf_counter() - start
    if found != count:
        raise SystemExit(f"{count} rows were appended and {found} found")
    return seconds


def read_with_pandas(root: Root, rows: int, columns: int) -> Figures:
    import pandas as pd

    start = time.perf_counter()
    frame = pd.read_csv(root.pnl_history)
    days = len(frame.groupby("date")["pnl"].sum())
    return {"seconds": time.perf_counter() - start, "peak_mib": peak_mib(), "days": float(days)}


def write(root: Root, rows: int, columns: int) -> Figures:
    """A history of five years, made of a few different days."""
    rows_a_day = -(-rows // _DAYS // _ROUND) * _ROUND or _ROUND
    chance = random.Random(7)
    days = [day_of_rows(chance, rows_a_day, columns) for _ in range(_TEMPLATES)]
    root.state.mkdir()
    with root.pnl_history.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(PNL_HEADER[:columns]) + "\n")
        for number, start in enumerate(range(0, rows, rows_a_day)):
            lines = days[number % _TEMPLATES].replace(_DATE, str(_FIRST_DAY + timedelta(days=number)))
            left = rows - start
            file.write(lines if left >= rows_a_day else "".join(lines.splitlines(keepends=True)[:left]))
    return {"megabytes": root.pnl_history.stat().st_size / 1e6}


def day_of_rows(chance: random.Random, rows: int, columns: int) -> str:
    """Fills of one day, whose date is still to be put in: each symbol is sold, bought again, and so on."""
    lines = []
    for number in range(rows):
        symbol, quantity = list(_QUANTITIES.items())[number % len(_QUANTITIES)]
        strategy = STRATEGIES[number % len(STRATEGIES)]
        sells = number // len(_QUANTITIES) % 2 == 0
        second = number * 86_399 // rows
        when = f"{_DATE}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
        price = round(chance.uniform(10, 60_000), 2)
        pnl = chance.gauss(0, 25)
        line = f"{_DATE},{when},{symbol},{'sell' if sells else 'buy'},{quantity},{price},paper_trade,"
        if columns == NARROW:
            line += f"{pnl:.6f}" if sells else ""
        else:
            line += f"{pnl:.9f}" if sells else ""
            line += f",{strategy},{chance.uniform(0, 5):.9f},{12_500 + pnl:.9f},{100_000 + 8 * pnl:.9f},"
            line += f"{when if sells else ''},paper-{_DATE}-{number:05d}"
        lines.append(f"{line}\n")
    return "".join(lines)


def peak_mib() -> float:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    sys.exit(main())
