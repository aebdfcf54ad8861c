"""The table of all accounts of a ledger, and which of the allocators the first of them is ahead of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analytics.figures import account_figures, sharpe_intervals, span
from analytics.ledger import EQUAL_WEIGHT, Ledger
from contract.config import Config
from trading.allocators import ALLOCATORS


def accounts(
    ledger: Ledger, summaries: Mapping[str, str], config: Config, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """summaries: of those accounts that are no allocator's."""
    year, cost_bps = float(config.account.periods_per_year), config.rebalancing.cost_bps
    intervals = sharpe_intervals(ledger.net, rng, config.tracker, year)
    rows = []
    for row, name in enumerate(ledger.names):
        entry = ALLOCATORS.get(name)
        rows.append(
            {
                "name": name,
                "summary": entry.summary if entry else summaries[name],
                "hindsight": bool(entry and entry.hindsight),
                **account_figures(ledger.net[row], ledger.turnover[row], cost_bps, year),
                "sharpe_interval": span(intervals.own[row]),
                "published_ahead": span(intervals.first_ahead[row]) if row else [None, None],
            }
        )
    return rows


def rivals(rows: Sequence[Mapping[str, Any]], least_days: int) -> dict[str, list[str]]:
    """Whom `published` is ahead of by the whole interval, and whom not, of the allocators that look at no future.

    Of fewer than `least_days` days nothing is said to be ahead of anything.

    Equal weight is the question itself. To beat it is worth little where doing so took no more than to hold on to what
    did well, as buying and holding does.
    """
    found: dict[str, list[str]] = {"ahead_of": [], "not_ahead_of": []}
    for row in rows:
        if row["name"] in ALLOCATORS and row["name"] != EQUAL_WEIGHT and not row["hindsight"]:
            low = row["published_ahead"][0]
            is_ahead = row["days"] >= least_days and low is not None and low > 0.0
            found["ahead_of" if is_ahead else "not_ahead_of"].append(row["name"])
    return found
