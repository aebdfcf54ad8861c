"""`tiller status`: what the bot is told now, by whom and why, and whether everything that should run does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contract.daemon import DONE
from contract.errors import TillerError, one_line
from contract.files import read_record
from contract.pulse import Pulse, feel_all
from contract.schema.fields import by_name, format_time
from contract.schema.names import Root
from contract.schema.weights import Allocations, parse_allocations
from contract.system import OperatingSystem, System

NAME = "status"
SUMMARY = "Show what the bot is told now, from which source and why, and how every process is."


@dataclass(frozen=True)
class Snapshot:
    """Everything that the page shows, taken at one moment."""

    root: Root
    now: datetime
    allocations: Allocations | None
    trouble: str
    """Why there are no allocations to show."""
    pulses: tuple[Pulse, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    snapshot = take(OperatingSystem(), Root.find(options.root))
    print(json.dumps(as_values(snapshot), indent=2) if options.json else "\n".join(lines(snapshot)))
    return DONE


def take(system: System, root: Root) -> Snapshot:
    trouble = ""
    try:
        allocations = read_record(system, root.allocations, parse_allocations)
        if allocations is None:
            trouble = f"nothing has been published: {root.allocations} does not exist"
    except TillerError as error:
        allocations, trouble = None, str(error)
    return Snapshot(root, system.now(), allocations, trouble, feel_all(system, root))


def lines(snapshot: Snapshot) -> Iterator[str]:
    """The page; nothing that stands in a file can break a line of it, or a terminal."""
    return map(one_line, _lines(snapshot))


def _lines(snapshot: Snapshot) -> Iterator[str]:
    yield f"root       {snapshot.root.path}"
    yield from _allocation_lines(snapshot)
    yield ""
    for pulse in snapshot.pulses:
        age = "" if pulse.age_s is None else f"{duration(pulse.age_s)} ago"
        said = pulse.trouble or (pulse.heartbeat.message if pulse.heartbeat else "")
        yield f"{pulse.daemon:<10} {pulse.state:<10} {age:<12} {said}".rstrip()


def _allocation_lines(snapshot: Snapshot) -> Iterator[str]:
    told = snapshot.allocations
    if told is None:
        yield f"bot        {snapshot.trouble}"
        return
    age = duration((snapshot.now - told.timestamp).total_seconds())
    stale = told.valid_until is not None and snapshot.now > told.valid_until
    yield f"bot        is told by {told.source}, {age} ago{', STALE: its writer is gone' if stale else ''}"
    yield f"risk       {told.risk.state} at scale {told.risk.scale:g} {told.risk.reason}".rstrip()
    for considered in told.considered:
        yield f"{'':<10} {considered.source:<20} {considered.verdict:<10} {considered.reason}".rstrip()
    for name, weight in by_name(told.strategy_allocations).items():
        yield f"{'':<10} {name:<24} {weight:7.2%}"


def as_values(snapshot: Snapshot) -> dict[str, Any]:
    told = snapshot.allocations
    return {
        "root": str(snapshot.root.path),
        "now": format_time(snapshot.now),
        "trouble": snapshot.trouble,
        "allocations": told
        and {
            "source": told.source,
            "timestamp": format_time(told.timestamp),
            "valid_until": told.valid_until and format_time(told.valid_until),
            "risk": vars(told.risk),
            "strategy_allocations": by_name(told.strategy_allocations),
            "considered": [vars(considered) for considered in told.considered],
        },
        "daemons": {
            pulse.daemon: {"state": pulse.state, "age_s": pulse.age_s, "trouble": pulse.trouble}
            for pulse in snapshot.pulses
        },
    }


def duration(seconds: float) -> str:
    """In the largest unit that fits: 42 s, 7 min, 3 h, 12 days."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{sign}{seconds / unit:.0f} {name}"
    return f"{sign}{seconds:.0f} s"
