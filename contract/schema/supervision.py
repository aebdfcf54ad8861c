"""Who keeps the daemons running: what an operator wants to run, and what the supervisor has made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contract.schema.fields import Fields, encode
from contract.schema.names import SCHEMA_VERSION


@dataclass(frozen=True)
class Wanted:
    """runtime/wanted.json: the programs that `start` asked for; none after `stop`."""

    programs: tuple[str, ...] = ()
    bar_seconds: float | None = None
    """How long our own bot's day takes, where it is among them."""


def parse_wanted(text: bytes, path: Path) -> Wanted:
    fields = Fields.parse(text, path)
    return Wanted(fields.texts("programs"), fields.maybe_number("bar_seconds"))


def encode_wanted(record: Wanted) -> bytes:
    values = {"schema": SCHEMA_VERSION, "programs": list(record.programs), "bar_seconds": record.bar_seconds}
    return encode(values)


@dataclass(frozen=True)
class Child:
    """One program of the supervisor's: `ended` is how it ended last, or why it is not started."""

    pid: int | None = None
    starts: int = 0
    ended: str = ""


@dataclass(frozen=True)
class Processes:
    """runtime/processes.json: what the supervisor started.

    All of it is in one session, by which it is known: nothing of somebody else's is in it, whatever number it gets.
    """

    session: int
    boot_id: str
    children: Mapping[str, Child] = field(default_factory=dict)


def parse_processes(text: bytes, path: Path) -> Processes:
    fields = Fields.parse(text, path)
    children = fields.section("children")
    return Processes(
        session=fields.whole("session", at_least=1),
        boot_id=fields.text("boot_id"),
        children={name: _parse_child(children.section(name)) for name in children.values},
    )


def _parse_child(fields: Fields) -> Child:
    pid = fields.whole("pid", at_least=1) if "pid" in fields else None
    return Child(pid, fields.whole("starts"), fields.maybe_text("ended"))


def encode_processes(record: Processes) -> bytes:
    children = {name: vars(child) for name, child in record.children.items()}
    values = {"schema": SCHEMA_VERSION, "session": record.session, "boot_id": record.boot_id, "children": children}
    return encode(values)
