from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.book import repeats
from contract.book.repeats import SeenHashes
from contract.rows import SeenIds


@given(st.lists(st.lists(st.integers(0, 60), max_size=25), max_size=20), st.integers(1, 20))
@settings(derandomize=True, max_examples=200)
def test_the_same_rows_repeat_something_as_for_the_strict_reader(batches: list[list[int]], window: int) -> None:
    strict, fast = SeenIds(window), SeenHashes(window)
    with mock.patch.object(repeats, "_FEW", 4):
        for batch in batches:
            expected = [strict.repeats(str(number) if number else None) for number in batch]
            assert fast.repeats(np.array(batch, np.uint64)).tolist() == expected


def test_a_repeat_within_the_last_hundred_thousand_rows_is_found() -> None:
    ids = np.arange(1, 350_001, dtype=np.uint64)
    seen = SeenHashes()
    for start in range(0, len(ids), 30_000):
        assert not seen.repeats(ids[start : start + 30_000]).any()
    assert seen.repeats(ids[-100_000:]).all()
    assert not seen.repeats(ids[:10]).any()  # too long ago to be remembered
