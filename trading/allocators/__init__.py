"""The baselines: rules that divide capital between assets, which a learnt policy has to beat.

An allocator is a pure function of returns `(days, assets)`, fractions above -1. It answers with weights
`(days + 1, assets)`, long only, each row summing to 1: row t is what to hold on day t, decided from the rows before
t alone, so that the first row is equal weight and the last one is for tomorrow. Those in hindsight break this rule on
purpose and are marked. `trading.backtest` says what an allocator earns.

`ALLOCATORS` holds every one with the settings that the command, the report and the tests use; the functions
themselves take others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from trading.allocators.hierarchical import hierarchical_risk_parity
from trading.allocators.hindsight import best_asset, best_constant_rebalanced
from trading.allocators.online import (
    buy_and_hold,
    equal_weight,
    exponentiated_gradient,
    fixed_share,
    hedge,
    online_newton_step,
)
from trading.allocators.risk_based import (
    inverse_volatility,
    minimum_variance,
    risk_parity,
    shrunk_covariance,
)
from trading.allocators.windowed import rolling, sharpe_momentum

FloatArray = NDArray[np.float64]

Allocator = Callable[[FloatArray], FloatArray]
"""Returns `(days, assets)` -> weights `(days + 1, assets)`."""

RISK_WINDOW_DAYS = 120
RISK_EVERY_DAYS = 5


@dataclass(frozen=True)
class Entry:
    """An allocator with its settings."""

    allocate: Allocator
    summary: str
    """One line for the reader of a table."""
    hindsight: bool = False
    """Whether it has seen the future, and so can only be a yardstick."""


def _risk_based(rule: Callable[[FloatArray], FloatArray], summary: str) -> Entry:
    """`rule` on the covariance of the last RISK_WINDOW_DAYS, estimated anew every RISK_EVERY_DAYS."""

    def portfolio(history: FloatArray) -> FloatArray:
        return rule(shrunk_covariance(history))

    allocate = partial(rolling, portfolio=portfolio, window=RISK_WINDOW_DAYS, every=RISK_EVERY_DAYS)
    return Entry(allocate, f"{summary}; {RISK_WINDOW_DAYS}-day covariance, every {RISK_EVERY_DAYS} days")


ALLOCATORS: Mapping[str, Entry] = MappingProxyType(
    {
        "equal_weight": Entry(equal_weight, "1/n each, restored daily (the uniform constant rebalanced portfolio)"),
        "buy_and_hold": Entry(buy_and_hold, "1/n each on the first day, no trade afterwards"),
        "inverse_volatility": _risk_based(inverse_volatility, "in proportion to 1 / volatility"),
        "minimum_variance": _risk_based(minimum_variance, "the long-only portfolio of least variance"),
        "risk_parity": _risk_based(risk_parity, "every asset contributes the same risk"),
        "hrp": _risk_based(hierarchical_risk_parity, "hierarchical risk parity: risk divided down a tree"),
        "exponentiated_gradient": Entry(
            partial(exponentiated_gradient, rate=0.05), "multiplicative updates, rate 0.05"
        ),
        "hedge": Entry(partial(hedge, rate=10.0), "in proportion to each asset's wealth to the power 10"),
        "fixed_share": Entry(
            partial(fixed_share, rate=20.0, share=0.01), "Hedge, power 20, that shares out 1% of its weights daily"
        ),
        "online_newton_step": Entry(
            partial(online_newton_step, eta=0.0, beta=1.0, delta=0.125), "Newton steps on log wealth, delta 1/8"
        ),
        "sharpe_momentum": Entry(
            partial(sharpe_momentum, window=60, strength=1.0), "exp of each asset's 60-day annual Sharpe ratio"
        ),
        "best_asset": Entry(best_asset, "the asset that ended richest", hindsight=True),
        "best_constant_rebalanced": Entry(
            best_constant_rebalanced, "the constant weights that ended richest (BCRP)", hindsight=True
        ),
    }
)
