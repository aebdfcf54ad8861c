"""Real bars from CSV files, for a bot that replays the past.

Either a directory with one file per symbol, named after it (`SPY.csv`), with the columns
`Date,Open,High,Low,Close,Volume`, or one file with a further column `Symbol`. Column names in any case and order;
other columns are ignored; rows in any order. A time without a zone is UTC. Prices are taken as they stand: adjusted
for splits and dividends or not, all or none. A symbol called `VIX` or `^VIX` is the volatility index (its `Close`),
not something to trade.

What is not plain is refused, with the file, the line, the value, and what would be right.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from trading.bars import BadBars, Bars

NUMBERS = ("open", "high", "low", "close", "volume")
INDEX_NAMES = ("VIX", "^VIX")

Gaps = Literal["refuse", "common"]


class _Row(NamedTuple):
    place: str
    """File and line, for messages."""
    symbol: str
    time: datetime
    values: tuple[float, ...]
    """In the order of `NUMBERS`."""


Series = dict[datetime, _Row]


def read_bars(source: Path, gaps: Gaps = "refuse") -> Bars:
    """All bars of a directory or of one long file; symbols in alphabetical order.

    `gaps` says what happens when a symbol lacks a time that another has: "refuse" raises, "common" keeps the times
    that all of them have. Nothing is ever filled in: at a price that nobody traded, a bot must not trade either.
    """
    if source.is_dir():
        files = sorted(source.glob("*.csv"))
        if not files:
            raise BadBars(f"{source}: no .csv file; put one per symbol there, such as {source / 'SPY.csv'}")
        by_symbol = _by_symbol(row for path in files for row in _rows(path, path.stem))
    else:
        by_symbol = _by_symbol(_rows(source, None))
    index = next((by_symbol.pop(name) for name in INDEX_NAMES if name in by_symbol), None)
    if not by_symbol:
        raise BadBars(f"{source}: nothing but a volatility index; add a symbol to trade")
    everything = [*by_symbol.values(), *([] if index is None else [index])]
    times = _shared_times(everything, gaps)
    table = np.array([[series[time].values for series in by_symbol.values()] for time in times])
    index_closes = None if index is None else np.array([index[time].values[3] for time in times])
    stamps = np.array(times, dtype="datetime64[us]")
    days = stamps.astype("datetime64[D]")
    columns = {name: table[:, :, number] for number, name in enumerate(NUMBERS)}
    return Bars(
        times=days if (days == stamps).all() else stamps,
        symbols=tuple(by_symbol),
        **columns,
        volatility_index=index_closes,
    )


def _by_symbol(rows: Iterable[_Row]) -> dict[str, Series]:
    by_symbol: dict[str, Series] = {}
    for row in rows:
        series = by_symbol.setdefault(row.symbol, {})
        if row.time in series:
            raise BadBars(
                f"{row.place}: {row.symbol} {row.time} stands at {series[row.time].place} already; keep one of them"
            )
        series[row.time] = row
    return dict(sorted(by_symbol.items()))


def _shared_times(everything: list[Series], gaps: Gaps) -> list[datetime]:
    known = set[datetime]().union(*everything)
    shared = known.intersection(*everything)
    if gaps == "refuse" and shared != known:
        first = min(known - shared)
        lacking = next(series for series in everything if first not in series)
        having = next(series for series in everything if first in series)
        symbol = next(iter(lacking.values())).symbol
        raise BadBars(
            f"{symbol} has no bar for {first}, which {having[first].symbol} has ({having[first].place}): "
            'add the row, or read with gaps="common" to keep the times that all symbols have'
        )
    if not shared:
        raise BadBars("no time at which every symbol has a bar: give symbols whose histories overlap")
    return sorted(shared)


def _rows(path: Path, symbol: str | None) -> Iterator[_Row]:
    """The rows of one file, all of `symbol`, or of the symbols that its own column names."""
    wanted = ("date", *NUMBERS, *(["symbol"] if symbol is None else []))
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        positions = _positions(path, header, wanted)
        empty = True
        for cells in reader:
            if cells:
                empty = False
                yield _parse(f"{path} line {reader.line_num}", cells, len(header), positions, symbol)
    except csv.Error as error:
        raise BadBars(f"{path} line {reader.line_num}: {error}; write cells with commas and closed quotes") from error
    if empty:
        raise BadBars(f"{path}: no rows under the header; a symbol has at least one bar")


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadBars(f"{path} line {line}: byte {content[error.start]:#x} is not UTF-8; save it as UTF-8") from error


def _positions(path: Path, header: list[str], wanted: tuple[str, ...]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    for name in wanted:
        if names.count(name) != 1:
            found = "is missing" if name not in names else "stands there twice"
            raise BadBars(f"{path} line 1: column {name} {found} in {','.join(header)!r}; needed: {','.join(wanted)}")
    return {name: names.index(name) for name in wanted}


def _parse(place: str, cells: list[str], width: int, positions: dict[str, int], symbol: str | None) -> _Row:
    if len(cells) != width:
        raise BadBars(f"{place}: {len(cells)} cells under a header of {width}; give every row one cell per column")
    named = {name: cells[position].strip() for name, position in positions.items()}
    symbol = named["symbol"] if symbol is None else symbol
    if not symbol:
        raise BadBars(f"{place}: column symbol is empty; every row belongs to a symbol")
    values = tuple(_number(place, name, named[name]) for name in NUMBERS)
    open_, high, low, close, _ = values
    if not low <= min(open_, close) <= max(open_, close) <= high:
        raise BadBars(
            f"{place}: open {open_}, high {high}, low {low}, close {close}; no price is above the high or below the low"
        )
    return _Row(place, symbol, _time(place, named["date"]), values)


def _number(place: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise BadBars(f"{place}: column {name} is {text!r}; write a plain number such as 123.45")
    if value < 0 or (value == 0 and name != "volume"):
        rule = "a volume is 0 or more" if name == "volume" else "a price is above 0"
        raise BadBars(f"{place}: column {name} is {text}; {rule}")
    return value


def _time(place: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadBars(f"{place}: column date is {text!r}; write 2024-01-31 or 2024-01-31T15:30:00Z") from None
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
