"""The names and their order, which every checkpoint depends on."""

from __future__ import annotations

import numpy as np

from ai import features
from ai.feature_table import (
    FEATURES,
    MARKET,
    PORTFOLIO,
    REGIME,
    SHARED,
    STRATEGY,
    STRATEGY_DRAWDOWN,
    STRATEGY_SHARPE,
    TABLE,
    whole_rows,
)
from contract.schema.names import STRATEGIES


def test_the_features_are_those_of_the_design_in_its_order() -> None:
    market = ("volatility", "trend", "momentum", "volume", "drawdown", "sharpe", "win_rate", "avg_pnl")
    portfolio = ("equity", "cash_ratio", "position_count", "drawdown", "total_pnl", "diversity")
    regime = ("bull_bear", "volatility_regime", "stability", "trend_strength")
    assert FEATURES[MARKET] == tuple(f"market_{name}" for name in market)
    assert FEATURES[PORTFOLIO] == tuple(f"portfolio_{name}" for name in portfolio)
    assert FEATURES[STRATEGY] == tuple(f"{what}_{name}" for name in STRATEGIES for what in ("sharpe", "drawdown"))
    assert FEATURES[REGIME] == tuple(f"regime_{name}" for name in regime)
    assert len(FEATURES) == len(set(FEATURES)) == 34
    assert features.FEATURES is FEATURES


def test_a_slice_takes_one_number_of_each_strategy() -> None:
    assert FEATURES[STRATEGY_SHARPE] == tuple(f"sharpe_{name}" for name in STRATEGIES)
    assert FEATURES[STRATEGY_DRAWDOWN] == tuple(f"drawdown_{name}" for name in STRATEGIES)


def test_every_feature_has_a_unit_and_a_window() -> None:
    assert all(feature.unit and feature.window for feature in TABLE)


def test_a_whole_row_has_every_number_in_its_place() -> None:
    place = {name: float(number) for number, name in enumerate(FEATURES)}
    shared = np.array([[place[name] for name in SHARED]] * 2)
    portfolio = np.array([[place[name] for name in FEATURES[PORTFOLIO]]] * 2)
    np.testing.assert_array_equal(whole_rows(shared, portfolio), [range(34)] * 2)
