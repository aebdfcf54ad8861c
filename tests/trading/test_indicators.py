import math
from collections.abc import Callable

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.bars import FloatArray
from trading.indicators import (
    atr,
    bollinger,
    ema,
    macd,
    previous,
    rolling_max,
    rolling_min,
    rolling_rank,
    rolling_sd,
    rsi,
    sma,
)

Prices = tuple[FloatArray, FloatArray, FloatArray]
"""High, low, close, each (bars, 3)."""


def prices(seed: int, bars: int) -> Prices:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (bars, 3)), axis=0))
    reach = close * np.abs(rng.normal(0, 0.01, (2, bars, 3)))
    return close + reach[0], close - reach[1], close


def by_column(function: Callable[..., FloatArray], *columns: FloatArray, **options: float) -> FloatArray:
    """TA-Lib takes one series at a time."""
    return np.stack([function(*(each[:, n].copy() for each in columns), **options) for n in range(3)], axis=1)


def assert_agrees(ours: FloatArray, theirs: FloatArray) -> None:
    """To 1e-9, and NaN on the same bars."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)


worlds = {"seed": st.integers(0, 2**32), "bars": st.integers(1, 300), "window": st.integers(2, 60)}


@settings(derandomize=True, max_examples=60, deadline=None)
@given(**worlds)
def test_windows_and_averages_are_talibs(seed: int, bars: int, window: int) -> None:
    high, low, close = prices(seed, bars)
    assert_agrees(sma(close, window), by_column(talib.SMA, close, timeperiod=window))
    assert_agrees(ema(close, window), by_column(talib.EMA, close, timeperiod=window))
    assert_agrees(rolling_max(high, window), by_column(talib.MAX, high, timeperiod=window))
    assert_agrees(rolling_min(low, window), by_column(talib.MIN, low, timeperiod=window))
    assert_agrees(rolling_sd(close, window), by_column(talib.STDDEV, close, timeperiod=window, nbdev=1))
    assert_agrees(rsi(close, window), by_column(talib.RSI, close, timeperiod=window))
    assert_agrees(atr(high, low, close, window), by_column(talib.ATR, high, low, close, timeperiod=window))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(**worlds, width=st.sampled_from([1.0, 2.0, 2.5]))
def test_bands_are_talibs(seed: int, bars: int, window: int, width: float) -> None:
    close = prices(seed, bars)[2]
    ours = bollinger(close, window, width)
    for column in range(3):
        series = close[:, column].copy()
        theirs = talib.BBANDS(series, timeperiod=window, nbdevup=width, nbdevdn=width)
        for band, reference in zip(ours, theirs, strict=True):
            assert_agrees(band[:, column], reference)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(**worlds, fast=st.integers(2, 20), slower_by=st.integers(1, 20), signal=st.integers(2, 15))
def test_macd_is_talibs(seed: int, bars: int, window: int, fast: int, slower_by: int, signal: int) -> None:
    close = prices(seed, bars)[2]
    ours = macd(close, fast, fast + slower_by, signal)
    for column in range(3):
        line, average, _ = talib.MACD(close[:, column].copy(), fast, fast + slower_by, signal)
        assert_agrees(ours.line[:, column], line)
        assert_agrees(ours.signal[:, column], average)


def test_a_price_that_never_moved_is_neither_strong_nor_weak() -> None:
    still = np.full((40, 3), 7.0)
    assert (rsi(still, 14)[14:] == 50).all()
    assert (talib.RSI(still[:, 0].copy(), 14)[14:] == 0).all(), "the one place where we differ from TA-Lib"
    assert (rsi(np.cumsum(np.ones((40, 3)), axis=0), 14)[14:] == 100).all()


def test_a_price_once_held_leaves_no_rounding_behind() -> None:
    """A running sum would be off by about 1e-4 for ever after a value of 1e12."""
    values = np.ones(200)
    values[50] = 1e12
    assert (sma(values, 20)[70:] == 1.0).all()
    assert (rolling_sd(values, 20)[70:] == 0.0).all()


def test_small_moves_of_a_large_price_keep_their_size() -> None:
    """Against exact sums: TA-Lib's mean of squares loses every digit here."""
    values = 1e6 + np.random.default_rng(3).normal(0, 1e-3, 400)
    for bar in range(19, 400, 37):
        window = values[bar - 19 : bar + 1].tolist()
        mean = math.fsum(window) / 20
        sd = math.sqrt(math.fsum((value - mean) ** 2 for value in window) / 20)
        assert sma(values, 20)[bar] == pytest.approx(mean, rel=1e-15)
        assert rolling_sd(values, 20)[bar] == pytest.approx(sd, rel=1e-6)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), bars=st.integers(1, 120), window=st.integers(2, 40))
def test_rank_counts_the_smaller_values_in_the_window(seed: int, bars: int, window: int) -> None:
    values = np.random.default_rng(seed).integers(0, 9, bars).astype(float)
    expected = np.full(bars, np.nan)
    for bar in range(window - 1, bars):
        expected[bar] = (values[bar - window + 1 : bar] < values[bar]).sum() / (window - 1)
    np.testing.assert_allclose(rolling_rank(values, window), expected, rtol=1e-15, equal_nan=True)


def test_a_window_with_a_gap_has_no_rank() -> None:
    values = np.array([np.nan, 3.0, 1.0, 2.0, 4.0])
    np.testing.assert_array_equal(rolling_rank(values, 3), [np.nan, np.nan, np.nan, 0.5, 1.0])


EACH: dict[str, Callable[[Prices], FloatArray]] = {
    "previous": lambda p: previous(p[2]),
    "sma": lambda p: sma(p[2], 20),
    "ema": lambda p: ema(p[2], 20),
    "rolling_max": lambda p: rolling_max(p[0], 20),
    "rolling_min": lambda p: rolling_min(p[1], 20),
    "rolling_sd": lambda p: rolling_sd(p[2], 20),
    "rolling_rank": lambda p: rolling_rank(p[2], 20),
    "macd line": lambda p: macd(p[2], 12, 26, 9).line,
    "macd signal": lambda p: macd(p[2], 12, 26, 9).signal,
    "upper band": lambda p: bollinger(p[2], 20, 2.0).upper,
    "rsi": lambda p: rsi(p[2], 14),
    "atr": lambda p: atr(*p, 14),
}


@pytest.mark.parametrize("indicator", EACH.values(), ids=EACH)
def test_a_longer_history_begins_with_the_same_numbers_bit_for_bit(indicator: Callable[[Prices], FloatArray]) -> None:
    high, low, close = prices(5, 120)
    whole = indicator((high, low, close))
    for cut in (1, 2, 13, 19, 20, 33, 34, 67, 119):
        part = indicator((high[:cut], low[:cut], close[:cut]))
        np.testing.assert_array_equal(part, whole[:cut])


@pytest.mark.parametrize("indicator", EACH.values(), ids=EACH)
def test_no_history_is_no_error(indicator: Callable[[Prices], FloatArray]) -> None:
    nothing = np.empty((0, 3))
    assert indicator((nothing, nothing, nothing)).shape == (0, 3)
