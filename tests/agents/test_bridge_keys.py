"""Symbols as the ancestor's bot takes them, by a reader written from its rule."""

from __future__ import annotations

import argparse
import logging
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from support.bridge_world import EQUAL, SKEWED, trade

from agents.bridge_keys import Traded, accepted, are_known, image
from contract.config import Config
from contract.daemon import Context
from contract.log import Log
from contract.schema.names import STRATEGIES, Root
from contract.system import OperatingSystem

WORDS = "trading strategy reversion momentum breakout bollinger vix pairs turtle macd".split()


def bot_takes(allocations: dict[str, float]) -> dict[str, float]:
    """The ancestor's `load_allocations`: no renormalisation, no numeric check."""
    kept = {}
    for key, value in allocations.items():
        if any(word in key.lower() for word in WORDS):
            continue
        if "-" in key or (key == key.upper() and key != key.lower() and len(key) <= 5):
            kept[key] = value
    return kept


symbols = st.sampled_from(["SPY", "BTC-USD", "GC=F", "BRK-B", "QQQ", "^VIX", "VIXY", "MACD", "spy", "GOOGLE", "a-b"])
names = symbols | st.text(max_size=8)
divisions = st.dictionaries(
    st.sampled_from(STRATEGIES), st.dictionaries(names, st.floats(0, 1e300), max_size=5), max_size=8
)
proposals = st.tuples(*[st.floats(0.02, 1)] * 8).map(lambda found: tuple(w / sum(found) for w in found))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(proposals, divisions)
def test_what_is_told_is_taken_as_it_is_and_sums_to_one(
    weights: tuple[float, ...], shares: dict[str, dict[str, float]]
) -> None:
    told = image(weights, shares)
    assert bool(told) == are_known(shares)
    assert bot_takes(told) == told
    assert not told or abs(sum(told.values()) - 1) < 1e-9
    assert all(weight >= 0 for weight in told.values())


@given(names)
@settings(derandomize=True, max_examples=300)
def test_what_the_bot_drops_is_known(symbol: str) -> None:
    assert accepted(symbol) == (bot_takes({symbol: 1.0}) != {})


def test_a_weight_is_divided_by_the_shares() -> None:
    shares = {name: {"SPY": 3.0, "GLD": 1.0} if name == STRATEGIES[0] else {"BTC-USD": 5.0} for name in STRATEGIES}
    assert image(SKEWED, shares) == {"BTC-USD": approx(0.7), "GLD": approx(0.075), "SPY": approx(0.225)}


def test_a_strategy_of_which_nothing_is_known_does_as_the_others() -> None:
    shares = {STRATEGIES[0]: {"SPY": 1.0, "^VIX": 9.0}, STRATEGIES[1]: {"GLD": 2.0}}
    assert image(SKEWED, shares) == {"SPY": approx(0.3 + 0.25), "GLD": approx(0.2 + 0.25)}


@settings(derandomize=True, deadline=None, max_examples=100)
@given(proposals, proposals, divisions)
def test_the_image_is_linear(
    one: tuple[float, ...], other: tuple[float, ...], shares: dict[str, dict[str, float]]
) -> None:
    middle = tuple((a + b) / 2 for a, b in zip(one, other, strict=True))
    ends = [image(weights, shares) for weights in (one, other)]
    assert image(middle, shares) == {key: approx((ends[0][key] + ends[1][key]) / 2) for key in ends[0]}


def test_the_ancestors_own_names_are_never_told() -> None:
    assert bot_takes(dict.fromkeys(STRATEGIES, 0.125)) == {}
    assert image(EQUAL, {STRATEGIES[0]: dict.fromkeys(STRATEGIES, 1.0)}) == {}


# What was traded lately.


def test_what_was_traded_lately_is_what_counts(tmp_path: Path) -> None:
    root = Root(tmp_path)
    context = Context(root, Config(), OperatingSystem(), Log(logging.Logger("bridge")), argparse.Namespace())
    traded = Traded(context)
    assert traded.shares(context) == {}

    def day_of_trades(day: int, symbol: str, strategy: str = STRATEGIES[0], **columns: object) -> None:
        when = f"{date(2026, 1, 5) + timedelta(days=day)}T12:00:00Z"
        trade(root, when, 1.0, **{"strategy": strategy, "symbol": symbol, "qty": -2, "price": 50, **columns})

    day_of_trades(0, "OLD")
    for day in range(1, 90):
        day_of_trades(day, "SPY")
    day_of_trades(89, "GLD", qty="", price=9)  # a row without a size says nothing
    assert traded.shares(context) == {STRATEGIES[0]: {"OLD": 100.0, "SPY": 8900.0}}
    day_of_trades(90, "QQQ", STRATEGIES[1])
    assert traded.shares(context) == {STRATEGIES[0]: {"SPY": 8900.0}, STRATEGIES[1]: {"QQQ": 100.0}}
    lines = root.pnl_history.read_text().splitlines(keepends=True)
    root.pnl_history.write_text("".join([lines[0], *lines[-1:]]))
    assert traded.shares(context) == {STRATEGIES[1]: {"QQQ": 100.0}}
