"""Allocators that carry a state from day to day and learn from each day's returns as it ends.

Each takes returns `(days, assets)`, as fractions above -1, and gives weights `(days + 1, assets)`; the package says
what the rows mean. A price relative is 1 + return.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trading.allocators.quadratic import minimise_on_simplex
from trading.simplex_array import softmax

FloatArray = NDArray[np.float64]


def equal_weight(returns: FloatArray) -> FloatArray:
    """The uniform constant rebalanced portfolio: 1 / n each, restored every day."""
    days, assets = returns.shape
    return np.full((days + 1, assets), 1.0 / assets)


def buy_and_hold(returns: FloatArray) -> FloatArray:
    """Equal weight on the first day and no trade afterwards: the weights drift with the prices."""
    grown = np.vstack([np.ones(returns.shape[1]), 1.0 + returns])
    return _normalised(grown.cumprod(axis=0))


def hedge(returns: FloatArray, rate: float) -> FloatArray:
    """Weights in proportion to each asset's own wealth to the power `rate`.

    Rate 0 is equal weight, rate 1 is buy-and-hold, and a growing rate follows the leader.
    """
    log_relatives = np.vstack([np.zeros(returns.shape[1]), np.log1p(returns)])
    return softmax(rate * log_relatives.cumsum(axis=0))


def fixed_share(returns: FloatArray, rate: float, share: float) -> FloatArray:
    """Hedge that pays the fraction `share` of its weights back to all assets alike at the end of every day.

    The tax keeps every asset alive, so that the rule can follow a best asset that changes about every 1 / share days.
    Share 0 is Hedge.
    """
    days, assets = returns.shape
    log_kept = math.log1p(-share)
    log_grant = math.log(share / assets) if share > 0.0 else -math.inf
    log_weights = np.empty((days + 1, assets))
    log_weights[0] = -math.log(assets)
    for day, log_relatives in enumerate(np.log1p(returns)):
        grown = log_weights[day] + rate * log_relatives
        grown -= np.logaddexp.reduce(grown)
        log_weights[day + 1] = np.logaddexp(grown + log_kept, log_grant)
    return softmax(log_weights)


def exponentiated_gradient(returns: FloatArray, rate: float = 0.05) -> FloatArray:
    """Helmbold, Schapire, Singer and Warmuth (1998): multiply each weight by exp(rate x its part in the day's gain).

    Rate 0 is equal weight.
    """
    days, assets = returns.shape
    weights = np.full((days + 1, assets), 1.0 / assets)
    for day, relatives in enumerate(1.0 + returns):
        held = weights[day]
        part = relatives / (held @ relatives)
        grown = held * np.exp(rate * (part - part.max()))
        weights[day + 1] = grown / grown.sum()
    return weights


def online_newton_step(returns: FloatArray, eta: float = 0.0, beta: float = 1.0, delta: float = 0.125) -> FloatArray:
    """Agarwal, Hazan, Kale and Schapire (2006): a Newton step on the log wealth so far, projected onto the simplex.

    With u_t = relatives / (weights . relatives), A = I + sum u u' and b = (1 + 1 / beta) sum u, the next weights are
    the projection of delta A^-1 b in the norm of A, mixed with a fraction `eta` of equal weight. Written out, that
    projection is the minimum of w'Aw / 2 - delta b'w, and A need not be inverted.
    """
    days, assets = returns.shape
    curvature = np.eye(assets)
    gradient = np.zeros(assets)
    weights = np.full((days + 1, assets), 1.0 / assets)
    projected = weights[0]
    for day, relatives in enumerate(1.0 + returns):
        part = relatives / (weights[day] @ relatives)
        curvature += np.outer(part, part)
        gradient += (1.0 + 1.0 / beta) * part
        projected = minimise_on_simplex(curvature, delta * gradient, start=projected)
        weights[day + 1] = (1.0 - eta) * projected + eta / assets
    return weights


def _normalised(positive: FloatArray) -> FloatArray:
    scaled: FloatArray = positive / positive.sum(axis=-1, keepdims=True)
    return scaled
