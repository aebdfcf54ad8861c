"""Models that somebody has made to do harm: what may stand in the file, and what the file and its directory may be."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ai.checkpoint import Checkpoint, encode_checkpoint
from ai.feature_table import FEATURES
from ai.model_store import publish_model, read_model
from ai.policy import checkpoint_of, untrained
from attacks.confined import Cases
from attacks.pickles import BOMBS, OPCODES, SAMPLE, STREAMS
from contract.schema.model import encode_manifest, parse_manifest
from contract.schema.names import Root
from contract.system import OperatingSystem

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)

# Values of which none can run anything, and which are no model.


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
    "an array with a name that forges a line": _content(arrays={"\n2026 INFO all is well\x1b[2J": 1}),
    "one array many times": _one_array_many_times(),
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
    "a tuple": (1, 2),
    "a set": {1, 2},
    "an array of an object": np.zeros(3),
}


def _deciding(**arrays: np.ndarray) -> Checkpoint:
    good = checkpoint_of(untrained())
    return replace(good, arrays={**good.arrays, **arrays})


UNUSABLE: dict[str, Checkpoint] = {
    "for other features": SAMPLE,
    "numbers that overflow": _deciding(residual=np.full(3, 1e308), standing=np.full(8, -1e308)),
    "a scale that overflows": _deciding(scale=np.full(34, 1e308), center=np.full(34, -1e308)),
    "the least integer": _deciding(standing=np.full(8, -(2**63))),
    "no numbers at all": _deciding(residual=np.zeros(0)),
    "an actor without end": replace(checkpoint_of(untrained()), settings={"actor": "x" * 10**6, "groups": []}),
    "actors of a broken name": replace(
        checkpoint_of(untrained()), settings={"actor": "\x1b[2J\n", "groups": ["\u202e"] * 9}
    ),
}
"""Whole models, well written, that cannot decide anything."""

# What the file may be, and who may write beside it.


def behind_a_link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def a_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def a_link_to_zeros_without_end(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # a name for a socket is short
    try:
        with closing(socket.socket(socket.AF_UNIX)) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(here)


def huge(path: Path) -> None:
    os.truncate(path, 1 << 30)


def given_away(path: Path) -> None:
    os.chown(path, 12345, -1)


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (Path.unlink, "is missing"),
    "a link": (behind_a_link, "cannot read: Too many levels of symbolic links"),
    "a link to nowhere": (a_link_to_nowhere, "cannot read: Too many levels of symbolic links"),
    "a link to zeros without end": (a_link_to_zeros_without_end, "cannot read: Too many levels of symbolic links"),
    "a pipe": (a_pipe, "is not a plain file"),
    "a directory": (a_directory, "is not a plain file"),
    "a socket": (a_socket, "cannot read: No such device or address"),
    "huge": (huge, "is larger than 8,388,608 bytes"),
    "in a directory for everybody": (lambda path: path.parent.chmod(0o777), "others can write there"),
    "in a directory for a group": (lambda path: path.parent.chmod(0o775), "others can write there"),
}
AS_ROOT: dict[str, tuple[Callable[[Path], object], str]] = {
    "of another user": (given_away, "belongs to user 12345"),
    "in a directory of another user": (lambda path: given_away(path.parent), "others can write there"),
}
"""Only root can give a file away."""


def contents() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """All that may stand in the file."""
    for name, stream in STREAMS.items():
        yield name, lambda stream=stream: stream
    for name, value in MALFORMED.items():
        yield name, lambda value=value: pickle.dumps(value, protocol=4)
    for name, checkpoint in UNUSABLE.items():
        yield name, lambda checkpoint=checkpoint: encode_checkpoint(checkpoint)
    for name, opcode in OPCODES.items():
        yield f"opcode {name}", lambda opcode=opcode: b"\x80\x04" + opcode + b"."
    yield from BOMBS.items()


def put_into_service(root: Root, content: bytes, **manifest: Any) -> None:
    """With the manifest that belongs to it: whoever can write the one can write the other."""
    described = parse_manifest(root.manifest.read_bytes(), root.manifest)
    changes = {"sha256": sha256(content).hexdigest(), "size": max(1, len(content)), **manifest}
    (root.model / described.checkpoint).write_bytes(content)
    root.manifest.write_bytes(encode_manifest(replace(described, **changes)))


def good_model(root: Root) -> None:
    publish_model(OperatingSystem(), root, checkpoint_of(untrained()), {}, NOW, None)


def cases(directory: Path) -> Cases:
    """For `confined`: each is the model in service, and read as such."""
    system = OperatingSystem()
    root = Root(directory / "contents")
    good_model(root)
    yield "good", lambda: read_model(system, root)
    for name, make in contents():
        put_into_service(root, make(), features=SAMPLE.features if name == "for other features" else FEATURES)
        yield name, lambda: read_model(system, root)
    tampered = {**TAMPERED, **(AS_ROOT if os.geteuid() == 0 else {})}
    for number, (name, (tamper, _)) in enumerate(tampered.items()):
        root = Root(directory / f"tampered_{number}")
        good_model(root)
        tamper(root.generation(1))
        yield name, lambda root=root: read_model(system, root)
