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
    """The virtual book of one expert."""

    weights: Weights
    """In force on the first day after `Trust.last_day`, whenever that comes."""
    log_wealth: float
    """The logarithm of what one unit became over the live days, costs taken off."""


@dataclass(frozen=True)
class Held:
    """What the experts held on a day that is over."""

    day: date
    policy: Weights
    base: Weights


@dataclass(frozen=True)
class AccountPath:
    """What the policy's features remember of its own book."""

    log_wealth: float = 0.0
    log_peak: float = 0.0
    gains: float = 0.0
    variance: float = 0.0


@dataclass(frozen=True)
class Trust:
    """state/trust.json: both experts' books as they stood when the day `last_day` was over.

    `log_odds` is what trust follows from: it never exceeds the odds of the cap. `log_evidence` goes on without a cap:
    its exponential is the e-value of the policy against the base.
    """

    trust: float
    """The policy's share of what is published, as it follows from the odds."""
    log_odds: float
    log_evidence: float
    policy: Expert
    base: Expert
    blend_log_wealth: float
    account: AccountPath
    last_day: date | None
    live_after: date | None
    """Days up to this one move no trust: inference, or the model, has been in service only since."""
    live_days: int
    model: str
    """The sha256 of the checkpoint that said the policy's weights."""
    held: tuple[Held, ...] = ()
    """Oldest first, up to `last_day`: as far back as a position may have been opened that is not closed yet."""


def parse_trust(text: bytes, path: Path) -> Trust:
    fields = Fields.parse(text, path)
    account = fields.section("account")
    return Trust(
        trust=fields.number("trust", at_least=0, at_most=1),
        log_odds=fields.number("log_odds"),
        log_evidence=fields.number("log_evidence"),
        policy=_parse_expert(fields.section("policy")),
        base=_parse_expert(fields.section("base")),
        blend_log_wealth=fields.section("blend").number("log_wealth"),
        account=AccountPath(
            log_wealth=account.number("log_wealth"),
            log_peak=account.number("log_peak"),
            gains=account.number("gains"),
            variance=account.number("variance", at_least=0),
        ),
        last_day=fields.maybe_day("last_day"),
        live_after=fields.maybe_day("live_after"),
        live_days=fields.whole("live_days"),
        model=fields.text("model"),
        held=tuple(
            Held(
                day=day.day("day"),
                policy=day.section("policy").strategy_weights(),
                base=day.section("base").strategy_weights(),
            )
            for day in fields.sections("held")
        ),
    )


def _parse_expert(fields: Fields) -> Expert:
    return Expert(fields.section("weights").strategy_weights(), fields.number("log_wealth"))


def encode_trust(record: Trust) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "trust": record.trust,
            "log_odds": record.log_odds,
            "log_evidence": record.log_evidence,
            "live_days": record.live_days,
            "live_after": record.live_after and record.live_after.isoformat(),
            "last_day": record.last_day and record.last_day.isoformat(),
            "model": record.model,
            "policy": _expert(record.policy),
            "base": _expert(record.base),
            "blend": {"log_wealth": record.blend_log_wealth},
            "account": vars(record.account),
            "held": [
                {"day": held.day.isoformat(), "policy": by_name(held.policy), "base": by_name(held.base)}
                for held in record.held
            ],
        }
    )


def _expert(record: Expert) -> dict[str, Any]:
    return {"log_wealth": record.log_wealth, "weights": by_name(record.weights)}


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
