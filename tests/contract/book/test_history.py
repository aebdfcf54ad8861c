from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from support.naive_book import NaiveBook, by_index

from contract.book.blocks import BlockReader, Trades
from contract.book.daily import UNKNOWN_ENTRY, BookKind, DailyBook
from contract.book.history import Book
from contract.book.marks import Marks
from contract.rows import Attribution, Columns, Trade, parse_row
from contract.schema.names import MARKS_HEADER, PNL_HEADER, STRATEGIES
from contract.tail import Chunk

HEADER = ",".join(PNL_HEADER).encode()
MONDAY = date(2026, 3, 2)
LEANING = (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)
EQUITY = 8000.0


def row(day: int, clock: str = "10:00:00", **fields: object) -> bytes:
    """A line of the history, some days after Monday; what is not given stays empty."""
    when = f"{MONDAY + timedelta(days=day)}"
    content = {"date": when, "timestamp": f"{when}T{clock}Z", "strategy": "turtle_trading"} | fields
    return ",".join(str(content.get(name, "")) for name in PNL_HEADER).encode()


def trades_of(lines: list[bytes], header: bytes = HEADER) -> Trades:
    chunk = Chunk(Path("pnl_history.csv"), 0, header, b"".join(line + b"\n" for line in lines))
    return Trades.joined([block.trades for block in BlockReader(Attribution()).read(chunk)])


def book_of(*lines: bytes, cuts: list[int] | None = None, zone: tzinfo = UTC) -> Book:
    book, trades = Book(zone), trades_of(list(lines))
    for start, end in pairwise([0, *(cuts or []), len(lines)]):
        book.add(trades.take(np.arange(start, end)))
    return book


def daily(*lines: bytes, published: Mapping[date, tuple[float, ...]] | None = None) -> DailyBook:
    return book_of(*lines).daily(EQUITY, published=published)


def turtle_closings(book: DailyBook) -> list[tuple[int, int, object]]:
    assert not book.closings.strategy.any()
    day, entry, _, returned = book.closings
    return list(zip(day.tolist(), entry.tolist(), returned.tolist(), strict=True))


def random_history(seed: int) -> list[bytes]:
    """A month of everything: longs, shorts, whole trades, fees, late rows, repeated ids, strangers' rows."""
    chance = random.Random(seed)
    lines = []
    for number in range(chance.randint(1, 250)):
        day = number // 8 - (chance.randint(0, 9) if chance.random() < 0.1 else 0)
        pnl = chance.choice(["", "", "0.000000", f"{chance.gauss(0, 40):.6f}"])
        fee = chance.choice(["", pnl.removeprefix("-"), "0.5"])
        entry = MONDAY + timedelta(days=day - chance.randint(-1, 12))
        sometimes = {
            "side": chance.choice(["buy", "sell", "BUY", "sell_short", "close", ""]),
            "qty": chance.randint(0, 3000) / 1000,
            "capital": chance.choice(["", "", 900, 1100.5, -3]),
            "equity": round(chance.uniform(7000, 9000), 2) if chance.random() < 0.2 else "",
            "entry_time": f"{entry}T12:00:00Z" if chance.random() < 0.1 else "",
            "id": f"fill-{chance.randint(0, 300)}" if chance.random() < 0.5 else "",
        }
        fields = {name: value for name, value in sometimes.items() if chance.random() < 0.9}
        strategy = chance.choice([*STRATEGIES[:3], "somebody_else"])
        symbol = chance.choice(["SPY", "QQQ", ""])
        clock = f"{chance.randint(0, 23):02d}:00:00"
        lines.append(row(day, clock, strategy=strategy, symbol=symbol, pnl=pnl, fee=fee, **fields))
    return lines


@pytest.mark.parametrize("seed", range(40))
def test_the_book_is_the_one_that_is_worked_out_row_by_row(seed: int) -> None:
    chance = random.Random(1000 + seed)
    lines = random_history(seed)
    days = [MONDAY + timedelta(days=number) for number in range(-10, 32)]
    published = {day: LEANING[::-1] for day in days if chance.random() < 0.3}
    equity_of_day = {day: chance.uniform(7000, 9000) for day in days if chance.random() < 0.2}
    rows = [parse_row(line, 0, Columns.parse(HEADER), Attribution()) for line in lines]
    expected = NaiveBook([trade for trade in rows if isinstance(trade, Trade)], EQUITY, equity_of_day, published)

    cuts = sorted(chance.sample(range(len(lines) + 1), min(len(lines), chance.randint(0, 6))))
    book = book_of(*lines, cuts=cuts).daily(EQUITY, equity_of_day, published)

    assert book.kind is BookKind.TRADES
    assert book.dates.tolist() == expected.days
    assert book.pnl == pytest.approx(np.array(expected.table(expected.pnl)))
    assert book.trades.tolist() == expected.table(expected.trades)
    assert book.wins.tolist() == expected.table(expected.wins)
    assert book.account_pnl == pytest.approx([expected.account_pnl[day] for day in expected.days])
    assert book.account_opening == pytest.approx([expected.opening[day] for day in expected.days])
    assert book.account_equity == pytest.approx([expected.closing[day] for day in expected.days])
    for found, counts in ((book.account_trades, expected.trades), (book.account_wins, expected.wins)):
        assert found.tolist() == [sum(count for (of, _), count in counts.items() if of == day) for day in expected.days]
    capital = [[expected.capital(day, strategy, True) for strategy in range(8)] for day in expected.days]
    assert book.capital == pytest.approx(np.array(capital))
    closings = expected.closings()
    assert by_index(book.closings) == pytest.approx(closings, rel=1e-4, abs=1e-6)
    returns = np.zeros_like(book.pnl)
    for (day, _, strategy), returned in closings.items():
        returns[day, strategy] += returned
    assert book.returns == pytest.approx(returns, abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_it_does_not_matter_how_the_rows_are_cut(seed: int) -> None:
    lines = random_history(seed)
    whole = book_of(*lines)
    cut = book_of(*lines, cuts=list(range(1, len(lines))))
    assert whole.sha256() == cut.sha256()
    assert (whole.rows, whole.trades, whole.duplicates) == (cut.rows, cut.trades, cut.duplicates)
    assert (whole.unattributed, whole.last_time) == (cut.unattributed, cut.last_time)
    one, other = whole.daily(EQUITY), cut.daily(EQUITY)
    for name in ("dates", "pnl", "capital", "trades", "wins", "account_pnl", "account_equity", "account_wins"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    assert one.returns == pytest.approx(other.returns, abs=1e-9)


def test_a_profit_stands_on_the_day_of_the_close_and_remembers_the_day_of_the_entry() -> None:
    book = daily(
        row(0, side="buy", qty=2, symbol="SPY"),
        row(1, side="buy", qty=1, symbol="SPY"),
        row(3, side="sell", qty=3, symbol="SPY", pnl=90),
    )
    assert [str(day) for day in book.dates] == ["2026-03-02", "2026-03-03", "2026-03-05"]
    assert book.pnl[:, 0].tolist() == [0, 0, 90]
    assert turtle_closings(book) == [(2, 1, pytest.approx(30 / 1000)), (2, 0, pytest.approx(60 / 1000))]
    assert book.returns[:, 0] == pytest.approx([0, 0, 0.09])


def test_the_weight_of_the_entry_day_is_the_capital() -> None:
    published = {MONDAY: LEANING, MONDAY + timedelta(days=1): LEANING[::-1]}
    lines = row(0, side="sell", qty=1, symbol="SPY"), row(1, side="buy", qty=1, symbol="SPY", pnl=24)
    assert turtle_closings(daily(*lines, published=published)) == [(1, 0, pytest.approx(24 / (0.3 * EQUITY)))]


def test_a_row_without_a_fill_stands_for_a_whole_trade_whose_entry_is_not_known() -> None:
    published = {MONDAY: LEANING, MONDAY + timedelta(days=1): LEANING[::-1]}
    book = daily(row(0), row(1, pnl=24), published=published)
    mean = (LEANING[0] + LEANING[-1]) / 2
    assert turtle_closings(book) == [(1, UNKNOWN_ENTRY, pytest.approx(24 / (mean * EQUITY)))]
    assert turtle_closings(daily(row(0), row(1, pnl=24, capital=480))) == [(1, UNKNOWN_ENTRY, 0.05)]


def test_the_capital_on_the_opening_row_comes_first() -> None:
    lines = [
        row(0, side="buy", qty=1, symbol="SPY", capital=400),
        row(0, side="buy", qty=1, symbol="QQQ", capital=600),
        row(2, side="sell", qty=1, symbol="SPY", pnl=50, capital=9999),
    ]
    assert turtle_closings(daily(*lines, published={MONDAY: LEANING})) == [(1, 0, 0.1)]


def test_an_entry_time_is_believed() -> None:
    lines = [row(0), row(1), row(4, side="sell", qty=1, pnl=8, capital=100, entry_time=f"{MONDAY}T09:00:00Z")]
    # The floor of 2% of the equity is more than the capital that the row states.
    assert turtle_closings(daily(*lines)) == [(2, 0, pytest.approx(8 / 160))]
    before_the_book = row(4, pnl=8, entry_time="2020-01-01T09:00:00Z")
    assert turtle_closings(daily(row(0), before_the_book)) == [(1, UNKNOWN_ENTRY, 0.008)]


def test_a_history_that_begins_amid_a_position_does_not_take_its_close_for_an_entry() -> None:
    book = daily(
        row(0, side="sell", qty=1, symbol="SPY", pnl=10),
        row(1, side="buy", qty=1, symbol="SPY"),
        row(2, side="sell", qty=1, symbol="SPY", pnl=20),
    )
    assert turtle_closings(book) == [(0, UNKNOWN_ENTRY, 0.01), (2, 1, pytest.approx(0.02, rel=0.01))]


def test_a_fee_belongs_to_the_day_on_which_it_was_paid() -> None:
    book = daily(
        row(0, side="sell_short", qty=1, symbol="SPY", pnl=-1, fee=1),
        row(1, side="close", qty=1, symbol="SPY", pnl=20),
    )
    assert turtle_closings(book) == [(0, 0, -0.001), (1, 0, 0.02)]


def test_rows_that_belong_to_nobody_count_for_the_account_alone() -> None:
    book = book_of(row(0, strategy="", pnl=5), row(0, pnl=-3), row(0, strategy="", pnl=0))
    day = book.daily(EQUITY)
    assert (book.rows, book.trades, book.unattributed) == (3, 2, 2)
    assert (day.account_pnl[0], day.account_trades[0], day.account_wins[0]) == (2, 2, 1)
    assert (day.pnl.sum(), day.trades.sum(), day.wins.sum()) == (-3, 1, 0)
    assert len(book_of(row(0, strategy="", pnl=5)).daily(EQUITY).closings.day) == 0


def test_a_late_row_counts_on_its_own_day_and_a_repeated_one_not_at_all() -> None:
    book = book_of(row(3, pnl=1, id="a"), row(1, pnl=2, id="b"), row(3, pnl=1, id="a"), row(3, pnl=1, id="a"))
    assert (book.rows, book.duplicates) == (2, 2)
    assert book.last_time == datetime(2026, 3, 5, 10, tzinfo=UTC).timestamp() * 1e6
    assert book.daily(EQUITY).account_pnl.tolist() == [2, 1]


def test_the_latest_equity_of_a_day_counts_and_rows_come_before_other_files() -> None:
    book = book_of(row(0, "12:00:00", equity=500), row(0, "11:00:00", equity=1), row(1, pnl=7), row(2, pnl=1))
    equity_of_day = {MONDAY: 1.0, MONDAY + timedelta(days=2): 900.0}
    assert book.daily(EQUITY, equity_of_day).account_equity.tolist() == [500, 507, 900]


def test_days_are_those_of_the_zone() -> None:
    lines = row(0, "23:30:00", pnl=1), row(1, "00:30:00", pnl=2), row(1, "04:30:00", pnl=4)
    book = book_of(*lines, zone=ZoneInfo("America/New_York")).daily(EQUITY)
    assert book.dates.tolist() == [MONDAY]
    assert book_of(*lines).daily(EQUITY).account_pnl.tolist() == [1, 6]


def test_an_empty_book_has_no_days() -> None:
    book = Book()
    assert (book.rows, book.last_time) == (0, None)
    assert book.daily(EQUITY).returns.shape == (0, 8)
    assert book.daily(EQUITY).earned(np.empty((0, 8))).shape == (0,)


def marks_of(*lines: str) -> Marks:
    marks = Marks(UTC)
    marks.add(trades_of([line.encode() for line in lines], ",".join(MARKS_HEADER).encode()))
    return marks


def test_marks_alone_make_the_book_where_there_are_any() -> None:
    book = book_of(row(0, pnl=1000, equity=7777), row(5, pnl=-3), row(5, strategy="", pnl=9))
    marks = marks_of(
        "2026-03-02T21:00:00Z,turtle_trading,400,20,0.9",
        "2026-03-02T21:00:00Z,pairs_trading,100,-5,0",
        "2026-03-03T21:00:00Z,turtle_trading,500,0,0.9",
    )
    day = book.daily(EQUITY, published={MONDAY: LEANING}, marks=marks)
    assert day.kind is BookKind.MARKS
    assert day.dates.tolist() == [MONDAY, MONDAY + timedelta(days=1)]
    assert day.returns[:, 0].tolist() == [0.05, 0]
    assert day.returns[0, 4] == -0.05
    assert day.account_pnl.tolist() == [15, 0]
    assert day.account_equity.tolist() == [7777, 7777]
    assert day.capital[:, 0].tolist() == [400, 500]
    assert day.capital[0, 1] == pytest.approx(0.2 * day.account_opening[0])
    assert (day.account_trades.tolist(), day.trades[:, 0].tolist()) == ([1, 0], [1, 0])
    assert day.earned(np.full((2, 8), 0.5)) == pytest.approx([0, 0])


def test_a_replay_cannot_be_gamed_by_stepping_in_when_gains_are_due() -> None:
    """A rule without any edge cuts its losses at once, and its gains after 40 days.

    Overweighting it once it has been silent for 15 days looks brilliant where profits are weighed by the day of their
    close: it misses the losses and meets the gains. By the day of the entry it is worth nothing, as it is.
    """
    chance = np.random.default_rng(11)
    lines, silent = [row(0)], [False]
    while len(lines) < 16_000:
        day = len(silent) - 1
        path = np.cumsum(chance.standard_normal(40))
        held = int(np.argmax(path < -1)) + 1 if (path < -1).any() else 40
        lines.append(row(day, "09:00:00", side="buy", qty=1, symbol="SPY"))
        lines += [row(day + passed) for passed in range(1, held)]
        lines.append(row(day + held, "08:00:00", side="sell", qty=1, symbol="SPY", pnl=f"{path[held - 1] * 10:.6f}"))
        silent += [passed >= 15 for passed in range(1, held + 1)]
    book = daily(*lines)
    weights = np.full((len(book.dates), 8), 0.1)
    weights[:, 0] = np.where(silent, 0.35, 0.02)
    by_close, by_entry = (weights * book.returns).sum(axis=1), book.earned(weights)
    assert _sharpe(by_close) > 1
    assert abs(_sharpe(by_entry)) < 0.4


def _sharpe(returns: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(returns.mean() / returns.std() * np.sqrt(252))
