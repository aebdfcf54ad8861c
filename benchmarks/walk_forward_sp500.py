"""A walk-forward on real prices: the eight rules on 20 stocks of the S&P 500, 1990 to 2022.

    python3 -m benchmarks.walk_forward_sp500 [--excess] [--block-days 250] [--scheme rolling] [--workers 2] [--json]

The prices ship with skfolio, a development dependency, and are closes alone. So some rules are approximated:

- every rule trades at the close of the day after its signal, because opens are not known;
- turtle_trading and breakout_trading draw their channels and ranges from closes, not from highs and lows;
- breakout_trading asks for no volume, because none is known;
- vix_strategy goes by the realised volatility of the 20 stocks instead of the index.

The other five look at closes anyway. Each fill costs 3 bps, moving weights 5 bps a unit on top.

The stocks are those that were large in the end, so whoever held any of them for long did well: rules that are never
short (vix_strategy, breakout_trading) look better than they can have been, and so does whoever finds out. `--excess`
takes off what a rule's net exposure would have brought in all 20 stocks alike, and with it most of that gift.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analytics.walk_forward_command import main as walk_forward
from contract.schema.names import STRATEGIES
from trading.bars import Bars
from trading.strategies import RULES, Rule, position_returns
from trading.strategies.trend import BreakoutParameters, breakout_trading

FILL_COST_BPS = 3.0
WARM_UP_DAYS = 300
"""Until each rule has the history that it needs; the walk begins after them."""


def sp500() -> Bars:
    from skfolio.datasets import load_sp500_dataset

    prices = load_sp500_dataset()
    close = prices.to_numpy()
    times = prices.index.to_numpy().astype("datetime64[D]")
    # An open that is the close makes every trade one at the close.
    return Bars(times, tuple(prices.columns), close, close, close, close, np.ones_like(close))


def rule_returns(bars: Bars, *, excess: bool) -> NDArray[np.float64]:
    """(bars, 8)"""
    market = np.zeros(len(bars))
    market[1:] = (bars.close[1:] / bars.close[:-1] - 1.0).mean(axis=1)
    without_volume = partial(breakout_trading, parameters=BreakoutParameters(volume_ratio=1.0))
    rules: dict[str, Rule] = {**RULES, "breakout_trading": without_volume}
    columns = []
    for name in STRATEGIES:
        positions = rules[name](bars)
        net = np.concatenate((np.zeros(2), positions[:-2].sum(axis=1)))  # decided on one day, traded at the next close
        columns.append(position_returns(bars, positions, FILL_COST_BPS) - excess * net * market)
    return np.stack(columns, axis=1)


def write_returns(path: Path, *, excess: bool) -> None:
    bars = sp500()
    returns = rule_returns(bars, excess=excess)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("date", *STRATEGIES))
        for day, earned in zip(bars.times[WARM_UP_DAYS:], returns[WARM_UP_DAYS:].tolist(), strict=True):
            rows.writerow((str(day), *earned))


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sp500_rules.csv"
        write_returns(path, excess="--excess" in given)
        options = [option for option in given if option != "--excess"]
        return walk_forward(["--walk-forward", "--returns", str(path), *options])


if __name__ == "__main__":
    sys.exit(main())
