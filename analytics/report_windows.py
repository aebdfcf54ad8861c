"""The last 7, 30 and 90 live days, and how the weights moved: under the names that the ancestor gave its figures.

They mean what they say: the baseline is equal weight on the same days, measured; trades are trades; and better is said
of days that are enough to say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analytics.figures import FloatArray, known, span
from analytics.judged import Judged
from analytics.ledger import EQUAL_WEIGHT, PUBLISHED, Ledger
from analytics.verdict import paired_difference
from contract.book.daily import DailyBook
from contract.config import Config
from contract.schema.fields import by_name
from contract.schema.names import STRATEGIES
from trading import metrics


def window(book: DailyBook, live: Judged, days: int, config: Config, rng: np.random.Generator) -> dict[str, Any]:
    """The last so many live days; with fewer, those there are, and `days` says how many."""
    ours, equal = (live.ledger.of(name)[-days:] for name in (PUBLISHED, EQUAL_WEIGHT))
    values: dict[str, Any] = {"period_days": days, "days": len(ours)}
    if len(ours) < 2:
        return values | {"rl_performance": {}, "baseline_performance": {}, "comparison": {}}
    year, terms = float(config.account.periods_per_year), config.tracker
    places = live.places[-days:]
    turnover = live.ledger.turnover[0, -days:]
    cost = {
        "trades_count": int(book.account_trades[places].sum()),
        "turnover_a_day": known(float(turnover.mean())),
        "cost_pct": _percent(turnover.sum() * config.rebalancing.cost_bps / 1e4),
    }
    own, base = (float(metrics.sharpe(net, year)) for net in (ours, equal))
    difference = paired_difference(ours, equal, rng, terms, year)
    comparison = {
        "sharpe_improvement": known(own - base),
        "sharpe_improvement_pct": known((own / base - 1.0) * 100.0) if base > 0.0 else None,
        "interval": span(difference.interval),
        "rl_better": bool(len(ours) >= terms.least_days and difference.interval.low > 0.0),
    }
    return values | {
        "rl_performance": _performance(ours, year) | cost,
        "baseline_performance": {"name": EQUAL_WEIGHT} | _performance(equal, year) | _top(book.returns[places], year),
        "comparison": comparison,
    }


def summary(of_30_days: Mapping[str, Any]) -> dict[str, Any]:
    comparison = of_30_days["comparison"]
    return {
        "rl_sharpe_30d": of_30_days["rl_performance"].get("sharpe_ratio"),
        "baseline_sharpe": of_30_days["baseline_performance"].get("sharpe_ratio"),
        "improvement": comparison.get("sharpe_improvement"),
        "rl_better": bool(comparison.get("rl_better", False)),
    }


def weight_evolution(ledger: Ledger, days: int = 30) -> dict[str, Any]:
    weights = ledger.weights[0, -days:]
    if not len(weights):
        return {"error": "no day is known on which published weights were in force"}
    mean = weights.mean(axis=0)
    top, bottom = int(mean.argmax()), int(mean.argmin())
    return {
        "period_days": days,
        "samples": len(weights),
        "average_weights": by_name(mean.tolist()),
        "top_strategy": STRATEGIES[top],
        "top_weight": float(mean[top]),
        "bottom_strategy": STRATEGIES[bottom],
        "bottom_weight": float(mean[bottom]),
        "weight_std": by_name(weights.std(axis=0).tolist()),
        "latest": by_name(weights[-1].tolist()),
    }


def _performance(net: FloatArray, year: float) -> dict[str, Any]:
    wealth = metrics.wealth_of(net)
    return {
        "total_return_pct": _percent(wealth[-1] - 1.0),
        "sharpe_ratio": known(float(metrics.sharpe(net, year))),
        "max_drawdown_pct": _percent(metrics.max_drawdown(wealth)),
        "volatility_pct": _percent(metrics.volatility(net, year)),
    }


def _top(returns: FloatArray, year: float) -> dict[str, Any]:
    """The strategy that did best by itself, returns (days, 8)."""
    ratios = np.nan_to_num(metrics.sharpe(returns.T, year), nan=-np.inf)
    top = int(np.argmax(ratios))
    return {
        "top_strategy": STRATEGIES[top],
        "top_sharpe": known(float(ratios[top])),
        "top_drawdown": _percent(metrics.max_drawdown(metrics.wealth_of(returns[:, top]))),
    }


def _percent(share: float | FloatArray) -> float | None:
    return known(float(share) * 100.0)
