"""What a benchmark has measured, as a row for the table of `benchmarks/table.py`: all that the benchmarks share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Peer(NamedTuple):
    """Somebody else's figure for the same, of the same run unless the name says otherwise."""

    name: str
    value: float | None


@dataclass(frozen=True)
class Figure:
    """One figure, and what it should be."""

    name: str
    value: float
    unit: str
    command: str
    at_least: float | None = None
    at_most: float | None = None
    peer: Peer | None = None
    limit: str = ""
    """What stands in the way of the target: shown only where that is missed."""

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_least is None and self.at_most is None:
            return None
        least = -math.inf if self.at_least is None else self.at_least
        most = math.inf if self.at_most is None else self.at_most
        return least <= self.value <= most

    @property
    def target(self) -> str:
        parts = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{word} {shown(bound)}" for word, bound in parts if bound is not None)

    def record(self) -> dict[str, object]:
        """What the table reads."""
        return {
            "name": self.name,
            "figure": self.value,
            "unit": self.unit,
            "target": self.target,
            "peer": self.peer.name if self.peer else "",
            "peer_figure": self.peer.value if self.peer else None,
            "holds": self.holds,
            "command": self.command,
            "reason": self.limit if self.holds is False else "",
        }


def shown(value: float) -> str:
    """With as many digits as mean something: three, or all before the point; a whole number as it is."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{value:,.0f}"
    whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 0
    return f"{value:,.{max(0, 3 - whole)}f}"


def print_figures(figures: Iterable[Figure]) -> None:
    """As JSON, for `benchmarks/table.py`, which takes what stands last on standard output."""
    print(json.dumps([figure.record() for figure in figures], indent=2))
