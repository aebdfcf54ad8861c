"""What a path of weights would have earned on a history of returns, and what the trading would have cost.

Convention: on day t the account first trades from the weights that yesterday's returns left behind to the weights of
day t, then earns the day's returns. Trading costs `cost_bps` of equity for every unit of L1 distance between the two
(to sell all of one asset for another is a distance of 2). The account starts in cash, so the first purchase is a
distance of 1, and it is charged.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trading import simplex_array
from trading.allocators import Allocator
from trading.metrics import drifted_weights, turnover

FloatArray = NDArray[np.float64]


class Result(NamedTuple):
    """One account's history, a row a day."""

    wealth: FloatArray
    """(days,) equity at the end of each day, from 1 before the first."""
    weights: FloatArray
    """(days, assets) what was held during each day."""
    turnover: FloatArray
    """(days,) L1 distance traded at the start of each day."""
    returns: FloatArray
    """(days,) the account's return, net of cost."""


def backtest(
    returns: ArrayLike,
    allocator: Allocator,
    cost_bps: float = 0.0,
    bounds: tuple[float, float] | None = None,
) -> Result:
    """The account of `allocator` on `returns` `(days, assets)`, given as fractions above -1.

    With `bounds` = (floor, cap), the account holds the projection of what the allocator asks for; the allocator
    itself is not told. `ValueError` for returns that cannot be, `trading.simplex.InfeasibleBounds` for such bounds.
    """
    history = checked_returns(returns)
    weights = allocator(history)[: len(history)]
    if bounds is not None:
        weights = simplex_array.project(weights, *bounds)
    return replay(history, weights, cost_bps)


def replay(returns: ArrayLike, weights: ArrayLike, cost_bps: float = 0.0) -> Result:
    """The account that holds `weights` `(days, assets)` on `returns` `(days, assets)`, whoever chose them."""
    history = checked_returns(returns)
    held = np.asarray(weights, dtype=np.float64)
    if not 0.0 <= cost_bps < math.inf:
        raise ValueError(f"cost of {cost_bps!r} bps: needs a finite number of at least 0")
    if held.shape != history.shape:
        raise ValueError(f"weights {held.shape} for returns {history.shape}: needs the same days and assets")
    before = np.vstack([np.zeros_like(held[:1]), drifted_weights(held[:-1], history[:-1])])
    traded = turnover(before, held)
    gross = 1.0 + (held * history).sum(axis=1)
    net = gross * (1.0 - cost_bps / 1e4 * traded)
    return Result(wealth=np.cumprod(net), weights=held, turnover=traded, returns=net - 1.0)


def checked_returns(returns: ArrayLike) -> FloatArray:
    """`returns` as `(days, assets)` floats, or `ValueError` with the first cell that cannot be a return."""
    history = np.asarray(returns, dtype=np.float64)
    if history.ndim != 2 or 0 in history.shape:
        raise ValueError(f"returns of shape {history.shape}: needs days x assets, at least one of each")
    usable = np.isfinite(history) & (history > -1.0)
    if not usable.all():
        day, asset = (int(index) for index in np.argwhere(~usable)[0])
        value = float(history[day, asset])
        raise ValueError(f"return {value!r} on day {day} of asset {asset}: needs a finite fraction above -1")
    return history
