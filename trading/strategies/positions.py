"""From signals to positions, and from positions to returns."""

from collections.abc import Callable

import numpy as np

from trading.bars import Bars, BoolArray, FloatArray

Rule = Callable[[Bars], FloatArray]


def held_between(enter: BoolArray, leave: BoolArray, held_before: BoolArray | bool = False) -> BoolArray:
    """(bars, ...) True from a bar that says `enter` until the first later one that says `leave`.

    A bar that says both is out. `held_before` is the state just before the first row. Without a loop: a row is
    held when the latest event up to it was an entry.
    """
    bar = np.arange(1, len(enter) + 1).reshape(-1, *[1] * (enter.ndim - 1))
    entered = np.maximum.accumulate(np.where(enter & ~leave, bar, 0), axis=0)
    left = np.maximum.accumulate(np.where(leave, bar, 0), axis=0)
    held: BoolArray = (entered > left) | (held_before & (left == 0))
    return held


def limit_gross(positions: FloatArray) -> FloatArray:
    """Rows whose absolute values sum to more than 1 are scaled down to 1; the others are left alone."""
    gross = np.abs(positions).sum(axis=-1, keepdims=True)
    limited: FloatArray = positions / np.maximum(gross, 1.0)
    return limited


def position_returns(bars: Bars, positions: FloatArray, cost_bps: float = 0.0) -> FloatArray:
    """(bars,) return of the capital from close to close, when `positions[t]` is traded at the open of bar t + 1.

    The night before a bar is carried by the older position, the bar itself by the newer one. Each side is a fixed
    fraction of the capital; `cost_bps` is charged on every change of that fraction.
    """
    newer = np.zeros_like(positions)
    newer[1:] = positions[:-1]
    older = np.zeros_like(positions)
    older[2:] = positions[:-2]
    last_close = np.vstack([bars.open[:1], bars.close[:-1]])
    night = (older * (bars.open / last_close - 1)).sum(axis=1)
    day = (newer * (bars.close / bars.open - 1)).sum(axis=1)
    cost = np.abs(newer - older).sum(axis=1) * cost_bps / 1e4
    returns: FloatArray = (1 + night) * (1 - cost) * (1 + day) - 1
    return returns
