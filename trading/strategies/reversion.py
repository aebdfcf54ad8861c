"""Two rules that bet on a return to the middle."""

from dataclasses import dataclass

from trading.bars import Bars, FloatArray
from trading.indicators import bollinger, rsi
from trading.strategies.positions import held_between, limit_gross


@dataclass(frozen=True)
class RsiParameters:
    period_bars: int = 14
    oversold: float = 30.0
    middle: float = 50.0
    """Where a position has done its work, long or short."""
    overbought: float = 70.0
    allow_short: bool = False
    slots: int = 5

    @property
    def warm_up_bars(self) -> int:
        return self.period_bars


def mean_reversion_rsi(bars: Bars, parameters: RsiParameters = RsiParameters()) -> FloatArray:
    """Wilder's relative strength index of the close.

    Entry: long when it is below `oversold`; short, if allowed, when it is above `overbought`.
    Exit: it is back across `middle`.
    Sizing: 1 / `slots` of the capital each; when more are open, all are scaled down together.
    """
    p = parameters
    strength = rsi(bars.close, p.period_bars)
    long = held_between(strength < p.oversold, strength > p.middle)
    short = held_between(strength > p.overbought, strength < p.middle) & p.allow_short
    return limit_gross((long * 1.0 - short) / p.slots)


@dataclass(frozen=True)
class BandsParameters:
    window_bars: int = 20
    width_sd: float = 2.0
    allow_short: bool = True
    slots: int = 10

    @property
    def warm_up_bars(self) -> int:
        return self.window_bars - 1


def bollinger_bands(bars: Bars, parameters: BandsParameters = BandsParameters()) -> FloatArray:
    """Bands of `width_sd` standard deviations around the moving average of the close.

    Entry: long when the close is below the lower band; short, if allowed, when it is above the upper band.
    Exit: the close is back across the average.
    Sizing: 1 / `slots` of the capital each; when more are open, all are scaled down together.
    """
    p = parameters
    close = bars.close
    bands = bollinger(close, p.window_bars, p.width_sd)
    long = held_between(close < bands.lower, close > bands.middle)
    short = held_between(close > bands.upper, close < bands.middle) & p.allow_short
    return limit_gross((long * 1.0 - short) / p.slots)
