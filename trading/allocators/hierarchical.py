"""Hierarchical risk parity (Lopez de Prado, 2016): divide by risk down a tree of assets that move alike.

No matrix is inverted, so a covariance that is close to singular does no harm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def hierarchical_risk_parity(covariance: FloatArray) -> FloatArray:
    """Long-only weights `(n,)` for a covariance `(n, n)` with a positive diagonal.

    The assets are ordered along a single-linkage tree over the distance sqrt((1 - correlation) / 2). That order is
    halved again and again, and the weight of each part is divided between its halves in inverse proportion to the
    variance of each half's own inverse-variance portfolio.
    """
    volatility = np.sqrt(covariance.diagonal())
    correlation = covariance / np.outer(volatility, volatility)
    distance = np.sqrt(np.clip((1.0 - correlation) / 2.0, 0.0, 1.0))
    weights = np.ones(len(covariance))
    parts = [np.array(single_linkage_order(distance))]
    while parts:
        part = parts.pop()
        if len(part) == 1:
            continue
        left, right = part[: len(part) // 2], part[len(part) // 2 :]
        left_variance = _inverse_variance_portfolio(covariance, left)
        right_variance = _inverse_variance_portfolio(covariance, right)
        weights[left] *= right_variance / (left_variance + right_variance)
        weights[right] *= left_variance / (left_variance + right_variance)
        parts += [left, right]
    return weights


def single_linkage_order(distance: FloatArray) -> list[int]:
    """The leaves of the single-linkage tree over `distance` `(n, n)`, so that what is close stands close.

    The two closest clusters merge until one is left; of the two, the one that was formed first goes to the left.
    """
    clusters = [[leaf] for leaf in range(len(distance))]
    gaps = np.array(distance, dtype=np.float64)
    np.fill_diagonal(gaps, np.inf)
    while len(clusters) > 1:
        left, right = sorted(int(index) for index in np.unravel_index(gaps.argmin(), gaps.shape))
        others = [index for index in range(len(clusters)) if index not in (left, right)]
        nearest = np.minimum(gaps[left], gaps[right])[others]
        clusters = [*(clusters[index] for index in others), clusters[left] + clusters[right]]
        merged = np.full((len(clusters), len(clusters)), np.inf)
        merged[:-1, :-1] = gaps[np.ix_(others, others)]
        merged[-1, :-1] = merged[:-1, -1] = nearest
        gaps = merged
    return clusters[0]


def _inverse_variance_portfolio(covariance: FloatArray, part: NDArray[np.intp]) -> float:
    """The variance of the portfolio of one part that is weighted by inverse variance."""
    within = covariance[np.ix_(part, part)]
    weights = 1.0 / within.diagonal()
    weights = weights / weights.sum()
    return float(weights @ within @ weights)
