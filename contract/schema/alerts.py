"""What the webhook is told, and what it has been told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from contract.schema.fields import Fields, encode, format_time
from contract.schema.names import SCHEMA_VERSION

SOURCE_CHANGED = "source_changed"
BREAKER_CHANGED = "breaker_changed"
MODEL_EXAMINED = "model_examined"
DAEMON_STALE = "daemon_stale"
QUARANTINE_GREW = "quarantine_grew"
EVENTS = (SOURCE_CHANGED, BREAKER_CHANGED, MODEL_EXAMINED, DAEMON_STALE, QUARANTINE_GREW)
"""Each can be switched off by the setting of its name below `alerts`."""


@dataclass(frozen=True)
class Alert:
    """One message."""

    event: str
    timestamp: datetime
    message: str


def alert_values(alert: Alert) -> dict[str, Any]:
    """The body of the message; `text` is where chat programs look."""
    return {
        "schema": SCHEMA_VERSION,
        "event": alert.event,
        "timestamp": format_time(alert.timestamp),
        "text": alert.message,
    }


@dataclass(frozen=True)
class Seen:
    """What an alert can be about, as it stood at one moment; None and 0 where there was nothing."""

    source: str | None = None
    risk: str | None = None
    generation: int | None = None
    trainings: int = 0
    unwell: Mapping[str, str] | None = None
    """Programs that should run and do not, or hang: name to what is wrong. None where nobody looked."""
    quarantined: int = 0


@dataclass(frozen=True)
class AlertsState:
    """state/alerts.json: what was seen last, and the messages that have not been taken yet, oldest first."""

    seen: Seen
    waiting: tuple[Alert, ...] = ()


def parse_alerts_state(text: bytes, path: Path) -> AlertsState:
    fields = Fields.parse(text, path)
    seen = fields.section("seen")
    unwell = seen.section("unwell") if "unwell" in seen else None
    return AlertsState(
        seen=Seen(
            source=seen.text("source") if "source" in seen else None,
            risk=seen.text("risk") if "risk" in seen else None,
            generation=seen.maybe_whole("generation"),
            trainings=seen.whole("trainings"),
            unwell=None if unwell is None else {name: unwell.text(name) for name in unwell.values},
            quarantined=seen.whole("quarantined"),
        ),
        waiting=tuple(
            Alert(entry.choice("event", EVENTS), entry.time("timestamp"), entry.text("text"))
            for entry in fields.sections("waiting")
        ),
    )


def encode_alerts_state(record: AlertsState) -> bytes:
    unwell = record.seen.unwell
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "seen": vars(record.seen) | {"unwell": None if unwell is None else dict(unwell)},
            "waiting": [alert_values(alert) for alert in record.waiting],
        }
    )
