"""Allocators that look at the last days only: how they are run through a history, and the one that follows Sharpe."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trading.metrics import sharpe
from trading.simplex_array import softmax

FloatArray = NDArray[np.float64]


def rolling(
    returns: FloatArray,
    portfolio: Callable[[FloatArray], FloatArray],
    *,
    window: int,
    every: int,
    burn_in: int = 20,
) -> FloatArray:
    """Weights `(days + 1, assets)`: `portfolio` of the last `window` rows, made anew every `every` days.

    In between the weights are held (and restored daily); before `burn_in` rows are known they are equal. `portfolio`
    sees `burn_in` to `window` rows.
    """
    days, assets = returns.shape
    weights = np.full((days + 1, assets), 1.0 / assets)
    for day in range(burn_in, days + 1, every):
        weights[day : day + every] = portfolio(returns[max(0, day - window) : day])
    return weights


def sharpe_momentum(returns: FloatArray, window: int, strength: float) -> FloatArray:
    """Weights in proportion to exp(strength x each asset's annual Sharpe ratio over the last `window` days)."""

    def portfolio(history: FloatArray) -> FloatArray:
        return softmax(strength * sharpe(history.T))

    return rolling(returns, portfolio, window=window, every=1)
