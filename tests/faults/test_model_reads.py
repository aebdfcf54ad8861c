"""A model read while models are published and rolled back, and models that are damaged on the disk."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.counts import trials
from support.figures import FLIPPED_BIT, MODEL_READ_MEANWHILE, TRUNCATION, Record
from support.processes import Running
from support.scripted_models import policy, put_into_service

from ai.model_store import read_model
from ai.serving import Serving
from contract.errors import BadInput
from contract.schema.names import Root
from contract.system import OperatingSystem

WRITER = Path(__file__).resolve().parents[1] / "support" / "model_writer.py"
SYSTEM = OperatingSystem()


@trials(300, 10_000)
def test_checkpoint_and_manifest_are_of_one_publication(trials: int, tmp_path: Path, record: Record) -> None:
    """The number that stands in both tells; the hash, which the reader goes by, is not asked."""
    root = Root(tmp_path)
    found, reads = {"mixed": 0, "refused": 0}, 0
    seen: set[int] = set()
    with Running([sys.executable, WRITER, root.path]) as writer:
        writer.says("serving")
        while reads < trials or len(seen) < trials / 100:
            reads += 1
            try:
                stored = read_model(SYSTEM, root)
            except BadInput:
                found["refused"] += 1
                continue
            found["mixed"] += stored.checkpoint.settings["number"] != stored.manifest.details["number"]
            seen.add(stored.manifest.generation)
    record(MODEL_READ_MEANWHILE, f"a reader that met {len(seen):,} models", reads, found)
    assert not any(found.values())


def flipped(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


@pytest.mark.parametrize("damage", [flipped, truncated])
@trials(100, 0)
def test_a_damaged_model_is_not_accepted(
    damage: Callable[[bytes, random.Random], bytes], trials: int, tmp_path: Path, seed: int, record: Record
) -> None:
    """Neither one nor another than the last good one, which goes on serving."""
    fault = FLIPPED_BIT if damage is flipped else TRUNCATION
    count, chance, root = trials or fault.asked, random.Random(seed), Root(tmp_path)
    manifest = put_into_service(root, policy(1))
    running = Serving()
    running.look(SYSTEM, root)
    good = running.model
    for path, name in ((root.generation(manifest.generation), "the checkpoint"), (root.manifest, "its manifest")):
        content = path.read_bytes()
        found = {"accepted": 0, "last good lost": 0}
        for _ in range(count):
            path.write_bytes(damage(content, chance))
            found["accepted"] += accepted_another(root, manifest.sha256)
            running.look(SYSTEM, root)
            assert running.model is not None and good is not None
            found["last good lost"] += running.model.manifest.sha256 != good.manifest.sha256
        path.write_bytes(content)
        record(fault, name, count, found)
        assert not any(found.values())


def accepted_another(root: Root, sha256: str) -> bool:
    """A flip in the manifest can meet what decides nothing: then the model is the same, to the last bit."""
    try:
        return read_model(SYSTEM, root).manifest.sha256 != sha256
    except BadInput:
        return False
