"""The demo as a machine runs it: a minute and a half of it, and what becomes of one that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Running

from console.launch import stop
from console.session import members
from contract.daemon import DONE, FAILED
from contract.schema.names import Root
from contract.system import OperatingSystem

TILLER = [sys.executable, "-c", "from console.main import main; raise SystemExit(main())"]
SHORT = ("--years", "1", "--bar-seconds", "0.2")
"""A year is too short to examine a candidate on, which the trainer says."""

PATIENCE_S = 150.0
"""Six programs start, and two cores may have much else to do."""

HARDLY_ANY_TRAINING = {
    f"TILLER__AGENT__{name}": value
    for name, value in (
        *(("EPISODES", "1"), ("REPLICAS", "2"), ("EPISODE_DAYS", "20")),
        *(("WARM_START_STEPS", "0"), ("RESAMPLED", "0")),
    )
}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(tmp_path / "demo")
    yield root
    stop(OperatingSystem(), root, lambda line: None)


def demo(root: Root, *arguments: str) -> Running:
    words = [*TILLER, "demo", "--headless", "--root", str(root.path), *SHORT, *arguments]
    return Running(words, environment=HARDLY_ANY_TRAINING, patience_s=PATIENCE_S)


@pytest.mark.timeout(600)
def test_a_minute_and_a_half_without_an_error_with_memory_flat_and_files_bounded(root: Root) -> None:
    """At five days a second: more than a year of the market, with several trainings."""
    with demo(root, "--minutes", "1.5") as running:
        running.says("== The trainer learns")
        running.says("^refused: 252 days are too few")
        came_up = [running.says(r"^\w+ +runs \(pid \d+\)").split()[0] for _ in range(5)]
        assert sorted(came_up) == ["bridge", "inference", "paper_trader", "tracker", "trainer"]
        days = [int(running.says("^day .*; publication").split()[1].strip(",")) for _ in range(8)]
        assert 652 < days[0] and sorted(set(days)) == days
        running.says("== How things stood at the end")
        running.says(r"^bot +is told by rl_inference, \d+ s ago$")
        running.says("== Memory")
        grown = [running.says(r"^\w+ +pid ") for _ in range(6)]
        assert [line.split()[0] for line in grown if not line.endswith(", flat")] == []
        running.says("== The largest of ")
        running.says("== No errors in the logs")
        print("\n".join(grown))
        assert running.ended() == DONE
    assert members(OperatingSystem(), root) == {}


@pytest.mark.timeout(600)
def test_an_interruption_stops_all_of_it(root: Root) -> None:
    with demo(root, "--minutes", "9") as running:
        for stage in ("== The trainer learns", "== All programs start", "^day .*; publication"):
            running.says(stage)
        with demo(root) as second:
            refusal = f"tiller: {root.path}: a demo runs here already (Ctrl-C ends it, in its terminal)"
            assert second.complains("runs here already") == refusal
            assert second.ended() == FAILED
        assert len(members(OperatingSystem(), root)) == 6
        running.process.send_signal(signal.SIGINT)
        running.says("^supervisor +stopped")
        running.process.send_signal(signal.SIGINT)
        running.says("== No errors in the logs")
        assert running.ended() == DONE
    assert members(OperatingSystem(), root) == {}


@pytest.mark.timeout(600)
def test_what_a_demo_that_was_killed_left_ends_before_the_next_begins(root: Root) -> None:
    with demo(root, "--minutes", "9") as first:
        first.says("^day .*; publication")
        first.process.kill()
    left = members(OperatingSystem(), root)
    assert len(left) == 6
    with demo(root, "--minutes", "9") as second:
        second.says("== A demo that was killed left its programs running")
        second.says("^supervisor +stopped")
        second.says("^It has traded before, and goes on from there")
        second.says("^day .*; publication")
        after = members(OperatingSystem(), root)
        assert len(after) == 6 and not set(left.values()) & set(after.values())
        second.process.send_signal(signal.SIGINT)
        second.says("== No errors in the logs")
        assert second.ended() == DONE


@pytest.mark.timeout(600)
def test_a_trainer_that_a_killed_demo_left_at_work_is_waited_for(root: Root) -> None:
    trainer = [sys.executable, "-m", "ai.rl_trainer", "--root", str(root.path), "--loop"]
    with Running(trainer, environment=HARDLY_ANY_TRAINING, patience_s=PATIENCE_S) as left:
        left.complains("INFO trainer started")
        with demo(root, "--minutes", "9") as running:
            running.says(rf"^The trainer of a demo that was killed is still at work \(pid {left.pid}\): waiting for it")
            left.process.terminate()
            assert left.ended() == DONE
            running.says("^refused: 252 days are too few")


def test_daemons_that_an_operator_started_are_left_alone(root: Root) -> None:
    subprocess.run([*TILLER, "start", "--only", "bridge", "--root", str(root.path)], check=True, capture_output=True)
    with demo(root) as refused:
        refused.complains("the daemons run here, and not for a demo")
        assert refused.ended() == FAILED
    assert set(members(OperatingSystem(), root)) == {"supervisor", "bridge"}
    assert not root.bot_state.exists()


@pytest.mark.parametrize("arguments", [("--minutes", "0"), ("--bar-seconds", "-1"), ("--years", "x")], ids=" ".join)
def test_nonsense_is_bad_usage(root: Root, arguments: tuple[str, str]) -> None:
    with demo(root, *arguments) as running:
        running.complains(f"argument {arguments[0]}: invalid")
        assert running.ended() == 2
    assert not root.path.exists()
