"""A day's bar, taken apart into shorter bars that put together are that day again."""

import numpy as np

from trading.bars import Bars, FloatArray

SESSION_OPENS = np.timedelta64(14 * 60 + 30, "m")
"""After midnight UTC."""
SESSION_SECONDS = 23_400
STEPS_PER_PIECE = 8
RANGE_PER_SD = np.sqrt(8 / np.pi)
"""Expected range of a Brownian day over its standard deviation."""


def split_day(bars: Bars, day: int, pieces: int, rng: np.random.Generator) -> Bars:
    """`pieces` bars of equal length that add up to bar `day` of daily bars, exactly.

    The first open, the highest high, the lowest low, the last close and the sum of the volumes are the day's own
    numbers to the last bit. The volatility index is the evening before's until the last piece: nobody knows the
    day's own earlier.
    """
    if bars.times.dtype != np.dtype("datetime64[D]"):
        raise ValueError(f"only days can be split, not bars with times in {bars.times.dtype}")
    if not 1 <= pieces <= SESSION_SECONDS:
        raise ValueError(f"{pieces} pieces: a session has from 1 to {SESSION_SECONDS}")
    path = _path(bars, day, pieces * STEPS_PER_PIECE, rng)
    first_steps = np.arange(pieces) * STEPS_PER_PIECE
    inside = path[first_steps + np.arange(STEPS_PER_PIECE + 1)[:, None]]
    index = bars.volatility_index
    if index is not None:
        index = np.append(np.full(pieces - 1, index[max(day - 1, 0)]), index[day])
    opens = bars.times[day].astype("datetime64[s]") + SESSION_OPENS
    return Bars(
        times=opens + np.arange(pieces) * (SESSION_SECONDS // pieces),
        symbols=bars.symbols,
        open=inside[0],
        high=inside.max(axis=0),
        low=inside.min(axis=0),
        close=inside[-1],
        volume=_shares(bars.volume[day], pieces, rng),
        volatility_index=index,
    )


def _path(bars: Bars, day: int, steps: int, rng: np.random.Generator) -> FloatArray:
    """(steps + 1, symbols) prices from open to close that touch high and low, at times of their own choosing.

    Between these four knots: Brownian bridges with the volatility that the day's range suggests, cut off at the range.
    """
    open_, high, low, close = bars.open[day], bars.high[day], bars.low[day], bars.close[day]
    shape = (steps + 1, len(bars.symbols))
    step_sd = np.log(high / low) / RANGE_PER_SD / np.sqrt(steps)
    wander = np.cumsum(step_sd * rng.standard_normal(shape), axis=0)
    touches = 1 + rng.random((steps - 1, shape[1])).argsort(axis=0)[:2]
    path = np.empty(shape)
    for column in range(shape[1]):
        knots = np.array([0, *touches[:, column], steps])
        prices = np.array([open_[column], high[column], low[column], close[column]])
        order = np.argsort(knots)
        knots, prices = knots[order], prices[order]
        correction = np.interp(np.arange(steps + 1), knots, np.log(prices) - wander[knots, column])
        path[:, column] = np.clip(np.exp(wander[:, column] + correction), low[column], high[column])
        path[knots, column] = prices
    return path


def _shares(volume: FloatArray, pieces: int, rng: np.random.Generator) -> FloatArray:
    """(pieces, symbols) parts of the volume: whole units, and the last part what remains, so that no sum rounds."""
    ends = np.cumsum(rng.gamma(4.0, size=(pieces, len(volume))), axis=0)
    reached = np.floor(volume * ends / ends[-1])
    reached[-1] = volume
    return np.diff(reached, axis=0, prepend=np.zeros_like(reached[:1]))
