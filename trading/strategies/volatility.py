"""One rule that holds the whole market, but not through storms."""

from dataclasses import dataclass

import numpy as np

from trading.bars import Bars, FloatArray
from trading.indicators import rolling_rank, rolling_sd
from trading.strategies.positions import held_between


@dataclass(frozen=True)
class VixParameters:
    year_bars: int = 252
    calm_rank: float = 0.6
    storm_rank: float = 0.8
    """Between the two ranks the rule stays as it is, so that it does not flicker around one threshold."""
    realised_bars: int = 20
    """Window of the realised volatility that stands in where there is no index."""

    @property
    def warm_up_bars(self) -> int:
        """With an index; `realised_bars` more without."""
        return self.year_bars - 1


def vix_strategy(bars: Bars, parameters: VixParameters = VixParameters()) -> FloatArray:
    """Risk on, risk off, by where the volatility index stands in its own past year.

    Entry: the index is above fewer than `calm_rank` of its values of the past `year_bars`.
    Exit: it is above more than `storm_rank` of them.
    Sizing: the whole capital, every symbol the same share.
    """
    p = parameters
    fear = bars.volatility_index
    if fear is None:
        fear = _realised_volatility(bars, p.realised_bars)
    rank = rolling_rank(fear, p.year_bars)
    risk_on = held_between(rank < p.calm_rank, rank > p.storm_rank)
    return np.repeat(risk_on[:, None] / len(bars.symbols), len(bars.symbols), axis=1)


def _realised_volatility(bars: Bars, window: int) -> FloatArray:
    """(bars,) standard deviation of the equally weighted market's returns; NaN until there are enough."""
    market = np.full(len(bars), np.nan)
    market[1:] = (bars.close[1:] / bars.close[:-1] - 1).mean(axis=1)
    return rolling_sd(market, window)
