"""What the policy is paid for a day.

    0.6 tanh(S / 6) + 0.3 tanh(r / 3 sigma) - 0.1 min(DD / 0.2, 1)

r is the day's return after the cost of turnover, S the annual Sharpe ratio of the last 30 such returns, DD the
account's drawdown, all of them consequences of the weights that were chosen. sigma is the deviation of a day's return
in the training set: a constant, so that a reward means the same all through a training and no policy can move the
yardstick that it is measured with.

- S = mean / sqrt((sd^2 + sigma^2) / 2). Half of the variance is sigma's, or calm would be paid without limit.
- Thirty days say little: without any edge, S deviates by 2.9. Divided by 6 that still lies where tanh has a slope.
- An account begins as if it had been flat for 30 days, so the ratio of its first few days is small and drowns nothing.
- The better day is paid better, whatever came before, while r is within 4 sigma of 0. Further out the second term
  hardly moves, and the deviation that such a day brings into S may cost more than the mean.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from ai.account import Wealth, counted
from ai.smoothing import FloatArray
from trading.metrics import PERIODS_PER_YEAR

WINDOW_DAYS = 30
# Over short rows a product with these takes a fraction of the time of numpy's own mean and variance.
_FOR_MEAN = np.full(WINDOW_DAYS, 1.0 / WINDOW_DAYS)
_FOR_VARIANCE = np.full(WINDOW_DAYS, 1.0 / (WINDOW_DAYS - 1))


class RewardState(NamedTuple):
    """What the rewards of n replicas remember."""

    recent: FloatArray
    """(n, 30): the last net returns, oldest first; zeros stand for the days before the start."""
    wealth: Wealth

    @classmethod
    def at_start(cls, replicas: int) -> RewardState:
        return cls(np.zeros((replicas, WINDOW_DAYS)), Wealth.at_start(replicas))


def walk(
    state: RewardState, net_returns: ArrayLike, sigma: float, periods_per_year: float = PERIODS_PER_YEAR
) -> tuple[RewardState, FloatArray]:
    """The state after some days of net_returns (days, n), and what each day is paid (days, n)."""
    returns = counted(net_returns)
    series = np.concatenate((state.recent.T, returns))
    recent = sliding_window_view(series, WINDOW_DAYS, axis=0)[1:]
    path = state.wealth.along(returns)
    wealth = Wealth(path.log[-1], path.log_peak[-1]) if len(returns) else state.wealth
    return RewardState(series[-WINDOW_DAYS:].T, wealth), _reward(recent, path.drawdown(), sigma, periods_per_year)


def rewards(net_returns: ArrayLike, sigma: float, periods_per_year: float = PERIODS_PER_YEAR) -> FloatArray:
    """What each day of a whole path (days,) is paid, (days,)."""
    returns = np.asarray(net_returns, dtype=np.float64)[:, np.newaxis]
    return walk(RewardState.at_start(1), returns, sigma, periods_per_year)[1][:, 0]


def sigma_of(returns: FloatArray) -> float:
    """The yardstick of days that brought returns (days, 8): the deviation of a day's return at equal weights."""
    return float(np.clip(returns.mean(axis=1).std(), 1e-6, 1.0))


def _reward(recent: FloatArray, drawdown: FloatArray, sigma: float, periods_per_year: float) -> FloatArray:
    """(...) of the last returns (..., 30), the newest of which is the day's, and drawdowns (...)."""
    if not 1e-9 <= sigma <= 1e9:
        raise ValueError(f"sigma {sigma!r}: needs the deviation of a day's return, a number from 1e-9 to 1e9")
    mean = recent @ _FOR_MEAN
    deviation = recent - mean[..., np.newaxis]
    variance = (deviation * deviation) @ _FOR_VARIANCE
    sharpe = sqrt(periods_per_year) * mean / np.sqrt((variance + sigma * sigma) / 2.0)
    gain = recent[..., -1] / (3.0 * sigma)
    return np.asarray(0.6 * np.tanh(sharpe / 6.0) + 0.3 * np.tanh(gain) - 0.1 * np.minimum(drawdown / 0.2, 1.0))
