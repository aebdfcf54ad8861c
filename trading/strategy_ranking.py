"""Which strategies earn their place: Sharpe ratios, net of cost and shrunk; who is retired; and weights.

A year of days tells a Sharpe ratio to within about 1, so the ratio that was measured says more of luck than of skill.
What is ranked, and what weights follow, is the ratio to be expected after it was seen; the rule of retirement, which
knows nothing of luck, is applied to the one that was measured.

Costs are in the returns: a book has what is left of every profit after the fees and the slippage that the bot paid,
also for the fills that only brought a strategy back to its share. To charge them here would be to charge them twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trading.metrics import max_drawdown, sharpe_estimate, wealth_of
from trading.optimizer import are_usable
from trading.simplex_array import softmax

FloatArray = NDArray[np.float64]

SHARPE_SD = 0.5
"""Before anything is seen, a strategy's true annual Sharpe ratio is taken to be normal around 0 with this deviation."""
TILT = 1.0
"""Weights are in proportion to exp(TILT x expected Sharpe ratio)."""


@dataclass(frozen=True)
class RetirementRule:
    """Enough trades to judge by, and any one of three faults."""

    least_trades: int = 20
    least_sharpe: float = 0.3
    least_win_rate: float = 0.4
    greatest_drawdown: float = 0.3

    def faults(self, sharpe: float, win_rate: float | None, drawdown: float, trades: int) -> str:
        """What a strategy would be retired for; empty where it goes on."""
        if trades < self.least_trades:
            return ""
        faults = []
        if sharpe < self.least_sharpe:
            faults.append(f"Sharpe {sharpe:.2f} < {self.least_sharpe:g}")
        if win_rate is not None and win_rate < self.least_win_rate:
            faults.append(f"win rate {win_rate:.0%} < {self.least_win_rate:.0%}")
        if drawdown > self.greatest_drawdown:
            faults.append(f"drawdown {drawdown:.0%} > {self.greatest_drawdown:.0%}")
        return ", ".join(faults)


class Standing(NamedTuple):
    """One strategy's record. Sharpe ratios are annual, rates and drawdown are shares."""

    sharpe: float
    expected_sharpe: float
    """The same, shrunk."""
    win_rate: float | None
    """None without trades."""
    drawdown: float
    trades: int
    faults: str
    """What it is retired for; empty where it is not."""


class Ranking(NamedTuple):
    standings: tuple[Standing, ...]
    """In the order of the columns."""
    best_first: tuple[int, ...]
    """The columns that are not retired; all of them where all have faults, because to retire everybody is no choice."""
    weights: FloatArray
    """(n,), 0 for the retired; equal where all have faults."""

    @property
    def all_at_fault(self) -> bool:
        return all(standing.faults for standing in self.standings)


def rank(
    returns: FloatArray,
    trades: NDArray[np.int64],
    wins: NDArray[np.int64],
    periods_per_year: int,
    rule: RetirementRule = RetirementRule(),
) -> Ranking:
    """From daily returns, trades and wins, each (days, n), of at least two days that can be believed."""
    believed = are_usable(returns)
    counts = zip(trades[believed].sum(axis=0).tolist(), wins[believed].sum(axis=0).tolist(), strict=True)
    standings = tuple(
        _standing(days, *count, periods_per_year, rule) for days, count in zip(returns[believed].T, counts, strict=True)
    )
    going_on = [column for column, standing in enumerate(standings) if not standing.faults]
    weights = np.zeros(len(standings))
    if going_on:
        weights[going_on] = softmax(TILT * np.array([standings[column].expected_sharpe for column in going_on]))
    else:
        weights[:] = 1 / len(standings)
    ranked = going_on or range(len(standings))
    return Ranking(standings, tuple(sorted(ranked, key=lambda column: -standings[column].expected_sharpe)), weights)


def _standing(days: FloatArray, trades: int, wins: int, periods_per_year: int, rule: RetirementRule) -> Standing:
    seen = sharpe_estimate(days, periods_per_year)
    certainty = SHARPE_SD**2 / (SHARPE_SD**2 + seen.standard_error**2)
    win_rate = wins / trades if trades else None
    drawdown = float(np.nan_to_num(max_drawdown(wealth_of(days)), nan=1.0))  # nan: of wealth beyond any number
    faults = rule.faults(seen.sharpe, win_rate, drawdown, trades)
    return Standing(seen.sharpe, certainty * seen.sharpe, win_rate, drawdown, trades, faults)
