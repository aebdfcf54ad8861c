from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.book import grouping
from contract.book.grouping import distinct, run_starts

KEYS = st.lists(st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1), max_size=80)


@given(KEYS, st.sampled_from([np.int64, np.uint64]))
@settings(derandomize=True)
def test_every_row_finds_its_key_and_no_key_is_there_twice(numbers: list[int], kind: type[np.int64]) -> None:
    keys = np.array(numbers, np.int64).view(kind)
    with mock.patch.object(grouping, "_WORTH_A_TABLE", 0), mock.patch.object(grouping, "_SLOT_BITS", 3):
        found, which = distinct(keys)
    assert found[which].tolist() == keys.tolist()
    assert sorted(found.tolist()) == sorted(set(keys.tolist()))


@pytest.mark.parametrize("count", [10, 100_000])
def test_few_rows_and_many(count: int) -> None:
    keys = np.random.default_rng(1).integers(-300, 300, count)
    found, which = distinct(keys)
    assert (found[which] == keys).all()
    assert sorted(found.tolist()) == sorted(set(keys.tolist()))


def test_runs_start_where_any_column_changes() -> None:
    ones, twos = np.array([1, 1, 2, 2, 2]), np.array([7, 7, 7, 8, 8])
    assert run_starts(ones).tolist() == [0, 2]
    assert run_starts(ones, twos).tolist() == [0, 2, 3]
    assert run_starts(ones[:1]).tolist() == [0]
    assert run_starts(ones[:0]).tolist() == []
