"""The files that carry weights: the three sources, what the bot reads, and the history of what it was told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from contract.errors import BadInput
from contract.schema.fields import Fields, Weights, by_name, encode, format_time
from contract.schema.names import RL_INFERENCE, SCHEMA_VERSION, SOURCES

ACTIVE, REDUCING, HALTED = "ACTIVE", "REDUCING", "HALTED"
RISK_STATES = (ACTIVE, REDUCING, HALTED)


@dataclass(frozen=True)
class RlWeights:
    """runtime/rl_strategy_weights.json: inference proposes. The ancestor's lacks `valid_until` and `generation`."""

    weights: Weights
    timestamp: datetime
    valid_until: datetime | None
    model_loaded: bool
    generation: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def parse_rl_weights(text: bytes, path: Path) -> RlWeights:
    fields = Fields.parse(text, path)
    return RlWeights(
        weights=fields.section("weights").strategy_weights(),
        timestamp=fields.time("timestamp"),
        valid_until=fields.maybe_time("valid_until"),
        model_loaded=fields.flag("model_loaded"),
        generation=fields.maybe_whole("generation"),
        metadata=fields.maybe_section("metadata").as_it_is(),
    )


def encode_rl_weights(record: RlWeights) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "weights": by_name(record.weights),
            "source": RL_INFERENCE,
            "timestamp": format_time(record.timestamp),
            "valid_until": None if record.valid_until is None else format_time(record.valid_until),
            "model_loaded": record.model_loaded,
            "generation": record.generation,
            "metadata": record.metadata,
        }
    )


@dataclass(frozen=True)
class OptimizerWeights:
    """state/allocations.json: the portfolio optimizer proposes, in strategies (ours) or symbols (the ancestor's)."""

    weights: Mapping[str, float]
    method: str
    timestamp: datetime
    expected_return: float | None = None
    expected_volatility: float | None = None
    expected_sharpe: float | None = None
    reason: str = ""


def parse_optimizer_weights(text: bytes, path: Path) -> OptimizerWeights:
    fields = Fields.parse(text, path)
    return OptimizerWeights(
        weights=fields.section("weights").shares(),
        method=fields.maybe_text("method", "unknown"),
        timestamp=fields.time("timestamp"),
        expected_return=fields.maybe_number("expected_return"),
        expected_volatility=fields.maybe_number("expected_volatility"),
        expected_sharpe=fields.maybe_number("expected_sharpe"),
        reason=fields.maybe_text("reason"),
    )


def encode_optimizer_weights(record: OptimizerWeights) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "weights": dict(record.weights),
            "method": record.method,
            "timestamp": format_time(record.timestamp),
            "expected_return": record.expected_return,
            "expected_volatility": record.expected_volatility,
            "expected_sharpe": record.expected_sharpe,
            # Which the ancestor's dashboard shows: nothing is held back, and nothing compared with.
            "risk_budget": 1.0,
            "risk_free_rate": 0.0,
            "reason": record.reason,
        }
    )


@dataclass(frozen=True)
class LabWeights:
    """runtime/strategy_weights.json: what the strategy lab wrote, or a person typed in. The ancestor's has no time."""

    weights: Mapping[str, float]
    timestamp: datetime | None = None
    writer: str = ""
    """The program that wrote it; empty for a person, also for one who changed a program's weights and left its name."""
    reason: str = ""


def parse_lab_weights(text: bytes, path: Path) -> LabWeights:
    """`{"weights": {name: number}}`, or the names and numbers alone."""
    fields = Fields.parse(text, path)
    if "weights" not in fields:
        return LabWeights(fields.shares())
    weights = fields.section("weights").shares()
    untouched = fields.maybe_text("seal") == _seal(weights)
    return LabWeights(
        weights=weights,
        timestamp=fields.maybe_time("timestamp"),
        writer=fields.maybe_text("writer") if untouched else "",
        reason=fields.maybe_text("reason"),
    )


def encode_lab_weights(record: LabWeights) -> bytes:
    values: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "weights": dict(record.weights),
        "timestamp": None if record.timestamp is None else format_time(record.timestamp),
        "reason": record.reason,
    }
    if record.writer:
        values |= {"writer": record.writer, "seal": _seal(record.weights)}
    return encode(values)


def _seal(weights: Mapping[str, float]) -> str:
    """By which a program knows weights that it wrote from those that somebody changed afterwards."""
    return hashlib.sha256(repr(sorted((name, float(weight)) for name, weight in weights.items())).encode()).hexdigest()


@dataclass(frozen=True)
class Risk:
    """What the guards say of the account: `scale` is advice on exposure, 1 to 0, and never multiplied into weights."""

    state: str = ACTIVE
    scale: float = 1.0
    reason: str = ""


@dataclass(frozen=True)
class Considered:
    """One source that the bridge looked at, and why it was taken or passed over."""

    source: str
    verdict: str
    reason: str
    age_s: float | None = None


@dataclass(frozen=True)
class Allocations:
    """runtime/allocations_override.json: what the bot reads. `allocations` has the keys that the bot understands."""

    allocations: Mapping[str, float]
    source: str
    timestamp: datetime
    valid_until: datetime | None
    risk: Risk
    strategy_allocations: Weights
    considered: tuple[Considered, ...] = ()
    generation: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def parse_allocations(text: bytes, path: Path) -> Allocations:
    fields = Fields.parse(text, path)
    risk = fields.section("risk")
    metadata = fields.maybe_section("metadata")
    return Allocations(
        allocations=fields.section("allocations").shares(),
        source=fields.choice("source", SOURCES),
        timestamp=fields.time("timestamp"),
        valid_until=fields.maybe_time("valid_until"),
        risk=Risk(
            risk.choice("state", RISK_STATES), risk.number("scale", at_least=0, at_most=1), risk.maybe_text("reason")
        ),
        strategy_allocations=fields.section("strategy_allocations").strategy_weights(),
        considered=tuple(
            Considered(c.text("source"), c.text("verdict"), c.maybe_text("reason"), c.maybe_number("age_s"))
            for c in metadata.sections("considered")
        ),
        generation=metadata.maybe_whole("generation"),
        metadata=metadata.as_it_is("considered", "generation"),
    )


def encode_allocations(record: Allocations) -> bytes:
    if abs(sum(record.strategy_allocations) - 1.0) > 1e-9:
        raise BadInput(f"strategy weights sum to {sum(record.strategy_allocations)!r}", hint="project them first")
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "allocations": dict(record.allocations),
            "source": record.source,
            "timestamp": format_time(record.timestamp),
            "valid_until": None if record.valid_until is None else format_time(record.valid_until),
            "risk": {"state": record.risk.state, "scale": record.risk.scale, "reason": record.risk.reason},
            "strategy_allocations": by_name(record.strategy_allocations),
            "metadata": {
                "generation": record.generation,
                "considered": [vars(source) for source in record.considered],
                **record.metadata,
            },
        }
    )


@dataclass(frozen=True)
class PublishedWeights:
    """One entry of the weight history."""

    timestamp: datetime
    weights: Weights
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightHistory:
    """state/rl_weight_history.json: the last weights published, oldest first."""

    history: tuple[PublishedWeights, ...]
    last_update: datetime | None


def parse_weight_history(text: bytes, path: Path) -> WeightHistory:
    fields = Fields.parse(text, path)
    return WeightHistory(
        history=tuple(
            PublishedWeights(
                entry.time("timestamp"),
                entry.section("weights").strategy_weights(),
                entry.maybe_section("metadata").as_it_is(),
            )
            for entry in fields.sections("history")
        ),
        last_update=fields.maybe_time("last_update"),
    )


def encode_weight_history(record: WeightHistory) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "history": [
                {
                    "timestamp": format_time(entry.timestamp),
                    "weights": by_name(entry.weights),
                    "metadata": entry.metadata,
                }
                for entry in record.history
            ],
            "last_update": None if record.last_update is None else format_time(record.last_update),
        }
    )
