"""What is traded to get from what is held to what is wanted."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.sizing import orders

PRICES = np.array([10.0, 50.0, 200.0])


def test_from_nothing_to_what_is_wanted() -> None:
    positions = np.array([[0.5, 0.0, -0.5], [0.0, 1.0, 0.0]])
    bought = orders(np.zeros((2, 3)), positions, np.array([1000.0, 3000.0]), PRICES, largest_gross=1e9, band=0.1)
    np.testing.assert_allclose(bought, [[50.0, 0.0, -2.5], [0.0, 60.0, 0.0]])


def test_small_differences_are_not_traded_and_exits_always_are() -> None:
    held = np.array([[95.0, 1e-9, 3.0]])
    positions = np.array([[1.0, 0.0, 0.0]])
    bought = orders(held, positions, np.array([1000.0]), PRICES, largest_gross=1e9, band=0.1)
    np.testing.assert_allclose(bought, [[0.0, -1e-9, -3.0]])


@settings(derandomize=True, max_examples=200)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3.0))
def test_the_gross_limit_holds_after_every_trade(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    held = rng.normal(0, 10, (8, 3))
    positions = rng.uniform(-1, 1, (8, 3))
    change = orders(held, positions, rng.uniform(0, 500, 8), PRICES, largest_gross=limit * 1000, band=0.1)
    assert np.sum(np.abs(held + change) * PRICES) <= limit * 1000 * (1 + 1e-12)
