"""Everything that can be wrong with the policy's file, and what the bridge must say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from agents.bridge_sources import COLLAPSED, FUTURE, MISSING, NO_MODEL, STALE, UNUSABLE
from contract.schema.fields import by_name, format_time
from contract.schema.names import STRATEGIES, Root
from support.bridge_world import EIGHT, EQUAL, rl


class Broken(NamedTuple):
    do: Callable[[Root, datetime], object]
    verdict: str
    reason: str


def fields(**changes: Any) -> Callable[[Root, datetime], object]:
    return lambda root, now: rl(root, now=now, **changes)


def aged(hours: float, **changes: Any) -> Callable[[Root, datetime], object]:
    return lambda root, now: rl(root, now=now + timedelta(hours=hours), **changes)


def text(content: bytes) -> Callable[[Root, datetime], object]:
    return lambda root, now: put(root, content)


def put(root: Root, content: bytes) -> None:
    """At once, so that what the bridge finds is this and not the beginning of it."""
    beside = root.rl_weights.with_name("beside")
    beside.write_bytes(content)
    beside.replace(root.rl_weights)


def first(weight: Any) -> dict[str, Any]:
    return {**by_name(EQUAL), STRATEGIES[0]: weight}


def torn(root: Root, now: datetime) -> None:
    content = root.rl_weights.read_bytes()
    put(root, content[: len(content) // 2])


def a_directory(root: Root, now: datetime) -> None:
    root.rl_weights.unlink()
    root.rl_weights.mkdir()


def expired(root: Root, now: datetime) -> None:
    rl(root, now=now - timedelta(minutes=20))


HUGE_NUMBER = json.dumps({"weights": first(0)}).replace(": 0,", ": 1e400,").encode()
ONE_HOT = by_name([float(place == 0) for place in EIGHT])

BROKEN: dict[str, Broken] = {
    "missing": Broken(lambda root, now: root.rl_weights.unlink(), MISSING, "does not exist"),
    "stale by its own word": Broken(expired, STALE, "valid until"),
    "stale without a word": Broken(aged(-1, valid_until=None), STALE, "good for 900 s"),
    "from the future": Broken(aged(1), FUTURE, "of 20"),
    "no model": Broken(fields(model_loaded=False), NO_MODEL, "no model was loaded"),
    "collapsed": Broken(fields(weights=ONE_HOT), COLLAPSED, "1.00 effective strategies"),
    "NaN": Broken(fields(weights=first(float("nan"))), UNUSABLE, "is NaN"),
    "infinite": Broken(fields(weights=first(float("inf"))), UNUSABLE, "is Infinity"),
    "huge number": Broken(text(HUGE_NUMBER), UNUSABLE, "turtle_trading is Infinity"),
    "sum of huge numbers": Broken(fields(weights=dict.fromkeys(STRATEGIES, 1e308)), UNUSABLE, "the sum is inf"),
    "negative": Broken(fields(weights=first(-0.1)), UNUSABLE, "is -0.1"),
    "text for a weight": Broken(fields(weights=first("0.1")), UNUSABLE, 'is "0.1"'),
    "all zero": Broken(fields(weights=dict.fromkeys(STRATEGIES, 0)), UNUSABLE, "the sum is 0"),
    "wrong names": Broken(fields(weights=dict.fromkeys("abcdefgh", 0.125)), UNUSABLE, "'turtle_trading' is missing"),
    "seven strategies": Broken(fields(weights=dict(list(ONE_HOT.items())[:7])), UNUSABLE, "'vix_strategy' is missing"),
    "nine strategies": Broken(fields(weights={**ONE_HOT, "ninth": 0.1}), UNUSABLE, '"ninth" is no strategy'),
    "empty": Broken(text(b""), UNUSABLE, "is empty"),
    "torn": Broken(torn, UNUSABLE, "is not valid JSON"),
    "NULs": Broken(text(b"\0" * 4096), UNUSABLE, "is not valid JSON"),
    "nested without end": Broken(text(b"[" * 100_000), UNUSABLE, "nested too deeply"),
    "a list": Broken(text(b"[]"), UNUSABLE, "holds a list"),
    "huge file": Broken(text(b" " * (17 << 20)), UNUSABLE, "is larger than"),
    "no time": Broken(fields(timestamp=None), UNUSABLE, "timestamp is null"),
    "beyond the calendar": Broken(fields(timestamp="0001-01-01T00:00:00+23:00"), UNUSABLE, "timestamp is"),
    "year 1": Broken(fields(timestamp="0001-01-01T00:00:00Z", valid_until=None), STALE, "of 0001-01-01"),
    "year 9999": Broken(fields(timestamp=format_time(datetime.fromisoformat("9999-12-31T00Z"))), FUTURE, "of 9999"),
    "a directory": Broken(a_directory, UNUSABLE, "is not a plain file"),
}
