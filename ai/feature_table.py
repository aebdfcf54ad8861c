"""Which 34 numbers the policy sees a day: their names, their order, and what each of them is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ai.smoothing import FloatArray
from contract.schema.names import STRATEGIES


class Feature(NamedTuple):
    """One number of a row."""

    name: str
    unit: str
    window: str
    """Plain numbers are half-lives in days: what happened a half-life ago counts half."""


_MARKET = (
    Feature("market_volatility", "4 x log(short / long deviation)", "20 / 250"),
    Feature("market_trend", "mean return, in its standard errors", "7: as sure as a mean of 20 days"),
    Feature("market_momentum", "mean return, in its standard errors", "1.7: as sure as a mean of 5 days"),
    Feature("market_volume", "3 x log(short / long mean of trades a day, both + 0.1)", "20 / 250"),
    Feature("market_drawdown", "loss since the peak, in deviations of 60 days", "250, for both"),
    Feature("market_sharpe", "annual Sharpe ratio / 3", "60"),
    Feature("market_win_rate", "10 x (wins / trades - 1/2), with 10 more trades of which half won", "20"),
    Feature("market_avg_pnl", "mean return, in its standard errors", "250"),
)
_PORTFOLIO = (
    Feature("portfolio_equity", "log(wealth / wealth at the start) / 0.2", "since the start"),
    Feature("portfolio_cash_ratio", "share of the account that is not invested", "the last day"),
    Feature("portfolio_position_count", "share of the strategies with over 1.5 x the floor", "the last day"),
    Feature("portfolio_drawdown", "share of the peak that is lost / 0.2", "since the start"),
    Feature("portfolio_total_pnl", "mean return, in its standard errors", "20, and 60 for the deviation"),
    Feature("portfolio_diversity", "effective number of strategies / 8", "the last day"),
)
_OF_EACH_STRATEGY = (
    Feature("sharpe", "annual Sharpe ratio / 3", "20 and 60, of which 20 counts twice"),
    Feature("drawdown", "loss since the peak, in deviations of 60 days", "250, for both"),
)
_REGIME = (
    Feature("regime_bull_bear", "tanh(mean return, in its standard errors)", "20: as sure as a mean of 60 days"),
    Feature("regime_volatility_regime", "2 x log(mean over strategies of short / long variance)", "20 / 250"),
    Feature("regime_stability", "mean gain of following the last day's Sharpe ratios, in its standard errors", "60"),
    Feature("regime_trend_strength", "deviation between the strategies' annual Sharpe ratios", "20 and 60"),
)

TABLE: tuple[Feature, ...] = (
    *_MARKET,
    *_PORTFOLIO,
    *(Feature(f"{what}_{name}", unit, window) for name in STRATEGIES for what, unit, window in _OF_EACH_STRATEGY),
    *_REGIME,
)
"""In the order of a row. The strategy group goes strategy by strategy: sharpe, drawdown, sharpe, drawdown, ..."""

FEATURES: tuple[str, ...] = tuple(feature.name for feature in TABLE)
SHARED: tuple[str, ...] = tuple(name for name in FEATURES if not name.startswith("portfolio_"))
"""Those that do not depend on the weights that were in force."""

MARKET, PORTFOLIO, STRATEGY, REGIME = slice(0, 8), slice(8, 14), slice(14, 30), slice(30, 34)
STRATEGY_SHARPE, STRATEGY_DRAWDOWN = slice(14, 30, 2), slice(15, 30, 2)
"""A number for each strategy: `rows[..., STRATEGY_SHARPE]` is (..., 8)."""

LIMIT = 5.0
"""No feature is greater in size."""


def whole_rows(shared: FloatArray, portfolio: FloatArray) -> FloatArray:
    """`FEATURES` (..., 34) from `SHARED` (..., 28) and the account's own six (..., 6)."""
    return np.concatenate((shared[..., : PORTFOLIO.start], portfolio, shared[..., PORTFOLIO.start :]), axis=-1)
