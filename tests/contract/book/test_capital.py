from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.book.capital import Published, capital_of, equity_of
from contract.book.days import day_number
from contract.schema.names import STRATEGIES

FIRST = date(2026, 3, 2)
NAN = np.nan
LEANING = (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)


def days_from(first: date, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return day_number(first) + np.arange(count)


def nothing_stated(days: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.full((days, len(STRATEGIES)), NAN)


def test_equity_starts_where_the_settings_say_if_no_file_does() -> None:
    equity = equity_of(np.array([10.0, -5.0, 0.0]), np.full(3, NAN), 1000.0)
    assert equity.opening.tolist() == [1000.0, 1010.0, 1005.0]
    assert equity.closing.tolist() == [1010.0, 1005.0, 1005.0]


def test_equity_follows_the_marks_and_between_them_the_profits() -> None:
    equity = equity_of(np.array([10.0, 20.0, -5.0, 7.0]), np.array([NAN, 500.0, NAN, 600.0]), 1000.0)
    assert equity.closing.tolist() == [480.0, 500.0, 495.0, 600.0]
    assert equity.opening.tolist() == [470.0, 480.0, 500.0, 495.0]


def test_no_days_have_no_equity() -> None:
    assert [len(column) for column in equity_of(np.empty(0), np.empty(0), 1000.0)] == [0, 0]
    capital = capital_of(np.empty(0, np.int64), nothing_stated(0), {}, np.empty(0))
    assert capital.entered.shape == capital.closed.shape == (0, 8)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.none() | st.floats(1, 1e6)), min_size=1, max_size=30))
@settings(derandomize=True)
def test_every_day_begins_where_the_last_one_ended(rows: list[tuple[float, float | None]]) -> None:
    pnl = np.array([earned for earned, _ in rows])
    marked = np.array([NAN if mark is None else mark for _, mark in rows])
    equity = equity_of(pnl, marked, 1e4)
    assert equity.opening[1:].tolist() == equity.closing[:-1].tolist()
    known = np.isfinite(marked)
    assert equity.closing[known].tolist() == marked[known].tolist()
    moved = equity.closing - equity.opening
    assert moved[~known] == pytest.approx(pnl[~known], abs=1e-6)
    assert moved[0] == pytest.approx(pnl[0], abs=1e-6)


def test_capital_is_an_equal_share_if_nothing_else_is_known() -> None:
    capital = capital_of(days_from(FIRST, 2), nothing_stated(2), {}, np.array([800.0, 1600.0]))
    assert capital.entered.tolist() == capital.closed.tolist() == [[100.0] * 8, [200.0] * 8]


def test_the_weight_of_the_day_comes_before_the_mean_and_after_what_rows_state() -> None:
    published: Published = {FIRST: LEANING, FIRST + timedelta(days=1): (1 / 8,) * 8}
    stated = nothing_stated(3)
    stated[1, 2] = 77.0
    capital = capital_of(days_from(FIRST, 3), stated, published, np.full(3, 1000.0))
    mean = (np.array(LEANING) + 1 / 8) / 2 * 1000
    assert capital.entered[0] == pytest.approx(1000 * np.array(LEANING))
    assert capital.entered[1] == pytest.approx([125, 125, 77, 125, 125, 125, 125, 125])
    assert capital.entered[2] == pytest.approx(mean)
    assert capital.closed[0] == pytest.approx(1000 * np.array(LEANING))
    assert capital.closed[2] == pytest.approx(mean)
    assert capital.closed[1, 2] == 77.0
    assert np.delete(capital.closed[1], 2) == pytest.approx(np.delete(mean, 2))


@pytest.mark.parametrize(("days_ago", "remembered"), [(19, True), (20, False)])
def test_weights_are_remembered_for_twenty_days(days_ago: int, remembered: bool) -> None:
    published: Published = {FIRST - timedelta(days=days_ago): LEANING, FIRST + timedelta(days=1): (1 / 8,) * 8}
    capital = capital_of(days_from(FIRST, 1), nothing_stated(1), published, np.array([1000.0]))
    assert capital.entered[0, 0] == pytest.approx(300.0 if remembered else 125.0)


def test_no_capital_is_under_two_percent_of_the_equity() -> None:
    stated = nothing_stated(1)
    stated[0, 0] = 1.0
    published: Published = {FIRST: (0.5, 0.49, 0.01, 0, 0, 0, 0, 0)}
    capital = capital_of(days_from(FIRST, 1), stated, published, np.array([1000.0]))
    assert capital.entered[0].tolist() == [20.0, 490.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0]


def test_a_ruined_account_still_has_something_to_divide_by() -> None:
    equity = np.array([1000.0, -50.0, 0.0])
    assert capital_of(days_from(FIRST, 3), nothing_stated(3), {}, equity).entered[:, 0].tolist() == [125.0, 1.25, 1.25]
    assert capital_of(days_from(FIRST, 3), nothing_stated(3), {}, -equity).entered.min() == 1 / 8
