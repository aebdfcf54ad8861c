"""What is believed of the policy and why: trust, and the performance report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from contract.schema.fields import Fields, Weights, by_name, encode, format_time
from contract.schema.names import SCHEMA_VERSION

BETTER, NOT_PROVEN, WORSE = "RL beats equal weight", "not proven", "RL is worse"
VERDICTS = (BETTER, NOT_PROVEN, WORSE)


@dataclass(frozen=True)
class Expert:
    """The virtual book of one expert: what one unit became, and the weights that its next day starts from."""

    wealth: float
    weights: Weights


@dataclass(frozen=True)
class Trust:
    """state/trust.json. `log_odds` is uncapped: its exponential is the e-value of the policy against the base."""

    trust: float
    log_odds: float
    policy: Expert
    base: Expert
    last_day: date | None
    days: int


def parse_trust(text: bytes, path: Path) -> Trust:
    fields = Fields.parse(text, path)
    return Trust(
        trust=fields.number("trust", at_least=0, at_most=1),
        log_odds=fields.number("log_odds"),
        policy=_parse_expert(fields.section("policy")),
        base=_parse_expert(fields.section("base")),
        last_day=fields.maybe_day("last_day"),
        days=fields.whole("days"),
    )


def _parse_expert(fields: Fields) -> Expert:
    return Expert(fields.number("wealth", at_least=0), fields.section("weights").strategy_weights())


def encode_trust(record: Trust) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "trust": record.trust,
            "log_odds": record.log_odds,
            "policy": {"wealth": record.policy.wealth, "weights": by_name(record.policy.weights)},
            "base": {"wealth": record.base.wealth, "weights": by_name(record.base.weights)},
            "last_day": None if record.last_day is None else record.last_day.isoformat(),
            "days": record.days,
        }
    )


@dataclass(frozen=True)
class Report:
    """state/rl_performance_report.json: the verdict, and the body that people and other programs read."""

    timestamp: datetime
    verdict: str
    body: Mapping[str, Any]


def parse_report(text: bytes, path: Path) -> Report:
    fields = Fields.parse(text, path)
    return Report(
        timestamp=fields.time("timestamp"),
        verdict=fields.choice("verdict", VERDICTS),
        body=fields.as_it_is("schema", "timestamp", "verdict"),
    )


def encode_report(record: Report) -> bytes:
    head = {"schema": SCHEMA_VERSION, "timestamp": format_time(record.timestamp), "verdict": record.verdict}
    return encode({**head, **record.body})
