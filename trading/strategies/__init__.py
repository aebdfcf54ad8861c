"""The eight rules: bars in, target positions `(bars, symbols)` out.

A position is a fraction of the strategy's own capital, negative when short; the absolute values of a row sum to at
most 1. `positions[t]` is decided with the bars up to and including t and traded at the open of bar t + 1.

Every rule is flat while it lacks history (`warm_up_bars` of its parameters). After that its memory has no end:
exponential averages fade but never forget, and an open position remembers its entry. A caller that moves forward
therefore hands over its history anew for each bar: given the whole of it, the rules repeat the past to the last bit;
given its last `LOOKBACK_BARS`, they decide the same for the newest bar as far as trials show.
"""

from collections.abc import Mapping
from types import MappingProxyType

from trading.strategies.pairs import pairs_trading
from trading.strategies.positions import Rule, position_returns
from trading.strategies.reversion import bollinger_bands, mean_reversion_rsi
from trading.strategies.trend import breakout_trading, macd_momentum, momentum_sma_crossover, turtle_trading
from trading.strategies.volatility import vix_strategy

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "turtle_trading": turtle_trading,
        "mean_reversion_rsi": mean_reversion_rsi,
        "momentum_sma_crossover": momentum_sma_crossover,
        "breakout_trading": breakout_trading,
        "pairs_trading": pairs_trading,
        "macd_momentum": macd_momentum,
        "bollinger_bands": bollinger_bands,
        "vix_strategy": vix_strategy,
    }
)
"""Name -> rule with its default parameters, in the order of the strategies everywhere else."""

LOOKBACK_BARS = 1000
"""No decision at 348 sampled bars of four simulated markets changed with this much history; 600 would have done."""

__all__ = ["LOOKBACK_BARS", "RULES", "Rule", "position_returns"]
