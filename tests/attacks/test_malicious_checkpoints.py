"""A model that somebody has made to do harm: it does not run, takes little memory, and is refused in one clear line."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.figures import Record

from ai.checkpoint import ALLOWED_OPCODES, _Unpickler, decode_checkpoint, encode_checkpoint
from ai.model_store import read_model
from attacks.checkpoints import AS_ROOT, TAMPERED, contents, good_model
from attacks.confined import CANARY, enter, read_all, what_is_wrong
from attacks.pickles import OF_EVERY_OPCODE, OPCODES, RUNNING
from contract.errors import BadInput, TillerError
from contract.schema.names import Root
from contract.system import OperatingSystem

PATH = Path("state/rl_model/checkpoint_latest.pkl")


@pytest.mark.figures
@pytest.mark.timeout(300)
def test_nothing_runs_nothing_is_large_and_every_refusal_is_one_clear_line(tmp_path: Path, record: Record) -> None:
    outcomes = read_all("checkpoints", tmp_path)
    enter(record, "checkpoints, each as the model in service", outcomes, tmp_path)
    assert not what_is_wrong(outcomes, tmp_path)
    assert len(outcomes) == len(list(contents())) + len(TAMPERED) + len(AS_ROOT) * (os.geteuid() == 0)


@pytest.mark.parametrize("content", RUNNING.values(), ids=RUNNING)
def test_python_itself_would_have_run_it(tmp_path: Path, content: bytes) -> None:
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    subprocess.run([sys.executable, "-c", code], input=content, cwd=tmp_path, check=True)
    assert (tmp_path / CANARY).exists()


# Opcodes.


def names_in(content: bytes) -> set[str]:
    return {opcode.name for opcode, _, _ in pickletools.genops(content)}


def test_a_model_is_written_with_every_opcode_that_may_be_read() -> None:
    content = encode_checkpoint(OF_EVERY_OPCODE)
    assert names_in(content) == ALLOWED_OPCODES
    assert decode_checkpoint(content, PATH).settings == OF_EVERY_OPCODE.settings


@pytest.mark.parametrize("name", [opcode.name for opcode in pickletools.opcodes])
def test_every_other_opcode_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInput) as refused:
        decode_checkpoint(b"\x80\x04" + OPCODES[name] + b".", PATH)
    assert (f"{name} at byte 2" in str(refused.value)) == (name not in ALLOWED_OPCODES)


def test_whoever_finds_a_new_opcode_in_python_learns_of_it_here() -> None:
    assert {opcode.name for opcode in pickletools.opcodes} == set(OPCODES) > ALLOWED_OPCODES


@pytest.mark.parametrize("content", [b"cos\nsystem\n.", b"Pos.system\n."], ids=["class", "reference"])
def test_the_unpickler_refuses_even_what_the_filter_would_let_through(content: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        _Unpickler(io.BytesIO(content)).load()


# The file and its directory.


@pytest.mark.parametrize(("tamper", "reason"), TAMPERED.values(), ids=TAMPERED)
def test_what_somebody_else_could_have_put_there_is_not_believed(
    tmp_path: Path, tamper: Callable[[Path], object], reason: str
) -> None:
    must_be_refused(Root(tmp_path), tamper, reason)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("tamper", "reason"), AS_ROOT.values(), ids=AS_ROOT)
def test_what_belongs_to_somebody_else_is_not_believed(
    tmp_path: Path, tamper: Callable[[Path], object], reason: str
) -> None:
    must_be_refused(Root(tmp_path), tamper, reason)


def must_be_refused(root: Root, tamper: Callable[[Path], object], reason: str) -> None:
    good_model(root)
    tamper(root.generation(1))
    with pytest.raises(TillerError, match=reason) as refused:
        read_model(OperatingSystem(), root)
    assert refused.value.hint and str(root.model) in str(refused.value)
