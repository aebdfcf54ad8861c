"""How a day's weights follow from what a policy wants, and what moving to them costs.

What is wanted is projected onto the bounds, and the weights in force go part of the way there:

    w = w_before + min(inertia, max_turnover / |wanted - w_before|) (wanted - w_before)

Both ends are within the bounds, which are convex, so every weight on the way is: nothing has to be projected again,
and what was earned is the same sum of products whoever computes it. Training, replay and the live system take this
step once per account day, from the weights of the day before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trading import simplex_array
from trading.metrics import drifted_weights, turnover

FloatArray = NDArray[np.float64]


class Rules(NamedTuple):
    """By which weights move."""

    floor: float = 0.02
    cap: float = 0.35
    inertia: float = 0.2
    """Share of the way to what is wanted that is gone in a day."""
    max_turnover: float = 0.5
    """L1 distance that is gone in a day at most."""
    cost_bps: float = 5.0
    """Of equity, for every unit of L1 distance traded."""


class Earned(NamedTuple):
    """What weights brought, an account a column where there are several."""

    net: FloatArray
    """(days, ...) return after costs."""
    turnover: FloatArray
    """(days, ...) L1 distance traded at the start of each day."""


def follow(wanted: ArrayLike, before: ArrayLike, rules: Rules) -> FloatArray:
    """The weights (days, ..., n) in force on each day, where wanted (days, ..., n) is what the policy says for it.

    before (..., n): the weights of the day before the first, within the bounds.
    """
    goals = simplex_array.project(wanted, rules.floor, rules.cap)
    weights = np.empty_like(goals)
    held = np.asarray(before, dtype=np.float64)
    for day, goal in enumerate(goals):
        way = goal - held
        distance = np.abs(way).sum(axis=-1, keepdims=True)
        share = np.minimum(rules.inertia, rules.max_turnover / np.maximum(distance, 1e-12))
        held = np.add(held, share * way, out=weights[day])
    return weights


def earn(weights: FloatArray, returns: FloatArray, before: ArrayLike, rules: Rules) -> Earned:
    """What weights (days, ..., n) earned on returns (days, ..., n).

    before (..., n): what the account held when the first day began. From the second day on it holds what the day
    before made of its weights. Cost is taken first, and the rest earns the day's returns.
    """
    start = np.asarray(before, dtype=np.float64)[np.newaxis]
    traded = turnover(np.concatenate((start, drifted_weights(weights[:-1], returns[:-1]))), weights)
    gross = 1.0 + (weights * returns).sum(axis=-1)
    return Earned(gross * (1.0 - rules.cost_bps / 1e4 * traded) - 1.0, traded)
