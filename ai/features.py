"""The daily book -> all features but the six of the account's own path, for which see `ai.account`.

They come from what the eight strategies returned, how often they traded and how often they won. *The account* in the
market and regime groups is the mean of the eight returns: an account of equal weights, not the one that was traded. So
live, replay and training see the same numbers, whatever weights each of them tried.

A row uses the days before it alone: row t is what is known on the morning of day t, and there is one row more than
there are days, for tomorrow. `shared_features` computes a whole history at once, `advance` one day more. Both are the
same functions around a recursion, which runs through all the days or takes one step.

What holds for all of them:
- A value that is not finite counts as 0, and a return beyond the whole capital as the whole capital.
- Returns are winsorised at 5 deviations of the days before, a deviation that starts at 1% a day. An outlier widens the
  bounds for the days after it.
- They are added, never compounded: a day of -100% is a great loss and no singularity.
- Averages start at 0, as if the days before the first had been flat. So they shrink to 0 where little has been seen,
  and their noise is never greater than it will be for good. Variances are those of the days seen.
- Variances are about 0, not about the mean. A day's mean return is so small against its deviation that ordinary Sharpe
  ratios change by less than they are known; and since no mean exceeds such a deviation, steady gains get a large ratio
  and not an infinite one.
- To each variance that of a hundredth of a basis point a day is added. A strategy that never moved has features of 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ai.feature_table import FEATURES, LIMIT, MARKET, PORTFOLIO, REGIME, SHARED, STRATEGY, TABLE, whole_rows
from ai.smoothing import FloatArray, decay_of, run_through, standard_error
from contract.schema.names import STRATEGIES
from trading.metrics import PERIODS_PER_YEAR

__all__ = ["FEATURES", "MARKET", "PORTFOLIO", "REGIME", "SHARED", "STRATEGY", "TABLE", "whole_rows"]
__all__ += ["START", "State", "advance", "shared_features"]

_COUNT = len(STRATEGIES)

# The rows of `State.sums`, by half-life in days.
_HALF_LIVES = np.array([[1.7], [7.0], [20.0], [60.0], [250.0]])
_MOMENTUM, _TREND, _SHORT, _MEDIUM, _LONG = range(5)
_DECAYS = decay_of(_HALF_LIVES)
_DECAY_60, _DECAY_250, _NO_MEMORY = decay_of(60.0), decay_of(250.0), np.array(0.0)

# The columns of `State.sums`, in which the account is a ninth strategy.
_EACH, _ACCOUNT = slice(0, 8), 8
_RETURNS, _SQUARES, _TRADES, _WINS, _DAYS = slice(0, 9), slice(9, 18), 18, 19, 20
_COLUMNS = 21

# Single numbers are arrays without axes: numpy computes faster with them than with Python's own.
_HALF, _LARGEST = np.array(0.5), np.array(LIMIT)
_LEAST_VARIANCE, _MOST_DEVIATIONS = np.array(1e-6**2), np.array(5.0)
_LEAST_GAIN_VARIANCE = np.array(1e-2)
_MORE_TRADES, _MORE_TRADES_A_DAY = np.array(10.0), np.array(0.1)
_SHARE_60 = np.asarray(1.0 - _DECAY_60)
_FIRST_AND_SECOND_POWER = np.array([1.0, 2.0])
_EIGHTHS = np.full(_COUNT, 1.0 / _COUNT)
_LOWEST, _HIGHEST = np.array([[-1.0], [0.0], [0.0]]), np.array([[1.0], [1e6], [1e6]])  # returns, trades, wins

# What makes of a sum an average that starts at 0, annual as the numerator of a Sharpe ratio or in standard errors.
_ANNUAL = (1.0 - _DECAYS) * sqrt(PERIODS_PER_YEAR)
_IN_ERRORS = ((1.0 - _DECAYS) / standard_error(_DECAYS))[:, 0]
_SHARPE_PARTS = _ANNUAL[[_SHORT, _MEDIUM]] * np.array([[2.0], [1.0]]) / 3.0
_SIXTY_DAYS = 1.0 / sqrt(60.0)

_SCALES = np.array(
    [
        *(2.0, _IN_ERRORS[_TREND], _IN_ERRORS[_MOMENTUM], 3.0),
        *(_SIXTY_DAYS, _ANNUAL[_MEDIUM, 0] / 3.0, 10.0, _IN_ERRORS[_LONG]),
        *(1.0 / 3.0, _SIXTY_DAYS) * _COUNT,
        *(_IN_ERRORS[_SHORT], 2.0, _IN_ERRORS[_MEDIUM], 1.0),
    ]
)
"""(28,): what gives the numbers of `_rows` the units of the table, which are about as large as they vary."""


class State(NamedTuple):
    """All that is remembered of the days so far; `START` is the state before the first.

    Plain arrays: `[part.tolist() for part in state]` is JSON, and loses nothing. While a whole history is computed,
    each has a first axis for the days.
    """

    variance: FloatArray
    """(..., 8): of the returns as they came, over 60 days. It says where to winsorise the next ones."""
    sums: FloatArray
    """(..., 5, 21): what `_inputs` says, over half-lives of 1.7, 7, 20, 60 and 250 days."""
    peaks: FloatArray
    """(..., 9): the highest that the long sums of returns have been, forgotten as those forget."""
    lead: FloatArray
    """(..., 8): how far each strategy's annual Sharpe ratio is above their mean."""
    following: FloatArray
    """(..., 2): what following that lead gained a day and its square, summed over 60 days."""


START = State(
    variance=np.full(_COUNT, 0.01**2),
    sums=np.zeros((len(_HALF_LIVES), _COLUMNS)),
    peaks=np.zeros(_COUNT + 1),
    lead=np.zeros(_COUNT),
    following=np.zeros(2),
)


def shared_features(returns: ArrayLike, trades: ArrayLike, wins: ArrayLike) -> FloatArray:
    """The features `SHARED` of a whole history, all three (days, 8): (days + 1, 28). The last row is for tomorrow."""
    _, rows = _follow(START, _cleaned(returns, trades, wins, axes=2), _every_day)
    return np.concatenate((np.zeros((1, len(SHARED))), rows))


def advance(state: State, returns: ArrayLike, trades: ArrayLike, wins: ArrayLike) -> tuple[State, FloatArray]:
    """The state after one more day, all three (8,), and the features `SHARED` (28,) of the morning after it."""
    return _follow(state, _cleaned(returns, trades, wins, axes=1), _one_day)


_Recursion = Callable[[FloatArray, FloatArray, FloatArray, np.ufunc], tuple[FloatArray, FloatArray]]
"""(start, what each day adds, decay, combine) -> what is remembered before each day, and after it."""


def _one_day(
    start: FloatArray, value: FloatArray, decay: FloatArray, combine: np.ufunc
) -> tuple[FloatArray, FloatArray]:
    return start, combine(decay * start, value)


def _every_day(
    start: FloatArray, values: FloatArray, decay: FloatArray, combine: np.ufunc
) -> tuple[FloatArray, FloatArray]:
    remembered = np.concatenate((start[np.newaxis], np.broadcast_to(values, (len(values), *start.shape))))
    run_through(remembered, decay, combine)
    return remembered[:-1], remembered[1:]


def _cleaned(returns: ArrayLike, trades: ArrayLike, wins: ArrayLike, axes: int) -> FloatArray:
    """Returns, trades and wins as (..., 3, 8), within what they can be."""
    shape = np.shape(returns)
    if len(shape) != axes or shape[-1] != _COUNT or np.shape(trades) != shape or np.shape(wins) != shape:
        needed = "(8,)" if axes == 1 else "(days, 8)"
        raise ValueError(f"returns {shape}, trades {np.shape(trades)}, wins {np.shape(wins)}: needs three of {needed}")
    days = np.empty((*shape[:-1], 3, _COUNT))
    days[..., 0, :], days[..., 1, :], days[..., 2, :] = returns, trades, wins
    days = np.where(np.isfinite(days), days, 0.0)
    np.minimum(np.maximum(days, _LOWEST, out=days), _HIGHEST, out=days)
    np.minimum(days[..., 2, :], days[..., 1, :], out=days[..., 2, :])
    return days


def _follow(state: State, days: FloatArray, recur: _Recursion) -> tuple[State, FloatArray]:
    """The state after each of the days (..., 3, 8) that `recur` runs through, and the features of the morning after."""
    raw = days[..., 0, :]
    expected, variance = recur(state.variance, _SHARE_60 * (raw * raw), _DECAY_60, np.add)
    deviation = np.sqrt(expected + _LEAST_VARIANCE)
    in_deviations = np.minimum(np.maximum(raw / deviation, -_MOST_DEVIATIONS), _MOST_DEVIATIONS)
    inputs = _inputs(in_deviations * deviation, days)
    _, sums = recur(state.sums, inputs[..., np.newaxis, :], _DECAYS, np.add)
    _, peaks = recur(state.peaks, sums[..., _LONG, _RETURNS], _DECAY_250, np.maximum)

    variances = sums[..., _SHORT:, _SQUARES] / sums[..., _SHORT:, _DAYS, np.newaxis] + _LEAST_VARIANCE
    # Half of each variance is the long one, so that a quiet month does not make a great ratio of a small gain.
    half_floored = np.sqrt(_HALF * (variances[..., :2, :] + variances[..., 2:, :]))
    parts = _SHARPE_PARTS * sums[..., _SHORT:_LONG, _EACH] / half_floored[..., _EACH]
    sharpe = parts[..., 0, :] + parts[..., 1, :]
    # Without memory, what is remembered before a day is what was found on the day before.
    known, lead = recur(state.lead, sharpe - (sharpe @ _EIGHTHS)[..., np.newaxis], _NO_MEMORY, np.add)
    gain = ((known * in_deviations) @ _EIGHTHS)[..., np.newaxis]
    _, following = recur(state.following, gain**_FIRST_AND_SECOND_POWER, _DECAY_60, np.add)
    after = State(variance, sums, peaks, lead, following)
    return after, _rows(after, variances, half_floored[..., 0, _ACCOUNT], sharpe)


def _inputs(returns: FloatArray, days: FloatArray) -> FloatArray:
    """What a day adds to the sums (..., 21), from its winsorised returns (..., 8)."""
    inputs = np.empty((*returns.shape[:-1], _COLUMNS))
    inputs[..., _EACH] = returns
    inputs[..., _ACCOUNT] = returns @ _EIGHTHS
    np.square(inputs[..., _RETURNS], out=inputs[..., _SQUARES])
    inputs[..., _TRADES : _WINS + 1] = np.add.reduce(days[..., 1:, :], axis=-1)
    inputs[..., _DAYS] = 1.0
    return inputs


def _rows(state: State, variances: FloatArray, deviation: FloatArray, sharpe: FloatArray) -> FloatArray:
    """`SHARED` (..., 28) from variances (..., 3, 9), the account's deviation (...) and Sharpe ratios (..., 8)."""
    sums, lead = state.sums, state.lead
    short, long = variances[..., 0, :], variances[..., 2, :]
    means = sums[..., _ACCOUNT] / deviation[..., np.newaxis]
    busy = np.log(sums[..., _SHORT:, _TRADES] / sums[..., _SHORT:, _DAYS] + _MORE_TRADES_A_DAY)
    trades, wins = sums[..., _SHORT, _TRADES], sums[..., _SHORT, _WINS]
    losses = (state.peaks - sums[..., _LONG, _RETURNS]) / np.sqrt(long)
    change = short / long
    gain, gain_variance = state.following[..., 0], state.following[..., 1] / sums[..., _MEDIUM, _DAYS]

    rows = np.empty((*sharpe.shape[:-1], len(SHARED)))
    rows[..., 0] = np.log(change[..., _ACCOUNT])
    rows[..., 1] = means[..., _TREND]
    rows[..., 2] = means[..., _MOMENTUM]
    rows[..., 3] = busy[..., 0] - busy[..., 2]
    rows[..., 4] = losses[..., _ACCOUNT]
    rows[..., 5] = means[..., _MEDIUM]
    rows[..., 6] = (wins - _HALF * trades) / (trades + _MORE_TRADES)
    rows[..., 7] = means[..., _LONG]
    rows[..., 8:24:2] = sharpe
    rows[..., 9:24:2] = losses[..., _EACH]
    rows[..., 24] = means[..., _SHORT]
    rows[..., 25] = np.log(change[..., _EACH] @ _EIGHTHS)
    rows[..., 26] = gain / np.sqrt(gain_variance + _LEAST_GAIN_VARIANCE)
    rows[..., 27] = np.sqrt((lead * lead) @ _EIGHTHS)
    rows *= _SCALES
    np.tanh(rows[..., 24], out=rows[..., 24])
    np.minimum(np.maximum(rows, -_LARGEST, out=rows), _LARGEST, out=rows)
    return rows
