"""What becomes of programs that run for long: their memory, and what went wrong in their logs."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contract.schema.names import Root

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)

FEWEST_LOOKS = 20
SWING = 0.3
"""Of what a process holds, how much the line may rise within a minute. Allocators take and give back in pieces of up
to a fifth, as was seen, and a line through a step rises by half as much again. Within a longer time less is allowed,
by the root of it, because what swings comes back."""
KIB_A_DAY, KIB_A_DAY_OF_TRACKER = 8.0, 32.0
"""Beside that, for every day of the account: readers keep the book, and a report works on all live days at once. Seen
were 7 and 22."""


class Growth(NamedTuple):
    """Of one process: MiB at first and at last, and the slope of the later half of its life."""

    name: str
    pid: int
    first_mib: float
    last_mib: float
    per_minute_mib: float | None
    """None where it was not looked at often enough."""
    minutes: float
    """How long the later half is."""
    allowed_mib: float
    """What the line may rise by, from its beginning to its end."""

    @property
    def is_flat(self) -> bool:
        """Also where it is not known."""
        return self.per_minute_mib is None or self.per_minute_mib * self.minutes <= self.allowed_mib


class Vitals:
    """To be fed now and then with the programs that run, name to process number, while so many account days pass.

    `stages` names how far some of them have come. In a new stage a process begins anew: a trainer loads torch with its
    first training. Nothing is taken down in the stage None, in which it holds what it will give back.
    """

    def __init__(self, days_a_minute: float) -> None:
        self._days_a_minute = days_a_minute
        self._memory: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
        self._stages: dict[tuple[str, int], str] = {}

    def look(self, now_s: float, running: Mapping[str, int], stages: Mapping[str, str | None] | None = None) -> None:
        for name, pid in running.items():
            stage = (stages or {}).get(name, "")
            resident_mib = memory_mib(pid)
            if stage is None or resident_mib is None:
                continue
            if self._stages.setdefault((name, pid), stage) != stage:
                self._stages[name, pid] = stage
                del self._memory[name, pid]
            self._memory[name, pid].append((now_s, resident_mib))

    def growths(self) -> Iterator[Growth]:
        """The line of least squares through the later half, when a process has warmed up."""
        for (name, pid), looks in self._memory.items():
            seconds, mib = np.array(looks).T
            half = len(looks) // 2
            known = len(looks) >= FEWEST_LOOKS
            per_minute = 60.0 * slope(seconds[half:], mib[half:]) if known else None
            minutes = float(seconds[-1] - seconds[half]) / 60.0
            allowed_mib = self._allowed_mib(name, float(mib[0]), minutes)
            yield Growth(name, pid, float(mib[0]), float(mib[-1]), per_minute, minutes, allowed_mib)

    def _allowed_mib(self, name: str, held_mib: float, minutes: float) -> float:
        kib_a_day = KIB_A_DAY_OF_TRACKER if name == "tracker" else KIB_A_DAY
        swing_mib = SWING * held_mib / sqrt(max(minutes, 1.0))
        return swing_mib + kib_a_day / 1024 * self._days_a_minute * minutes


def said(growth: Growth) -> str:
    grown = "not looked at for long enough"
    if growth.per_minute_mib is not None:
        verdict = "flat" if growth.is_flat else f"NOT FLAT: {growth.allowed_mib:.1f} MiB were allowed"
        grown = f"{growth.per_minute_mib:+.2f} MiB/min in the last {growth.minutes:.1f} min, {verdict}"
    memory = f"{growth.first_mib:6.1f} MiB at first, {growth.last_mib:6.1f} at last"
    return f"{growth.name:<12} pid {growth.pid:<8} {memory}, {grown}"


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of the straight line that fits best."""
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def memory_mib(pid: int) -> float | None:
    """What of it is in memory; None where that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_MIB
    except (OSError, ValueError, IndexError):
        return None


def errors(root: Root, since: datetime) -> list[str]:
    """What the logs call an error."""
    stamp = f"{since:%Y-%m-%dT%H:%M:%SZ}"
    return [
        line
        for file in sorted(root.logs.glob("*.log*"))
        for line in file.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        if line[10:11] == "T" and line[20:].startswith(" ERROR ") and line[:20] >= stamp
    ]
