"""Every allocator on any CSV of daily returns: what it would have earned, at what risk and at what cost.

    python3 -m analytics.allocators --returns FILE.csv [--cost-bps 5] [--bounds 0.02 0.35] [--json]

The first column is the date, then one column per asset, with a header; a return is a fraction (0.0123 for +1.23%).
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from contract.errors import BadInput
from trading import metrics
from trading.allocators import ALLOCATORS
from trading.backtest import backtest
from trading.simplex import InfeasibleBounds

BAD_USAGE = 2
LARGEST_RETURN = 10.0
"""Nothing gains more than 1,000% in a day; a cell above this is a price or a percentage."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_A_RETURN = "a return is a fraction above -1, such as 0.0123 for +1.23% and 0 for a day without a change"
_THE_LAYOUT = "needs a header, then the date and one return per asset on each line, separated by commas"


class Terms(NamedTuple):
    """What every allocator is run under."""

    cost_bps: float = 5.0
    """For each unit of turnover."""
    bounds: tuple[float, float] | None = None
    """The floor and the cap that the weights are projected to."""
    periods_per_year: float = metrics.PERIODS_PER_YEAR


class ReturnsBook(NamedTuple):
    """What a CSV of returns holds."""

    dates: tuple[str, ...]
    """(days,) as they stand in the file, each later than the one before."""
    assets: tuple[str, ...]
    returns: NDArray[np.float64]
    """(days, assets) fractions above -1."""


class Score(NamedTuple):
    """One allocator's line of the table, net of cost."""

    name: str
    summary: str
    hindsight: bool
    wealth: float
    """At the end, from 1."""
    annual_return: float
    volatility: float
    """Annual, like the Sharpe ratio."""
    sharpe: float
    max_drawdown: float
    """In [0, 1]."""
    turnover: float
    """Mean L1 distance traded a day, the first purchase included."""


def scores(returns: NDArray[np.float64], terms: Terms) -> list[Score]:
    """Every allocator on returns `(days >= 2, assets)`, in the registry's order."""
    table = []
    for name, entry in ALLOCATORS.items():
        account = backtest(returns, entry.allocate, terms.cost_bps, terms.bounds)
        table.append(
            Score(
                name=name,
                summary=entry.summary,
                hindsight=entry.hindsight,
                wealth=float(account.wealth[-1]),
                annual_return=float(metrics.annual_return(account.returns, terms.periods_per_year)),
                volatility=float(metrics.volatility(account.returns, terms.periods_per_year)),
                sharpe=float(metrics.sharpe(account.returns, terms.periods_per_year)),
                max_drawdown=float(metrics.max_drawdown(metrics.wealth_of(account.returns))),
                turnover=float(account.turnover.mean()),
            )
        )
    return table


def read_returns(path: Path) -> ReturnsBook:
    """The returns in a CSV, or `BadInput` that names the line, the column, the value and what would be right."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return parse_returns(lines)
    except BadInput as error:
        raise BadInput(error.message, path=path, hint=error.hint) from None
    except UnicodeDecodeError:
        raise BadInput("is not text in UTF-8", path=path, hint="needs a CSV file") from None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", path=path) from None


def parse_returns(lines: Iterable[str]) -> ReturnsBook:
    """The returns in the lines of a CSV; `BadInput` as for `read_returns`, without the path."""
    rows = _rows(lines)
    assets = _assets(*next(rows, (1, [])))
    dates: list[str] = []
    returns: list[list[float]] = []
    latest = datetime.min.replace(tzinfo=UTC)
    for line, (date, *cells) in rows:
        if len(cells) != len(assets):
            found, expected = len(cells) + 1, len(assets) + 1
            raise BadInput(f"line {line} has {found} columns, the header has {expected}", hint=_THE_LAYOUT)
        moment = _as_moment(date)
        if moment is None:
            raise BadInput(f"line {line}: {date!r} is not a date", hint="needs YYYY-MM-DD")
        if moment <= latest:
            raise BadInput(
                f"line {line}, date {date!r}: not later than the date before it",
                hint="needs one line a day, in order of time",
            )
        latest = moment
        dates.append(date.strip())
        returns.append([_daily_return(line, *named) for named in zip(assets, cells, strict=True)])
    if len(dates) < 2:
        raise BadInput(f"{len(dates)} days of returns", hint="needs at least 2")
    return ReturnsBook(tuple(dates), assets, np.array(returns))


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with its line number."""
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num}: {error}", hint=_THE_LAYOUT) from None


def _assets(line: int, header: list[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in header[1:])
    if not names or _as_moment(header[0]):
        raise BadInput(f"line {line} is not a header over at least two columns", hint=_THE_LAYOUT)
    for column, name in enumerate(names, start=2):
        if not name or name in names[: column - 2]:
            problem = "stands twice" if name else "is not a name"
            raise BadInput(f"line {line}, column {column}: {name!r} {problem}", hint="every asset needs its own")
    return names


def _as_moment(text: str) -> datetime | None:
    """A date or an instant, in UTC where nothing else is said."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _daily_return(line: int, asset: str, cell: str) -> float:
    text = cell.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if -1.0 < value <= LARGEST_RETURN:
        return value
    problem = "is not a number" if math.isnan(value) else "cannot be a daily return"
    raise BadInput(f"line {line}, column {asset!r}: {cell!r} {problem}", hint=_A_RETURN)


COLUMNS: tuple[tuple[str, Callable[[Score], str]], ...] = (
    ("allocator", lambda score: score.name + (" *" if score.hindsight else "")),
    ("wealth", lambda score: f"{score.wealth:.3f}"),
    ("annual return", lambda score: f"{score.annual_return:.1%}"),
    ("volatility", lambda score: f"{score.volatility:.1%}"),
    ("Sharpe", lambda score: f"{score.sharpe:.2f}"),
    ("max drawdown", lambda score: f"{score.max_drawdown:.1%}"),
    ("turnover a day", lambda score: f"{score.turnover:.4f}"),
)


def as_text(book: ReturnsBook, table: Sequence[Score], terms: Terms) -> str:
    """The table for people: names to the left, figures to the right."""
    rows = [[title for title, _ in COLUMNS], *([show(score) for _, show in COLUMNS] for score in table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        aligned = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *aligned]))
    span = f"{len(book.dates)} days from {book.dates[0]} to {book.dates[-1]}, {len(book.assets)} assets"
    within = f"; weights within {terms.bounds[0]:g} and {terms.bounds[1]:g}" if terms.bounds else ""
    heading = f"{span}; {terms.cost_bps:g} bps for each unit of turnover, first purchase included{within}"
    footnote = "* chosen in hindsight: a yardstick, not a strategy"
    return "\n".join([heading, "", *lines, "", footnote])


def as_json(book: ReturnsBook, table: Sequence[Score], terms: Terms) -> str:
    """The table for machines. A figure that is not known is null."""
    figures = [{key: None if value != value else value for key, value in score._asdict().items()} for score in table]
    document = {
        "schema": 1,
        "days": len(book.dates),
        "first_date": book.dates[0],
        "last_date": book.dates[-1],
        "assets": book.assets,
        **terms._asdict(),
        "allocators": figures,
    }
    return json.dumps(document, indent=2, allow_nan=False)


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments(argv)
    terms = Terms(options.cost_bps, tuple(options.bounds) if options.bounds else None, options.periods_per_year)
    try:
        book = read_returns(options.returns)
        # Returns that make wealth overflow are not returns.
        with np.errstate(over="raise"):
            table = scores(book.returns, terms)
    except (BadInput, InfeasibleBounds) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_USAGE
    except FloatingPointError:
        print(f"error: {BadInput('wealth overflows', path=options.returns, hint=_A_RETURN)}", file=sys.stderr)
        return BAD_USAGE
    show = as_json if options.json else as_text
    print(show(book, table, terms))
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    summaries = "\n".join(f"  {name:25} {entry.summary}" for name, entry in ALLOCATORS.items())
    parser = argparse.ArgumentParser(
        prog="python3 -m analytics.allocators",
        description="Compare every allocator on a CSV of daily returns: date, then one column per asset.",
        epilog="allocators:\n" + summaries,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--returns", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument(
        "--cost-bps",
        type=_within(0.0, 1000.0),
        default=Terms().cost_bps,
        help="for each unit of turnover (default %(default)g)",
    )
    parser.add_argument(
        "--bounds",
        type=float,
        nargs=2,
        metavar=("FLOOR", "CAP"),
        help="hold the nearest weights within these, such as 0.02 0.35",
    )
    parser.add_argument(
        "--periods-per-year", type=_within(1.0, 366.0), default=Terms().periods_per_year, help="default %(default)g"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser.parse_args(argv)


def _within(lowest: float, highest: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest:g} and {highest:g}")
        return value

    return number


if __name__ == "__main__":
    raise SystemExit(main())
