"""A book that is asked again and again computes only what changed, and says what one that is asked once says."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contract.book.blocks import BlockReader, Trades
from contract.book.daily import DailyBook
from contract.book.history import Book
from contract.book.marks import Marks
from contract.rows import Attribution
from contract.schema.names import MARKS_HEADER, PNL_HEADER, STRATEGIES
from contract.tail import Chunk

EQUITY = 8000.0
FIRST = date(2026, 3, 2)
DAYS = 25


def trades_of(lines: list[str], header: tuple[str, ...]) -> Trades:
    content = "".join(f"{line}\n" for line in lines).encode()
    chunk = Chunk(Path("rows.csv"), 0, ",".join(header).encode(), content)
    return Trades.joined([block.trades for block in BlockReader(Attribution()).read(chunk)])


def some_day(chance: random.Random, number: int) -> date:
    late = chance.randint(0, 12) if chance.random() < 0.05 else 0
    return FIRST + timedelta(days=number * DAYS // 200 - late)


def fills(chance: random.Random, equity_share: float) -> list[str]:
    lines = []
    for number in range(200):
        day = some_day(chance, number)
        entry = day - timedelta(days=chance.randint(0, 15))
        values = {
            "date": f"{day}",
            "timestamp": f"{day}T{chance.randint(0, 23):02d}:00:00Z",
            "symbol": chance.choice(["SPY", "QQQ"]),
            "side": chance.choice(["buy", "sell", "close", ""]),
            "qty": chance.randint(0, 3),
            "pnl": chance.choice(["", f"{chance.gauss(0, 40):.6f}"]),
            "strategy": chance.choice([*STRATEGIES[:3], "somebody_else"]),
            "capital": chance.choice(["", 900, 1100.5]),
            "equity": round(chance.uniform(7000, 9000), 2) if chance.random() < equity_share else "",
            "entry_time": f"{entry}T12:00:00Z" if chance.random() < 0.2 else "",
        }
        lines.append(",".join(str(values.get(name, "")) for name in PNL_HEADER))
    return lines


def marks_rows(chance: random.Random) -> list[str]:
    return [
        f"{some_day(chance, number)}T21:00:00Z,{chance.choice(STRATEGIES)},{chance.uniform(500, 1500)},"
        f"{chance.gauss(0, 9)},1"
        for number in range(200)
    ]


def same(one: DailyBook, other: DailyBook) -> None:
    for field in fields(DailyBook):
        mine, its = getattr(one, field.name), getattr(other, field.name)
        if field.name == "closings":
            assert [part.tolist() for part in mine] == [part.tolist() for part in its]
        else:
            np.testing.assert_array_equal(mine, its, err_msg=field.name)


@pytest.mark.parametrize("equity_share", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_the_answer_is_that_of_a_book_that_is_asked_once(seed: int, equity_share: float) -> None:
    chance = random.Random(seed)
    trades = trades_of(fills(chance, equity_share), PNL_HEADER)
    marked = trades_of(marks_rows(chance), MARKS_HEADER)
    curve = {FIRST + timedelta(days=day): chance.uniform(7000, 9000) for day in range(0, DAYS, 7)}
    published = {FIRST: (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)}
    asked: list[Callable[[Book, Marks], DailyBook]] = [
        lambda book, marks: book.daily(EQUITY),
        lambda book, marks: book.daily(EQUITY, curve, published),
        lambda book, marks: book.daily(EQUITY, marks=marks),
    ]
    cuts = [0, *sorted(chance.sample(range(1, 200), 9)), 200]
    for ask in asked:
        followed, marks = Book(UTC), Marks(UTC)
        history: list[Trades] = []
        marked_so_far: list[Trades] = []
        for start, stop in pairwise(cuts):
            rows = np.arange(start, stop)
            if chance.random() < 0.8:
                history.append(trades.take(rows))
                followed.add(history[-1])
            if chance.random() < 0.8:
                marked_so_far.append(marked.take(rows))
                marks.add(marked_so_far[-1])
            same(ask(followed, marks), ask(*read_at_once(history, marked_so_far)))


def read_at_once(history: list[Trades], marked: list[Trades]) -> tuple[Book, Marks]:
    book, marks = Book(UTC), Marks(UTC)
    for rows in history:
        book.add(rows)
    for rows in marked:
        marks.add(rows)
    return book, marks


def test_another_question_is_answered_afresh() -> None:
    book = Book(UTC)
    book.add(trades_of(fills(random.Random(1), 0.0), PNL_HEADER))
    poor, rich = book.daily(1000.0), book.daily(9000.0)
    assert rich.account_equity[-1] - poor.account_equity[-1] == pytest.approx(8000.0)
    curve = {FIRST: 5000.0}
    assert book.daily(9000.0, curve).account_equity[0] != rich.account_equity[0]
    same(book.daily(9000.0), rich)
