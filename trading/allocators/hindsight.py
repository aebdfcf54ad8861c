"""The best that a fixed decision could have done, had it known the whole history: yardsticks, not strategies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trading.allocators.quadratic import minimise_on_simplex

FloatArray = NDArray[np.float64]


def best_asset(returns: FloatArray) -> FloatArray:
    """Everything, always, in the asset that ended richest: `(days + 1, assets)`."""
    best = np.zeros(returns.shape[1])
    best[np.log1p(returns).sum(axis=0).argmax()] = 1.0
    return _constant(best, returns)


def best_constant_rebalanced(returns: FloatArray) -> FloatArray:
    """The constant weights, restored every day, that would have ended richest: `(days + 1, assets)`."""
    return _constant(growth_optimal(returns), returns)


def growth_optimal(returns: FloatArray, tolerance: float = 1e-12) -> FloatArray:
    """argmax over the simplex of the mean log(1 + w . return): weights `(assets,)` for returns `(days, assets)`.

    Newton's method: each direction minimises the quadratic model over the simplex, and is halved until it gains.
    At the optimum no asset's mean of relative / portfolio relative exceeds 1 (Kuhn and Tucker), and anywhere the
    excess over 1 bounds the daily log growth still to be won. It stops at an excess of `tolerance`, or where rounding
    hides any further gain.
    """
    days, assets = returns.shape
    weights = np.full(assets, 1.0 / assets)
    growth = _growth(returns, weights)
    for _ in range(100):
        portfolio = 1.0 + returns @ weights
        if ((1.0 + returns) / portfolio[:, None]).mean(axis=0).max() - 1.0 <= tolerance:
            break
        gains = returns / portfolio[:, None]
        curvature = gains.T @ gains / days
        # Assets that copy each other, or fewer days than assets, leave the curvature singular.
        curvature[np.diag_indices(assets)] += 1e-10 * np.trace(curvature) / assets
        aim = minimise_on_simplex(curvature, gains.mean(axis=0) + curvature @ weights, start=weights)
        weights, growth, gained = _line_search(returns, weights, aim, growth)
        if not gained:
            break
    return weights


def _line_search(
    returns: FloatArray, weights: FloatArray, aim: FloatArray, growth: float
) -> tuple[FloatArray, float, bool]:
    """The first of 1, 1/2, 1/4, ... of the way to `aim` that does not lose growth, and whether there was one."""
    step = 1.0
    while step > 1e-10:
        moved = weights + step * (aim - weights)
        new_growth = _growth(returns, moved)
        if new_growth >= growth:
            return moved, new_growth, True
        step /= 2.0
    return weights, growth, False


def _growth(returns: FloatArray, weights: FloatArray) -> float:
    return float(np.log1p(returns @ weights).mean())


def _constant(weights: FloatArray, returns: FloatArray) -> FloatArray:
    return np.tile(weights, (len(returns) + 1, 1))
