import dataclasses
from typing import Any

import numpy as np
import pytest

from trading.bars import BadBars, Bars

DAYS = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")


def valid(**changes: Any) -> Bars:
    """Four days of two symbols around 10 and 20, with some arrays replaced."""
    middle = np.tile([10.0, 20.0], (4, 1))
    arrays: dict[str, Any] = {
        "times": DAYS,
        "symbols": ("AAA", "BBB"),
        "open": middle,
        "high": middle + 1,
        "low": middle - 1,
        "close": middle + 0.5,
        "volume": middle * 100,
        "volatility_index": np.full(4, 15.0),
    }
    return Bars(**{**arrays, **changes})


def with_value(name: str, bar: int, value: float) -> Bars:
    """A copy of the valid bars where BBB has `value` on one day."""
    changed = getattr(valid(), name).copy()
    changed[bar, 1] = value
    return valid(**{name: changed})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("open", 0.0, "a price is a positive number"),
        ("high", np.inf, "a price is a positive number"),
        ("low", -1.0, "a price is a positive number"),
        ("close", np.nan, "a price is a positive number"),
        ("volume", -1.0, "a volume is 0 or more"),
        ("volume", np.nan, "a volume is 0 or more"),
        ("open", 21.5, "above its high"),
        ("close", 18.5, "below its low"),
    ],
)
def test_an_impossible_number_is_refused_with_its_place(name: str, value: float, rule: str) -> None:
    with pytest.raises(BadBars, match=f"BBB 2024-01-03: {name}.*{rule}") as refusal:
        with_value(name, 2, value)
    assert str(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": DAYS[[0, 2, 1, 3]]}, "bar 2024-01-02 follows bar 2024-01-03"),
        ({"times": DAYS[[0, 1, 1, 2]]}, "bar 2024-01-02 follows bar 2024-01-02"),
        ({"times": np.array(["2024-01-01", "NaT", "2024-01-03", "2024-01-04"], "datetime64[D]")}, "bar 1 has no time"),
        ({"times": np.arange(4.0)}, "datetime64"),
        ({"symbols": ("AAA", "AAA")}, "each once"),
        ({"symbols": ()}, "at least one"),
        ({"symbols": ("AAA",)}, r"open has shape \(4, 2\)"),
        ({"volume": np.ones((3, 2))}, r"volume has shape \(3, 2\)"),
        ({"volatility_index": np.full(3, 15.0)}, r"volatility_index has shape \(3,\)"),
        ({"volatility_index": np.array([15.0, 0.0, 15.0, 15.0])}, "volatility_index 0.0 at 2024-01-02"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadBars, match=message):
        valid(**changes)


def test_bars_cannot_be_changed_and_leave_the_callers_array_alone() -> None:
    closes = np.tile([10.0, 20.0], (4, 1))
    bars = valid(close=closes)
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        bars.close = closes  # type: ignore[misc]
    closes[0, 0] = 10.25


def test_a_slice_keeps_every_column_and_the_missing_index() -> None:
    bars = valid()
    part = bars[1:3]
    assert len(part) == 2 and part.symbols == bars.symbols
    for name in ("times", "open", "high", "low", "close", "volume", "volatility_index"):
        np.testing.assert_array_equal(getattr(part, name), getattr(bars, name)[1:3])
    assert valid(volatility_index=None)[:2].volatility_index is None
    assert len(bars[:0]) == 0
    with pytest.raises(BadBars, match="must increase"):
        bars[::-1]
