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
from trading.metrics import SPREAD_IS_ROUNDING

FloatArray = NDArray[np.float64]

LEAST_DAYS = 20
"""Fewer say nothing of risk."""
LARGEST_RETURN = 100.0
"""A day on which capital grew, or shrank, more than a hundredfold is an error in the books."""
STILL = 1e-10
"""A series of which the daily standard deviation is at most this has not moved."""
STILL_BESIDE = 1e-4
"""Neither has one beside which another moves so many times as much: no method could set its risk against theirs."""
RISK_AVERSION = 5.0
"""Mean-variance gives up half of it in annual return to be rid of a unit of annual variance."""

Method = Callable[[FloatArray, FloatArray], FloatArray]
"""Daily mean returns (n,) and positive definite covariance (n, n) -> weights (n,)."""


class Portfolio(NamedTuple):
    """The figures are annual, of the shrunk estimates; `reason` is empty where all went as asked."""

    weights: FloatArray
    expected_return: float
    expected_volatility: float
    expected_sharpe: float
    reason: str


def optimise(history: FloatArray, method: str, periods_per_year: int) -> Portfolio:
    """The portfolio of `method`, a key of `METHODS`, on returns (days, n)."""
    days = history[are_usable(history)]
    reasons = []
    if len(days) < len(history):
        reasons.append(f"{len(history) - len(days)} days are left out: a return is missing or beyond belief")
    if lacking := what_is_lacking(days):
        equal = np.full(history.shape[1], 1 / history.shape[1])
        return Portfolio(equal, 0.0, 0.0, 0.0, "; ".join([*reasons, f"equal weight: {lacking}"]))
    moved = have_moved(days)
    if not moved.all():
        reasons.append(f"{(~moved).sum()} of {len(moved)} did not move: each is given the median risk of the others")
    covariance = shrunk_covariance(np.where(moved, days, 0.0))
    means = shrunk_means(days, covariance)
    if method == "maximum_sharpe" and means.max() <= 0:
        reasons.append("minimum variance: no mean return is positive")
        weights = minimum_variance(covariance)
    else:
        weights = METHODS[method](means, covariance)
    annual_return = float(means @ weights) * periods_per_year
    annual_volatility = float(np.sqrt(weights @ covariance @ weights * periods_per_year))
    return Portfolio(weights, annual_return, annual_volatility, annual_return / annual_volatility, "; ".join(reasons))


def are_usable(history: FloatArray) -> NDArray[np.bool_]:
    """On which days of returns (days, n) every return is known and can be believed: (days,)."""
    return np.asarray((np.abs(history) <= LARGEST_RETURN).all(axis=1))


def what_is_lacking(days: FloatArray) -> str:
    """Why usable days (days, n) say nothing of risk; empty where they do."""
    if len(days) < LEAST_DAYS:
        return f"{len(days)} days of {LEAST_DAYS} that are needed"
    return "" if have_moved(days).any() else "nothing moved"


def have_moved(days: FloatArray) -> NDArray[np.bool_]:
    """Which series of usable days (days, n) are more than a constant and its rounding: (n,)."""
    deviation = days.std(axis=0)
    rounding = np.maximum(SPREAD_IS_ROUNDING * np.abs(days.mean(axis=0)), STILL)
    moved: NDArray[np.bool_] = deviation > np.maximum(rounding, STILL_BESIDE * deviation.max())
    return moved


def shrunk_means(days: FloatArray, covariance: FloatArray) -> FloatArray:
    """The mean returns (n,) of (days, n), moved towards that of the portfolio of least variance, long or short.

    The Bayes-Stein estimate (Jorion 1986): the less the means differ for their noise, the further they are moved.
    """
    means: FloatArray = days.mean(axis=0)
    least = np.linalg.solve(covariance, np.ones(len(means)))
    gaps = means - float(means @ least) / float(least.sum())
    evidence = len(days) * float(gaps @ np.linalg.solve(covariance, gaps))
    shrinkage = (len(means) + 2) / (len(means) + 2 + evidence)
    return means - shrinkage * gaps


def mean_variance(means: FloatArray, covariance: FloatArray, risk_aversion: float = RISK_AVERSION) -> FloatArray:
    """argmax m'w - risk_aversion / 2 w'Cw over the simplex."""
    n = len(means)
    unit = covariance.diagonal().mean()
    # No risk makes up for a mean so far below the best, so how much further it is does not matter, except to rounding.
    behind = np.maximum((means - means.max()) / (risk_aversion * unit), -4.0 * n)
    return minimise_on_simplex(covariance / unit, behind, start=np.full(n, 1 / n))


def maximum_sharpe(means: FloatArray, covariance: FloatArray) -> FloatArray:
    """The long-only portfolio of greatest mean over volatility; some mean must be positive.

    It is the mean-variance portfolio of one risk aversion: of its own mean over its variance. That lies between the
    same ratio for the asset of greatest mean alone, and the greatest mean over the least variance; and there the
    multiplier of the sum of weights, m'w - risk_aversion w'Cw, is 0, which falls as the risk aversion rises.
    """
    best = means.argmax()
    safest = minimum_variance(covariance)
    low, high = means[best] / covariance[best, best], means[best] / (safest @ covariance @ safest)
    for _ in range(60):
        middle = float(np.sqrt(low) * np.sqrt(high))
        weights = mean_variance(means, covariance, middle)
        if middle * (weights @ covariance @ weights) > means @ weights:
            high = middle
        else:
            low = middle
    return mean_variance(means, covariance, low)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "minimum_variance": lambda means, covariance: minimum_variance(covariance),
        "risk_parity": lambda means, covariance: risk_parity(covariance),
        "hrp": lambda means, covariance: hierarchical_risk_parity(covariance),
        "mean_variance": mean_variance,
        "maximum_sharpe": maximum_sharpe,
    }
)
