"""Worlds in which the eight strategies live: simulated daily returns whose regimes are known to whoever made them.

In a regime each strategy has a mean return of its own, and now and then the regime changes. They are what the shipped
model is trained on and what learning is measured with. Nothing in them is like a market but this: what has done well
of late tends to go on for a while, among noise, and then it ends.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

STRATEGIES_IN_WORLD = 8
DAYS_PER_YEAR = 252


class World(NamedTuple):
    returns: FloatArray
    """(days, 8)"""
    regimes: NDArray[np.int64]
    """(days,): which one each day belongs to."""
    means: FloatArray
    """(regimes, 8): mean return of a day."""
    deviations: FloatArray
    """(8,): of a day's return."""
    mean_length_days: float
    """Of a regime."""


def planted_world(days: int, rng: np.random.Generator, mean_length_days: float = 60.0) -> World:
    """Four regimes; in each, one pair of strategies has an annual Sharpe ratio of 2.5, and the others have -1."""
    pairs = rng.permutation(STRATEGIES_IN_WORLD).reshape(4, 2)
    ratios = np.full((4, STRATEGIES_IN_WORLD), -1.0)
    np.put_along_axis(ratios, pairs, 2.5, axis=1)
    deviations = np.full(STRATEGIES_IN_WORLD, 0.01)
    noise = rng.standard_normal((days, STRATEGIES_IN_WORLD))
    return _world(ratios, deviations, noise, mean_length_days, rng)


def random_world(days: int, rng: np.random.Generator, edge: float = 1.0) -> World:
    """Two to six regimes of 20 to 200 days; Sharpe ratios vary by 1.5 x edge around a strategy's own of 0.5 x edge.

    Daily deviations of 0.5% to 2%, fat tails, and a common factor. Without edge no strategy ever earns anything.
    """
    count = int(rng.integers(2, 7))
    own = rng.normal(0.0, 0.5, STRATEGIES_IN_WORLD)
    ratios = edge * (rng.normal(0.0, 1.5, (count, STRATEGIES_IN_WORLD)) + own)
    correlation = rng.uniform(0.0, 0.6)
    unit_variance = sqrt(3.0 / 5.0)  # of Student's t with 5 degrees of freedom
    alone = rng.standard_t(5, (days, STRATEGIES_IN_WORLD)) * unit_variance
    common = rng.standard_t(5, (days, 1)) * unit_variance
    noise = sqrt(correlation) * common + sqrt(1.0 - correlation) * alone
    return _world(ratios, rng.uniform(0.005, 0.02, STRATEGIES_IN_WORLD), noise, rng.uniform(20.0, 200.0), rng)


def _world(
    annual_ratios: FloatArray,
    deviations: FloatArray,
    noise: FloatArray,
    mean_length_days: float,
    rng: np.random.Generator,
) -> World:
    means = annual_ratios / sqrt(DAYS_PER_YEAR) * deviations
    count = len(means)
    changes = rng.random(len(noise)) < 1.0 / mean_length_days
    # Each change leads to one of the others: a step of 1 to count - 1 around the circle of regimes.
    steps = np.where(changes, rng.integers(1, count, len(noise)), 0)
    regimes = (rng.integers(count) + np.cumsum(steps)) % count
    returns = np.clip(means[regimes] + deviations * noise, -0.9, 0.9)
    return World(returns, regimes, means, deviations, mean_length_days)
