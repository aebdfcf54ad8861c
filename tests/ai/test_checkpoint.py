"""What is read as a model. What somebody has made to do harm is in tests/attacks/."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.pickles import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ai.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from contract.errors import BadInput

PATH = Path("state/rl_model/checkpoint_latest.pkl")

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=9),
        arrays(np.float64, array_shapes(max_dims=3), elements=st.floats(-1e9, 1e9)),
        max_size=4,
    ),
    st.dictionaries(st.text(max_size=9), plain, max_size=5),
)
def test_round_trip(named: dict[str, np.ndarray], chosen: dict[str, Any]) -> None:
    again = decode_checkpoint(encode_checkpoint(Checkpoint(("a", "b"), named, chosen)), PATH)
    assert again.features == ("a", "b") and again.settings == chosen and again.arrays.keys() == named.keys()
    for name, array in named.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_the_same_model_is_the_same_bytes() -> None:
    assert encode_checkpoint(SAMPLE) == encode_checkpoint(decode_checkpoint(encode_checkpoint(SAMPLE), PATH))


UNWRITABLE = [np.array([np.nan]), np.array([np.inf]), np.array(["text"]), np.array([1j])]


@pytest.mark.parametrize("array", UNWRITABLE, ids=repr)
def test_what_could_not_be_read_is_not_written(array: np.ndarray) -> None:
    with pytest.raises(BadInput, match="array weights"):
        encode_checkpoint(Checkpoint((), {"weights": array}, {}))


@settings(derandomize=True, max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(BadInput):
        decode_checkpoint(b"\x80\x04" + content, PATH)


def test_cut_off_anywhere_it_is_refused(seed: int) -> None:
    content = encode_checkpoint(SAMPLE)
    draw = random.Random(seed)
    for _ in range(300):
        with pytest.raises(BadInput):
            decode_checkpoint(content[: draw.randrange(len(content))], PATH)


def test_a_flipped_bit_raises_nothing_unexpected(seed: int) -> None:
    """Most flips are valid numbers: only the manifest's hash can refuse them. None may raise anything but BadInput."""
    content = encode_checkpoint(SAMPLE)
    draw = random.Random(seed)
    for _ in range(2000):
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        try:
            decode_checkpoint(bytes(flipped), PATH)
        except BadInput:
            pass
