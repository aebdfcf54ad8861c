from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.book.sums import KeyedSums

ROWS = st.lists(st.tuples(st.integers(-200, 200), st.floats(-1e6, 1e6)), max_size=150)


@given(ROWS, st.integers(1, 40))
@settings(derandomize=True)
def test_sums_are_those_of_a_loop_to_the_last_bit_however_rows_are_grouped(
    rows: list[tuple[int, float]], size: int
) -> None:
    expected: dict[int, list[float]] = {}
    sums = KeyedSums(2)
    for key, amount in rows:
        of_key = expected.setdefault(key, [0.0, 0.0])
        of_key[0] += amount
        of_key[1] += 1
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        amounts = np.array([amount for _, amount in some])
        sums.add(np.array([key for key, _ in some]), amounts, np.ones(len(some), np.bool_))
    keys, found = sums.by_key()
    assert keys.tolist() == sorted(expected)
    assert found.T.tolist() == [expected[key] for key in sorted(expected)]


def test_no_rows_change_nothing() -> None:
    sums = KeyedSums(1)
    sums.add(np.empty(0, np.int64), np.empty(0))
    assert sums.by_key()[1].shape == (1, 0)


def test_there_is_room_for_any_number_of_keys() -> None:
    sums = KeyedSums(1)
    for start in range(0, 1000, 130):
        sums.add(np.arange(start, start + 130), np.ones(130))
    assert sums.by_key()[1].tolist() == [[1.0] * 1040]
