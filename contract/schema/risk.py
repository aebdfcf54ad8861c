"""What the guards remember: the breaker's state, its events, and the operator's request to resume."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from contract.schema.fields import Fields, encode, encode_line, format_time
from contract.schema.names import SCHEMA_VERSION
from contract.schema.weights import RISK_STATES, Risk

TRIP, RESUME, ALERT = "trip", "resume", "alert"
EVENT_KINDS = (TRIP, RESUME, ALERT)


@dataclass(frozen=True)
class BreakerState:
    """state/risk_state.json: what the breaker must know of the past, so that a restart changes nothing."""

    risk: Risk
    peak_equity: float
    week_equity: float
    day_equity: float
    losing_days: int
    last_day: date | None
    tripped_at: datetime | None = None


def parse_breaker_state(text: bytes, path: Path) -> BreakerState:
    fields = Fields.parse(text, path)
    return BreakerState(
        risk=Risk(
            fields.choice("state", RISK_STATES), fields.number("scale", at_least=0, at_most=1), fields.text("reason")
        ),
        peak_equity=fields.number("peak_equity"),
        week_equity=fields.number("week_equity"),
        day_equity=fields.number("day_equity"),
        losing_days=fields.whole("losing_days"),
        last_day=fields.maybe_day("last_day"),
        tripped_at=fields.maybe_time("tripped_at"),
    )


def encode_breaker_state(record: BreakerState) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "state": record.risk.state,
            "scale": record.risk.scale,
            "reason": record.risk.reason,
            "peak_equity": record.peak_equity,
            "week_equity": record.week_equity,
            "day_equity": record.day_equity,
            "losing_days": record.losing_days,
            "last_day": None if record.last_day is None else record.last_day.isoformat(),
            "tripped_at": None if record.tripped_at is None else format_time(record.tripped_at),
        }
    )


@dataclass(frozen=True)
class RiskEvent:
    """One line of state/risk_events.jsonl."""

    timestamp: datetime
    kind: str
    rule: str
    value: float
    threshold: float
    reason: str


def parse_risk_event(text: bytes, path: Path) -> RiskEvent:
    fields = Fields.parse(text, path)
    return RiskEvent(
        timestamp=fields.time("timestamp"),
        kind=fields.choice("kind", EVENT_KINDS),
        rule=fields.text("rule"),
        value=fields.number("value"),
        threshold=fields.number("threshold"),
        reason=fields.maybe_text("reason"),
    )


def encode_risk_event(record: RiskEvent) -> str:
    return encode_line(
        {
            "schema": SCHEMA_VERSION,
            "timestamp": format_time(record.timestamp),
            "kind": record.kind,
            "rule": record.rule,
            "value": record.value,
            "threshold": record.threshold,
            "reason": record.reason,
        }
    )


@dataclass(frozen=True)
class ResumeRequest:
    """runtime/resume.json: an operator asks the bridge to end a halt."""

    timestamp: datetime
    reason: str


def parse_resume_request(text: bytes, path: Path) -> ResumeRequest:
    fields = Fields.parse(text, path)
    return ResumeRequest(fields.time("timestamp"), fields.text("reason"))


def encode_resume_request(record: ResumeRequest) -> bytes:
    values = {"schema": SCHEMA_VERSION, "timestamp": format_time(record.timestamp), "reason": record.reason}
    return encode(values)
