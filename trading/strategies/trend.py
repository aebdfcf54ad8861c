"""Four rules that follow what has been moving."""

from dataclasses import dataclass

import numpy as np

from trading.bars import Bars, FloatArray
from trading.indicators import atr, macd, previous, rolling_max, rolling_min, sma
from trading.strategies.positions import held_between, limit_gross


@dataclass(frozen=True)
class TurtleParameters:
    entry_bars: int = 20
    exit_bars: int = 10
    atr_bars: int = 20
    stop_atr: float = 2.0
    risk: float = 0.01
    """Share of the capital that one position loses when its stop is hit."""
    allow_short: bool = True

    @property
    def warm_up_bars(self) -> int:
        return max(self.entry_bars, self.exit_bars, self.atr_bars)


def turtle_trading(bars: Bars, parameters: TurtleParameters = TurtleParameters()) -> FloatArray:
    """Donchian channels, as the Turtles traded them, without pyramiding.

    Entry: the close is above the highest high of the `entry_bars` before it (short: below the lowest low).
    Exit: the close is below the lowest low of the `exit_bars` before it, or `stop_atr` average true ranges below
    the close of entry (short: mirrored). A bar that leaves does not enter again.
    Sizing: so that the distance to the stop is `risk` of the capital, fixed at entry, but never more than the whole
    capital; when the sum of all is more than that, all are scaled down together.
    """
    p = parameters
    close = bars.close
    above = close > previous(rolling_max(bars.high, p.entry_bars))
    below = (close < previous(rolling_min(bars.low, p.entry_bars))) & p.allow_short
    weak = close < previous(rolling_min(bars.low, p.exit_bars))
    strong = close > previous(rolling_max(bars.high, p.exit_bars))
    side = above * 1.0 - below
    stop_distance = np.maximum(p.stop_atr * atr(bars.high, bars.low, close, p.atr_bars), p.risk * close)
    size_if_entered = side * p.risk * close / stop_distance
    stop_if_entered = close - side * stop_distance

    positions = np.zeros_like(close)
    size = stop = np.zeros(close.shape[1])
    for bar in range(p.warm_up_bars, len(bars)):
        flat = size == 0
        leave = np.where(size > 0, weak[bar], strong[bar]) | ((close[bar] - stop) * size < 0)
        size = np.where(flat, size_if_entered[bar], np.where(leave, 0.0, size))
        stop = np.where(flat, stop_if_entered[bar], stop)
        positions[bar] = size
    return limit_gross(positions)


@dataclass(frozen=True)
class CrossoverParameters:
    fast_bars: int = 20
    slow_bars: int = 50
    allow_short: bool = True

    @property
    def warm_up_bars(self) -> int:
        return self.slow_bars - 1


def momentum_sma_crossover(bars: Bars, parameters: CrossoverParameters = CrossoverParameters()) -> FloatArray:
    """Two simple moving averages of the close.

    Entry: long while the fast average is above the slow one, short while it is below.
    Exit: only by the opposite crossing; without shorts, flat while the fast average is below.
    Sizing: every symbol has the same share of the capital.
    """
    p = parameters
    gap = sma(bars.close, p.fast_bars) - sma(bars.close, p.slow_bars)
    side = (gap > 0) * 1.0 - ((gap < 0) & p.allow_short)
    return side / len(bars.symbols)


@dataclass(frozen=True)
class BreakoutParameters:
    entry_bars: int = 55
    exit_bars: int = 20
    volume_bars: int = 20
    volume_ratio: float = 1.2
    """A breakout counts when its volume is at least this many times the average of the bars before it."""
    slots: int = 10

    @property
    def warm_up_bars(self) -> int:
        return max(self.entry_bars, self.exit_bars, self.volume_bars)


def breakout_trading(bars: Bars, parameters: BreakoutParameters = BreakoutParameters()) -> FloatArray:
    """A new high that many took part in; long only.

    Entry: the close is above the highest high of the `entry_bars` before it, on `volume_ratio` times the mean
    volume of the `volume_bars` before it.
    Exit: the close is below the lowest low of the `exit_bars` before it.
    Sizing: 1 / `slots` of the capital each; when more are open, all are scaled down together.
    """
    p = parameters
    high = bars.close > previous(rolling_max(bars.high, p.entry_bars))
    busy = bars.volume >= p.volume_ratio * previous(sma(bars.volume, p.volume_bars))
    leave = bars.close < previous(rolling_min(bars.low, p.exit_bars))
    return limit_gross(held_between(high & busy, leave) / p.slots)


@dataclass(frozen=True)
class MacdParameters:
    fast_bars: int = 12
    slow_bars: int = 26
    signal_bars: int = 9
    allow_short: bool = True

    @property
    def warm_up_bars(self) -> int:
        return self.slow_bars + self.signal_bars - 2


def macd_momentum(bars: Bars, parameters: MacdParameters = MacdParameters()) -> FloatArray:
    """Moving average convergence and divergence of the close.

    Entry: long when the line is above zero and above its signal, that is, in a rise that is speeding up; short when
    it is below both.
    Exit: the line changes sign.
    Sizing: every symbol has the same share of the capital.
    """
    p = parameters
    line, signal = macd(bars.close, p.fast_bars, p.slow_bars, p.signal_bars)
    long = held_between((line > signal) & (line > 0), line < 0)
    short = held_between((line < signal) & (line < 0), line > 0) & p.allow_short
    return (long * 1.0 - short) / len(bars.symbols)
