"""The figures of accounts as the report says them. What is not known is None: JSON has no nan."""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.config import Tracker
from trading import metrics
from trading.metrics import Interval

FloatArray = NDArray[np.float64]


class Sharpes(NamedTuple):
    """Intervals of the Sharpe ratios of several accounts, and of how far the first is ahead of each."""

    own: tuple[Interval, ...]
    first_ahead: tuple[Interval, ...]


def known(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def span(interval: Interval) -> list[float | None]:
    return [known(interval.low), known(interval.high)]


def account_figures(net: FloatArray, turnover: FloatArray, cost_bps: float, periods_per_year: float) -> dict[str, Any]:
    """Of one account's net returns and turnover (days,)."""
    wealth = metrics.wealth_of(net)
    traded = float(turnover.mean()) if len(turnover) else float("nan")
    return {
        "days": len(net),
        "total_return": known(float(wealth[-1]) - 1.0) if len(net) else None,
        "annual_return": known(float(metrics.annual_return(net, periods_per_year))),
        "volatility": known(float(metrics.volatility(net, periods_per_year))),
        "sharpe": known(float(metrics.sharpe(net, periods_per_year))),
        "sortino": known(float(metrics.sortino(net, periods_per_year))),
        "max_drawdown": known(float(metrics.max_drawdown(wealth))) if len(net) else None,
        "turnover_a_day": known(traded),
        "cost_a_year": known(traded * cost_bps / 1e4 * periods_per_year),
    }


def sharpe_intervals(
    net: FloatArray, rng: np.random.Generator, terms: Tracker, periods_per_year: float
) -> Sharpes:
    """Of accounts (accounts, days), with the same days drawn for all of them."""
    unknown = Interval(float("nan"), float("nan"))
    if net.shape[-1] < 2:
        return Sharpes((unknown,) * len(net), (unknown,) * len(net))

    def ratios(drawn: FloatArray) -> FloatArray:
        return metrics.sharpe(drawn, periods_per_year).T

    drawn = metrics.bootstrap(net, ratios, rng, draws=terms.draws, mean_block=terms.mean_block)
    ahead = drawn[:, :1] - drawn
    return Sharpes(
        tuple(metrics.percentile_interval(column, terms.level) for column in drawn.T),
        tuple(metrics.percentile_interval(column, terms.level) for column in ahead.T),
    )


def wealth_band(
    net: FloatArray, rng: np.random.Generator, terms: Tracker, places: NDArray[np.intp], draws: int = 400
) -> tuple[FloatArray, FloatArray]:
    """What luck makes of returns like these (days,): the ends of the middle `level` of resampled wealth on some days.

    Each (places,).
    """
    if len(net) < 2 or not np.isfinite(net).all():
        nothing = np.full(len(places), np.nan)
        return nothing, nothing

    def wealth(drawn: FloatArray) -> FloatArray:
        return metrics.wealth_of(drawn)[..., places + 1]

    drawn = metrics.bootstrap(net, wealth, rng, draws=draws, mean_block=terms.mean_block)
    low, high = np.quantile(drawn, [(1.0 - terms.level) / 2.0, (1.0 + terms.level) / 2.0], axis=0)
    return low, high


def drawdowns(net: FloatArray, dates: NDArray[np.datetime64], most: int = 5) -> list[dict[str, Any]]:
    """The deepest falls below an earlier peak, deepest first. One that lasts has no end."""
    depth = metrics.drawdown(metrics.wealth_of(net))[1:]
    under = np.concatenate(([False], depth > 1e-12, [False]))
    edges = np.flatnonzero(np.diff(under.astype(np.int8)))
    found = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        lowest = start + int(np.argmax(depth[start:end]))
        found.append(
            {
                "depth": float(depth[lowest]),
                "first_day": str(dates[start]),
                "lowest_day": str(dates[lowest]),
                "last_day": None if end == len(net) else str(dates[end - 1]),
                "days": end - start,
            }
        )
    return sorted(found, key=lambda fall: -float(fall["depth"]))[:most]


def rolling_sharpe(net: FloatArray, window: int, periods_per_year: float) -> FloatArray:
    """(days,) of the days up to and with each; nan before there are `window`."""
    ratios = np.full(len(net), np.nan)
    if len(net) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(net, window)
        ratios[window - 1 :] = metrics.sharpe(windows, periods_per_year)
    return ratios


def sampled(days: int, most: int = 240) -> NDArray[np.intp]:
    """Places among so many days, evenly apart, the last among them."""
    return np.unique(np.linspace(0, days - 1, min(days, most)).round().astype(np.intp))


def numbers(values: FloatArray, digits: int = 6) -> list[float | None]:
    return [None if not isfinite(value) else round(value, digits) for value in values.tolist()]
