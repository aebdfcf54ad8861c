from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.intraday import split_day
from market.prices import MarketParameters, simulate
from trading.bars import Bars

FOUR = MarketParameters(symbols=("A", "B", "C", "D"), cointegrated_pairs=1)


def daily(seed: int) -> Bars:
    return simulate(5, np.random.default_rng(seed), FOUR).bars


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    day=st.integers(0, 4),
    pieces=st.integers(1, 90),
    fraction=st.sampled_from([1.0, 0.37, 1e-6]),
)
def test_the_pieces_are_the_day_to_the_last_bit(seed: int, day: int, pieces: int, fraction: float) -> None:
    bars = daily(seed)
    bars = replace(bars, volume=bars.volume * fraction)
    parts = split_day(bars, day, pieces, np.random.default_rng(seed))
    assert len(parts) == pieces and parts.symbols == bars.symbols
    for whole, put_together in (
        (bars.open, parts.open[0]),
        (bars.high, parts.high.max(axis=0)),
        (bars.low, parts.low.min(axis=0)),
        (bars.close, parts.close[-1]),
        (bars.volume, parts.volume.sum(axis=0)),
        (bars.volume, sum(parts.volume[::-1])),
    ):
        np.testing.assert_array_equal(put_together, whole[day])
    np.testing.assert_array_equal(parts.open[1:], parts.close[:-1])


def test_days_in_a_row_make_one_history_in_which_nobody_knows_the_index_early() -> None:
    bars = daily(3)
    parts = [split_day(bars, day, 13, np.random.default_rng(day)) for day in range(5)]
    times = np.concatenate([part.times for part in parts])
    assert (np.diff(times) > np.timedelta64(0)).all()
    assert str(times[0]) == "2005-01-03T14:30:00" and str(times[1]) == "2005-01-03T15:00:00"
    assert bars.volatility_index is not None and parts[2].volatility_index is not None
    assert parts[2].volatility_index.tolist() == [bars.volatility_index[1]] * 12 + [bars.volatility_index[2]]
    assert split_day(replace(bars, volatility_index=None), 0, 4, np.random.default_rng(0)).volatility_index is None


def test_a_day_without_movement_stays_without() -> None:
    bars = daily(3)
    still = replace(bars, open=bars.close, high=bars.close, low=bars.close)
    parts = split_day(still, 1, 7, np.random.default_rng(0))
    assert (parts.high == bars.close[1]).all() and (parts.low == bars.close[1]).all()


def test_pieces_wander_through_the_whole_range() -> None:
    """High and low come at any time of the day, and the pieces' moves are about as large as the day's range asks."""
    bars = daily(5)
    hours = np.array([split_day(bars, 2, 10, np.random.default_rng(seed)).high.argmax(axis=0) for seed in range(300)])
    assert set(hours.ravel().tolist()) == set(range(10))
    parts = split_day(bars, 2, 2000, np.random.default_rng(0))
    moved = np.sqrt((np.log(parts.close / parts.open) ** 2).sum(axis=0))
    suggested = np.log(bars.high[2] / bars.low[2]) / 1.6
    assert (moved > 0.5 * suggested).all() and (moved < 2 * suggested).all()


def test_what_cannot_be_split_is_refused() -> None:
    bars = daily(0)
    with pytest.raises(ValueError, match="0 pieces"):
        split_day(bars, 0, 0, np.random.default_rng(0))
    hours = split_day(bars, 0, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="only days can be split"):
        split_day(hours, 0, 4, np.random.default_rng(0))
