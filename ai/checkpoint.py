"""The model as a file: arrays and plain values, verified before a byte of it is believed.

A checkpoint is a pickle that holds nothing but dictionaries, lists, text, numbers and bytes, so that numpy alone can
read it and nothing in it can run: its opcodes are counted, and checked against the few that such values need, and then
it is loaded by an unpickler that refuses to find any class. Its manifest, `config.json`, is written last and names the
one checkpoint that belongs to it, by generation, size and sha256.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from contract.errors import BadInput

VERSION = 1
LARGEST = 8 << 20
MOST_VALUES = 2_000_000
"""Of all arrays together."""
MOST_OPCODES = 100_000
"""A model needs some hundreds. A byte that makes an empty list takes 72 in memory: 8 MiB of them would be 584."""
DTYPES = ("float32", "float64", "int64")
PROTOCOL = 4

Array = NDArray[Any]
Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

ALLOWED_OPCODES = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES"),
        *("EMPTY_DICT", "EMPTY_LIST", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
    }
)
_MOST_SETTINGS = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """What a model is made of. `settings` say how the arrays are to be used: shape, strengths, normalisation."""

    features: tuple[str, ...]
    arrays: Mapping[str, Array]
    settings: Mapping[str, Plain]


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    for name, array in checkpoint.arrays.items():
        if str(array.dtype) not in DTYPES or not np.isfinite(array).all():
            raise BadInput(f"array {name} is {array.dtype} or not finite", hint=f"finite {', '.join(DTYPES)}")
    content = {
        "version": VERSION,
        "features": list(checkpoint.features),
        "settings": dict(checkpoint.settings),
        "arrays": {
            name: {"dtype": str(array.dtype), "shape": list(array.shape), "data": np.ascontiguousarray(array).tobytes()}
            for name, array in checkpoint.arrays.items()
        },
    }
    return pickle.dumps(content, protocol=PROTOCOL)


def decode_checkpoint(content: bytes, path: Path) -> Checkpoint:
    """The checkpoint in a file's bytes; `BadInput` for anything else, whatever it may be."""

    def refuse(reason: str, hint: str = "roll back to another generation") -> NoReturn:
        raise BadInput(reason, path=path, hint=hint)

    if len(content) > LARGEST:
        refuse(f"is {len(content):,} bytes, more than {LARGEST:,}")
    values = _unpickle(content, path)
    if not isinstance(values, dict) or values.get("version") != VERSION:
        refuse("is no checkpoint of this version", "train a new model")
    features, settings, arrays = (values.get(name) for name in ("features", "settings", "arrays"))
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        refuse("does not name its features")
    if not isinstance(settings, dict) or not _is_plain(settings):
        refuse("has settings that are not plain values")
    if not isinstance(arrays, dict):
        refuse("has no arrays")
    read: dict[str, Array] = {}
    values_read = 0
    for name, array in arrays.items():
        read[str(name)] = _array(name, array, path)
        values_read += read[str(name)].size
        if values_read > MOST_VALUES:  # of few bytes, if all refer to the same
            refuse(f"has arrays of more than {MOST_VALUES:,} values together")
    return Checkpoint(tuple(features), read, settings)


class _Unpickler(pickle.Unpickler):
    """Finds no class and follows no reference: there is nothing in our files that would need one."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError("a class is named")

    def persistent_load(self, reference: object) -> NoReturn:
        raise pickle.UnpicklingError("another file is referred to")


def _unpickle(content: bytes, path: Path) -> Any:
    expected = (pickle.UnpicklingError, ValueError, LookupError, EOFError, TypeError, AttributeError, OverflowError)
    try:
        end = 0
        for number, (opcode, _, position) in enumerate(pickletools.genops(content), start=1):
            if number > MOST_OPCODES:
                raise pickle.UnpicklingError(f"more than {MOST_OPCODES:,} opcodes")
            if opcode.name not in ALLOWED_OPCODES:
                raise pickle.UnpicklingError(f"{opcode.name} at byte {position}")
            end = (position or 0) + 1
        if end != len(content):
            raise pickle.UnpicklingError(f"{len(content) - end} bytes behind its end")
        return _Unpickler(io.BytesIO(content)).load()
    except expected as error:
        reason = f"is not a checkpoint: {str(error)[:80]}"
        raise BadInput(reason, path=path, hint="roll back to another generation") from None


def _array(name: object, content: object, path: Path) -> Array:
    def refuse(reason: str) -> NoReturn:
        raise BadInput(f"array {str(name)[:40]!r} {reason}", path=path, hint="roll back to another generation")

    if not isinstance(content, dict):
        refuse("is no array")
    dtype, shape, data = (content.get(part) for part in ("dtype", "shape", "data"))
    if dtype not in DTYPES:
        refuse(f"has a dtype that is not one of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size <= MOST_VALUES for size in shape):
        refuse("has no shape")
    if not isinstance(data, bytes) or len(shape) > 4 or math.prod(shape) > MOST_VALUES:
        refuse("has no data, or too much")
    if len(data) != math.prod(shape) * np.dtype(dtype).itemsize:
        refuse(f"has {len(data)} bytes for the shape {shape}")
    array = np.frombuffer(data, dtype).reshape(shape)
    if not np.isfinite(array).all():
        refuse("is not finite")
    return array


def _is_plain(value: object) -> bool:
    """Walks at most so many values: a few bytes can refer to the same list a million times over."""
    left = [value]
    for _ in range(_MOST_SETTINGS):
        if not left:
            return True
        match left.pop():
            case dict() as table:
                if len(table) > _MOST_SETTINGS or not all(isinstance(name, str) for name in table):
                    return False
                left.extend(table.values())
            case list() as entries:
                if len(entries) > _MOST_SETTINGS:
                    return False
                left.extend(entries)
            case float() as number if math.isfinite(number):
                pass
            case str() | int() | None:
                pass
            case _:
                return False
    return False
