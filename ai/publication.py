"""What inference publishes, what it notes in its journal, and how the one is derived from the other again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ai.experts import BASE, POLICY, Decision, Settings, next_weights
from ai.feature_table import FEATURES
from ai.policy import Policy
from ai.smoothing import FloatArray
from ai.trust import Evidence, Terms, advantage, blend
from contract.book.daily import BookKind
from contract.book.reader import Input
from contract.config import Config
from contract.schema.fields import Fields, Weights, by_name, format_time
from contract.schema.model import Manifest
from contract.schema.names import STRATEGIES
from contract.schema.weights import RlWeights
from trading import simplex
from trading.rebalancing import Rules

_CHANGES_ANYWAY = ("input",)


class Told(NamedTuple):
    """What a decision was made with."""

    config: Config
    settings: Settings
    model: Manifest
    kind: BookKind
    input: Input


def publication(decision: Decision, told: Told, generation: int, now: datetime) -> RlWeights:
    weights = decision.published.tolist()
    metadata = {
        "top_strategy": STRATEGIES[int(np.argmax(weights))],
        "entropy": _entropy(weights),
        "deterministic": True,
        "sum": sum(weights),
        "trust": decision.trust,
        "e_value": decision.evidence.e_value,
        "live_days": decision.live_days,
        "last_day": decision.last_day and decision.last_day.isoformat(),
        "book": told.kind.value,
        "policy_weights": by_name(decision.weights[POLICY].tolist()),
        "base_weights": by_name(decision.weights[BASE].tolist()),
        "model": _model(told.model),
        "input": _input(told.input),
    }
    return _record(weights, True, metadata, told.config, generation, now)


def without_model(
    config: Config, reason: str, generation: int, now: datetime
) -> tuple[RlWeights, Mapping[str, Any]]:
    """The base alone, and its journal entry: the bridge passes over it, and whoever looks sees why."""
    weights = base_of(config)
    metadata = {
        "top_strategy": STRATEGIES[weights.index(max(weights))],
        "entropy": _entropy(weights),
        "trust": 0.0,
        "base_weights": by_name(weights),
        "model": None,
        "reason": reason,
    }
    body = {"weights": by_name(weights), "model": None, "reason": reason}
    return _record(weights, False, metadata, config, generation, now), body


def base_of(config: Config) -> list[float]:
    """What the base holds (8,), within the bounds."""
    return simplex.project(config.trust.base_weights, config.bounds.floor, config.bounds.cap)


def says_the_same(one: RlWeights | None, other: RlWeights) -> bool:
    """Whether nothing changed but the time, and the input that led to the same."""
    return one is not None and _content(one) == _content(other)


def journal_body(decision: Decision, told: Told) -> dict[str, Any]:
    """All that the publication follows from, so that it can be derived again."""
    settings = told.settings
    return {
        "weights": by_name(decision.published.tolist()),
        "trust": decision.trust,
        "policy_weights": by_name(decision.weights[POLICY].tolist()),
        "base_weights": by_name(decision.weights[BASE].tolist()),
        "model": _model(told.model),
        "input": {**_input(told.input), "marks": told.input.marks},
        "book": told.kind.value,
        "last_day": decision.last_day and decision.last_day.isoformat(),
        "features": dict(zip(FEATURES, decision.features.tolist(), strict=True)),
        "in_force": {
            "policy": by_name(decision.in_force[POLICY].tolist()),
            "base": by_name(decision.in_force[BASE].tolist()),
        },
        "base": by_name(settings.base.tolist()),
        "rules": settings.rules._asdict(),
        "terms": settings.terms._asdict(),
        "known_before": decision.known_before._asdict(),
        "evidence": decision.evidence._asdict(),
        "is_live": decision.is_live,
        "net": {"policy": float(decision.net[POLICY]), "base": float(decision.net[BASE])},
    }


def differences(body: Mapping[str, Any], policy: Policy, path: Path) -> list[str]:
    """Where a noted publication is not what follows from its noted features, weights and evidence; to the last bit."""
    noted = Fields(body, path)
    rules, terms = Rules(**noted.section("rules").numbers()), Terms(**noted.section("terms").numbers())
    features = np.array([noted.section("features").number(name) for name in FEATURES])
    held = noted.section("in_force")
    in_force = np.stack([_weights(held, name) for name in ("policy", "base")])
    evidence = Evidence(**noted.section("known_before").numbers())
    net = noted.section("net")
    if noted.flag("is_live"):
        evidence = evidence.after(advantage(net.number("policy"), net.number("base")), terms)
    weights = next_weights(policy, _weights(noted, "base"), features, in_force, rules)
    trust = evidence.trust(terms)
    derived = {
        "policy_weights": weights[POLICY],
        "base_weights": weights[BASE],
        "weights": blend(trust, weights[POLICY], weights[BASE], rules.floor, rules.cap),
    }
    found = [
        f"{name}: {strategy} is {was!r} and follows as {now!r}"
        for name, values in derived.items()
        for strategy, was, now in zip(STRATEGIES, _weights(noted, name).tolist(), values.tolist(), strict=True)
        if was != now
    ]
    numbers = {"trust": (noted.number("trust"), trust)} | {
        name: (noted.section("evidence").number(name), value) for name, value in evidence._asdict().items()
    }
    return found + [f"{name} is {was!r} and follows as {now!r}" for name, (was, now) in numbers.items() if was != now]


def _record(
    weights: list[float], model_loaded: bool, metadata: dict[str, Any], config: Config, generation: int, now: datetime
) -> RlWeights:
    until = now + timedelta(seconds=3.0 * config.inference.interval_s)
    return RlWeights(tuple(weights), now, until, model_loaded, generation, metadata)


def _content(record: RlWeights) -> tuple[Weights, bool, dict[str, Any]]:
    kept = {name: value for name, value in record.metadata.items() if name not in _CHANGES_ANYWAY}
    return record.weights, record.model_loaded, kept


def _model(manifest: Manifest) -> dict[str, Any]:
    return {
        "sha256": manifest.sha256,
        "generation": manifest.generation,
        "trained_at": format_time(manifest.trained_at),
    }


def _input(made_of: Input) -> dict[str, Any]:
    last = made_of.last_timestamp
    return {"rows": made_of.rows, "last_timestamp": last and format_time(last), "sha256": made_of.sha256}


def _weights(fields: Fields, name: str) -> FloatArray:
    return np.array(fields.section(name).strategy_weights())


def _entropy(weights: list[float]) -> float:
    return -sum(weight * log(weight) for weight in weights if weight > 0.0)
