"""What the pictures of a report show, in numbers: at most 240 days, evenly apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics import figures
from analytics.judged import Judged
from analytics.ledger import EQUAL_WEIGHT, PUBLISHED
from contract.config import Config
from contract.schema.names import STRATEGIES
from trading import metrics

SHARPE_WINDOW = 60


def series(shown: Judged, config: Config, rng: np.random.Generator) -> dict[str, Any]:
    ledger, year = shown.ledger, float(config.account.periods_per_year)
    places = figures.sampled(len(ledger.dates))
    low, high = figures.wealth_band(ledger.of(PUBLISHED), rng, config.tracker, places)
    two = {name: ledger.of(name) for name in (PUBLISHED, EQUAL_WEIGHT)}
    wealth = metrics.wealth_of(ledger.net)[:, 1:]
    return {
        "dates": [str(day) for day in ledger.dates[places]],
        "wealth": {name: figures.numbers(path[places]) for name, path in zip(ledger.names, wealth, strict=True)},
        "wealth_band": {"low": figures.numbers(low), "high": figures.numbers(high)},
        "drawdown": {
            name: figures.numbers(metrics.drawdown(metrics.wealth_of(net))[1:][places]) for name, net in two.items()
        },
        "rolling_sharpe_days": SHARPE_WINDOW,
        "rolling_sharpe": {
            name: figures.numbers(figures.rolling_sharpe(net, SHARPE_WINDOW, year)[places])
            for name, net in two.items()
        },
        "weights": {name: figures.numbers(ledger.weights[0, places, k]) for k, name in enumerate(STRATEGIES)},
        "trust": figures.numbers(shown.trust[places]),
    }
