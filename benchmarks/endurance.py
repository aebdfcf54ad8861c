#!/usr/bin/env python3
"""A year of a busy account in minutes: what becomes of memory, of files, and of how long an update takes.

    python3 benchmarks/endurance.py                       10^6 trades on 260 days: about a quarter of an hour
    python3 benchmarks/endurance.py --trades 10000 --days 20    shows that it works; all is still warming up
    python3 benchmarks/endurance.py --json                also prints the figures for the table

A bot writes its history, marks and equity as the paper trader does, with a bad row now and then; the history is rotated
by size as `deploy/logrotate` would. After every few hundred trades inference, the bridge and the tracker look,
one after the other: each a process of its own with its real loop (`benchmarks/told_time.py`), whose clock is told the
time. The tracker judges once a day (`tracker.interval_s`), at the end of it.

Whether an update gets slower is judged by the processor's time, which others on the machine do not lengthen.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import math
import tempfile
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import NamedTuple

from benchmarks.busy_bot import BusyBot, rotate, trading_days
from benchmarks.endurance_verdict import Look, Year, figures, tables
from benchmarks.figure import print_figures
from benchmarks.told_time import DAEMONS, Told
from console.vitals import memory_mib
from contract.schema.names import Root

FIRST_DAY = date(2027, 1, 4)
OPENS = clock(9, 30, tzinfo=UTC)
BETWEEN_LOOKS = timedelta(minutes=50)
SETTINGS = "tracker:\n  interval_s: 86000\n"
"""Of a day that is a little short, so that every day has a look at which the report is due."""


class Plan(NamedTuple):
    trades: int = 1_000_000
    days: int = 260
    looks: int = 8
    """A day."""
    rotate_mib: float = 32.0
    seed: int = 7


def run(root: Root, plan: Plan) -> Year:
    """Live the year."""
    root.state.mkdir()
    root.config.write_text(SETTINGS, encoding="ascii")
    days = trading_days(FIRST_DAY, plan.days)
    bot, year = BusyBot(root, plan.seed), Year(root, plan.rotate_mib)
    begun = datetime.combine(days[0], OPENS)
    told = [Told(name, root, begun) for name in DAEMONS]
    for number, day in enumerate(days):
        opens = datetime.combine(day, OPENS)
        for look in range(plan.looks):
            before, due = opens + look * BETWEEN_LOOKS, opens + (look + 1) * BETWEEN_LOOKS
            done = number * plan.looks + look
            bot.trade(before, due, plan.trades * (done + 1) // (plan.days * plan.looks) - bot.trades)
            year.rotations += rotate(root, int(plan.rotate_mib * (1 << 20)))
            for daemon in told:
                took = daemon.look(due)
                mib = memory_mib(daemon.pid) or math.nan
                year.looks.append(Look(day, daemon.name, bot.trades, took.ms, took.processor_ms, mib))
        bot.close(opens + (plan.looks + 1) * BETWEEN_LOOKS)
        if number + 1 == len(days) or days[number + 1].month != day.month:
            year.end_of_month(day)
    end = opens + (plan.looks + 2) * BETWEEN_LOOKS
    for daemon in told:
        daemon.look(end)
    year.finish(bot, [daemon.name for daemon in told if daemon.end() != 0])
    return year


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in Plan()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default: {value:,}")
    parser.add_argument("--root", type=Path, help="a new directory to keep; default: a temporary one")
    parser.add_argument("--json", action="store_true", help="also print the figures for the table")
    options = parser.parse_args()
    plan = Plan(*(getattr(options, name) for name in Plan._fields))
    with tempfile.TemporaryDirectory(prefix="tiller-benchmark-") as directory:
        path = options.root or Path(directory)
        path.mkdir(exist_ok=True)
        year = run(Root(path), plan)
    found = figures(year)
    print("\n".join(tables(year)))
    if options.json:
        print_figures(found)
    else:
        print("\n".join(f"{figure.name}: {figure.value:,.3g} {figure.unit}, {figure.target}" for figure in found))
    return 0 if all(figure.holds for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
