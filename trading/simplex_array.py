"""`trading.simplex` for arrays (..., n): every row as `trading.simplex` has it, to the last bit, many rows at once.

Inside, arrays lie weight by weight, (n, rows): a sum over the weights is then n long additions in a fixed order,
whatever numpy's own order of summation would be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trading.simplex import (
    ALL_AT_CAP,
    SUM_TOLERANCE,
    ZERO_COUNTS_AS,
    UnusableWeights,
    check_bounds,
    check_max_turnover,
)

FloatArray = NDArray[np.float64]

ROWS_AT_ONCE = 512
"""Rows projected together: many enough to hide numpy's overhead, few enough to stay in the processor's cache."""


def project(weights: ArrayLike, floor: float, cap: float) -> FloatArray:
    """`trading.simplex.project` of every row of `weights` (..., n), as a new array of the same shape."""
    projected = _checked(weights)
    count = projected.shape[-1]
    lowest, highest = check_bounds(count, floor, cap)
    rows = projected.reshape(-1, count)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[start : start + ROWS_AT_ONCE]
        columns = np.ascontiguousarray(block.T)
        infeasible = ~_feasible(columns, floor, cap)
        if lowest >= 1.0:
            block[infeasible] = floor
        elif highest <= 1.0:
            block[infeasible] = cap
        elif infeasible.any():
            preferences = _preferences(columns.compress(infeasible, axis=1))
            multipliers = _multipliers(preferences, floor, cap)
            block[infeasible] = (multipliers * preferences).clip(floor, cap).T
    return projected


def softmax(logits: FloatArray) -> FloatArray:
    """exp(logits) (..., n) scaled to sum 1."""
    positive = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scaled: FloatArray = positive / positive.sum(axis=-1, keepdims=True)
    return scaled


def limit_turnover(
    previous: ArrayLike, target: ArrayLike, max_turnover: float, floor: float, cap: float
) -> FloatArray:
    """`trading.simplex.limit_turnover` of every pair of rows of `previous` (..., n) and `target` (..., n)."""
    check_max_turnover(max_turnover)
    start = _checked(previous)
    goal = project(target, floor, cap)
    if start.shape != goal.shape:
        raise UnusableWeights(f"previous weights {start.shape} and target weights {goal.shape}: needs one shape")
    change = goal - start
    with np.errstate(over="ignore"):  # a distance past the greatest float is inf, as in plain Python
        distance = _left_to_right_sum(np.moveaxis(np.abs(change), -1, 0))[..., np.newaxis]
    within_reach = distance <= max_turnover
    if within_reach.all():
        return goal
    step = max_turnover / np.where(within_reach, np.inf, distance)
    return np.where(within_reach, goal, project(start + step * change, floor, cap))


def _checked(weights: ArrayLike) -> FloatArray:
    """A copy of `weights`; in C order, so that seeing it as rows makes a view of it."""
    copy = np.array(weights, dtype=np.float64, order="C")
    if copy.ndim == 0 or copy.shape[-1] == 0:
        raise UnusableWeights(f"no weights in an array of shape {copy.shape}: needs at least one a row")
    usable = (copy >= 0.0) & (copy < np.inf)
    if not usable.all():
        place = tuple(int(i) for i in np.argwhere(~usable)[0])
        raise UnusableWeights(f"weight {float(copy[place])!r} at place {place}: needs a finite number of at least 0")
    return copy


def _left_to_right_sum(terms: FloatArray) -> FloatArray:
    """The sum over the first axis, one term after the other."""
    total: FloatArray = terms[0].copy()
    for term in terms[1:]:
        total += term
    return total


def _feasible(weights: FloatArray, floor: float, cap: float) -> NDArray[np.bool_]:
    """Which columns of `weights` (n, rows) are within the bounds and sum to 1."""
    clipped = weights.clip(floor, cap)
    within: NDArray[np.bool_] = np.logical_and.reduce(clipped == weights, axis=0)
    return within & (np.abs(_left_to_right_sum(clipped) - 1.0) <= SUM_TOLERANCE)


def _preferences(weights: FloatArray) -> FloatArray:
    """The columns of `weights` (n, rows) over their largest, and small shares raised."""
    largest = weights.max(axis=0)
    scaled = weights / np.where(largest > 0.0, largest, 1.0)
    return np.maximum(scaled, ZERO_COUNTS_AS * np.maximum(_left_to_right_sum(scaled), 1.0))


def _multipliers(preferences: FloatArray, floor: float, cap: float) -> FloatArray:
    """The k (rows,) at which clip(k * preferences, floor, cap) sums to 1: the same two bends, the same line.

    The sum is taken at every bend, where `trading.simplex` searches: it never falls, so counting the bends at which
    it is at most 1 finds the first above.
    """
    count, rows = preferences.shape
    bends = np.empty((2 * count + 2, rows))
    bends[0], bends[-1] = 0.0, ALL_AT_CAP
    np.divide(floor, preferences, out=bends[1 : count + 1])
    np.divide(cap, preferences, out=bends[count + 1 : -1])
    bends.sort(axis=0)
    weights = bends * preferences[:, np.newaxis]
    totals = _left_to_right_sum(weights.clip(floor, cap, out=weights))
    above = (totals <= 1.0).sum(axis=0)
    row = np.arange(rows)
    low, high = bends[above - 1, row], bends[above, row]
    total_low, total_high = totals[above - 1, row], totals[above, row]
    multipliers: FloatArray = low + (1.0 - total_low) * ((high - low) / (total_high - total_low))
    return multipliers
