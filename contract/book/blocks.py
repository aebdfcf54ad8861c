"""Lines of a trade history as arrays: the fast reader beside the strict one of `contract.rows`, with the same results.

Plain lines (`plain_rows`) are read column by column, a whole block at once. A line that is not plain, or of
which one field was not sure, is read by `parse_row`. What comes out does not depend on which way a line went, nor on
where the blocks were cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from contract.book.bytewise import NO_TIME, Column, Flags, Floats, Integers, Text, Words, hash_texts
from contract.book.plain_rows import Meanings, PlainRows
from contract.errors import BadInput
from contract.rows import Attribution, BadRow, Columns, Trade, parse_row
from contract.schema.names import STRATEGIES
from contract.tail import Chunk

UNATTRIBUTED = -1
BUY, SELL, CLOSE, NO_SIDE = 1, -1, 2, 0
MOST_BAD_ROWS = 1_000

_BLOCK_BYTES = 1 << 20  # more, and the arrays made of it leave the caches
_FEW_BYTES = 1 << 11  # lines so few are sooner read one by one
_INDEX_OF_STRATEGY = {name: index for index, name in enumerate(STRATEGIES)}

_columns_of = lru_cache(maxsize=4)(Columns.parse)


class Trades(NamedTuple):
    """Rows of a trade history in the order of the file, one entry each: `(rows,)`."""

    offset: Integers
    time: Integers
    """Microseconds since 1970, UTC."""
    pnl: Floats
    strategy: Integers
    """Index into `STRATEGIES`, or `UNATTRIBUTED`."""
    symbol: Words
    """A hash, equal for equal symbols; 0 for none."""
    side: Integers
    """`BUY`, `SELL`, `CLOSE` (whatever is open) or `NO_SIDE`."""
    qty: Floats
    """nan where the row has none, as in the next three."""
    fee: Floats
    capital: Floats
    equity: Floats
    entry_time: Integers
    """As `time`; `NO_TIME` where the row has none."""
    id: Words
    """A hash; 0 for none."""

    def take(self, rows: Flags | Integers | slice) -> Trades:
        return Trades._make(column[rows] for column in self)

    @classmethod
    def joined(cls, parts: Sequence[Trades]) -> Trades:
        """The rows of all parts, one after the other; there is at least one part."""
        if len(parts) == 1:
            return parts[0]
        return cls._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


class Block(NamedTuple):
    """Some lines, read: each is a trade or bad."""

    trades: Trades
    bad: int
    bad_rows: list[BadRow]
    """The first `MOST_BAD_ROWS` of the bad ones."""


class BlockReader:
    """Reads chunk after chunk, and remembers nothing of them but what their texts mean."""

    def __init__(self, attribution: Attribution) -> None:
        self._attribution = attribution
        self._named = Meanings(lambda text: _index_of(attribution.strategy(text, (), "")))
        self._noted = Meanings(lambda text: _index_of(attribution.strategy("", (text,), "")))
        self._traded = Meanings(lambda text: _index_of(attribution.strategy("", (), text)))
        self._sides = Meanings(side_of)

    def read(self, chunk: Chunk) -> Iterator[Block]:
        """The lines of a chunk, block by block."""
        try:
            columns = _columns_of(chunk.header)
        except BadInput as error:
            raise BadInput(error.message, path=chunk.path, hint=error.hint) from error
        start = 0
        while start < len(chunk.data):
            end = _end_of_block(chunk.data, start)
            yield self._read_block(chunk.data[start:end], chunk.offset + start, columns)
            start = end

    def _read_block(self, data: bytes, offset: int, columns: Columns) -> Block:
        if len(data) < _FEW_BYTES:
            few = data.split(b"\n")[:-1]
            starts = accumulate((len(line) + 1 for line in few), initial=offset)
            return self._read_strictly(zip(starts, few, strict=False), columns)
        plain = PlainRows(data, columns.count)
        trades = self._read_plain(plain, offset, columns)
        if plain.are_all:
            return Block(trades, 0, [])
        strictly = self._read_strictly(((offset + start, line) for start, line in plain.others()), columns)
        trades = Trades.joined([trades.take(plain.sure), strictly.trades])
        return strictly._replace(trades=trades.take(np.argsort(trades.offset, kind="stable")))

    def _read_strictly(self, lines: Iterable[tuple[int, bytes]], columns: Columns) -> Block:
        """Lines with their offsets, one by one."""
        trades: list[Trade] = []
        bad, bad_rows = 0, list[BadRow]()
        for offset, line in lines:
            row = parse_row(line, offset, columns, self._attribution)
            if isinstance(row, Trade):
                trades.append(row)
            else:
                bad += 1
                if bad <= MOST_BAD_ROWS:
                    bad_rows.append(row)
        return Block(_as_arrays(trades), bad, bad_rows)

    def _read_plain(self, rows: PlainRows, offset: int, columns: Columns) -> Trades:
        """All plain rows; those of which `rows.sure` says no afterwards may be anything."""
        time = rows.instants(columns.times[0])
        rows.sure &= time != NO_TIME
        pnl = rows.numbers(columns.pnl)
        pnl[np.isnan(pnl)] = 0.0
        symbol = rows.hashes(columns.symbol)
        return Trades(
            offset=rows.start + offset,
            time=time,
            pnl=pnl,
            strategy=self._strategies(rows, columns, symbol),
            symbol=symbol,
            side=rows.meanings(columns.side, self._sides),
            qty=rows.numbers(columns.qty),
            fee=rows.numbers(columns.fee),
            capital=rows.numbers(columns.capital),
            equity=rows.numbers(columns.equity),
            entry_time=rows.instants(columns.entry_time),
            id=rows.hashes(columns.id),
        )

    def _strategies(self, rows: PlainRows, columns: Columns, symbol: Words) -> Integers:
        """As `Attribution.strategy` would say of each row."""
        strategy = rows.meanings(columns.strategy, self._named)
        for note in columns.notes:
            if (unknown := strategy == UNATTRIBUTED).any():
                np.copyto(strategy, rows.meanings(note, self._noted), where=unknown)
        if self._attribution.strategy_of_symbol and (unknown := strategy == UNATTRIBUTED).any():
            np.copyto(strategy, rows.meanings(columns.symbol, self._traded, symbol), where=unknown)
        return strategy


def side_of(text: str) -> int:
    """What a fill does, by how its side begins: `buy`, `sell_short`, `BUY_TO_COVER`, `close`."""
    match text[:5].lower():
        case side if side.startswith("buy") or side == "cover":
            return BUY
        case side if side.startswith("sell") or side == "short":
            return SELL
        case "close":
            return CLOSE
    return NO_SIDE


def _end_of_block(data: bytes, start: int) -> int:
    """Where a block of whole lines ends that is not much longer than it should be."""
    newline = data.rfind(b"\n", start, start + _BLOCK_BYTES)
    return (newline if newline >= 0 else data.index(b"\n", start)) + 1


def _as_arrays(trades: Sequence[Trade]) -> Trades:
    def numbers(values: Sequence[float | None]) -> Floats:
        return np.array([np.nan if value is None else value for value in values], np.float64)

    def integers(values: Sequence[int]) -> Integers:
        return np.array(values, np.int64)

    symbols, ids = _hashes([*(trade.symbol for trade in trades), *(trade.id for trade in trades)]).reshape(2, -1)
    return Trades(
        offset=integers([trade.offset for trade in trades]),
        time=integers([trade.time for trade in trades]),
        pnl=numbers([trade.pnl for trade in trades]),
        strategy=integers([_index_of(trade.strategy) for trade in trades]),
        symbol=symbols,
        side=integers([side_of(trade.side or "") for trade in trades]),
        qty=numbers([trade.qty for trade in trades]),
        fee=numbers([trade.fee for trade in trades]),
        capital=numbers([trade.capital for trade in trades]),
        equity=numbers([trade.equity for trade in trades]),
        entry_time=integers([NO_TIME if trade.entry_time is None else trade.entry_time for trade in trades]),
        id=ids,
    )


def _hashes(texts: Sequence[str | None]) -> Words:
    encoded = [(text or "").encode() for text in texts]
    text = Text(b"".join(encoded))
    width = np.array([len(content) for content in encoded], np.int64)
    end = np.cumsum(width) + text.start
    return hash_texts(text, Column(end - width, end))


def _index_of(strategy: str | None) -> int:
    return UNATTRIBUTED if strategy is None else _INDEX_OF_STRATEGY[strategy]
