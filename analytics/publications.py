"""What the bot was told: the entries of state/rl_weight_history.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from contract.errors import BadInput
from contract.schema.fields import Fields, Weights
from contract.schema.names import RL_INFERENCE
from contract.schema.operations import JournalEntry
from contract.schema.weights import Allocations, PublishedWeights, RlWeights, WeightHistory

KEPT = 1000


class Publication(NamedTuple):
    """A decision of the bridge, from the file that the bot reads or from the bridge's journal."""

    generation: int
    """0 where its writer is not our bridge."""
    timestamp: datetime
    source: str
    source_generation: int | None
    weights: Weights


def published(told: Allocations) -> Publication:
    source_generation = told.metadata.get("source_generation")
    return Publication(
        generation=told.generation or 0,
        timestamp=told.timestamp,
        source=told.source,
        source_generation=source_generation if isinstance(source_generation, int) else None,
        weights=told.strategy_allocations,
    )


def journaled(entry: JournalEntry, path: Path) -> Publication:
    noted = Fields(entry.body, path)
    return Publication(
        generation=entry.generation,
        timestamp=entry.timestamp,
        source=noted.text("source"),
        source_generation=noted.maybe_whole("source_generation"),
        weights=noted.section("weights").strategy_weights(),
    )


def said_by_inference(publication: Publication, rl: RlWeights | None) -> Mapping[str, Any]:
    """What inference said beside the weights, if they are the ones that were published."""
    if rl is None or publication.source != RL_INFERENCE or publication.source_generation != rl.generation:
        return {}
    return rl.metadata


def entry_of(publication: Publication, said: Mapping[str, Any], last_day: date | None) -> PublishedWeights:
    """The entry of a publication.

    said: what inference published or noted with these weights; nothing where they are another source's. last_day: the
    last account day that was known when this was published; these weights are in force from the day after.
    """
    metadata: dict[str, Any] = {
        "source": publication.source,
        "generation": publication.generation,
        "last_day": last_day and last_day.isoformat(),
    }
    for name in ("trust", "e_value", "policy_weights", "last_day"):
        if said.get(name) is not None:
            metadata[name] = said[name]
    if isinstance(model := said.get("model"), dict):
        metadata["model"] = {name: model.get(name) for name in ("generation", "sha256")}
    return PublishedWeights(publication.timestamp, publication.weights, metadata)


def with_entries(history: WeightHistory, entries: Iterable[PublishedWeights], now: datetime) -> WeightHistory:
    return WeightHistory((*history.history, *entries)[-KEPT:], now)


def last_generation(history: WeightHistory) -> int | None:
    """Of the newest entry that says it; None where none does."""
    for entry in reversed(history.history):
        if isinstance(generation := entry.metadata.get("generation"), int):
            return generation
    return None


def is_recorded(history: WeightHistory, publication: Publication) -> bool:
    """Renewals change nothing but the time, and a decision is known by its generation."""
    if not history.history:
        return False
    last = history.history[-1]
    if publication.generation:
        return _is_of(last, publication)
    return last.weights == publication.weights and last.metadata.get("source") == publication.source


def was_recorded(history: WeightHistory, publication: Publication) -> bool:
    """At any time: a power cut can take back what the bot was told last, and then it is told what came before."""
    return any(_is_of(entry, publication) for entry in reversed(history.history))


def _is_of(entry: PublishedWeights, publication: Publication) -> bool:
    same = entry.metadata.get("generation") == publication.generation
    return same and entry.weights == publication.weights


def known_until(entry: PublishedWeights, fallback: date) -> date:
    """The last account day that was known when an entry was published."""
    try:
        return Fields(entry.metadata, Path("metadata")).maybe_day("last_day") or fallback
    except BadInput:
        return fallback  # the ancestor's entries, and whatever a person made of them
