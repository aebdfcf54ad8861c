"""What the processes say of themselves: heartbeats, and the journal of what they published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from contract.schema.fields import Fields, encode, encode_line, format_time
from contract.schema.names import SCHEMA_VERSION

STARTING, RUNNING, DEGRADED, STOPPED = "starting", "running", "degraded", "stopped"
HEARTBEAT_STATES = (STARTING, RUNNING, DEGRADED, STOPPED)


@dataclass(frozen=True)
class Heartbeat:
    """runtime/heartbeats/<daemon>.json, written by the work loop itself: a loop that hangs has no pulse.

    `due_s` is how long after this beat the next one comes at the latest.
    """

    daemon: str
    pid: int
    boot_id: str
    sequence: int
    utc: datetime
    state: str
    due_s: float
    message: str = ""
    last_error: str = ""


def parse_heartbeat(text: bytes, path: Path) -> Heartbeat:
    fields = Fields.parse(text, path)
    return Heartbeat(
        daemon=fields.text("daemon"),
        pid=fields.whole("pid", at_least=1),
        boot_id=fields.text("boot_id"),
        sequence=fields.whole("sequence"),
        utc=fields.time("utc"),
        state=fields.choice("state", HEARTBEAT_STATES),
        due_s=fields.number("due_s", at_least=0),
        message=fields.maybe_text("message"),
        last_error=fields.maybe_text("last_error"),
    )


def encode_heartbeat(record: Heartbeat) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "daemon": record.daemon,
            "pid": record.pid,
            "boot_id": record.boot_id,
            "sequence": record.sequence,
            "utc": format_time(record.utc),
            "state": record.state,
            "due_s": record.due_s,
            "message": record.message,
            "last_error": record.last_error,
        }
    )


@dataclass(frozen=True)
class JournalEntry:
    """One line of state/journal/*.jsonl: one publication, and everything needed to derive it again."""

    daemon: str
    generation: int
    timestamp: datetime
    body: Mapping[str, Any]


def parse_journal_entry(text: bytes, path: Path) -> JournalEntry:
    fields = Fields.parse(text, path)
    return JournalEntry(
        daemon=fields.text("daemon"),
        generation=fields.whole("generation"),
        timestamp=fields.time("timestamp"),
        body=fields.section("body").as_it_is(),
    )


def encode_journal_entry(record: JournalEntry) -> str:
    return encode_line(
        {
            "schema": SCHEMA_VERSION,
            "daemon": record.daemon,
            "generation": record.generation,
            "timestamp": format_time(record.timestamp),
            "body": record.body,
        }
    )
