"""The recursions against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ai.smoothing import FloatArray, decay_of, run_through, standard_error

derandomised = settings(derandomize=True, max_examples=100, deadline=None)

series = st.integers(0, 40).flatmap(lambda days: arrays(np.float64, (days, 3), elements=st.floats(-1e3, 1e3)))
decays = arrays(np.float64, 3, elements=st.floats(0.0, 1.0))


def day_by_day(days: FloatArray, decay: FloatArray, combine: np.ufunc) -> FloatArray:
    results = days.copy()
    for day in range(1, len(results)):
        results[day] = combine(decay * results[day - 1], days[day])
    return results


@derandomised
@given(series, decays, st.sampled_from([np.add, np.maximum]))
def test_running_through_all_days_is_going_day_by_day(days: FloatArray, decay: FloatArray, combine: np.ufunc) -> None:
    days[:1] = np.abs(days[:1])
    found = days.copy()
    run_through(found, decay, combine)
    np.testing.assert_allclose(found, day_by_day(days, decay, combine), rtol=1e-12, atol=1e-9)


def test_a_long_history_neither_overflows_nor_fades() -> None:
    days = np.ones((100_000, 1))
    run_through(days, decay_of(1.7))
    assert days[-1, 0] == pytest.approx(1.0 / (1.0 - 0.5 ** (1 / 1.7)), rel=1e-12)


def test_a_half_life_leaves_half() -> None:
    assert decay_of(20.0) ** 20 == pytest.approx(0.5)
    assert decay_of([1.0, 250.0]) ** [1, 250] == pytest.approx([0.5, 0.5])


def test_the_standard_error_is_the_deviation_of_averages_of_noise(seed: int) -> None:
    decay = decay_of(7.0)
    sums = np.random.default_rng(seed).standard_normal((40, 20_000))
    run_through(sums, decay)
    assert ((1.0 - decay) * sums[-1]).std() == pytest.approx(standard_error(decay), rel=0.03)
    assert standard_error(decay) == pytest.approx(1 / np.sqrt(20), rel=0.02)
