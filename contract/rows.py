"""One line of a trade history, read strictly: a `Trade`, or a `BadRow` that says why it is none.

Strict where a wrong guess would become money: a row needs the column count of its header, a readable time, and a
`pnl` that is empty (0: the row is a fill) or a finite decimal number. Tolerant elsewhere: the order of the columns is
free, unknown columns are ignored, and an optional field that cannot be read is missing and named in `Trade.unread`.

Fields may be quoted as in RFC 4180, but a line is a line: a newline inside quotes tears the row, and both halves are
bad rows. A quote inside an unquoted field is refused, because a torn half could pass for a row otherwise.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from contract.errors import BadInput
from contract.schema.names import STRATEGIES

LONGEST_FIELD = 64 << 10  # bytes
LONGEST_LINE = 1 << 20  # bytes; whatever is longer is bad, whatever it holds
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

TIME_COLUMNS = ("timestamp", "ts", "date")  # the first that a row fills is its time
NOTE_COLUMNS = ("reason", "note")
_ONE_COLUMN = ("pnl", "strategy", "symbol", "side", "qty", "price", "fee", "capital", "equity", "entry_time", "id")

_BYTES_SHOWN = 256
_LONGEST_ID_KEPT = 64
_EPOCH_DAY = date(1970, 1, 1).toordinal()

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?)?"
)
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')
_STRATEGY_AS_WORD = re.compile(rf"\b(?:{'|'.join(STRATEGIES)})\b")


class Trade(NamedTuple):
    """A row as it stands in the file; what is missing or empty is None. Times are microseconds since 1970, UTC."""

    offset: int
    time: int
    pnl: float
    strategy: str | None
    symbol: str | None = None
    side: str | None = None
    qty: float | None = None
    price: float | None = None
    fee: float | None = None
    capital: float | None = None
    equity: float | None = None
    entry_time: int | None = None
    id: str | None = None
    unread: tuple[str, ...] = ()  # optional columns whose content could not be read


class BadRow(NamedTuple):
    """A line that is no trade: where it begins, one reason of a fixed few, and its first bytes."""

    offset: int
    reason: str
    line: bytes


@dataclass(frozen=True)
class Columns:
    """Which field stands where; None for an optional column that the header does not have."""

    count: int
    times: tuple[int, ...]
    pnl: int
    notes: tuple[int, ...] = ()
    strategy: int | None = None
    symbol: int | None = None
    side: int | None = None
    qty: int | None = None
    price: int | None = None
    fee: int | None = None
    capital: int | None = None
    equity: int | None = None
    entry_time: int | None = None
    id: int | None = None

    @classmethod
    def parse(cls, header: bytes) -> Columns:
        """From a header line, in any order and case, with or without byte order mark and line ending."""
        names = _names(header)
        index: dict[str, int] = {}
        for position, name in enumerate(names):
            if name in (*TIME_COLUMNS, *NOTE_COLUMNS, *_ONE_COLUMN) and index.setdefault(name, position) != position:
                raise BadInput(f"column {name!r} stands twice in the header", hint="rename one of them")
        times = tuple(index.pop(name) for name in TIME_COLUMNS if name in index)
        notes = tuple(index.pop(name) for name in NOTE_COLUMNS if name in index)
        if not times:
            raise BadInput("the header has no column 'timestamp'", hint="'ts' or 'date' would do as well")
        if "pnl" not in index:
            raise BadInput("the header has no column 'pnl'", hint="without it no row says what a trade earned")
        return cls(count=len(names), times=times, notes=notes, **index)

    @cached_property
    def optional(self) -> tuple[tuple[str, int, Callable[[str], object]], ...]:
        """What a row can do without, as far as it is there: its name, where it stands, and what reads it."""
        places = ((name, getattr(self, name)) for name in _PARSERS)
        return tuple((name, index, _PARSERS[name]) for name, index in places if index is not None)

    def only(self, wanted: Container[str]) -> Columns:
        """For a reader that wants no more than these fields of those that a row can do without.

        The same rows are good, and reading one takes less; what is not wanted is missing.
        """
        fields: dict[str, Any] = {name: None for name in ("strategy", *_PARSERS) if name not in wanted}
        return replace(self, notes=self.notes if "notes" in wanted else (), **fields)


@dataclass(frozen=True)
class Attribution:
    """To which strategy a row belongs, where its `strategy` column does not say."""

    strategy_of_symbol: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for symbol, strategy in self.strategy_of_symbol.items():
            if strategy not in STRATEGIES:
                raise BadInput(
                    f"strategy_of_symbol: {symbol!r} belongs to {strategy!r}, which is no strategy",
                    hint=f"use one of {', '.join(STRATEGIES)}",
                )

    def strategy(self, named: str, notes: Iterable[str], symbol: str) -> str | None:
        """The exact name; else the first name that stands as a word in a note; else by symbol; else unattributed.

        A name that is not one of the eight says nothing, also where it reads "None": the next source is asked.
        """
        if named in STRATEGIES:
            return named
        for note in notes:
            if found := _STRATEGY_AS_WORD.search(note):
                return found.group()
        return self.strategy_of_symbol.get(symbol)


def is_header(line: bytes) -> bool:
    """Whether a first line names columns: every header has a column for the time, and no row holds its name."""
    try:
        return any(name in TIME_COLUMNS for name in _names(line))
    except BadInput:
        return False


def parse_row(line: bytes, offset: int, columns: Columns, attribution: Attribution) -> Trade | BadRow:
    """One line, with or without its line ending, that begins at `offset` of its file."""
    try:
        return _trade(_split(line), offset, columns, attribution)
    except _Unreadable as unreadable:
        return BadRow(offset, unreadable.reason, line[:_BYTES_SHOWN])


def parse_number(text: str) -> float | None:
    """A finite decimal number in ASCII, nothing around it; None for anything else (`nan`, `1_0`, `0x1`, `1e400`)."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def parse_time(text: str) -> int | None:
    """Microseconds since 1970 from ISO 8601: a day, or a day and a time with `Z`, an offset, or neither (UTC)."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups("0")
    days = _days(year, month, day)
    if days is None:
        return None
    ahead_min = (int(zone_hour) * 60 + int(zone_minute)) * (-1 if sign == "-" else 1)
    minutes = (days * 24 + int(hour)) * 60 + int(minute) - ahead_min
    return (minutes * 60 + int(second)) * 1_000_000 + int(fraction.ljust(6, "0")[:6])


@lru_cache(maxsize=256)
def _days(year: str, month: str, day: str) -> int | None:
    """Days since 1970; None where there is no such day. Rows that follow each other are of one day, as a rule."""
    try:
        return date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None


_PARSERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(("symbol", "side", "id"), str),
    **dict.fromkeys(("qty", "price", "fee", "capital", "equity"), parse_number),
    "entry_time": parse_time,
}


class SeenIds:
    """Whether a row's `id` stood in a row before it, at least among the last `window`.

    Holds two sets of at most `window` short strings, whatever is fed to it. After a restart, feed it the ids of the
    last `window` rows again.
    """

    def __init__(self, window: int = 100_000) -> None:
        self._window = window
        self._older: set[str] = set()
        self._newer: set[str] = set()

    def repeats(self, row_id: str | None) -> bool:
        """True where the id was seen before; a row without one repeats nothing."""
        if row_id is None:
            return False
        key = row_id if len(row_id) <= _LONGEST_ID_KEPT else hashlib.sha256(row_id.encode()).hexdigest()
        known = key in self._newer or key in self._older
        self._newer.add(key)
        if len(self._newer) == self._window:
            self._older, self._newer = self._newer, set()
        return known


class _Unreadable(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def _trade(fields: list[str], offset: int, columns: Columns, attribution: Attribution) -> Trade:
    if len(fields) != columns.count:
        raise _Unreadable("wrong column count")
    time = parse_time(next((fields[index] for index in columns.times if fields[index]), ""))
    if time is None:
        raise _Unreadable("unreadable time")
    pnl = parse_number(fields[columns.pnl] or "0")
    if pnl is None:
        raise _Unreadable("unreadable pnl")
    unread: list[str] = []
    found: dict[str, Any] = {}
    for name, index, parse in columns.optional:
        if content := fields[index]:
            found[name] = parse(content)
            if found[name] is None:
                unread.append(name)
    named = "" if columns.strategy is None else fields[columns.strategy]
    notes = [fields[index] for index in columns.notes]
    strategy = attribution.strategy(named, notes, found.get("symbol", ""))
    return Trade(offset, time, pnl, strategy, **found, unread=tuple(unread))


def _names(header: bytes) -> list[str]:
    """The column names of a header line, in the case in which we write them."""
    try:
        return [name.strip().lower() for name in _split(header.removeprefix(BYTE_ORDER_MARK))]
    except _Unreadable as unreadable:
        raise BadInput(f"the header line cannot be read: {unreadable.reason}", hint="rewrite it") from None


def _split(line: bytes) -> list[str]:
    """The fields of one line, unquoted."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if len(line) > LONGEST_LINE:
        raise _Unreadable("line over 1 MiB")
    if b"\0" in line:
        raise _Unreadable("NUL byte")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise _Unreadable("not UTF-8") from None
    fields = _unquoted(text) if '"' in text else text.split(",")
    if len(line) > LONGEST_FIELD and any(len(content.encode()) > LONGEST_FIELD for content in fields):
        raise _Unreadable("field over 64 KiB")
    return fields


def _unquoted(text: str) -> list[str]:
    fields: list[str] = []
    position = 0
    while True:
        found = _FIELD.match(text, position)
        if found is None:
            raise _Unreadable("quote out of place")
        quoted, plain, separator = found.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        if not separator:
            return fields
        position = found.end()
