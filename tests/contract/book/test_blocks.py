from __future__ import annotations

import random
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.two_readers import ATTRIBUTION, PATH, assert_the_same, read_fast, read_strictly

from contract.book import blocks
from contract.book.blocks import BUY, CLOSE, NO_SIDE, SELL, BlockReader, side_of
from contract.errors import BadInput
from contract.rows import parse_row
from contract.schema.names import PNL_HEADER, STRATEGIES
from contract.tail import Chunk


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Lines that are few would all go to the strict reader, and a handful of them fill no block."""
    with mock.patch.object(blocks, "_FEW_BYTES", 0), mock.patch.object(blocks, "_BLOCK_BYTES", 300):
        yield


NUMBERS = st.one_of(
    st.just(""),
    st.floats(-1e7, 1e7).map(repr),
    st.decimals(-(10**6), 10**6, places=6).map("{:.6f}".format),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["-0.000000", "12", "1e400", "nan", "inf", "1_0", " 1", "+2", ".5", "5.", "--1", "0x1", "1e-7"]),
)
TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
    st.datetimes().map("{}+00:00".format),
    st.dates().map(str),
    st.sampled_from(["", "2026-11-20", "2026-11-20T23:12:19", "2026-11-20T25:00:00Z", "20261120", "1969-12-31T23:59Z"]),
    st.sampled_from(["2026-11-20T23:12:19.5Z", "2026-11-20 23:12:19+02:00", "2026-02-30", "2100-01-01"]),
)
TEXTS = st.one_of(
    st.sampled_from(["", "BTC-USD", "SPY", "spy", "None", "nan", "paper_trade", *STRATEGIES]),
    st.sampled_from(["by macd_momentum!", "xmacd_momentum", '"a,b"', 'a"b', "\r", "é", "\0", "\t", " SPY", "x" * 1100]),
    st.sampled_from(["buy", "SELL", "sell_short", "close_long", "buy_to_cover", "short", "hold"]),
    st.text(max_size=20),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A header with any of the columns in any order, and lines most of which are what they should be."""
    needed = draw(st.sampled_from([["timestamp", "pnl"], ["ts", "date", "pnl"], ["timestamp", "ts", "date", "pnl"]]))
    optional = draw(st.lists(st.sampled_from([*PNL_HEADER[2:7], *PNL_HEADER[8:], "note", "other"]), unique=True))
    header = draw(st.permutations([*needed, *optional]))
    number_columns = {"pnl", "qty", "fee", "capital", "equity", "price"}
    ending = draw(st.sampled_from([b"", b"\r"]))
    lines = []
    for _ in range(draw(st.integers(1, 12))):
        fields = []
        for name in header:
            of_name = NUMBERS if name in number_columns else TIMES if name in (*needed, "entry_time") else TEXTS
            fields.append(draw(st.one_of(of_name, of_name, of_name, TEXTS | NUMBERS)))
        fields = fields[: draw(st.sampled_from([len(fields)] * 9 + [1]))]
        lines.append(",".join(fields).replace("\n", "").encode() + ending)
    return ",".join(header).encode(), lines


@given(files())
@settings(derandomize=True, max_examples=70, deadline=None)
def test_the_fast_reader_and_the_strict_one_agree_on_anything(file: tuple[bytes, list[bytes]]) -> None:
    header, lines = file
    assert_the_same(read_fast(header, lines), read_strictly(header, lines))


def ordinary_lines(count: int, seed: int) -> list[bytes]:
    """As our bot writes them, in any of the usual spellings, with a spoilt one here and there."""
    chance = random.Random(seed)
    lines = []
    for number in range(count):
        time = f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}T{chance.randint(0, 23):02d}:05:19Z"
        amount = chance.choice(["{:.6f}", "{:.9f}", "{!r}"]).format
        symbol, side = chance.choice(["BTC-USD", "SPY", "QQQ"]), chance.choice(["buy", "sell"])
        quantity, price, fee = (amount(chance.uniform(0, most)) for most in (3, 1e5, 2))
        reason, strategy = chance.choice(["paper_trade", *STRATEGIES]), chance.choice(["", *STRATEGIES])
        pnl, entry_time = (amount(chance.gauss(0, 50)), time) if chance.random() < 0.5 else ("", "")
        capital, equity = amount(chance.uniform(1e3, 1e5)), amount(1e5)
        fields = [time[:10], time, symbol, side, quantity, price, reason, pnl]
        fields += [strategy, fee, capital, equity, entry_time, f"f-{number}"]
        if chance.random() < 0.02:
            fields[chance.randrange(len(fields))] = chance.choice(['"', "nan", "\0", "é", ","])
        lines.append(",".join(fields).encode())
    return lines


@pytest.mark.parametrize("seed", range(4))
def test_ordinary_files_are_read_alike_and_hardly_ever_line_by_line(seed: int) -> None:
    header, lines = ",".join(PNL_HEADER).encode(), ordinary_lines(2000, seed)
    expected = read_strictly(header, lines)
    with (
        mock.patch.object(blocks, "_BLOCK_BYTES", 1 << 15),
        mock.patch.object(blocks, "parse_row", side_effect=parse_row) as strict,
    ):
        found = read_fast(header, lines)
    assert_the_same(found, expected)
    assert strict.call_count < 0.03 * len(lines)
    assert len(found) > 5


def test_few_lines_are_read_one_by_one() -> None:
    header, lines = ",".join(PNL_HEADER).encode(), ordinary_lines(30, seed=9)
    with (
        mock.patch.object(blocks, "_FEW_BYTES", 1 << 13),
        mock.patch.object(blocks, "_BLOCK_BYTES", 1 << 19),
        mock.patch.object(blocks, "parse_row", side_effect=parse_row) as strict,
    ):
        found = read_fast(header, lines)
    assert strict.call_count == 30
    assert_the_same(found, read_strictly(header, lines))


def test_a_line_longer_than_a_block_is_a_block() -> None:
    lines = [b"2026-11-20,1", b"2026-11-20," + b"9" * 3000, b"2026-11-20,2"]
    found = read_fast(b"date,pnl", lines)
    assert_the_same(found, read_strictly(b"date,pnl", lines))
    assert [block.bad for block in found] == [0, 1, 0]


def test_more_notes_than_can_be_remembered_change_nothing() -> None:
    with mock.patch.object(blocks, "_BLOCK_BYTES", 1 << 19):
        notes = [f"trade {number} of {STRATEGIES[number % 8]}" for number in range(6000)]
        lines = [f"2026-11-20,{note},1".encode() for note in (*notes, *notes)]
        reader = BlockReader(ATTRIBUTION)
        chunk = Chunk(PATH, 0, b"date,note,pnl", b"\n".join(lines) + b"\n")
        strategy = np.concatenate([block.trades.strategy for block in reader.read(chunk)])
    assert strategy.tolist() == [number % 8 for number in range(6000)] * 2


def test_a_header_without_profits_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"pnl_history.csv: .*'pnl'"):
        read_fast(b"timestamp,symbol", [b"2026-11-20,SPY"])


@pytest.mark.parametrize(
    ("side", "texts"),
    [
        (BUY, ["buy", "BUY", "buy_to_cover", "cover"]),
        (SELL, ["sell", "Sell_short", "short"]),
        (CLOSE, ["close", "close_long"]),
        (NO_SIDE, ["", "hold", " buy", "bu"]),
    ],
)
def test_a_side_is_known_by_how_it_begins(side: int, texts: list[str]) -> None:
    assert [side_of(text) for text in texts] == [side] * len(texts)
