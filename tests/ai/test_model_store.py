"""The model in service: whole at any instant, verified to the last bit, and never further away than one command."""

from __future__ import annotations

import errno
import random
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support.fake_system import Call, Crash, FakeMachine, crashing, failing, nth
from support.policies_of_strength import model_with, strength_of

from ai import model_store
from ai.checkpoint import Checkpoint, encode_checkpoint
from ai.feature_table import FEATURES
from ai.model_store import (
    PRIOR,
    Stored,
    history,
    publish_model,
    read_model,
    read_prior,
    roll_back,
    sweep_model,
    write_prior,
)
from contract.errors import BadInput, RetryLater, TillerError
from contract.files import make_directory, publish
from contract.schema.names import Root
from contract.system import OperatingSystem, System

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
ROOT = Root(Path("/tiller"))
ANCESTORS = b'{"state_size": 34, "action_size": 8, "use_torch": true, "timestamp": "2025-11-20T23:12:59+00:00"}'


def put(system: System, root: Root, strength: float, day: int = 0, keep_generations: int = 5) -> int:
    """The number of a new generation."""
    now = NOW + timedelta(days=day)
    manifest = publish_model(system, root, model_with(strength), {}, now, 0, keep_generations=keep_generations)
    return manifest.generation


def strength(stored: Stored) -> float:
    return strength_of(stored.checkpoint)


def served(system: System, root: Root) -> tuple[int, float]:
    stored = read_model(system, root)
    return stored.manifest.generation, strength(stored)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture
def system() -> OperatingSystem:
    return OperatingSystem()


# What serves.


def test_without_any_model_the_prior_serves(system: OperatingSystem, root: Root) -> None:
    stored = read_model(system, root)
    assert stored.manifest.generation == 0
    assert stored.manifest == read_prior().manifest
    assert stored.checkpoint.features == FEATURES
    assert np.isfinite(stored.policy.wanted(np.zeros(34))).all()


def test_the_ancestors_model_is_none_of_ours(system: OperatingSystem, root: Root) -> None:
    root.model.mkdir(parents=True)
    root.manifest.write_bytes(ANCESTORS)
    root.checkpoint.write_bytes(b"\x80\x04.")
    assert read_model(system, root).manifest.generation == 0
    assert put(system, root, 2.0) == 1
    assert served(system, root) == (1, 2.0)


def test_what_is_published_serves(system: OperatingSystem, root: Root) -> None:
    manifest = publish_model(system, root, model_with(2.5), {"seed": 7}, NOW, parent=0)
    stored = read_model(system, root)
    assert stored.manifest == manifest
    assert (manifest.generation, manifest.parent, manifest.replaces) == (1, 0, 0)
    assert (manifest.trained_at, manifest.details) == (NOW, {"seed": 7})
    assert encode_checkpoint(stored.checkpoint) == encode_checkpoint(model_with(2.5))
    assert root.checkpoint.read_bytes() == root.generation(1).read_bytes()
    assert root.manifest.read_bytes() == root.generation_manifest(1).read_bytes()


def test_a_model_that_could_not_serve_is_not_published(system: OperatingSystem, root: Root) -> None:
    broken = Checkpoint(FEATURES[:-1], model_with(1.0).arrays, model_with(1.0).settings)
    with pytest.raises(BadInput, match="a model for other features: it lacks regime_trend_strength"):
        publish_model(system, root, broken, {}, NOW, 0)
    assert not root.model.exists()


def test_the_prior_can_be_replaced(tmp_path: Path) -> None:
    write_prior(model_with(9.0), {"note": "new"}, NOW, tmp_path / "prior")
    stored = read_prior(tmp_path / "prior")
    assert strength(stored) == 9.0
    assert (stored.manifest.generation, stored.manifest.details) == (0, {"note": "new"})
    assert {path.name for path in (tmp_path / "prior").iterdir()} == {path.name for path in PRIOR.iterdir()}


def test_a_program_without_its_prior_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the prior is missing \(install the program again\)"):
        read_prior(tmp_path)


# Which generations are kept, and how one of them serves again.


def kept(system: System, root: Root) -> list[int]:
    return [generation.number for generation in history(system, root)]


def test_the_last_five_are_kept_once_the_journals_name_no_other(system: OperatingSystem, root: Root) -> None:
    for day in range(12):
        put(system, root, 1.0 + day, day=100 * day)
    assert kept(system, root) == [0, 8, 9, 10, 11, 12]
    assert sorted(path.name for path in root.model.iterdir()) == sorted(
        [
            "checkpoint_latest.pkl",
            "config.json",
            *(f"checkpoint_{n:06d}.pkl" for n in range(8, 13)),
            *(f"config_{n:06d}.json" for n in range(8, 13)),
        ]
    )


def test_what_served_in_the_last_90_days_is_kept(system: OperatingSystem, root: Root) -> None:
    for day in range(0, 240, 10):
        put(system, root, 1.0, day)
    # Generation 15 served from day 140 until the next came on day 150, 80 days before the last one.
    assert kept(system, root) == [0, *range(14, 25)]


def test_what_was_rolled_back_to_counts_as_having_served_until_it_was_replaced(
    system: OperatingSystem, root: Root
) -> None:
    for day in range(4):
        put(system, root, 1.0, day, keep_generations=2)
    roll_back(system, root, 2)
    put(system, root, 1.0, day=200, keep_generations=2)
    put(system, root, 1.0, day=210, keep_generations=2)
    put(system, root, 1.0, day=220, keep_generations=2)
    assert kept(system, root) == [0, 2, 4, 5, 6, 7], "4 may have served until 5 came"


def test_rolling_back_returns_to_the_one_that_was_replaced(system: OperatingSystem, root: Root) -> None:
    for number in range(1, 5):
        put(system, root, float(number), number)
    assert roll_back(system, root).generation == 3
    assert served(system, root) == (3, 3.0)
    assert roll_back(system, root).generation == 2
    assert put(system, root, 5.0) == 5, "the numbers of those that were rolled back are not used again"
    assert read_model(system, root).manifest.replaces == 2
    assert roll_back(system, root).generation == 2, "not 4, which was rolled back"
    assert roll_back(system, root, 4).generation == 4
    assert served(system, root) == (4, 4.0)
    assert root.checkpoint.read_bytes() == root.generation(4).read_bytes()


def test_the_prior_is_a_generation_to_return_to(system: OperatingSystem, root: Root) -> None:
    put(system, root, 2.0)
    put(system, root, 3.0)
    assert roll_back(system, root, 0).generation == 0
    assert read_model(system, root).manifest == read_prior().manifest
    with pytest.raises(BadInput, match="generation 0 serves: there is none before it"):
        roll_back(system, root)
    assert roll_back(system, root, 2).generation == 2
    assert [g.in_service for g in history(system, root)] == [False, False, True]


def test_rolling_back_mends_a_model_that_is_damaged(system: OperatingSystem, root: Root) -> None:
    put(system, root, 2.0)
    put(system, root, 3.0)
    root.manifest.write_text("{")
    assert roll_back(system, root, 1).generation == 1
    assert served(system, root) == (1, 2.0)


def test_what_is_not_there_or_not_whole_does_not_come_into_service(system: OperatingSystem, root: Root) -> None:
    put(system, root, 2.0)
    put(system, root, 3.0)
    root.generation(1).write_bytes(b"damaged")
    with pytest.raises(BadInput, match="is not the checkpoint that its manifest names"):
        roll_back(system, root, 1)
    with pytest.raises(BadInput, match=r"there is no generation 7 \(python3 ai/rl_trainer.py --history lists them\)"):
        roll_back(system, root, 7)
    assert served(system, root) == (2, 3.0)
    assert [(g.number, bool(g.trouble)) for g in history(system, root)] == [(0, False), (1, True), (2, False)]


def test_while_another_process_changes_the_model_nobody_else_does(system: OperatingSystem, root: Root) -> None:
    put(system, root, 2.0)
    held = system.lock(root.model_lock)
    assert held
    with pytest.raises(RetryLater, match="another process is changing the model"):
        roll_back(system, root)
    with pytest.raises(RetryLater, match="another process is changing the model"):
        put(system, root, 3.0)
    held.release()
    assert put(system, root, 3.0) == 2


@pytest.mark.parametrize("call", ["stat", "mkdir", "lock"])
def test_a_lock_that_cannot_be_had_is_tried_again_later(call: str) -> None:
    system = FakeMachine().start(failing(errno.ENOSPC, lambda made: made.name == call))
    with pytest.raises(RetryLater, match="cannot be locked: No space left on device"):
        roll_back(system, Root(Path("/tiller")))


# What is believed.


def test_a_flipped_bit_is_never_accepted(system: OperatingSystem, root: Root, seed: int) -> None:
    put(system, root, 2.0)
    path = root.generation(1)
    content, draw, accepted = path.read_bytes(), random.Random(seed), 0
    for _ in range(2000):
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        accepted += is_read(system, root)
    assert accepted == 0
    path.write_bytes(content)
    assert is_read(system, root)


def test_a_cut_off_checkpoint_is_never_accepted(system: OperatingSystem, root: Root, seed: int) -> None:
    put(system, root, 2.0)
    path = root.generation(1)
    content, draw, accepted = path.read_bytes(), random.Random(seed), 0
    for _ in range(300):
        path.write_bytes(content[: draw.randrange(len(content))])
        accepted += is_read(system, root)
    assert accepted == 0


def is_read(system: System, root: Root) -> bool:
    try:
        read_model(system, root)
    except BadInput as error:
        assert error.path and error.hint
        return False
    return True


def test_a_manifest_and_a_checkpoint_that_do_not_agree_are_no_model(system: OperatingSystem, root: Root) -> None:
    put(system, root, 2.0)
    text = root.manifest.read_text()
    root.manifest.write_text(text.replace('"regime_bull_bear"', '"something_else"'))
    with pytest.raises(BadInput, match="has other features than its manifest says"):
        read_model(system, root)
    root.manifest.write_text(text.replace("checkpoint_000001.pkl", "checkpoint_000009.pkl"))
    with pytest.raises(BadInput, match=r"checkpoint_000009\.pkl: is missing"):
        read_model(system, root)


def test_a_model_for_other_features_is_refused_by_name(
    system: OperatingSystem, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Checkpoint(("x", *FEATURES[1:]), model_with(1.0).arrays, model_with(1.0).settings)
    monkeypatch.setattr(model_store, "policy_of", lambda checkpoint: None)
    publish_model(system, root, other, {}, NOW, 0)
    monkeypatch.undo()
    with pytest.raises(BadInput, match=r"checkpoint_000001\.pkl: is a model for other features: it lacks market_vol"):
        read_model(system, root)


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(system: OperatingSystem, root: Root) -> None:
    put(system, root, 1.0)

    class Overtaken(OperatingSystem):
        def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
            if path == root.generation(1) and path.exists():
                put(system, root, 2.0)
                path.unlink()
            return super().open(path, flags, mode)

    assert served(Overtaken(), root) == (2, 2.0)


# Whatever dies, and whenever.


def machine_with_a_model(seed: int) -> FakeMachine:
    machine = FakeMachine(seed)
    put(machine.start(), ROOT, 1.0)
    machine.disk.settle()
    return machine


def calls_of(change: Callable[[System], object], seed: int = 0) -> int:
    calls: list[Call] = []
    change(machine_with_a_model(seed).start(calls.append))
    return len(calls)


CHANGES: dict[str, tuple[Callable[[System], object], tuple[int, float]]] = {
    "publish": (lambda system: put(system, ROOT, 2.0), (2, 2.0)),
    "roll back": (lambda system: roll_back(system, ROOT, 0), (0, 1.0)),
}


@pytest.mark.parametrize("fault", ["kill", "power cut", "EIO", "ENOSPC"])
@pytest.mark.parametrize(("change", "after"), CHANGES.values(), ids=CHANGES)
def test_a_fault_at_any_call_leaves_the_old_model_or_the_new_one(
    change: Callable[[System], object], after: tuple[int, float], fault: str
) -> None:
    after = (after[0], strength(read_prior())) if after[0] == 0 else after
    number_of_calls = calls_of(change)
    assert number_of_calls > 30
    seen = set()
    for number in range(1, number_of_calls + 1):
        machine = machine_with_a_model(number)
        plan = crashing(nth(number)) if fault in ("kill", "power cut") else failing(getattr(errno, fault), nth(number))
        told = False
        try:
            change(machine.start(plan))
        except (Crash, TillerError, OSError):
            told = True
        if fault == "power cut":
            machine.power_cut()
        found = served(machine.start(), ROOT)
        assert found in ((1, 1.0), after), f"call {number}"
        assert told or found == after, f"call {number}: nobody was told"
        seen.add(found)
        sweep_model(machine.start(), ROOT)
        assert not [name for name in machine.start().list(ROOT.model) if name.endswith(".tmp")]
        change(machine.start())
        assert read_model(machine.start(), ROOT).manifest.generation in (after[0], after[0] + (after[0] > 0))
    assert seen == {(1, 1.0), after}


def test_a_temporary_file_of_nobody_is_swept_and_nothing_else(system: OperatingSystem, root: Root) -> None:
    sweep_model(system, root)
    put(system, root, 2.0)
    before = sorted(root.model.iterdir())
    (root.model / ".checkpoint_000002.pkl.17.tmp").write_bytes(b"half")
    sweep_model(system, root)
    assert sorted(root.model.iterdir()) == before


def test_what_cannot_be_removed_now_is_removed_the_next_time() -> None:
    machine = FakeMachine()
    for day in range(0, 700, 100):
        put(machine.start(), ROOT, 1.0, day, keep_generations=20)
    blind = machine.start(failing(errno.EIO, lambda call: call.name == "unlink"))
    assert put(blind, ROOT, 1.0, day=700) == 8
    assert kept(machine.start(), ROOT) == list(range(9))
    put(machine.start(), ROOT, 1.0, day=800)
    assert kept(machine.start(), ROOT) == [0, *range(5, 10)]


def test_a_model_that_cannot_be_looked_at_now_is_kept() -> None:
    """It may have served until a moment ago: what replaced it would say so."""
    machine = FakeMachine()
    for day in range(0, 700, 100):
        put(machine.start(), ROOT, 1.0, day, keep_generations=20)
    manifest = re.compile(r"config_0000\d\d\.json")

    def is_read(call: Call) -> bool:
        return call.name == "open" and bool(manifest.fullmatch(call.path.name))

    blind = machine.start(failing(errno.EIO, is_read))
    assert put(blind, ROOT, 1.0, day=700) == 8
    assert kept(machine.start(), ROOT) == list(range(9))
    machine.start().unlink(ROOT.generation_manifest(7))
    damaged = ROOT.generation_manifest(6)
    publish(machine.start(), damaged, b"{")
    assert put(machine.start(), ROOT, 1.0, day=800) == 9, "and one that is damaged is in nobody's way"
    assert read_model(machine.start(), ROOT).manifest.generation == 9


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_a_number_is_never_given_twice(number: int) -> None:
    """Not even where nobody can see, at that moment, that it was given: 0 serves, and 1 and 2 have served."""
    machine = FakeMachine()
    for strength in (1.0, 2.0):
        put(machine.start(), ROOT, strength)
    roll_back(machine.start(), ROOT, 0)
    blind = machine.start(failing(number, lambda call: call.name == "list"))
    with pytest.raises(RetryLater, match="rl_model: cannot be listed: "):
        put(blind, ROOT, 3.0)
    with pytest.raises(RetryLater, match="rl_model: cannot be listed: "):
        history(blind, ROOT)
    assert put(machine.start(), ROOT, 3.0) == 3
    roll_back(machine.start(), ROOT, 1)
    assert served(machine.start(), ROOT) == (1, 1.0)


def test_the_number_of_a_killed_publication_is_not_used_again(system: OperatingSystem, root: Root) -> None:
    put(system, root, 1.0)
    make_directory(system, root.model)
    publish(system, root.generation(2), b"never described")
    assert served(system, root) == (1, 1.0)
    (trouble,) = [generation.trouble for generation in history(system, root)][2:]
    assert trouble.startswith(f"{root.model}: there is no generation 2 ")
    assert put(system, root, 3.0) == 3
    assert kept(system, root) == [0, 1, 3], "what never served goes at once"


def test_a_copy_of_the_state_serves_elsewhere(system: OperatingSystem, root: Root, tmp_path: Path) -> None:
    put(system, root, 2.0)
    shutil.copytree(root.state, tmp_path / "copy" / "state")
    assert served(system, Root(tmp_path / "copy")) == (1, 2.0)
