"""What the bridge publishes and what it keeps for whoever asks why: pure, from a decision and a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents.bridge_decision import Decision, Move, Told
from agents.bridge_keys import Shares, image
from contract.config import Config
from contract.schema.fields import Fields, by_name, format_time
from contract.schema.risk import Breaker
from contract.schema.weights import Allocations, Risk
from trading.risk import rules, suggested_exposure

_NO_TIME = datetime.min.replace(tzinfo=UTC)


def allocations(
    decision: Decision, breaker: Breaker, risk: Risk, shares: Shares | None, config: Config, now: datetime
) -> Allocations:
    """Without a generation. `shares` is None where the bot understands strategies."""
    weights, move = decision.told.weights, decision.told.move
    return Allocations(
        allocations=(shares and image(weights, shares)) or by_name(weights),
        source=decision.told.source,
        timestamp=now,
        valid_until=now + timedelta(seconds=config.bridge.valid_s),
        risk=risk,
        strategy_allocations=weights,
        considered=decision.considered,
        metadata={
            "source_generation": decision.reading.generation,
            "suggested_exposure": suggested_exposure(breaker.account.results, config.risk),
            "alerts": list(breaker.alerts),
            "move": move and {"from": by_name(move.start), "day": move.day},
        },
    )


def say_the_same(one: Allocations, other: Allocations) -> bool:
    """Whether nothing was decided between them: times pass by themselves."""
    return _timeless(one) == _timeless(other)


def _timeless(record: Allocations) -> Allocations:
    considered = tuple(replace(source, age_s=None) for source in record.considered)
    return replace(record, timestamp=_NO_TIME, valid_until=None, generation=None, considered=considered)


def told(record: Allocations, path: Path) -> Told:
    """What a bridge that starts takes up of what it finds published."""
    fields = Fields(record.metadata, path)
    move = None
    if "move" in fields:
        section = fields.section("move")
        move = Move(section.section("from").strategy_weights(), section.maybe_whole("day"))
    return Told(record.source, record.strategy_allocations, move)


def body(
    decision: Decision, breaker: Breaker, risk: Risk, shares: Shares | None, config: Config
) -> dict[str, Any]:
    """Of the journal's entry: `derive(proposal, moved_from, **bounds, turnover_limit)` gives the weights again, and
    `image(weights, shares)` the allocations."""
    reading, weights, account, trip = decision.reading, decision.told.weights, breaker.account, breaker.trip
    return {
        "source": reading.source,
        "source_generation": reading.generation,
        "source_timestamp": reading.timestamp and format_time(reading.timestamp),
        "source_sha256": reading.sha256,
        "proposal": by_name(reading.weights),
        "considered": [vars(source) for source in decision.considered],
        "bounds": vars(config.bounds),
        "turnover_limit": config.bridge.turnover_limit,
        "moved_from": decision.start and by_name(decision.start),
        "weights": by_name(weights),
        "shares": shares,
        "allocations": (shares and image(weights, shares)) or by_name(weights),
        "risk": vars(risk),
        "rules": [
            {"rule": rule.name, "value": rule.value, "limit": rule.limit} for rule in rules(account, config.risk)
        ],
        "trip": trip and vars(trip) | {"at": format_time(trip.at)},
        "halt": breaker.halt,
        "alerts": list(breaker.alerts),
        "suggested_exposure": suggested_exposure(account.results, config.risk),
        "account": account._asdict() | {"results": account.results._asdict()},
    }
