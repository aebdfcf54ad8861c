from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_lots import NaiveLots

from contract.book.lots import Fills, OpenLots

Row = tuple[int, float, bool, bool, int]
"""Instrument, quantity, only closes, may open, day."""
Entries = list[dict[int, float]]
"""For each fill, the share of it that closed what was opened on each day."""


def take(lots: OpenLots, rows: list[Row]) -> tuple[Entries, list[bool]]:
    columns = list(zip(*rows, strict=True)) or [()] * 5
    types = (np.uint64, np.float64, np.bool_, np.bool_, np.int64)
    fills = Fills._make(np.array(column, of_type) for column, of_type in zip(columns, types, strict=True))
    matches, opens = lots.match(fills)
    entries: Entries = [defaultdict(float) for _ in rows]
    for fill, day, share in zip(*(column.tolist() for column in matches), strict=True):
        entries[fill][day] += share
    return entries, opens.tolist()


def one_by_one(rows: list[Row]) -> tuple[Entries, list[bool]]:
    lots = NaiveLots()
    closed = [lots.take(*row) for row in rows]
    return [fill.shares for fill in closed], [fill.opens for fill in closed]


ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(-3000, 3000).filter(bool).map(lambda thousandths: thousandths / 1000),
        st.sampled_from([False] * 5 + [True]),
        st.sampled_from([True] * 3 + [False]),
        st.integers(0, 5),
    ),
    max_size=40,
)


@given(ROWS, st.lists(st.integers(0, 40), max_size=4))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_it_is_first_in_first_out_however_the_fills_are_cut(rows: list[Row], cuts: list[int]) -> None:
    expected_entries, expected_opens = one_by_one(rows)
    lots = OpenLots()
    entries: Entries = []
    opens: list[bool] = []
    bounds = [0, *sorted(cuts), len(rows)]
    for start, end in pairwise(bounds):
        some_entries, some_opens = take(lots, rows[start:end])
        entries += some_entries
        opens += some_opens
    assert opens == expected_opens
    assert entries == [pytest.approx(expected, abs=1e-5) for expected in expected_entries]


def test_many_instruments_and_magnitudes_at_once() -> None:
    chance = random.Random(3)
    scale = {instrument: 10.0 ** chance.randint(-3, 9) for instrument in range(1, 400)}
    rows: list[Row] = []
    for day in range(60):
        for _ in range(100):
            instrument = chance.randint(1, 399)
            quantity = chance.randint(1, 3000) * chance.choice([-1, 1]) / 1000
            rows.append((instrument, quantity * scale[instrument], False, True, day))
    expected, opens = one_by_one([(i, quantity / scale[i], *rest) for i, quantity, *rest in rows])  # type: ignore[misc]
    lots = OpenLots()
    found = [take(lots, rows[start : start + 700]) for start in range(0, len(rows), 700)]
    assert [entry for entries, _ in found for entry in entries] == [pytest.approx(e, abs=1e-5) for e in expected]
    assert [open_ for _, some in found for open_ in some] == opens


def test_tenths_that_do_not_add_up_exactly_leave_nothing_behind() -> None:
    rows = [(1, 0.1, False, True, 1), (1, 0.2, False, True, 2), (1, -0.3, False, True, 3)]
    lots = OpenLots()
    assert take(lots, rows[:2])[1] == [True, True]
    entries, opens = take(lots, rows[2:])
    assert entries == [pytest.approx({1: 1 / 3, 2: 2 / 3})]
    assert opens == [False]
    assert take(lots, [(1, -1.0, False, False, 4)]) == ([{}], [False])


def test_a_long_standing_position_is_one_lot_a_day() -> None:
    lots = OpenLots()
    for day in range(3):
        take(lots, [(1, 1.0, False, True, day)] * 1000)
    entries, _ = take(lots, [(1, -1500.0, False, True, 9)])
    assert entries == [pytest.approx({0: 2 / 3, 1: 1 / 3})]
    (held,) = lots._held.values()
    assert held.day.tolist() == [1, 2]
    assert held.quantity.tolist() == pytest.approx([500, 1000])


def test_nothing_comes_of_nothing() -> None:
    assert take(OpenLots(), []) == ([], [])
