"""What a schedule has in store: how often processes are interrupted, die and fail, and what happens when.

Every schedule leaves some kinds of misfortune out, so that each meets the programs also without the others.
"""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass

FAULTS_S = 120.0
"""So long misfortunes happen; then all goes well, and the programs must have recovered soon."""
FASTEST_S = 0.001
CODES = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
HAPPENINGS = (
    *("power cut", "kill", "freeze", "clock", "disk full", "writeback"),
    *("rollback", "halt", "typed weights", "bad row", "rewrite", "rotation", "twin"),
)


@dataclass(frozen=True)
class Fate:
    """Chances are of each system call."""

    interrupted: float
    """Others go on before the call."""
    killed: float
    power_cut: float
    failed: float
    short_writes: float
    missed_events: float
    pace_s: float
    """How long a turn takes, in the mean."""
    happens: tuple[tuple[float, str], ...]
    """When, and what."""
    from_nothing: bool
    """Whether the disk is empty at first."""


def fate_of(chance: random.Random) -> Fate:
    kinds = [kind for kind in HAPPENINGS if chance.random() < 0.5]
    count = chance.randrange(10) if kinds else 0
    return Fate(
        interrupted=chance.choice((0.0, 0.01, 0.05, 0.2)),
        killed=chance.choice((0.0, 0.0005, 0.002)),
        power_cut=chance.choice((0.0, 0.0, 0.0005)),
        failed=chance.choice((0.0, 0.002, 0.01)),
        short_writes=chance.choice((0.0, 0.3)),
        missed_events=chance.choice((0.0, 0.0, 0.3)),
        pace_s=chance.choice((FASTEST_S, 0.02, 0.1)),
        happens=tuple(sorted((chance.uniform(0.0, FAULTS_S), chance.choice(kinds)) for _ in range(count))),
        from_nothing=chance.random() < 0.1,
    )
