"""What the tracker remembers of what the bot was told: every publication, and the weights in force on every day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from analytics.live_days import HEADER, LiveDay, line_of, live_days, parse_live_days
from analytics.publications import (
    Publication,
    entry_of,
    is_recorded,
    journaled,
    last_generation,
    published,
    said_by_inference,
    was_recorded,
    with_entries,
)
from contract import journal
from contract.daemon import Context
from contract.errors import BadInput
from contract.files import append_line, publish, read_bytes, read_record
from contract.schema.names import RL_INFERENCE
from contract.schema.weights import (
    PublishedWeights,
    WeightHistory,
    encode_weight_history,
    parse_allocations,
    parse_rl_weights,
    parse_weight_history,
)

MOST_MISSED = 200
"""Publications that are looked up in the bridge's journal at once, when several passed since the last look."""


class Recorder:
    """Of a tracker, which is the one writer of both files."""

    def __init__(self, context: Context) -> None:
        self.trouble = ""
        """Why the publication that stands could not be taken up."""
        self.history = _read_history(context)
        content = read_bytes(context.system, context.root.live_days) or b""
        self.live: tuple[LiveDay, ...] = parse_live_days(content)

    def record(self, context: Context, dates: Sequence[date]) -> int:
        """Take up what was published since, and the days that are new; says how many publications there were.

        dates: the account days of the book.
        """
        entries = self._new_entries(context, dates)
        if entries:
            history = with_entries(self.history, entries, context.system.now())
            publish(context.system, context.root.weight_history, encode_weight_history(history))
            self.history = history
        zone = ZoneInfo(context.config.account.day_zone)
        days = live_days(self.history.history, dates, self.live[-1].day if self.live else None, zone)
        append_line(context.system, context.root.live_days, *map(line_of, days), header=",".join(HEADER))
        self.live += tuple(days)
        return len(entries)

    def _new_entries(self, context: Context, dates: Sequence[date]) -> list[PublishedWeights]:
        self.trouble = ""
        try:
            told = read_record(context.system, context.root.allocations, parse_allocations)
        except BadInput as error:  # another program's, or a broken one: the bot makes of it what it can
            self.trouble = f"not recorded: {error}"
            return []
        if told is None or is_recorded(self.history, published(told)):
            return []
        newest = published(told)
        missed = list(self._missed(context, newest.generation))
        last_day = dates[-1] if dates else None
        return [*missed, entry_of(newest, _said(context, newest), last_day)]

    def _missed(self, context: Context, newest: int) -> Iterator[PublishedWeights]:
        """What was published between the last one recorded and the newest, as far as the journal still has it.

        A journal that cannot be read now is asked again later: what was passed over once would be missing for good.
        """
        last = last_generation(self.history) or 0
        for generation in range(max(last + 1, newest - MOST_MISSED), newest):
            with suppress(BadInput):
                if noted := journal.read(context.system, context.root, "bridge", generation):
                    publication = journaled(noted, context.root.journal("bridge"))
                    if not was_recorded(self.history, publication):
                        yield entry_of(publication, _said(context, publication), None)


def _said(context: Context, publication: Publication) -> Mapping[str, Any]:
    """What inference said beside the weights: in its file if it still says them, else in its journal."""
    if publication.source != RL_INFERENCE:
        return {}
    with suppress(BadInput):
        rl = read_record(context.system, context.root.rl_weights, parse_rl_weights)
        if said := said_by_inference(publication, rl):
            return said
    if publication.source_generation is not None:
        with suppress(BadInput):
            noted = journal.read(context.system, context.root, "inference", publication.source_generation)
            return noted.body if noted else {}
    return {}


def _read_history(context: Context) -> WeightHistory:
    """One that cannot be read is never written over."""
    try:
        found = read_record(context.system, context.root.weight_history, parse_weight_history)
    except BadInput as error:
        hint = f"mend it, or move it away to begin another; {error.hint}"
        raise BadInput(error.message, path=error.path, hint=hint) from None
    return found or WeightHistory((), None)
