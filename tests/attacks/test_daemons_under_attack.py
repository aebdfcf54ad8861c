"""The real programs, started on files that somebody has made to do harm: they go on with what is good, and say so."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.bridge_world import SKEWED, bridge, rl, told, verdicts
from support.figures import Tell, table
from support.processes import Running
from support.scripted_book import ScriptedBook, ScriptedReader
from support.scripted_models import policy
from support.scripted_models import put_into_service as serve

from agents.weights_bridge import BRIDGE as BRIDGE_DAEMON
from ai.checkpoint import encode_checkpoint
from ai.rl_inference import INFERENCE as INFERENCE_DAEMON
from attacks.checkpoints import TAMPERED, UNUSABLE, good_model, put_into_service
from attacks.confined import CANARY
from attacks.json_texts import BOMBS as JSON_BOMBS
from attacks.json_texts import NO_OBJECT
from attacks.pickles import BOMBS, OPCODES, RUNNING, STREAMS
from contract.daemon import DONE, FAILED
from contract.schema.names import CHECKOUT, PORTFOLIO_OPTIMIZER, RL_INFERENCE, STRATEGY_LAB, Root
from contract.schema.weights import RlWeights, parse_rl_weights

pytestmark = pytest.mark.timeout(300)
INFERENCE = CHECKOUT / "ai/rl_inference.py"
HISTORY = np.random.default_rng(3).normal(0.0005, 0.01, (40, 8)).round(9)
BRISK = {"TILLER__INFERENCE__MIN_INTERVAL_S": "0"}


def inference(root: Root, *options: str) -> Running:
    return Running([sys.executable, INFERENCE, "--root", root.path, *options], environment=BRISK)


def published(root: Root) -> RlWeights:
    said = parse_rl_weights(root.rl_weights.read_bytes(), root.rl_weights)
    assert abs(sum(said.weights) - 1.0) < 1e-9 and all(0.02 - 1e-9 <= weight <= 0.35 + 1e-9 for weight in said.weights)
    return said


def content(stream: bytes) -> Callable[[Root], object]:
    return lambda root: put_into_service(root, stream)


def tampered(tamper: Callable[[Path], object]) -> Callable[[Root], object]:
    return lambda root: tamper(root.generation(1))


def a_manifest(text: bytes) -> Callable[[Root], object]:
    return lambda root: root.manifest.write_bytes(text)


OF_EACH_KIND: dict[str, Callable[[Root], object]] = {
    "what would run": content(RUNNING["a global that is called"]),
    "what grows": content(BOMBS["empty tables"]()),
    "numbers that overflow": content(encode_checkpoint(UNUSABLE["numbers that overflow"])),
    "a pipe": tampered(TAMPERED["a pipe"][0]),
    "a manifest that leads elsewhere": lambda root: root.manifest.write_text(
        root.manifest.read_text().replace("checkpoint_000001.pkl", "../../../etc/passwd")
    ),
    "a manifest of nothing but lists": a_manifest(JSON_BOMBS["lists of one list"]()),
}


@pytest.mark.parametrize("attack", OF_EACH_KIND.values(), ids=OF_EACH_KIND)
def test_inference_that_finds_such_a_model_says_the_base(tmp_path: Path, attack: Callable[[Root], object]) -> None:
    book = ScriptedBook(tmp_path)
    book.mark(HISTORY)
    good_model(book.root)
    attack(book.root)
    with inference(book.root, "--update") as process:
        assert process.ended() == FAILED
    said = published(book.root)
    assert not said.model_loaded and said.weights == (0.125,) * 8
    assert not any("Traceback" in line or not line.isprintable() for line in process.errors)
    assert not list(tmp_path.rglob(CANARY)) and not (Path.cwd() / CANARY).exists()


def test_inference_that_had_a_good_model_goes_on_with_it(tmp_path: Path) -> None:
    book = ScriptedBook(tmp_path)
    book.mark(HISTORY[:20])
    serve(book.root, policy(4))
    kept = kept_of(book.root)
    with inference(book.root, "--loop") as process:
        process.complains("published generation=1 ")
        for day, attack in enumerate(OF_EACH_KIND.values(), start=20):
            attack(book.root)
            book.mark(HISTORY[day : day + 1])
            process.complains("published generation=")
            said = published(book.root)
            assert said.model_loaded and said.metadata["model"]["generation"] == 1
            restore(book.root, kept)
        assert process.ends(signal.SIGTERM)[0] == DONE
    assert not any("Traceback" in line or not line.isprintable() for line in process.errors)
    assert not list(tmp_path.rglob(CANARY))


def test_of_all_models_none_takes_the_place_of_a_good_one(tmp_path: Path, tell: Tell) -> None:
    """The daemon's loop with scripted waits: in each of them another model comes."""
    book = ScriptedBook(tmp_path)
    book.mark(HISTORY[:5])
    root = book.root
    serve(root, policy(4))
    kept, troubles, attacks = kept_of(root), dict[str, str](), all_models()
    reader = ScriptedReader(INFERENCE_DAEMON, root)

    def step(name: str, attack: Callable[[Root], object]) -> Callable[[], None]:
        def attack_and_look() -> None:
            look(previous[0])
            restore(root, kept)
            attack(root)
            previous[0] = name

        return attack_and_look

    def look(name: str) -> None:
        said = published(root)
        assert said.model_loaded and said.metadata["model"]["generation"] == 1, name
        troubles[name] = reader.heartbeat().last_error

    previous = ["nothing"]
    steps = [*(step(name, attack) for name, attack in attacks.items()), lambda: look(previous[0])]
    assert reader.loop(*steps, options=("--loop",)) == DONE
    assert troubles.pop("nothing") == ""
    assert [name for name, said in troubles.items() if "; generation 1 serves instead" not in said] == []
    assert len(troubles) == len(attacks) and all(map(str.isprintable, troubles.values()))
    assert not any("Traceback" in line for line in reader.lines.said)
    assert not list(tmp_path.rglob(CANARY)) and not (Path.cwd() / CANARY).exists()
    tell(table("while inference ran", {"models": {"cases": len(attacks), "executed": 0, "taken into service": 0}}))


def all_models() -> dict[str, Callable[[Root], object]]:
    attacks = {name: content(stream) for name, stream in STREAMS.items()}
    attacks |= {name: content(encode_checkpoint(checkpoint)) for name, checkpoint in UNUSABLE.items()}
    attacks |= {f"opcode {name}": content(b"\x80\x04" + opcode + b".") for name, opcode in OPCODES.items()}
    attacks |= {name: content(make()) for name, make in BOMBS.items()}
    attacks |= {name: tampered(tamper) for name, (tamper, _) in TAMPERED.items()}
    return attacks | {f"a manifest: {name}": a_manifest(_as_bytes(text)) for name, (text, _) in NO_OBJECT.items()}


def kept_of(root: Root) -> tuple[bytes, bytes]:
    return root.generation(1).read_bytes(), root.manifest.read_bytes()


def restore(root: Root, kept: tuple[bytes, bytes]) -> None:
    """Whatever stands in the place of the model by now."""
    path = root.generation(1)
    root.model.chmod(0o755)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(kept[0])
    root.manifest.write_bytes(kept[1])


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


# What is proposed to the bridge.

PROPOSALS: dict[str, bytes] = {name: _as_bytes(text) for name, (text, _) in NO_OBJECT.items()}
SOURCES = (RL_INFERENCE, PORTFOLIO_OPTIMIZER, STRATEGY_LAB)


def propose(root: Root, text: bytes) -> None:
    """By all three at once."""
    for path in (root.rl_weights, root.optimizer_weights, root.lab_weights):
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(text)


def test_the_bridge_believes_none_of_it(tmp_path: Path, tell: Tell) -> None:
    root = Root(tmp_path)
    reader = ScriptedReader(BRIDGE_DAEMON, root)
    for name, text in PROPOSALS.items():
        propose(root, text)
        assert reader.once() == DONE
        found = told(root)
        assert found.source == "equal_weight" and found.strategy_allocations == (0.125,) * 8, name
        for considered in found.considered[:3]:
            assert (considered.verdict, considered.reason.isprintable()) == ("unusable", True), name
            assert 0 < len(considered.reason) < 400, name
    assert not any("Traceback" in line for line in reader.lines.said)
    tell(table("proposed to the bridge", {"proposals": {"cases": 3 * len(PROPOSALS), "believed": 0}}))


@pytest.mark.parametrize("name", ["torn", "deep lists", "a key twice", "an endless integer", "lists of one list"])
def test_the_bridge_starts_beside_it_and_hears_of_what_is_good(tmp_path: Path, name: str) -> None:
    root = Root(tmp_path)
    propose(root, PROPOSALS[name] if name in PROPOSALS else JSON_BOMBS[name]())
    with bridge(root, bridge__interval_s=0.1) as process:
        process.complains("INFO bridge told .*source=equal_weight")
        assert set(verdicts(root).values()) == {"unusable", "chosen"}
        rl(root)
        process.complains("INFO bridge told .*source=rl_inference")
        assert told(root).strategy_allocations == SKEWED
        assert process.ends(signal.SIGTERM)[0] == DONE
    assert all(line.isprintable() for line in process.errors)
