"""Technical indicators over the first axis: `(bars,)` or `(bars, symbols)` in, the same shape out.

Row t uses rows up to t, and its value does not depend on how many rows follow: an indicator of a longer history
begins with exactly the numbers of the shorter one. Rows before there is enough history are NaN. Definitions and
warm-up are those of TA-Lib. Sums over a window are added up afresh for each row: a running sum would carry the
rounding error of every price it ever held.
"""

from typing import NamedTuple

import numpy as np

from trading.bars import FloatArray


def previous(values: FloatArray) -> FloatArray:
    """The value one bar earlier; NaN on the first bar."""
    out = np.full_like(values, np.nan)
    out[1:] = values[:-1]
    return out


def sma(values: FloatArray, window: int) -> FloatArray:
    return _fold(values, window, np.add) / window


def rolling_max(values: FloatArray, window: int) -> FloatArray:
    return _fold(values, window, np.maximum)


def rolling_min(values: FloatArray, window: int) -> FloatArray:
    return _fold(values, window, np.minimum)


def rolling_sd(values: FloatArray, window: int) -> FloatArray:
    """Population standard deviation, from the distances to each window's own mean."""
    mean = sma(values, window)
    squares = np.zeros_like(mean)
    for lag in range(min(window, len(values))):
        squares[window - 1 :] += (values[window - 1 - lag : len(values) - lag] - mean[window - 1 :]) ** 2
    squares[: window - 1] = np.nan
    return np.sqrt(squares / window)


def rolling_rank(values: FloatArray, window: int) -> FloatArray:
    """Share of the other values in the window that lie below the latest: 0 = the lowest, 1 = the highest."""
    below = np.full_like(values, np.nan)
    below[window - 1 :] = 0.0
    for lag in range(1, min(window, len(values))):
        rise = values[window - 1 :] - values[window - 1 - lag : len(values) - lag]
        below[window - 1 :] += np.heaviside(rise, 0.0)
    return below / (window - 1)


def ema(values: FloatArray, period: int) -> FloatArray:
    """Exponential average with weight 2 / (period + 1), started from the mean of the first `period` values."""
    return _smooth(values, 2 / (period + 1), period, seed_bar=period - 1)


class Macd(NamedTuple):
    line: FloatArray
    signal: FloatArray


def macd(values: FloatArray, fast: int, slow: int, signal: int) -> Macd:
    """Fast minus slow average, and the average of that; both begin at bar slow + signal - 2.

    Both averages start on the same bar, the first that the slow one can know, so that their difference is not
    biased by the fast one having seen more.
    """
    fast_ema = _smooth(values, 2 / (fast + 1), fast, seed_bar=slow - 1)
    line = fast_ema - ema(values, slow)
    first = slow + signal - 2
    average = _smooth(line, 2 / (signal + 1), signal, seed_bar=first)
    line[:first] = np.nan
    return Macd(line, average)


class Bands(NamedTuple):
    upper: FloatArray
    middle: FloatArray
    lower: FloatArray


def bollinger(values: FloatArray, window: int, width_sd: float) -> Bands:
    middle = sma(values, window)
    width = width_sd * rolling_sd(values, window)
    return Bands(middle + width, middle, middle - width)


def rsi(values: FloatArray, period: int) -> FloatArray:
    """Wilder's relative strength: 100 = only gains, 0 = only losses.

    50 while the price has not moved at all, where TA-Lib says 0: a rule that buys what is oversold would buy it.
    """
    change = np.diff(values, axis=0, prepend=values[:1])
    both = np.stack([np.maximum(change, 0.0), np.maximum(-change, 0.0)], axis=1)
    both = _smooth(both, 1 / period, period, seed_bar=period)
    gain, moved = both[:, 0], both[:, 0] + both[:, 1]
    still = moved == 0
    return np.where(still, 50.0, 100.0 * gain / np.where(still, 1.0, moved))


def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Wilder's average true range, in units of price; gaps from the last close count."""
    last = previous(close)
    true_range = np.maximum(high, last) - np.minimum(low, last)
    return _smooth(true_range, 1 / period, period, seed_bar=period)


def _fold(values: FloatArray, window: int, combine: np.ufunc) -> FloatArray:
    """Combine each window's values, latest first: `window` passes over the whole array."""
    out = np.full_like(values, np.nan)
    out[window - 1 :] = values[window - 1 :]
    for lag in range(1, min(window, len(values))):
        combine(out[window - 1 :], values[window - 1 - lag : len(values) - lag], out=out[window - 1 :])
    return out


def _smooth(values: FloatArray, weight: float, period: int, seed_bar: int) -> FloatArray:
    """Exponential smoothing that begins at `seed_bar` with the mean of the `period` values up to it."""
    out = np.full_like(values, np.nan)
    if len(values) <= seed_bar:
        return out
    weighted, keep = weight * values, 1 - weight
    out[seed_bar] = state = values[seed_bar - period + 1 : seed_bar + 1].mean(axis=0)
    for bar in range(seed_bar + 1, len(values)):
        out[bar] = state = keep * state + weighted[bar]
    return out
