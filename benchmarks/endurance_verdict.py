"""What a year of `benchmarks/endurance.py` has shown: its tables, and whether anything grows that should not.

**Flat** is judged over the last three quarters of the year: in the first one everything is met for the first time.
**Bounded** is a file that stays below what `KEPT` says of it; a file that nobody has said anything of is out of bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from itertools import groupby
from statistics import median, quantiles
from typing import NamedTuple

import numpy as np

from benchmarks.busy_bot import BusyBot
from benchmarks.figure import Figure
from benchmarks.told_time import DAEMONS
from console.vitals import errors, slope
from contract.files import read_record
from contract.schema.names import Root
from contract.schema.risk import parse_risk_state
from contract.schema.weights import parse_rl_weights
from contract.system import OperatingSystem

COMMAND = "python3 benchmarks/endurance.py"
MOST_MIB = {"inference": 8.0, "bridge": 2.0, "tracker": 16.0}
"""What a daemon may gain in three quarters of a year.

The bridge keeps the last ids, inference some numbers for each day and strategy. For a report the tracker resamples
all live days 2,000 times: arrays that have grown to 4 MiB each by the end of the year, and stop at 16.
"""
MOST_SLOWER = 1.25
"""How much longer an update may take in the last quarter than in the second: some of it goes through all days, and the
tracker writes all publications that it remembers, of which there are 1,000 only in the middle of the year."""


class Look(NamedTuple):
    """At the files, by one daemon."""

    day: date
    daemon: str
    trades: int
    """So far."""
    ms: float
    processor_ms: float
    mib: float


class Kept(NamedTuple):
    """How many files of that name there may be, how large each, and why they are no more and no larger."""

    pattern: str
    files: int
    kib: float
    kib_a_day: float
    why: str


KEPT = (
    Kept("state/strategy_marks.csv", 1, 1.0, 1.0, "the bot's: eight rows a day"),
    Kept("state/performance_metrics.csv", 1, 1.0, 0.3, "the bot's: a row a day"),
    Kept("state/paper_trader.json", 1, 2048.0, 0.0, "the bot's: the rows of one commit"),
    Kept("runtime/portfolio.json", 1, 8.0, 0.0, "the bot's: what it holds"),
    Kept("runtime/rl_strategy_weights.json", 1, 16.0, 0.0, "one publication"),
    Kept("runtime/allocations_override.json", 1, 16.0, 0.0, "one publication"),
    Kept("runtime/heartbeats/*.json", 3, 4.0, 0.0, "one heartbeat"),
    Kept("runtime/locks/*.lock", 3, 0.0, 0.0, "empty"),
    Kept("state/journal/*.jsonl", 2, 1024.0, 0.0, "the publications of a day"),
    Kept("state/journal/*.jsonl.*", 2 * 91, 1024.0, 0.0, "90 days are kept"),
    Kept("state/rl_weight_history.json", 1, 2048.0, 0.0, "the last 1,000 publications"),
    Kept("state/live_days.csv", 1, 1.0, 0.4, "a row a day"),
    Kept("state/trust.json", 1, 8.0, 0.0, "the last day counted"),
    Kept("state/risk_state.json", 1, 32.0, 0.0, "the account, 256 ids"),
    Kept("state/risk_events.jsonl", 1, 1.0, 1.0, "trips and alerts"),
    Kept("state/quarantine.csv", 1, 6144.0, 0.0, "10,000 rows at most"),
    Kept("state/rl_performance_report.json", 1, 256.0, 2.0, "some figures for each live day"),
    Kept("state/rl_performance_report.html", 1, 2048.0, 0.0, "its pictures"),
    Kept("logs/*.log*", 3 * 4, 5120.0 + 1.0, 0.0, "four files of 5 MiB for each daemon"),
)


@dataclass
class Year:
    root: Root
    rotate_mib: float
    looks: list[Look] = field(default_factory=list)
    files: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Month -> pattern -> sizes in bytes."""
    rotations: int = 0
    out_of_bounds: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Rows lost, doubled or invented, by whom; and who did not end well."""
    errors: list[str] = field(default_factory=list)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The history grows by a commit between two looks at its size."""
        kib = 1024.0 * (self.rotate_mib + 1.0)
        live = Kept("state/pnl_history.csv", 1, kib, 0.0, "rotated")
        rotated = Kept("state/pnl_history.csv.*", 999, kib, 0.0, "the bot's own record: while the operator keeps it")
        return live, rotated, *KEPT

    def end_of_month(self, day: date) -> None:
        """Take down which files there are, and which of them are too large, too many or nobody's."""
        days = len({look.day for look in self.looks})
        found: dict[str, list[int]] = {}
        for place in (self.root.state, self.root.runtime, self.root.logs):
            for path in sorted(path for path in place.rglob("*") if path.is_file()):
                name, size = path.relative_to(self.root.path).as_posix(), path.stat().st_size
                kept = next((kept for kept in self.kept if fnmatch(name, kept.pattern)), None)
                found.setdefault(kept.pattern if kept else name, []).append(size)
                most = 0.0 if kept is None else kept.kib + kept.kib_a_day * days
                if size > 1024.0 * most:
                    self.out_of_bounds.append(f"{day:%Y-%m}: {name} has {size:,} bytes of {1024 * most:,.0f}")
        for kept in self.kept:
            if len(found.get(kept.pattern, ())) > kept.files:
                self.out_of_bounds.append(f"{day:%Y-%m}: {len(found[kept.pattern])} of {kept.pattern}")
        self.files[f"{day:%Y-%m}"] = found

    def finish(self, bot: BusyBot, ended_badly: list[str]) -> None:
        """Compare what the daemons have read with what the bot has written."""
        system, root = OperatingSystem(), self.root
        said = read_record(system, root.rl_weights, parse_rl_weights)
        state = read_record(system, root.risk_state, parse_risk_state)
        quarantined = len(root.quarantine.read_text(encoding="utf-8").splitlines()) - 1 if bot.bad_rows else 0
        for who, read, written in (
            ("inference: rows", said and said.metadata["input"]["rows"], bot.rows),
            ("bridge: trades", state and state.breaker.account.results.trades, bot.trades),
            ("tracker: bad rows", quarantined, bot.bad_rows),
        ):
            if read != written:
                self.troubles.append(f"{who} {read}, and there are {written}")
        self.troubles += [f"{name} did not end well" for name in ended_badly]
        self.errors = errors(root, datetime.min.replace(tzinfo=UTC))


def of(year: Year, daemon: str) -> list[Look]:
    return [look for look in year.looks if look.daemon == daemon]


def tables(year: Year) -> Iterator[str]:
    """What a month was like for each daemon, and what there was of each file at its end."""
    yield f"{'':10}{'':>11}" + "".join(f"{name:^40}" for name in DAEMONS)
    columns = f"{'MiB':>10}{'median ms':>10}{'p99 ms':>10}{'CPU ms':>10}"
    yield f"{'month':10}{'trades':>11}" + columns * len(DAEMONS)
    for month, looks in groupby(year.looks, lambda look: f"{look.day:%Y-%m}"):
        in_month = list(looks)
        line = f"{month:10}{in_month[-1].trades:>11,}"
        for name in DAEMONS:
            own = [look for look in in_month if look.daemon == name]
            ms = [look.ms for look in own]
            slow = quantiles(ms, n=100)[98]
            line += f"{own[-1].mib:>10.1f}{median(ms):>10.1f}{slow:>10.1f}"
            line += f"{median(look.processor_ms for look in own):>10.1f}"
        yield line
    yield ""
    why = {kept.pattern: kept.why for kept in year.kept}
    yield f"{'KiB at the end of':34}" + "".join(f"{month[5:]:>8}" for month in year.files) + "   files  bounded by"
    for pattern in sorted({pattern for found in year.files.values() for pattern in found}):
        sizes = [sum(found.get(pattern, ())) / 1024 for found in year.files.values()]
        count = len(list(year.files.values())[-1].get(pattern, ()))
        line = f"{pattern:34}" + "".join(f"{size:>8,.0f}" for size in sizes)
        yield f"{line}{count:>8}  {why.get(pattern, 'nothing')}"
    yield ""
    yield from (*year.out_of_bounds, *year.troubles, *year.errors[:20])


def figures(year: Year) -> list[Figure]:
    trades = f"{year.looks[-1].trades:,} trades on {len({look.day for look in year.looks})} days"
    found = []
    for name in DAEMONS:
        looks = of(year, name)
        late = looks[len(looks) // 4 :]
        at = np.arange(len(late), dtype=np.float64)
        grown = slope(at, np.array([look.mib for look in late])) * len(late)
        third = len(late) // 3
        cost = [median(look.processor_ms for look in part) for part in (late[:third], late[-third:])]
        memory = f"{trades}, memory that {name} gained in the last three quarters"
        slower = f"{trades}, how much longer an update of {name} took in the last quarter than in the second"
        found.append(Figure(memory, grown, "MiB", COMMAND, at_most=MOST_MIB[name]))
        found.append(Figure(slower, cost[1] / cost[0], "x", COMMAND, at_most=MOST_SLOWER))
    for what, those in (
        ("files beyond their bounds", year.out_of_bounds),
        ("rows lost, doubled or invented", year.troubles),
        ("errors in the logs", year.errors),
    ):
        found.append(Figure(f"{trades}, {what}", float(len(those)), "", COMMAND, at_most=0.0))
    return found
