"""Final wealth of six allocators on the six classical data sets, beside what the literature prints.

    python3 -m benchmarks.published_wealth [--json]

The data ship with the package universal-portfolios (`pip install --no-deps universal-portfolios`; its code is never
imported): a column an asset, a row a day, and in it the wealth that 1 has grown to by the end of that day.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.figure import Figure, Peer, print_figures
from trading.allocators import ALLOCATORS
from trading.backtest import backtest

COMMAND = "python3 -m benchmarks.published_wealth"
FILES = {
    "NYSE(O)": "nyse_o.csv",
    "NYSE(N)": "nyse_n.csv",
    "TSE": "tse.csv",
    "SP500": "sp500.csv",
    "MSCI": "msci.csv",
    "DJIA": "djia.csv",
}

PUBLISHED: dict[str, tuple[str | None, ...]] = {
    "buy_and_hold": ("14.50", "18.06", "1.61", "1.34", "0.91", "0.764361"),
    "best_asset": ("54.14", "83.51", "6.28", "3.78", "1.50", "1.188360"),
    "equal_weight": ("27.08", "31.55", "1.60", "1.65", None, "0.812726"),
    "best_constant_rebalanced": ("250.60", "120.32", "6.78", "4.07", "1.51", "1.239928"),
    "exponentiated_gradient": ("27.09", "31.00", "1.59", "1.63", "0.93", "0.810030"),
    "online_newton_step": ("109.19", "21.59", "1.62", "3.34", "0.86", "1.532990"),
}
"""Final wealth from 1, without costs, in the order of `FILES`: allocator -> the digits that were printed.

Two decimals are those of the tables in the literature on online portfolio selection (B. Li and S. C. H. Hoi's papers
and book above all), six those of the logs that come with their toolbox, OLPS. None: no printed figure is known to us.
"""


def data_folder() -> Path | None:
    """Where universal-portfolios keeps its data, or None where it is not installed."""
    package = importlib.util.find_spec("universal")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0]) / "data"
    return folder if all((folder / name).is_file() for name in FILES.values()) else None


def load_returns(path: Path) -> NDArray[np.float64]:
    """Daily returns `(days, assets)`. The day before the first is a row of ones: without it the first day is lost."""
    with path.open(newline="") as lines:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(lines))[1:]]
    wealth = np.vstack([np.ones(len(rows[0])), rows])
    returns: NDArray[np.float64] = wealth[1:] / wealth[:-1] - 1.0
    return returns


def final_wealth(allocator: str, returns: NDArray[np.float64]) -> float:
    return float(backtest(returns, ALLOCATORS[allocator].allocate).wealth[-1])


def agrees(wealth: float, printed: str | None) -> bool:
    """Whether `wealth`, to as many decimals as were printed, reads the same."""
    return printed is None or f"{wealth:.{len(printed.partition('.')[2])}f}" == printed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="also print the figure for the table")
    options = parser.parse_args()
    folder = data_folder()
    if folder is None:
        print("the data are missing: pip install --no-deps universal-portfolios", file=sys.stderr)
        return 1
    print(f"{'data set':9} {'allocator':25} {'ours':>12} {'published':>12} {'seconds':>8}")
    different = 0
    for column, (name, file) in enumerate(FILES.items()):
        returns = load_returns(folder / file)
        for allocator, printed in PUBLISHED.items():
            started = time.perf_counter()
            ours = final_wealth(allocator, returns)
            seconds = time.perf_counter() - started
            same = agrees(ours, printed[column])
            different += not same
            verdict = "" if same else "  DIFFERENT"
            print(f"{name:9} {allocator:25} {ours:12.6f} {printed[column] or '-':>12} {seconds:8.2f}{verdict}")
    if options.json:
        known = sum(printed is not None for column in PUBLISHED.values() for printed in column)
        what = "published wealths of six allocators on six data sets, to the printed digits"
        literature = Peer("the literature", float(known))
        print_figures([Figure(what, float(known - different), "", COMMAND, at_least=float(known), peer=literature)])
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
