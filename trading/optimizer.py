"""One portfolio of strategies from their daily returns, by the method that the operator chose.

Always an answer: weights of at least 0 that sum to 1. Where the history does not allow the method, the answer is
the nearest thing that it does allow, and `reason` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trading.allocators.hierarchical import hierarchical_risk_parity
from trading.allocators.quadratic import minimise_on_simplex
from trading.allocators.risk_based import minimum_variance, risk_parity, shrunk_covariance

FloatArray = NDArray[np.float64]

LEAST_DAYS = 20
MEAN_SHRINKAGE = 0.5
"""How far each mean return is moved towards the mean of all: a year of days says little of a mean."""
RISK_AVERSION = 5.0
"""What mean-variance pays in annual return for a unit of annual variance, twice."""

Method = Callable[[FloatArray, FloatArray], FloatArray]
"""Daily mean returns (n,) and covariance (n, n) -> weights (n,)."""


class Portfolio(NamedTuple):
    """Figures are annual, of the shrunk estimates; `reason` is empty where all went as asked."""

    weights: FloatArray
    method: str
    expected_return: float
    expected_volatility: float
    expected_sharpe: float
    reason: str


def optimise(history: FloatArray, method: str, periods_per_year: int) -> Portfolio:
    """The portfolio of `method` on returns (days, n)."""
    whole = history[np.isfinite(history).all(axis=1)]
    reasons = []
    if len(whole) < len(history):
        reasons.append(f"{len(history) - len(whole)} days with values missing are left out")
    if len(whole) < LEAST_DAYS or not (whole.std(axis=0) > 0).any():
        moved = "days" if len(whole) < LEAST_DAYS else "days on which anything moved"
        reasons.append(f"equal weight: {LEAST_DAYS} {moved} are needed")
        return _portfolio(np.full(history.shape[1], 1 / history.shape[1]), method, None, periods_per_year, reasons)
    means, covariance = shrunk_means(whole), shrunk_covariance(whole)
    if method == "maximum_sharpe" and means.max() <= 0:
        reasons.append("minimum variance: no strategy has a positive mean return")
        weights = minimum_variance(covariance)
    else:
        weights = METHODS[method](means, covariance)
    return _portfolio(weights, method, (means, covariance), periods_per_year, reasons)


def shrunk_means(history: FloatArray, shrinkage: float = MEAN_SHRINKAGE) -> FloatArray:
    """(n,) mean returns of (days, n), moved towards the mean of all."""
    means = history.mean(axis=0)
    shrunk: FloatArray = (1 - shrinkage) * means + shrinkage * means.mean()
    return shrunk


def mean_variance(means: FloatArray, covariance: FloatArray, risk_aversion: float = RISK_AVERSION) -> FloatArray:
    """argmax m'w - risk_aversion / 2 w'Cw over the simplex."""
    scale = risk_aversion * covariance.diagonal().mean()
    start = np.full(len(means), 1 / len(means))
    return minimise_on_simplex(risk_aversion * covariance / scale, means / scale, start)


def maximum_sharpe(means: FloatArray, covariance: FloatArray) -> FloatArray:
    """The long-only portfolio of greatest mean over volatility; some mean must be positive.

    It is the mean-variance portfolio of one risk aversion: of the one at which the multiplier of the sum of weights,
    risk_aversion w'Cw - m'w, is 0. That multiplier rises with the risk aversion, so it is found by bisection.
    """
    low, high = 1e-9, 1e9
    best = means.max() / covariance.diagonal().mean()
    for _ in range(100):
        middle = float(np.sqrt(low * high))
        weights = mean_variance(means, covariance, middle * best)
        if middle * best * (weights @ covariance @ weights) > means @ weights:
            high = middle
        else:
            low = middle
    return mean_variance(means, covariance, float(np.sqrt(low * high)) * best)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "minimum_variance": lambda means, covariance: minimum_variance(covariance),
        "risk_parity": lambda means, covariance: risk_parity(covariance),
        "hrp": lambda means, covariance: hierarchical_risk_parity(covariance),
        "mean_variance": mean_variance,
        "maximum_sharpe": maximum_sharpe,
    }
)


def _portfolio(
    weights: FloatArray,
    method: str,
    estimates: tuple[FloatArray, FloatArray] | None,
    periods_per_year: int,
    reasons: list[str],
) -> Portfolio:
    means, covariance = estimates or (np.zeros(len(weights)), np.zeros((len(weights), len(weights))))
    annual_return = float(means @ weights) * periods_per_year
    volatility = float(np.sqrt(weights @ covariance @ weights * periods_per_year))
    sharpe = annual_return / volatility if volatility > 0 else 0.0
    return Portfolio(weights, method, annual_return, volatility, sharpe, "; ".join(reasons))
