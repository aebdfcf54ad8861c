"""How large each file may become: what bounds it, for every file that there can be below a root.

The bot's own files grow with the account, and a few of ours by a line for every day or training; all others have an
end.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from console.supervisor import LARGEST_OUTPUT
from contract.errors import TillerError
from contract.files import read_record
from contract.log import KEPT_LOGS, LARGEST_LOG
from contract.schema.model import parse_training_log
from contract.schema.names import Root
from contract.schema.weights import parse_allocations
from contract.system import System

KIB, MIB = 1 << 10, 1 << 20


class Lived(NamedTuple):
    """What a root has lived through."""

    days: int
    """Of the account."""
    publications: int
    trainings: int


class Bound(NamedTuple):
    """Bytes: of the file itself, and more for each day, publication and training."""

    pattern: str
    fixed: int
    a_day: int = 0
    a_publication: int = 0
    a_training: int = 0

    def of(self, lived: Lived) -> int:
        grown = (self.a_day * lived.days, self.a_publication * lived.publications, self.a_training * lived.trainings)
        return self.fixed + sum(grown)


BOUNDS = (
    Bound("state/pnl_history.csv", 64 * KIB, a_day=8 * KIB),
    Bound("state/strategy_marks.csv", 64 * KIB, a_day=KIB),
    Bound("state/performance_metrics.csv", 64 * KIB, a_day=KIB),
    Bound("state/live_days.csv", 64 * KIB, a_day=KIB),
    Bound("state/risk_events.jsonl", 64 * KIB, a_day=KIB),
    Bound("state/journal/*", 64 * KIB, a_publication=8 * KIB),
    Bound("state/rl_training_log.json", 64 * KIB, a_training=8 * KIB),
    Bound("state/rl_weight_history.json", 3 * MIB),
    Bound("state/rl_performance_report.*", 3 * MIB),
    Bound("state/quarantine.csv", 16 * MIB),
    Bound("state/rl_model/checkpoint_*.pkl", MIB),
    Bound("state/*", 256 * KIB),
    Bound("runtime/*", 64 * KIB),
    *(Bound(f"logs/*.log.{number}", LARGEST_LOG + 64 * KIB) for number in range(1, KEPT_LOGS + 1)),
    Bound("logs/*.log", LARGEST_LOG + 64 * KIB),
    Bound("logs/*.out", LARGEST_OUTPUT + 64 * KIB),
    Bound("logs/*", 256 * KIB),
)
"""The first that fits counts. They are two to four times what a long run was seen to need."""


def lived(system: System, root: Root) -> Lived:
    try:
        told = read_record(system, root.allocations, parse_allocations)
        log = read_record(system, root.training_log, parse_training_log)
    except TillerError:
        told = log = None
    days = _lines(root.performance_metrics)
    return Lived(days, (told.generation or 0) if told else 0, len(log.trainings) if log else 0)


def sizes(root: Root) -> list[tuple[int, Path]]:
    """Size and path of every file, the largest first."""
    files = [path for place in (root.state, root.runtime, root.logs) for path in place.rglob("*") if path.is_file()]
    return sorted(((path.stat().st_size, path) for path in files), reverse=True)


def beyond(root: Root, found: list[tuple[int, Path]], lived: Lived) -> Iterator[str]:
    """Those that are larger than they may be, and what a writer that was killed left behind."""
    for size, path in found:
        name = path.relative_to(root.path).as_posix()
        largest = next(bound for bound in BOUNDS if fnmatch(name, bound.pattern)).of(lived)
        if path.suffix == ".tmp":
            yield f"{path} is left over"
        elif size > largest:
            yield f"{path} has {size:,} bytes, and may have {largest:,}"


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
