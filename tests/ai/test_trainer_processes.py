"""The trainer as a real process: killed at any moment, told to stop, started twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.counts import trials
from support.policies_of_strength import model_with, strength_of
from support.processes import Running
from support.scripted_book import ScriptedBook
from support.scripted_learner import CONTRARY, turning_returns

from ai.model_store import history, publish_model, read_model
from contract.daemon import CANDIDATE_REFUSED, DONE, FAILED, NOTHING_TO_DO
from contract.pulse import DEAD, feel
from contract.schema.model import parse_training_log
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.system import OperatingSystem

SUPPORT = Path(__file__).resolve().parents[1] / "support"
SCRIPT = CHECKOUT / "ai" / "rl_trainer.py"
SYSTEM = OperatingSystem()
ENDLESS = ("--episodes", "1000000")
LONGEST_LIFE = 300  # calls: a publication and a roll-back have fewer than 100


@pytest.fixture
def root(tmp_path: Path) -> Root:
    book = ScriptedBook(tmp_path)
    book.mark(turning_returns(600))
    book.close(STRATEGIES[0], *[1.0] * 50)
    return book.root


def slow_trainer(root: Root, *arguments: str) -> Running:
    return Running([sys.executable, SUPPORT / "scripted_learner.py", "--root", root.path, *arguments])


def script(root: Root, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    command = [sys.executable, str(SCRIPT), "--root", str(root.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=inherited, timeout=60, check=False)


def contents(root: Root) -> dict[str, bytes]:
    """Of all that a training may change."""
    files = [*root.model.glob("*"), *root.state.glob("rl_*.json")]
    return {path.name: path.read_bytes() for path in files}


def left_behind(root: Root) -> list[str]:
    return [path.name for path in root.state.rglob(".*.tmp")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["--train", "--loop"])
def test_told_to_stop_it_stops_and_nothing_has_changed(root: Root, number: signal.Signals, how: str) -> None:
    publish_model(SYSTEM, root, model_with(1.5), {}, SYSTEM.now(), 0)
    before = contents(root)
    with slow_trainer(root, how, *ENDLESS) as running:
        running.says("episode")
        code, took_s = running.ends(number)
    assert code == (FAILED if how == "--train" else DONE)
    assert took_s < 5.0
    assert any(line.endswith("interrupted: nothing has changed") for line in running.errors)
    assert contents(root) == before and not left_behind(root)


def test_killed_while_it_trains_it_leaves_the_model_and_begins_anew(root: Root) -> None:
    publish_model(SYSTEM, root, model_with(1.5), {}, SYSTEM.now(), 0)
    before = contents(root)
    with slow_trainer(root, *ENDLESS) as running:
        running.says("episode")
        running.process.kill()
        running.ended()
    assert contents(root) == before
    assert feel(SYSTEM, root, "trainer").state == DEAD
    with slow_trainer(root, "--episodes", "1") as running:
        assert running.ended() == DONE
    assert strength_of(read_model(SYSTEM, root).checkpoint) == CONTRARY
    (entry,) = parse_training_log(root.training_log.read_bytes(), root.training_log).trainings
    assert (entry.outcome, entry.generation) == ("promoted", 2)


def test_there_is_one_training_at_a_time_and_one_may_look_and_roll_back_meanwhile(root: Root) -> None:
    publish_model(SYSTEM, root, model_with(1.5), {}, SYSTEM.now(), 0)
    with slow_trainer(root, *ENDLESS) as running:
        running.says("episode")
        second = script(root, "--train")
        assert second.returncode == FAILED
        assert f"another trainer is running (pid {running.pid})" in second.stderr
        looked = script(root, "--history", "--json")
        assert [one["in_service"] for one in json.loads(looked.stdout)] == [False, True]
        assert script(root, "--rollback").stdout == "generation 0 is in service\n"
        running.says("episode")
    assert read_model(SYSTEM, root).manifest.generation == 0


def test_the_script_runs_from_anywhere(root: Root, tmp_path: Path) -> None:
    root.pnl_history.unlink()
    said = script(root, cwd=tmp_path)
    assert (said.returncode, said.stdout) == (NOTHING_TO_DO, "not due: 0 trades of 50 that are needed\n")
    module = [sys.executable, "-m", "ai.rl_trainer", "--root", str(tmp_path), "--history"]
    listed = subprocess.run(module, capture_output=True, text=True, cwd=CHECKOUT, timeout=60, check=True)
    assert listed.stdout.splitlines()[1].split()[:2] == ["*", "0"]
    assert script(root, "--history", "--loop").returncode == 2


def test_torch_waits_until_there_is_something_to_learn() -> None:
    code = "import sys, ai.rl_trainer; print(sorted({'torch', 'pandas', 'tensorboard'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True)
    assert said.stdout == "[]\n"


@trials(5, 150)
def test_killed_while_it_publishes_it_leaves_a_whole_model(root: Root, trials: int, seed: int) -> None:
    """After each kill the model in service is one that was published whole."""
    chance = random.Random(seed)
    for _ in range(trials):
        with Running([sys.executable, SUPPORT / "model_writer.py", root.path]) as running:
            said = int(running.says("serving").split()[1])
            for _ in range(chance.randint(1, LONGEST_LIFE)):
                line = running.says("")
                said = int(line.split()[1]) if line.startswith("serving") else said
            running.process.kill()
            running.ended()
        serving = read_model(SYSTEM, root).manifest.generation
        assert serving >= said
        never_served = [one for one in history(SYSTEM, root) if one.trouble]
        assert len(never_served) <= 1
        assert all("there is no generation" in one.trouble and one.number > serving for one in never_served)


def test_a_candidate_that_is_no_better_is_refused_with_its_own_exit_code(root: Root) -> None:
    for expected in (DONE, CANDIDATE_REFUSED):
        with slow_trainer(root, "--train", "--episodes", "1") as running:
            assert running.ended() == expected
