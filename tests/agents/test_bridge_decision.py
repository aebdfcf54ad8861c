"""Every proposal becomes weights that may be published, and a change of source is a walk."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bridge_world import EIGHT, EQUAL, RISKY, SKEWED

from agents.bridge_decision import CHOSEN, RESERVE, Move, Told, decide, derive
from agents.bridge_sources import MISSING, USABLE, Reading
from contract.schema.fields import Weights
from contract.schema.names import EQUAL_WEIGHT, PORTFOLIO_OPTIMIZER, RL_INFERENCE, STRATEGY_LAB

FLOOR, CAP, LIMIT = 0.02, 0.35, 0.5
few = settings(derandomize=True, deadline=None, max_examples=100)
proposals = st.tuples(*[st.floats(0, 1e6)] * 8).filter(lambda found: sum(found) > 0)


def good(source: str, weights: Weights = SKEWED) -> Reading:
    return Reading(source, USABLE, "", 1.0, weights)


def gone(source: str) -> Reading:
    return Reading(source, MISSING, "does not exist")


def may_be_published(weights: Weights) -> bool:
    return all(FLOOR <= weight <= CAP for weight in weights) and abs(sum(weights) - 1) < 1e-9


def distance(one: Weights, other: Weights) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def one_hot(place: int) -> Weights:
    return tuple(float(place == other) for other in EIGHT)


EDGES: dict[str, list[Weights]] = {
    "one-hot": [one_hot(place) for place in EIGHT],
    "two-hot": [tuple((a + b) / 2 for a, b in zip(one_hot(i), one_hot(j), strict=True)) for i in EIGHT for j in EIGHT],
    "uniform": [EQUAL, (1.0,) * 8, (1e-300,) * 8, (1e300,) * 8],
}


@pytest.mark.parametrize("name", EDGES)
def test_the_edges_may_be_published(name: str) -> None:
    for proposal in EDGES[name]:
        assert may_be_published(derive(proposal, None, FLOOR, CAP, LIMIT))


def test_a_hundred_thousand_proposals_may_be_published(seed: int) -> None:
    chance = random.Random(seed)
    shapes: list[Callable[[], float]] = [
        chance.random,
        lambda: chance.expovariate(1) ** 4,
        lambda: float(chance.random() < 0.3),
    ]
    previous: Weights = EQUAL
    for number in range(100_000):
        shape = chance.choice(shapes)
        proposal = tuple(shape() for _ in EIGHT)
        start = previous if number % 4 == 0 else None
        previous = derive(proposal, start, FLOOR, CAP, LIMIT)
        assert may_be_published(previous), proposal


def test_the_first_that_can_be_believed_is_chosen() -> None:
    names = (RL_INFERENCE, PORTFOLIO_OPTIMIZER, STRATEGY_LAB)
    for first in range(4):
        readings = [gone(name) if place < first else good(name) for place, name in enumerate(names)]
        decision = decide(readings, None, None, FLOOR, CAP, LIMIT)
        expected = [MISSING] * first + [CHOSEN] + [RESERVE] * (3 - first)
        assert [source.verdict for source in decision.considered] == expected
        assert decision.told.source == (*names, EQUAL_WEIGHT)[first]
    assert decision.told.weights == EQUAL


@few
@given(proposals, proposals)
def test_the_limit_binds_only_where_the_source_changes(one: Weights, other: Weights) -> None:
    first = decide([good(RL_INFERENCE, one)], None, 5, FLOOR, CAP, LIMIT)
    same = decide([good(RL_INFERENCE, other)], first.told, 5, FLOOR, CAP, LIMIT)
    assert same.start is None and same.told.weights == derive(other, None, FLOOR, CAP, LIMIT)
    changed = decide([good(STRATEGY_LAB, other)], first.told, 5, FLOOR, CAP, LIMIT)
    assert distance(changed.told.weights, first.told.weights) <= LIMIT + 1e-9
    assert changed.start == first.told.weights
    again = decide([good(STRATEGY_LAB, other)], changed.told, 5, FLOOR, CAP, LIMIT)
    assert again.told == changed.told  # within a day, however often it is decided


@few
@given(proposals, proposals)
def test_a_step_a_day_arrives(one: Weights, other: Weights) -> None:
    told = decide([good(RL_INFERENCE, one)], None, 0, FLOOR, CAP, LIMIT).told
    target = derive(other, None, FLOOR, CAP, LIMIT)
    for day in range(1, 6):  # no two weights are further apart than 2
        before, told = told, decide([good(STRATEGY_LAB, other)], told, day, FLOOR, CAP, LIMIT).told
        assert distance(told.weights, before.weights) <= LIMIT + 1e-9
    assert told == Told(STRATEGY_LAB, target)


def test_while_a_move_is_under_way_it_says_from_where() -> None:
    told = Told(RL_INFERENCE, (0.35, 0.35, *[0.05] * 6))
    target = (*[0.05] * 6, 0.35, 0.35)
    first = decide([good(STRATEGY_LAB, target)], told, 3, FLOOR, CAP, LIMIT).told
    assert first.move == Move(told.weights, 3)
    second = decide([good(STRATEGY_LAB, target)], first, 4, FLOOR, CAP, LIMIT).told
    assert second.move == Move(first.weights, 4)


def test_bounds_beat_the_limit() -> None:
    narrow = decide([good(STRATEGY_LAB)], Told(RL_INFERENCE, (0.3, *[0.1] * 7)), 1, 0.12, 0.13, 1e-6)
    assert all(0.12 <= weight <= 0.13 for weight in narrow.told.weights)


def test_sources_are_asked_in_order_with_equal_weight_last() -> None:
    decision = decide([gone(RL_INFERENCE), good(PORTFOLIO_OPTIMIZER, RISKY)], None, None, FLOOR, CAP, LIMIT)
    assert [source.source for source in decision.considered] == [RL_INFERENCE, PORTFOLIO_OPTIMIZER, EQUAL_WEIGHT]
    assert decision.reading.weights == RISKY
