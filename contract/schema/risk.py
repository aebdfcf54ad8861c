"""What the guards remember: the breaker with the account as it sees it, its events, and the request to resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from contract.schema.fields import Fields, encode, encode_line, format_time
from contract.schema.names import SCHEMA_VERSION

TRIP, RESUME, ALERT = "trip", "resume", "alert"
EVENT_KINDS = (TRIP, RESUME, ALERT)


class Results(NamedTuple):
    """What the trades came to. A trade is a row with a pnl that is not 0."""

    trades: int = 0
    wins: int = 0
    won: float = 0.0
    lost: float = 0.0
    """Both as positive amounts."""
    losing: int = 0
    """Losing trades in a row, up to the last."""
    recent: str = ""
    """The last of them, oldest first: `w` or `l`."""


class Account(NamedTuple):
    """The account as its rows tell it. Days are counted since 1970-01-01, times in microseconds, UTC."""

    equity: float
    day_open: float
    """Equity when the latest account day began, or at the last resume where that came later; so the next two."""
    week_open: float
    peak: float
    losing_days: int = 0
    """In a row, up to the last day that is over."""
    day: int | None = None
    time_us: int | None = None
    """Of the latest row."""
    since_us: int | None = None
    """Losses of rows up to this time are history, and trip nothing."""
    meeting: bool = False
    """Whether this history is being read for the first time."""
    stated: bool = False
    """Whether rows have stated the equity, so that it need not be summed up."""
    results: Results = Results()


@dataclass(frozen=True)
class Trip:
    """Why the breaker is open."""

    rule: str
    value: float
    threshold: float
    reason: str
    at: datetime


@dataclass(frozen=True)
class Breaker:
    """`halt` is what stands in runtime/HALT, and None without that file."""

    account: Account
    trip: Trip | None = None
    halt: str | None = None
    alerts: tuple[str, ...] = ()
    """The rules that warn now."""
    recorded: tuple[str, ...] = ()
    """Those of which an alert was recorded on `recorded_day`, a day of the account."""
    recorded_day: int | None = None


@dataclass(frozen=True)
class RiskState:
    """state/risk_state.json: the breaker, and where in the history it stands, so that no row counts twice."""

    breaker: Breaker
    position: Mapping[str, Any] | None
    """As `contract.tail.Position` writes itself."""
    ids: tuple[str, ...] = ()
    """Of the last rows before it, in case they are repeated."""


def parse_risk_state(text: bytes, path: Path) -> RiskState:
    fields = Fields.parse(text, path)
    position = fields.maybe_section("position").as_it_is()
    return RiskState(
        breaker=Breaker(
            account=_parse_account(fields.section("account")),
            trip=_parse_trip(fields.section("trip")) if "trip" in fields else None,
            halt=fields.text("halt") if "halt" in fields else None,
            alerts=fields.texts("alerts"),
            recorded=fields.texts("recorded"),
            recorded_day=_maybe_signed(fields, "recorded_day"),
        ),
        position=position or None,
        ids=fields.texts("ids"),
    )


def _parse_account(fields: Fields) -> Account:
    results = fields.section("results")
    return Account(
        equity=fields.number("equity"),
        day_open=fields.number("day_open"),
        week_open=fields.number("week_open"),
        peak=fields.number("peak"),
        losing_days=fields.whole("losing_days"),
        day=_maybe_signed(fields, "day"),
        time_us=_maybe_signed(fields, "time_us"),
        since_us=_maybe_signed(fields, "since_us"),
        meeting=fields.flag("meeting"),
        stated=fields.flag("stated"),
        results=Results(
            trades=results.whole("trades"),
            wins=results.whole("wins"),
            won=results.number("won", at_least=0),
            lost=results.number("lost", at_least=0),
            losing=results.whole("losing"),
            recent=results.text("recent"),
        ),
    )


def _maybe_signed(fields: Fields, name: str) -> int | None:
    """Times before 1970 are negative."""
    return fields.whole(name, at_least=-(1 << 63)) if name in fields else None


def _parse_trip(fields: Fields) -> Trip:
    return Trip(
        rule=fields.text("rule"),
        value=fields.number("value"),
        threshold=fields.number("threshold"),
        reason=fields.text("reason"),
        at=fields.time("at"),
    )


def encode_risk_state(record: RiskState) -> bytes:
    breaker, trip = record.breaker, record.breaker.trip
    account = breaker.account._asdict() | {"results": breaker.account.results._asdict()}
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "trip": trip and vars(trip) | {"at": format_time(trip.at)},
            "halt": breaker.halt,
            "alerts": list(breaker.alerts),
            "recorded": list(breaker.recorded),
            "recorded_day": breaker.recorded_day,
            "account": account,
            "position": record.position,
            "ids": list(record.ids),
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
