"""The demo as a machine runs it, short."""

from __future__ import annotations

import signal
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

COMMAND = [sys.executable, "-c", "from console.main import main; raise SystemExit(main())", "demo", "--headless"]
SHORT = ("--years", "1", "--bar-seconds", "0.2")
"""A year is too short to examine a candidate on, which the trainer says."""

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
    return Running([*COMMAND, "--root", str(root.path), *SHORT, *arguments], environment=HARDLY_ANY_TRAINING)


@pytest.mark.timeout(180)
def test_it_ends_by_itself_and_sums_up(root: Root) -> None:
    with demo(root, "--minutes", "0.3") as running:
        running.says("== The trainer learns")
        running.says("^refused: 252 days are too few")
        came_up = [running.says(r"^\w+ +runs \(pid \d+\)").split()[0] for _ in range(5)]
        assert sorted(came_up) == ["bridge", "inference", "paper_trader", "tracker", "trainer"]
        first, second = (int(running.says("^day .*; generation").split()[1].strip(",")) for _ in range(2))
        assert 652 < first < second
        running.says("== How things stood at the end")
        running.says(r"^bot +is told by rl_inference, \d+ s ago$")
        running.says("^supervisor +pid .* MiB at first")
        running.says("== No errors in the logs")
        assert running.ended() == DONE
    assert members(OperatingSystem(), root) == {}


@pytest.mark.timeout(180)
def test_an_interruption_stops_all_of_it(root: Root) -> None:
    with demo(root, "--minutes", "9") as running:
        for stage in ("== The trainer learns", "== All programs start", "^day .*; generation"):
            running.says(stage)
        with demo(root) as second:
            refusal = f"tiller: {root.path}: runs already (tiller --root {root.path} stop)"
            assert second.complains("runs already") == refusal
            assert second.ended() == FAILED
        assert len(members(OperatingSystem(), root)) == 6
        running.process.send_signal(signal.SIGINT)
        running.says("^supervisor +stopped")
        running.says("== No errors in the logs")
        assert running.ended() == DONE
    assert members(OperatingSystem(), root) == {}


@pytest.mark.parametrize("arguments", [("--minutes", "0"), ("--bar-seconds", "-1"), ("--years", "x")], ids=" ".join)
def test_nonsense_is_bad_usage(root: Root, arguments: tuple[str, str]) -> None:
    with demo(root, *arguments) as running:
        running.complains(f"argument {arguments[0]}: invalid")
        assert running.ended() == 2
    assert not root.path.exists()
