"""Allocators that look at risk alone: each turns a covariance `(n, n)` into long-only weights `(n,)` that sum to 1.

They expect a positive definite covariance. `shrunk_covariance` makes one from any finite history of two days or more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trading.allocators.quadratic import minimise_on_simplex

FloatArray = NDArray[np.float64]


def shrunk_covariance(history: FloatArray, shrinkage: float = 0.1) -> FloatArray:
    """The sample covariance of `(days, n)` returns with every correlation shrunk by `shrinkage` towards 0.

    That makes it positive definite, even with fewer days than assets. An asset that did not move says nothing about
    its risk: it is given the median variance of those that did (1 where none did) instead of looking riskless.
    """
    mean = history.mean(axis=0)
    deviations = history - mean
    covariance = deviations.T @ deviations / (len(history) - 1)
    variance = covariance.diagonal()
    # A constant return other than 0 leaves a variance that is nothing but rounding.
    moved = variance > np.maximum(1e-12 * variance.max(), 1e-18 * mean**2)
    stand_in = np.median(variance[moved]) if moved.any() else 1.0
    shrunk = (1.0 - shrinkage) * covariance
    np.fill_diagonal(shrunk, np.where(moved, variance, stand_in))
    return np.asarray(shrunk)


def inverse_volatility(covariance: FloatArray) -> FloatArray:
    """Weights in proportion to 1 / volatility: equal risk if all correlations were the same."""
    weights = 1.0 / np.sqrt(covariance.diagonal())
    return _normalised(weights)


def minimum_variance(covariance: FloatArray) -> FloatArray:
    """The long-only portfolio of least variance."""
    assets = len(covariance)
    scaled = covariance / covariance.diagonal().mean()
    return minimise_on_simplex(scaled, np.zeros(assets), start=np.full(assets, 1.0 / assets))


def risk_parity(covariance: FloatArray) -> FloatArray:
    """The long-only portfolio in which every asset contributes the same part of the variance.

    It is the minimum of y'Cy / 2 - sum log y over y > 0, C the correlation and y the weights in units of volatility
    (Maillard, Roncalli and Teiletche; Spinu). The objective is self-concordant, so Newton's method with the step
    1 / (1 + decrement) never leaves y > 0 and never fails to converge.
    """
    volatility = np.sqrt(covariance.diagonal())
    correlation = covariance / np.outer(volatility, volatility)
    exposure = np.full(len(covariance), 1.0 / np.sqrt(correlation.sum(axis=0).mean()))
    for _ in range(100):
        gradient = correlation @ exposure - 1.0 / exposure
        step = np.linalg.solve(correlation + np.diag(exposure**-2.0), -gradient)
        decrement = float(np.sqrt(max(-gradient @ step, 0.0)))
        exposure = exposure + (step if decrement < 0.25 else step / (1.0 + decrement))
        if decrement < 1e-12:
            break
    return _normalised(exposure / volatility)


def _normalised(positive: FloatArray) -> FloatArray:
    scaled: FloatArray = positive / positive.sum()
    return scaled
