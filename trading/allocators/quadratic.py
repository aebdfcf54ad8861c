"""The minimum of a strictly convex quadratic over the simplex {w >= 0, sum w = 1}.

Three allocators come down to this one problem: minimum variance as it stands, the online Newton step as a projection,
and the best constant rebalanced portfolio as its Newton direction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_TOLERANCE = 1e-12


def minimise_on_simplex(quadratic: FloatArray, linear: FloatArray, start: FloatArray) -> FloatArray:
    """argmin w'Qw / 2 - l'w over the simplex, for positive definite Q `(n, n)`, from a feasible `start` `(n,)`.

    A primal active-set method: go to the minimum of the face on which the weights are held; stop at the first weight
    that would turn negative and let it go; once the face's own minimum is feasible, take up the asset whose gradient
    promises most. Every step lowers the objective, so a start near the answer ends after one or two.
    """
    weights = np.array(start)
    held = weights > 0.0
    # No face is met twice in exact arithmetic; the bound only ends a dispute between rounding errors, and even then
    # the answer is feasible and no worse than the start.
    for _ in range(20 * (len(weights) + 1)):
        target, price = _minimum_on_face(quadratic, linear, held)
        falling = np.flatnonzero(target < 0.0)
        if falling.size:
            reach = weights[falling] / (weights[falling] - target[falling])
            first = falling[reach.argmin()]
            weights = np.maximum(weights + reach.min() * (target - weights), 0.0)
            weights[first] = 0.0
            held[first] = False
            continue
        weights = target
        excess = np.where(held, 0.0, quadratic @ weights - linear - price)
        best = excess.argmin()
        if excess[best] >= -_TOLERANCE * max(abs(price), 1.0):
            break
        held[best] = True
    return np.asarray(weights / weights.sum())


def _minimum_on_face(quadratic: FloatArray, linear: FloatArray, held: NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """The minimum over {sum w = 1, w = 0 where not held}, of whatever sign, and the multiplier of the sum."""
    face = np.flatnonzero(held)
    sides = np.column_stack([linear[face], np.ones(len(face))])
    solved = np.linalg.solve(quadratic[np.ix_(face, face)], sides)
    price = float((1.0 - solved[:, 0].sum()) / solved[:, 1].sum())
    target = np.zeros(len(linear))
    target[face] = solved[:, 0] + price * solved[:, 1]
    return target, price
