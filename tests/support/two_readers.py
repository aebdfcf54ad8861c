"""The same lines by the fast reader of blocks and by the strict one of single lines, and whether both say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contract.book.blocks import UNATTRIBUTED, Block, BlockReader, Trades, side_of
from contract.book.bytewise import NO_TIME
from contract.rows import Attribution, BadRow, Columns, Trade, parse_row
from contract.schema.names import STRATEGIES
from contract.tail import Chunk

ATTRIBUTION = Attribution({"BTC-USD": "turtle_trading", "SPY": "pairs_trading"})
PATH = Path("state/pnl_history.csv")


def read_fast(header: bytes, lines: list[bytes], offset: int = 1000) -> list[Block]:
    data = b"".join(line + b"\n" for line in lines)
    return list(BlockReader(ATTRIBUTION).read(Chunk(PATH, offset, header, data)))


def read_strictly(header: bytes, lines: list[bytes], offset: int = 1000) -> list[Trade | BadRow]:
    columns = Columns.parse(header)
    rows = []
    for line in lines:
        rows.append(parse_row(line, offset, columns, ATTRIBUTION))
        offset += len(line) + 1
    return rows


def assert_the_same(found: list[Block], expected: list[Trade | BadRow]) -> None:
    trades = [row for row in expected if isinstance(row, Trade)]
    columns = Trades._make(column.tolist() for column in Trades.joined([block.trades for block in found]))
    bad = [row for row in expected if isinstance(row, BadRow)]
    assert [row for block in found for row in block.bad_rows] == bad
    assert sum(block.bad for block in found) == len(bad)
    assert columns.offset == [trade.offset for trade in trades]
    assert columns.time == [trade.time for trade in trades]
    assert [repr(pnl) for pnl in columns.pnl] == [repr(trade.pnl) for trade in trades]
    named = [None if index == UNATTRIBUTED else STRATEGIES[index] for index in columns.strategy]
    assert named == [trade.strategy for trade in trades]
    assert columns.side == [side_of(trade.side or "") for trade in trades]
    for name in ("qty", "fee", "capital", "equity"):
        numbers = [None if np.isnan(number) else number for number in getattr(columns, name)]
        assert numbers == [getattr(trade, name) for trade in trades], name
    entries = [None if time == NO_TIME else time for time in columns.entry_time]
    assert entries == [trade.entry_time for trade in trades]
    for name in ("symbol", "id"):
        hashes, texts = getattr(columns, name), [getattr(trade, name) for trade in trades]
        assert [not number for number in hashes] == [text is None for text in texts]
        assert len(set(hashes)) == len(set(texts)) == len(set(zip(hashes, texts, strict=True)))
