"""The verdict, on cases of which one knows what it has to be."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analytics.verdict import Verdict, judge, paired_difference
from contract.config import Tracker
from contract.schema.judgement import BETTER, NOT_PROVEN, WORSE

FloatArray = NDArray[np.float64]
TERMS = Tracker(draws=500)


def days(count: int, edge: float = 0.0, seed: int = 1) -> tuple[FloatArray, FloatArray]:
    """Two books that move together, the first better by an annual Sharpe ratio of about `edge`."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0003, 0.006, count)
    ours, equal = (common + rng.normal(0.0, 0.003, count) for _ in range(2))
    return ours + edge * 0.0067 / np.sqrt(252.0), equal


def verdict(ours: FloatArray, equal: FloatArray, e_value: float | None = 100.0) -> Verdict:
    return judge(ours, equal, e_value, np.random.default_rng(0), TERMS)


def test_clearly_better() -> None:
    found = verdict(*days(750, edge=3.0))
    assert found.word == BETTER
    assert found.difference.interval.low > 0.0
    assert found.difference.interval.low < found.difference.value < found.difference.interval.high
    assert "e-value is 100" in found.reason


def test_clearly_worse_needs_no_e_value() -> None:
    for e_value in (None, 100.0, 1e-9):
        found = verdict(*days(750, edge=-3.0), e_value)
        assert found.word == WORSE
        assert found.difference.interval.high < 0.0


@pytest.mark.parametrize("seed", range(5))
def test_no_difference(seed: int) -> None:
    found = verdict(*days(750, seed=seed))
    assert found.word == NOT_PROVEN
    assert found.difference.interval.low < 0.0 < found.difference.interval.high
    assert "0 is among what is possible" in found.reason


def test_the_very_same_book_is_no_better() -> None:
    ours, _ = days(750, edge=3.0)
    found = verdict(ours, ours)
    assert found.word == NOT_PROVEN
    assert found.difference.value == 0.0


@pytest.mark.parametrize("count", [0, 1, 2, 59])
def test_too_few_days(count: int) -> None:
    found = verdict(*days(count, edge=50.0))
    assert found.word == NOT_PROVEN
    assert found.days == count
    assert found.reason == f"{count} live days are too few to tell: at least 60 are needed"


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("whose", [0, 1])
def test_a_day_that_is_not_known(value: float, whose: int) -> None:
    both = days(750, edge=3.0)
    both[whose][300] = value
    found = verdict(*both)
    assert found.word == NOT_PROVEN
    assert found.reason == "what some of the days brought is not known"


@pytest.mark.parametrize("e_value", [None, nan, 0.0, 1.0, 18.9])
def test_better_by_the_interval_alone_is_not_proven(e_value: float | None) -> None:
    found = verdict(*days(750, edge=3.0), e_value)
    assert found.word == NOT_PROVEN
    assert found.difference.interval.low > 0.0
    assert "is needed to hold whenever one looks" in found.reason


def test_the_e_value_alone_proves_nothing() -> None:
    assert verdict(*days(750), e_value=1e6).word == NOT_PROVEN


def test_days_without_any_movement() -> None:
    still = np.zeros(300)
    assert verdict(still, still).word == NOT_PROVEN


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(-4.0, 4.0))
def test_changing_sides_changes_the_sign(seed: int, edge: float) -> None:
    ours, equal = days(120, edge, seed)
    one, other = (paired_difference(*pair, np.random.default_rng(0), TERMS) for pair in ((ours, equal), (equal, ours)))
    assert one.value == pytest.approx(-other.value)
    assert one.interval == pytest.approx((-other.interval.high, -other.interval.low))


def test_without_a_difference_it_is_rarely_said_that_there_is_one() -> None:
    words = [verdict(*days(250, seed=seed)).word for seed in range(100)]
    assert words.count(WORSE) <= 8  # 2.5 are to be expected
    assert words.count(BETTER) <= 8
