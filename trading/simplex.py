"""Weights on the bounded simplex {floor <= w <= cap, sum w = 1}: projection, turnover limit, effective number.

Standard library only, because the process at the egress imports it and stays small. `trading.simplex_array` does the
same to many rows at once and agrees to the last bit: both do the same operations in the same order, and both add
from left to right (the built-in `sum` compensates since Python 3.12, and numpy's adds pairwise).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import inf

SUM_TOLERANCE = 1e-12
"""How far from 1 the sum of weights may be before they count as not summing to 1."""

ZERO_COUNTS_AS = 1e-12
"""The least share of the whole that a weight counts as, so that a zero can be raised when the others are capped."""

ALL_AT_CAP = 2.0 / ZERO_COUNTS_AS
"""A multiplier that takes every preference (at least ZERO_COUNTS_AS, see `_preferences`) past any cap (at most 1)."""


class InfeasibleBounds(ValueError):
    """No weights can satisfy this floor and cap: the configuration is wrong."""


class UnusableWeights(ValueError):
    """These are not weights: empty, of unequal length, negative, infinite or nan."""


def project(weights: Sequence[float], floor: float, cap: float) -> list[float]:
    """The feasible weights nearest to `weights` (n,) in relative entropy: clip(k * weights, floor, cap).

    The result w minimises sum w log(w / weights): ratios between weights are kept wherever a bound does not forbid it.
    Weights need not sum to 1; only their ratios count, and a share under 1e-12 of the whole counts as 1e-12, so all
    zeros give equal weights. Weights that are feasible already come back as the same floats.

    floor <= w <= cap holds exactly, sum w = 1 within 1e-12.
    """
    wanted = _checked(weights)
    lowest, highest = check_bounds(len(wanted), floor, cap)
    if all(floor <= w <= cap for w in wanted) and abs(left_to_right_sum(wanted) - 1.0) <= SUM_TOLERANCE:
        return wanted
    if lowest >= 1.0:
        return [floor] * len(wanted)
    if highest <= 1.0:
        return [cap] * len(wanted)
    preferences = _preferences(wanted)
    return _clipped(_multiplier(preferences, floor, cap), preferences, floor, cap)


def limit_turnover(
    previous: Sequence[float], target: Sequence[float], max_turnover: float, floor: float, cap: float
) -> list[float]:
    """Go from `previous` (n,) towards `target` (n,) in a straight line until the turnover is `max_turnover`.

    Turnover is the L1 distance sum |w - previous|: selling all of one strategy to buy another is a turnover of 2.
    The target is projected first; a target within reach is returned whole. The feasible set is convex, so where
    `previous` is feasible every point of the line is, and the limit holds within 1e-12. Where it is not (the bounds
    were changed since), the bounds win: the point reached is projected, and the turnover is what that takes.
    """
    check_max_turnover(max_turnover)
    start = _checked(previous)
    goal = project(target, floor, cap)
    if len(start) != len(goal):
        raise UnusableWeights(f"{len(start)} previous weights and {len(goal)} target weights: needs as many of each")
    distance = left_to_right_sum(abs(g - s) for s, g in zip(start, goal, strict=True))
    if distance <= max_turnover:
        return goal
    step = max_turnover / distance
    return project([s + step * (g - s) for s, g in zip(start, goal, strict=True)], floor, cap)


def effective_number(weights: Sequence[float]) -> float:
    """How many equal weights would be as concentrated: 1 / sum w^2 of weights (n,) scaled to sum 1.

    Between 1 (all in one) and n (equal): a collapsed source shows as a number near 1.
    """
    values = _checked(weights)
    largest = max(values)
    if largest == 0.0:
        raise UnusableWeights(f"all {len(values)} weights are 0: needs at least one above 0")
    scaled = [w / largest for w in values]
    total = left_to_right_sum(scaled)
    return total * total / left_to_right_sum(s * s for s in scaled)


def check_bounds(count: int, floor: float, cap: float) -> tuple[float, float]:
    """The least and the greatest sum that `count` weights between floor and cap can have.

    Raises InfeasibleBounds unless the first is at most 1 and the second at least 1.
    """
    if not 0.0 <= floor <= cap <= 1.0:
        raise InfeasibleBounds(f"floor {floor!r}, cap {cap!r}: needs 0 <= floor <= cap <= 1")
    lowest = left_to_right_sum([floor] * count)
    highest = left_to_right_sum([cap] * count)
    if lowest > 1.0 + SUM_TOLERANCE:
        raise InfeasibleBounds(f"floor {floor!r} x {count} weights is above 1: needs a floor of at most 1/{count}")
    if highest < 1.0 - SUM_TOLERANCE:
        raise InfeasibleBounds(f"cap {cap!r} x {count} weights is below 1: needs a cap of at least 1/{count}")
    return lowest, highest


def check_max_turnover(max_turnover: float) -> None:
    if not max_turnover >= 0.0:
        raise ValueError(f"max_turnover {max_turnover!r}: needs a number of at least 0 (2 or more limits nothing)")


def left_to_right_sum(terms: Iterable[float]) -> float:
    total = 0.0
    for term in terms:
        total += term
    return total


def _checked(weights: Sequence[float]) -> list[float]:
    values = [float(w) for w in weights]
    if not values:
        raise UnusableWeights("no weights: needs at least one")
    for place, value in enumerate(values):
        if not 0.0 <= value < inf:
            raise UnusableWeights(f"weight {value!r} at place {place}: needs a finite number of at least 0")
    return values


def _preferences(weights: list[float]) -> list[float]:
    """The weights over the largest of them, so that nothing overflows, and small shares raised."""
    largest = max(weights)
    scaled = [w / (largest or 1.0) for w in weights]
    least = ZERO_COUNTS_AS * max(left_to_right_sum(scaled), 1.0)  # below 1 only where all weights are 0
    return [least if s < least else s for s in scaled]


def _multiplier(preferences: list[float], floor: float, cap: float) -> float:
    """The k at which clip(k * preferences, floor, cap) sums to 1, where neither all floors nor all caps do.

    That sum rises with k, in straight lines that bend only where a weight leaves the floor or meets the cap. So the
    two neighbouring bends that it passes 1 between, and the straight line between them, give k without iterating.
    (It never falls in floating point either: products, clipping and left-to-right sums all round monotonically.)
    """

    def total_at(k: float) -> float:
        return left_to_right_sum(_clipped(k, preferences, floor, cap))

    bends = [0.0, *(floor / p for p in preferences), *(cap / p for p in preferences), ALL_AT_CAP]
    bends.sort()
    above = bisect_right(bends, 1.0, key=total_at)
    low, high = bends[above - 1], bends[above]
    total_low, total_high = total_at(low), total_at(high)
    return low + (1.0 - total_low) * ((high - low) / (total_high - total_low))


def _clipped(k: float, preferences: list[float], floor: float, cap: float) -> list[float]:
    clipped = []
    for preference in preferences:
        weight = k * preference
        clipped.append(floor if weight < floor else cap if weight > cap else weight)
    return clipped
