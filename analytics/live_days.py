"""Which weights were in force on which account day, since the first publication: state/live_days.csv.

The weight history holds so many publications and forgets the rest, which for a busy bot is a matter of days. What is
judged has to be remembered longer, so each day gets one line, once, when it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, tzinfo
from typing import NamedTuple

from analytics.publications import known_until
from contract.rows import parse_number
from contract.schema.fields import Weights
from contract.schema.names import SOURCES, STRATEGIES
from contract.schema.weights import PublishedWeights

HEADER = ("day", "source", "generation", "trust", *STRATEGIES)
UNKNOWN_SOURCE = "unknown"


class LiveDay(NamedTuple):
    day: date
    source: str
    generation: int | None
    """Of the publication."""
    trust: float | None
    """The policy's share of the weights; None where they are not the policy's."""
    weights: Weights


def live_days(
    history: Sequence[PublishedWeights], dates: Sequence[date], recorded: date | None, zone: tzinfo
) -> list[LiveDay]:
    """The account days that are not recorded yet, with the weights in force on them.

    In force on a day are the weights that were published last of those that knew no more than the day before.
    """
    found = []
    knew = [known_until(entry, entry.timestamp.astimezone(zone).date()) for entry in history]
    for day in dates:
        if recorded is not None and day <= recorded:
            continue
        before = [entry for entry, known in zip(history, knew, strict=True) if known < day]
        if before:
            found.append(_live_day(day, before[-1]))
    return found


def line_of(live: LiveDay) -> str:
    numbers = ["" if figure is None else repr(figure) for figure in (live.generation, live.trust)]
    return ",".join([live.day.isoformat(), live.source, *numbers, *map(repr, live.weights)])


def parse_live_days(content: bytes) -> tuple[LiveDay, ...]:
    """The days in order, each once. What is no such line (a crash can leave one) is left out.

    So is a last line without its newline, however good it looks: the next append cuts it off.
    """
    found: dict[date, LiveDay] = {}
    for line in content.decode("utf-8", "replace").split("\n")[:-1]:
        with suppress(ValueError):
            if live := _parse(line.split(",")):
                found[live.day] = live
    return tuple(found[day] for day in sorted(found))


def on_days(recorded: Sequence[LiveDay], dates: Sequence[date]) -> Mapping[date, LiveDay]:
    """Those of the recorded days that the book still has."""
    known = set(dates)
    return {live.day: live for live in recorded if live.day in known}


def _live_day(day: date, entry: PublishedWeights) -> LiveDay:
    source, generation, trust = (entry.metadata.get(name) for name in ("source", "generation", "trust"))
    return LiveDay(
        day=day,
        source=source if source in SOURCES else UNKNOWN_SOURCE,
        generation=generation if isinstance(generation, int) else None,
        trust=float(trust) if isinstance(trust, int | float) else None,
        weights=_shares(entry.weights),
    )


def _shares(weights: Weights) -> Weights:
    """The ancestor's weights need not sum to 1."""
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def _parse(row: Sequence[str]) -> LiveDay | None:
    if len(row) != len(HEADER) or row[0] == HEADER[0]:
        return None
    day, source, generation, trust, *shares = row
    weights = [parse_number(share) for share in shares]
    known = [weight for weight in weights if weight is not None and weight >= 0.0]
    if len(known) < len(weights) or not sum(known) > 0.0:
        return None
    return LiveDay(
        day=date.fromisoformat(day),
        source=source if source in SOURCES else UNKNOWN_SOURCE,
        generation=int(generation) if generation else None,
        trust=parse_number(trust) if trust else None,
        weights=_shares(tuple(known)),
    )
