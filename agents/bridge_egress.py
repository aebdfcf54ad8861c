"""The file that the bot reads: written when there is something new to say, renewed in time, and nobody else's.

A generation is a decision. Renewing what was said, or writing it again where somebody else wrote over it, keeps the
generation. What is new is entered into the journal first, so that nothing is published that cannot be explained; but
where the journal cannot be written the bot is told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agents.bridge_decision import Told
from agents.bridge_record import say_the_same, told
from contract import journal
from contract.daemon import Context, settle_record
from contract.errors import BadInput, RetryLater, TillerError
from contract.files import publish, read_bytes, read_record
from contract.schema.operations import JournalEntry
from contract.schema.weights import Allocations, encode_allocations, parse_allocations

NAME = "bridge"


class Egress:
    def __init__(self, context: Context) -> None:
        """Goes on from what stands in the file, where that is ours.

        No generation comes a second time with another decision, so the last one must be known. The file says it. The
        journal may be behind, where it could not be written; it serves where the file is gone or not ours. While that
        one of them cannot be read that must be, nothing is told: the bot sees that its word grows old.
        """
        self.told: Told | None = None
        self.generation = 0
        self.content = b""
        self._last: Allocations | None = None
        self._take_up_file(context)
        settle_record(context, context.root.journal(NAME))
        try:
            noted = journal.last_generation(context.system, context.root, NAME)
        except RetryLater as error:
            if self.generation == 0:
                raise
            context.log.warning("begins without its journal", error=error)
        else:
            self.generation = max(self.generation, noted)

    def _take_up_file(self, context: Context) -> None:
        system, path = context.system, context.root.allocations
        try:
            last = read_record(system, path, parse_allocations)
            if last is not None:
                self.told = told(last, path)
                self._last, self.content = last, read_bytes(system, path) or b""
                self.generation = last.generation or 0
        except RetryLater:
            raise
        except TillerError as error:
            context.log.warning("begins without what was published before", error=error)

    def tell(self, context: Context, record: Allocations, told: Told, body: Callable[[], Mapping[str, Any]]) -> str:
        """Publish the record if need be. Returns what is wrong although that went well."""
        trouble = ""
        last = self._last
        is_new = last is None or not say_the_same(record, last)
        if is_new:
            record = replace(record, generation=self.generation + 1)
            trouble = self._enter(context, record, body())
        elif last is not None:
            record = replace(record, generation=last.generation)
            if not self._is_due(context):
                if self._stands(context, self.content):
                    return ""
                if self.content:
                    trouble = f"{context.root.allocations.name} was changed or removed: written again"
        self._publish(context, record)
        self.told = told
        if is_new:
            said = {"source": record.source, "risk": record.risk.state, "why": record.risk.reason}
            context.log.info("told", generation=record.generation, **said)
        elif trouble:
            context.log.warning("somebody else writes here", what=trouble)
        return trouble

    def _publish(self, context: Context, record: Allocations) -> None:
        content = encode_allocations(record)
        try:
            publish(context.system, context.root.allocations, content)
        except RetryLater:
            if self._may_stand(context, content):  # then its generation has been told
                self._take_as_told(record, b"")
            self.content = b""  # what stands there may be old, or new and not durable: neither will do
            raise
        self._take_as_told(record, content)

    def _take_as_told(self, record: Allocations, content: bytes) -> None:
        self._last, self.content = record, content
        self.generation = max(self.generation, record.generation or 0)

    def _enter(self, context: Context, record: Allocations, body: Mapping[str, Any]) -> str:
        try:
            entry = JournalEntry(NAME, self.generation + 1, record.timestamp, body)
            journal.write(context.system, context.root, entry)
        except TillerError as error:
            return str(error)
        return ""

    def _is_due(self, context: Context) -> bool:
        """Half its time is over; or more than all of it is left, because the clock was set back."""
        valid_s = context.config.bridge.valid_s
        if self._last is None or self._last.valid_until is None:
            return True
        left_s = (self._last.valid_until - context.system.now()).total_seconds()
        return not valid_s / 2 < left_s <= valid_s

    def _may_stand(self, context: Context, content: bytes) -> bool:
        try:
            return self._stands(context, content)
        except RetryLater:
            return True

    def _stands(self, context: Context, content: bytes) -> bool:
        try:
            return read_bytes(context.system, context.root.allocations) == content
        except BadInput:
            return False
