"""What is read as a model, and everything that is not."""

from __future__ import annotations

import io
import os
import pickle
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ai.checkpoint import LARGEST, Checkpoint, _Unpickler, decode_checkpoint, encode_checkpoint
from contract.errors import BadInput

PATH = Path("state/rl_model/checkpoint_latest.pkl")
SAMPLE = Checkpoint(
    features=("volatility", "trend"),
    arrays={"weights": np.linspace(-1, 1, 68, dtype=np.float32).reshape(34, 2), "steps": np.array([7])},
    settings={"hidden": [32, 32], "inertia": 0.3, "seed": 7, "note": "é", "parent": None, "flag": True},
)

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


class _Runs:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self._mark,)


def _content(**changed: object) -> dict[str, object]:
    array = {"dtype": "float32", "shape": [2], "data": bytes(8)}
    return {"version": 1, "features": ["a"], "settings": {}, "arrays": {"w": array}} | changed


def _array(**changed: object) -> dict[str, object]:
    return _content(arrays={"w": {"dtype": "float32", "shape": [2], "data": bytes(8)} | changed})


def _circle() -> list[object]:
    circle: list[object] = []
    circle.append(circle)
    return circle


def _many_references() -> list[object]:
    nested: list[object] = []
    for _ in range(8):
        nested = [nested] * 1000
    return nested


def _one_array_many_times() -> dict[str, object]:
    """Sixteen million values in few bytes."""
    array = {"dtype": "float32", "shape": [1000], "data": bytes(4000)}
    return _content(arrays={str(number): array for number in range(16_000)})


MALFORMED: dict[str, object] = {
    "another version": _content(version=2),
    "no version": {},
    "a list": [1, 2],
    "features are no list": _content(features={"a": 1}),
    "a feature is a number": _content(features=[1]),
    "settings are a list": _content(settings=[]),
    "a setting is bytes": _content(settings={"x": b"x"}),
    "a setting is infinite": _content(settings={"x": float("inf")}),
    "a setting is named by a number": _content(settings={"x": {1: 2}}),
    "settings hold themselves": _content(settings={"x": _circle()}),
    "settings are huge by reference": _content(settings={"x": _many_references()}),
    "a long list": _content(settings={"x": [0] * 20_000}),
    "a long table": _content(settings={"x": {str(n): n for n in range(20_000)}}),
    "arrays are a list": _content(arrays=[]),
    "an array is a list": _content(arrays={"w": [1.0]}),
    "object dtype": _array(dtype="O"),
    "dtype is a list": _array(dtype=["float32"]),
    "shape is a number": _array(shape=2),
    "shape of floats": _array(shape=[2.0]),
    "shape of flags": _array(shape=[True, True]),
    "negative shape": _array(shape=[-2]),
    "shape that does not fit": _array(shape=[3]),
    "shape with an overflowing product": _array(shape=[1 << 20] * 4),
    "five axes": _array(shape=[1, 1, 1, 1, 2]),
    "data is text": _array(data="00000000"),
    "nan": _array(data=np.array([1, np.nan], "float32").tobytes()),
    "infinity": _array(data=np.array([1, np.inf], "float32").tobytes()),
    "one array many times": _one_array_many_times(),
    "a tuple": (1, 2),
    "a set": {1, 2},
    "an array of numpy's": np.zeros(3),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_content_is_refused(content: object) -> None:
    with pytest.raises(BadInput) as refused:
        decode_checkpoint(pickle.dumps(content, protocol=4), PATH)
    assert str(PATH) in str(refused.value) and "\n" not in str(refused.value) and refused.value.hint


STREAMS = {
    "empty": b"",
    "text": b"hello",
    "a global": b"cos\nsystem\n(S'true'\ntR.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "an instance": b"(ios\nsystem\n.",
    "an object": b"(cos\nsystem\no.",
    "a reference": b"Pos.system\n.",
    "a reference on the stack": b"\x8c\x02osQ.",
    "an extension": b"\x80\x04\x82\x01.",
    "a huge memo": b"\x80\x04]r\xff\xff\xff\x7f.",
    "a huge text": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fx.",
    "huge bytes": b"\x80\x04B\xff\xff\xff\x7fx.",
    "a huge integer": b"\x80\x04\x8b\xff\xff\xff\x7fx.",
    "an unknown opcode": b"\x80\x04\xff.",
    "an empty stack": b"\x80\x04.",
    "a mark that is missing": b"\x80\x04}u.",
    "a memo that is missing": b"\x80\x04h\x07.",
    "a protocol of the future": b"\x80\x09N.",
    "a key that cannot be one": b"\x80\x04}]Ns.",
    "an append to a number": b"\x80\x04K\x01Na.",
    "a newline in its name": b"cos\nsys\ntem\n.",
    "too large": bytes(LARGEST + 1),
    "millions of empty tables": b"\x80\x04" + b"}" * (LARGEST - 3) + b".",
    "lists nested by the million": b"\x80\x04" + b"]" * (LARGEST // 2) + b"a" * (LARGEST // 2 - 4) + b".",
}


@pytest.mark.parametrize("content", STREAMS.values(), ids=STREAMS.keys())
def test_malicious_streams_are_refused(content: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput):
        decode_checkpoint(content, PATH)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10, "KiB"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    for content in (_Runs(mark), {"version": 1, "features": _Runs(mark)}, os.system):
        with pytest.raises(BadInput):
            decode_checkpoint(pickle.dumps(content, protocol=protocol), PATH)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"cos\nsystem\n.", b"Pos.system\n."], ids=["class", "reference"])
def test_the_unpickler_refuses_even_what_the_filter_would_let_through(content: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        _Unpickler(io.BytesIO(content)).load()


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
