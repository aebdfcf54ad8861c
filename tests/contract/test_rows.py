from __future__ import annotations

import csv
import io
from collections import deque
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import BadInput
from contract.rows import (
    LONGEST_FIELD,
    LONGEST_LINE,
    Attribution,
    BadRow,
    Columns,
    SeenIds,
    Trade,
    is_header,
    parse_number,
    parse_row,
    parse_time,
)
from contract.schema.names import PNL_HEADER, STRATEGIES

ANCESTOR = b"date,timestamp,symbol,side,qty,price,reason,pnl"
NEW_YEAR_2026 = 1_767_225_600_000_000  # microseconds
DAY = 86_400_000_000


def parse(line: bytes, header: bytes = ANCESTOR, **strategy_of_symbol: str) -> Trade | BadRow:
    return parse_row(line, 77, Columns.parse(header), Attribution(strategy_of_symbol))


def parse_trade(line: bytes, header: bytes = ANCESTOR, **strategy_of_symbol: str) -> Trade:
    trade = parse(line, header, **strategy_of_symbol)
    assert isinstance(trade, Trade), trade
    return trade


def test_the_ancestors_row_is_read_as_it_is() -> None:
    assert parse(b"2026-11-20,2026-11-20T23:12:19Z,BTC-USD,sell,0.01,61000.0,paper_trade,9.400000\n") == Trade(
        offset=77,
        time=1_795_216_339_000_000,
        pnl=9.4,
        strategy=None,
        symbol="BTC-USD",
        side="sell",
        qty=0.01,
        price=61_000.0,
        fee=None,
        capital=None,
        equity=None,
        entry_time=None,
        id=None,
    )


def test_our_own_header_is_read_in_full() -> None:
    line = b"2026-01-01,2026-01-01T00:00:01Z,SPY,buy,2,3,,,macd_momentum,0.5,1000,8000,2026-01-01,a-1"
    trade = parse_trade(line, ",".join(PNL_HEADER).encode())
    assert trade[5:] == ("buy", 2.0, 3.0, 0.5, 1000.0, 8000.0, NEW_YEAR_2026, "a-1", ())
    assert (trade.pnl, trade.strategy) == (0.0, "macd_momentum")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"pnl,timestamp", id="bare"),
        pytest.param(b"pnl,timestamp\n", id="newline"),
        pytest.param(b"pnl,timestamp\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbfpnl,timestamp\r\n", id="byte order mark"),
        pytest.param(b"PnL,Timestamp", id="case"),
        pytest.param(b" pnl , timestamp ", id="spaces"),
        pytest.param(b'"pnl","timestamp"', id="quotes"),
        pytest.param(b'\xef\xbb\xbf"pnl","timestamp"', id="byte order mark and quotes"),
        pytest.param(b"pnl,ts", id="ts"),
        pytest.param(b"pnl,date", id="date"),
    ],
)
def test_headers_are_read_tolerantly(header: bytes) -> None:
    assert Columns.parse(header) == Columns(count=2, times=(1,), pnl=0)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        pytest.param(b"", "no column 'timestamp'", id="empty"),
        pytest.param(b"pnl,wealth", "no column 'timestamp'", id="no time"),
        pytest.param(b"date,wealth", "no column 'pnl'", id="no pnl"),
        pytest.param(b"date,pnl,PNL", "'pnl' stands twice", id="pnl twice"),
        pytest.param(b"date,date,pnl", "'date' stands twice", id="time twice"),
        pytest.param(b"date,pnl,\0", "NUL byte", id="NUL"),
        pytest.param(b"date,pnl,\xff", "not UTF-8", id="not UTF-8"),
        pytest.param(b'date,"pnl', "quote out of place", id="open quote"),
        pytest.param(b"2026-01-01,SPY,1.0", "no column 'timestamp'", id="a row"),
    ],
)
def test_headers_without_what_a_row_needs_are_refused(header: bytes, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        Columns.parse(header)


def test_unknown_columns_are_ignored_even_twice() -> None:
    assert parse_trade(b"x,2026-01-01,y,1", b"mood,date,mood,pnl").pnl == 1.0


@pytest.mark.parametrize(
    ("line", "days"),
    [
        pytest.param(b"2026-01-01,2026-01-02,2026-01-03,1", 2, id="timestamp beats ts beats date"),
        pytest.param(b"2026-01-01,2026-01-02,,1", 1, id="ts where timestamp is empty"),
        pytest.param(b"2026-01-01,,,1", 0, id="date where both are"),
    ],
)
def test_the_time_is_the_first_of_its_columns_that_is_filled(line: bytes, days: int) -> None:
    assert parse_trade(line, b"date,ts,timestamp,pnl").time == NEW_YEAR_2026 + days * DAY


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("12", 12.0),
        ("-12.5", -12.5),
        ("+3", 3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("9.400000", 9.4),
        ("1e308", 1e308),
        ("1e-400", 0.0),
        ("0" * 400 + "7", 7.0),
    ],
)
def test_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1\t", "1\n", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e400", "-1e400"),
        *("1_000", "1,5", "0x10", "1e", "e5", "1e5.0", "--1", "+-1", ".", "-", "+", "1.2.3", "12abc", "$5", "1%"),
        *("None", "null", "True", "(5)", "1d0", "\u0661", "\uff11", "1\u00a0", "\u22121", "9" * 400),
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "after_new_year_s"),
    [
        ("2026-01-01", 0),
        ("2026-01-01T00:00:00Z", 0),
        ("2026-01-01t00:00:00z", 0),
        ("2026-01-01 00:00:00", 0),
        ("2026-01-01T00:00", 0),
        ("2026-01-01T00:00+00:00", 0),
        ("2026-01-01T00:00:01.5Z", 1.5),
        ("2026-01-01T00:00:00.000001", 0.000001),
        ("2026-01-01T00:00:00.123456789Z", 0.123456),
        ("2026-01-01T01:00:00+01:00", 0),
        ("2026-01-01T00:00:00-0530", 5.5 * 3600),
        ("2026-01-01T00:00:00+02", -2 * 3600),
        ("2026-01-01T23:59:59", 86_399),
        ("2025-12-31T23:59:59.999999Z", -0.000001),
    ],
)
def test_times(text: str, after_new_year_s: float) -> None:
    assert parse_time(text) == NEW_YEAR_2026 + round(after_new_year_s * 1e6)


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "1767225600", "2026", "2026-01", "2026-1-1", "20260101", "2026-13-01", "2026-02-30"),
        *("0000-01-01", "2026-01-01T", "2026-01-01Z", "2026-01-01T24:00:00", "2026-01-01T00:60:00", "2026-01-01T1:00"),
        *("2026-01-01T00:00:60", "2026-01-01T00:00:00.", "2026-01-01T00:00:00,5", "2026-01-01T00:00:00+24:00"),
        *("2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00 UTC", " 2026-01-01", "2026-01-01 ", "2026-W01-1"),
        *("2026-01-01T00:00:00ZZ", "\u0662026-01-01", "01/02/2026", "2026-01-01T00:00:00+1"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert parse_time(text) is None


OURS = ",".join(PNL_HEADER).encode()
NOTHING = Trade(77, NEW_YEAR_2026, 0.0, None)._asdict()


@pytest.mark.parametrize(
    "wanted",
    [(), ("equity", "id"), ("symbol", "qty", "price"), ("strategy",), ("notes",)],
    ids=lambda wanted: " ".join(wanted) or "none",
)
def test_who_wants_few_fields_finds_them_as_they_are_and_no_others(wanted: tuple[str, ...]) -> None:
    line = b"d,2026-01-01,SPY,buy,2,3,vix_strategy,,macd_momentum,0.5,1000,many,2026-01-01,a-1"
    trade = parse_row(line, 77, Columns.parse(OURS).only(wanted), Attribution())
    whole = {**parse_trade(line, OURS)._asdict(), "unread": ("equity",) if "equity" in wanted else ()}
    if "notes" in wanted:
        wanted, whole["strategy"] = ("strategy",), "vix_strategy"
    assert isinstance(trade, Trade)
    assert trade._asdict() == {**NOTHING, **{name: whole[name] for name in (*wanted, "unread")}}


@pytest.mark.parametrize("line", [b"d,2026-01-01,SPY", b"d,,SPY,buy,2,3,,,,,,,,", b"d,2026-01-01,SPY,buy,2,3,,x,,,,,,"])
def test_a_row_is_bad_for_whoever_wants_little_of_it_too(line: bytes) -> None:
    row = parse(line, OURS)
    assert isinstance(row, BadRow)
    assert parse_row(line, 77, Columns.parse(OURS).only(()), Attribution()) == row


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"", "wrong column count", id="blank"),
        pytest.param(b"\r\n", "wrong column count", id="blank CRLF"),
        pytest.param(b"2026-01-01,1.5,10000", "wrong column count", id="date, pnl, wealth"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r", "wrong column count", id="one short"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,1,", "wrong column count", id="one over"),
        pytest.param(ANCESTOR, "unreadable time", id="the header again"),
        pytest.param(b",,S,sell,1,2,r,1", "unreadable time", id="no time"),
        pytest.param(b"2026-01-01,nonsense,S,sell,1,2,r,1", "unreadable time", id="a wrong time beside a good one"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,nan", "unreadable pnl", id="nan"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,1e400", "unreadable pnl", id="overflow"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,-inf", "unreadable pnl", id="infinite"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,1_0", "unreadable pnl", id="underscore"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r, 1", "unreadable pnl", id="space"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,None", "unreadable pnl", id="None"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,1\r\r\n", "unreadable pnl", id="two carriage returns"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,r,1.22026-01-02", "unreadable pnl", id="torn and continued"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,\0,1", "NUL byte", id="NUL"),
        pytest.param(b"\0" * 500, "NUL byte", id="a hole"),
        pytest.param(b"d,2026-01-01,\xff,sell,1,2,r,1", "not UTF-8", id="not UTF-8"),
        pytest.param(b"d,2026-01-01,\xed\xa0\x80,sell,1,2,r,1", "not UTF-8", id="lone surrogate"),
        pytest.param(b'd,2026-01-01,S,sell,1,2,"r,1', "quote out of place", id="torn inside quotes"),
        pytest.param(b'd,2026-01-01,S,sell,1,2,r",1', "quote out of place", id="the other half"),
        pytest.param(b'd,2026-01-01,S,sell,1,2,"r"x,1', "quote out of place", id="text behind a quote"),
        pytest.param(b'd,2026-01-01,S,sell,1,2, "r",1', "quote out of place", id="space before a quote"),
        pytest.param(b"d,2026-01-01,S,sell,1,2,%b,1" % (b"x" * (LONGEST_FIELD + 1)), "field over 64 KiB", id="long"),
        pytest.param(
            b"d,2026-01-01,S,sell,1,2,%b,1" % ("\u00e9" * (LONGEST_FIELD // 2 + 1)).encode(),
            "field over 64 KiB",
            id="long in bytes, not in characters",
        ),
        pytest.param(b"x" * (LONGEST_LINE + 1), "line over 1 MiB", id="endless"),
    ],
)
def test_bad_rows(line: bytes, reason: str) -> None:
    assert parse(line) == BadRow(77, reason, line[:256])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"d,2026-01-01,S,sell,1,2,%b,1" % (b"x" * LONGEST_FIELD), id="one field at its limit"),
        pytest.param(b"d,2026-01-01,%b,sell,1,2,%b,1" % ((b"x" * LONGEST_FIELD,) * 2), id="two"),
    ],
)
def test_a_field_of_64_kib_is_still_a_field(line: bytes) -> None:
    assert parse_trade(line).pnl == 1.0


@pytest.mark.parametrize("empty", [b"", b'""'])
def test_an_empty_pnl_is_zero(empty: bytes) -> None:
    assert parse_trade(b"d,2026-01-01,S,buy,1,2,r," + empty).pnl == 0.0


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_line_ending_is_not_part_of_the_last_field(end: bytes) -> None:
    assert parse_trade(b"2026-01-01,1,x-7" + end, b"date,pnl,id").id == "x-7"


def test_quoted_fields() -> None:
    trade = parse_trade(b'"2026-01-01","1.5","a,b","say ""sell""",""', b"date,pnl,symbol,side,id")
    assert (trade.pnl, trade.symbol, trade.side, trade.id) == (1.5, "a,b", 'say "sell"', None)


def test_optional_fields_that_cannot_be_read_are_missing_and_named() -> None:
    header = b"date,pnl,qty,price,fee,capital,equity,entry_time"
    assert parse_trade(b"2026-01-01,1,abc,2,nan,1e999,,never", header) == Trade(
        offset=77,
        time=NEW_YEAR_2026,
        pnl=1.0,
        strategy=None,
        symbol=None,
        side=None,
        qty=None,
        price=2.0,
        fee=None,
        capital=None,
        equity=None,
        entry_time=None,
        id=None,
        unread=("qty", "fee", "capital", "entry_time"),
    )


@pytest.mark.parametrize(
    ("strategy", "reason", "note", "symbol", "expected"),
    [
        pytest.param("vix_strategy", "pairs_trading", "", "SPY", "vix_strategy", id="exact name"),
        pytest.param("None", "", "", "", None, id="None is a string"),
        pytest.param("None", "pairs_trading", "", "", "pairs_trading", id="unknown name, known reason"),
        pytest.param("VIX_STRATEGY", "", "", "", None, id="case matters"),
        pytest.param(" vix_strategy", "", "", "", None, id="spaces matter"),
        pytest.param("", "exit:macd_momentum/stop", "", "SPY", "macd_momentum", id="a word in the reason"),
        pytest.param("", "macd_momentum2", "", "", None, id="no word: digit behind"),
        pytest.param("", "my_macd_momentum", "", "", None, id="no word: underscore before"),
        pytest.param("", "\u00e9macd_momentum", "", "", None, id="no word: letter before"),
        pytest.param("", "bollinger_bands, then vix_strategy", "", "", "bollinger_bands", id="the first of two"),
        pytest.param("", "stop", "vix_strategy", "SPY", "vix_strategy", id="note"),
        pytest.param("", "pairs_trading", "vix_strategy", "", "pairs_trading", id="reason before note"),
        pytest.param("", "paper_trade", "", "SPY", "turtle_trading", id="by symbol"),
        pytest.param("", "", "", "spy", None, id="another symbol"),
        pytest.param("", "", "", "", None, id="unattributed"),
    ],
)
def test_attribution(strategy: str, reason: str, note: str, symbol: str, expected: str | None) -> None:
    row = io.StringIO()
    csv.writer(row).writerow(["2026-01-01", "1", strategy, reason, note, symbol])
    trade = parse_trade(row.getvalue().encode(), b"date,pnl,strategy,reason,note,symbol", SPY="turtle_trading")
    assert trade.strategy == expected


def test_a_symbol_cannot_belong_to_an_unknown_strategy() -> None:
    with pytest.raises(BadInput, match="'SPY' belongs to 'momentum', which is no strategy"):
        Attribution({"SPY": "momentum"})


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (ANCESTOR, True),
        (b"\xef\xbb\xbfTS,pnl\r\n", True),
        (b"timestamp,strategy,capital,pnl,exposure\n", True),
        (b'"date","equity"', True),
        (b"2026-11-20,2026-11-20T23:12:19Z,BTC-USD,sell,0.01,61000.0,paper_trade,9.4", False),
        (b"", False),
        (b"update,mandated", False),
        (b"\0,date", False),
        (b'"date', False),
        (b"\xff,date", False),
    ],
)
def test_what_is_a_header(line: bytes, header: bool) -> None:
    assert is_header(line) is header


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1, max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = st.integers(-62_000_000_000_000_000, 253_000_000_000_000_000)  # the years 5 to 9987
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.data())
def test_a_trade_that_a_csv_writer_wrote_is_read_back(data: st.DataObject) -> None:
    time, entry_time = data.draw(MICROSECONDS), data.draw(MICROSECONDS | st.none())
    numbers = data.draw(st.fixed_dictionaries({n: NUMBERS | st.none() for n in ("qty", "price", "fee", "capital")}))
    words = data.draw(st.fixed_dictionaries({name: WORDS | st.none() for name in ("symbol", "side", "id")}))
    strategy = data.draw(st.sampled_from(STRATEGIES) | st.none())
    pnl = data.draw(NUMBERS)
    known = {"pnl": pnl, "strategy": strategy, **numbers, **words}
    written = {**known, "timestamp": iso(time, data.draw(ZONES)), "mood": data.draw(WORDS)}
    written["entry_time"] = None if entry_time is None else iso(entry_time, UTC)
    columns = data.draw(st.permutations(sorted(written)))
    file = io.StringIO()
    csv.writer(file, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"]))).writerow([written[c] for c in columns])
    trade = parse_trade(file.getvalue().encode(), ",".join(columns).encode())
    rest = {"offset": 77, "time": time, "entry_time": entry_time, "equity": None, "unread": ()}
    assert trade._asdict() == {**known, **rest}


def iso(microseconds: int, zone: timezone) -> str:
    return (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone).isoformat()


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from([*b'",\0\r\n\xff\xc3\xa9-:.TZe19_'])).map(bytes))
def test_no_bytes_make_the_parser_raise(line: bytes) -> None:
    is_header(line)
    for header in (ANCESTOR, b"pnl,ts", b"date,pnl,id"):
        row = parse(line, header)
        assert isinstance(row, BadRow) or (row.pnl == row.pnl and abs(row.pnl) != float("inf"))


@settings(derandomize=True, max_examples=300)
@given(NUMBERS)
def test_every_finite_number_is_read_as_python_writes_it(number: float) -> None:
    assert parse_number(repr(number)) == number
    assert parse_number(f"{number:.6f}") == float(f"{number:.6f}")


@settings(derandomize=True, max_examples=200)
@given(st.integers(1, 6), st.lists(st.sampled_from([None, *"abcdefgh", "x" * 65, "x" * 66])))
def test_an_id_is_known_for_a_window_and_none_is_made_up(window: int, ids: list[str | None]) -> None:
    seen, ever, recent = SeenIds(window), set[str | None](), deque[str | None](maxlen=window)
    for row_id in ids:
        repeats = seen.repeats(row_id)
        if row_id is None:
            assert not repeats
        elif row_id in recent:
            assert repeats
        elif row_id not in ever:
            assert not repeats
        ever.add(row_id)
        recent.append(row_id)


def test_ids_are_forgotten_so_that_memory_is_bounded() -> None:
    seen = SeenIds(window=10)
    for number in range(1_000):
        assert not seen.repeats(str(number))
    assert seen.repeats("990")
    assert not seen.repeats("0")
