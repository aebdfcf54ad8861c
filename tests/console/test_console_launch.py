"""`tiller start | stop | restart | logs` as an operator types them, with real processes."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.only_on_linux import only_on_linux
from support.processes import PATIENCE_S, Running

from console.launch import stop
from console.session import members, read_processes, session_of
from console.supervisor import Supervisor
from contract.config import Config
from contract.daemon import BAD_USAGE, DONE, FAILED, NOTHING_TO_DO, Context
from contract.files import publish
from contract.log import Log
from contract.pulse import ALIVE, feel
from contract.schema.names import CHECKOUT, Root
from contract.schema.operations import RUNNING
from contract.schema.supervision import Processes, Wanted, encode_wanted
from contract.system import OperatingSystem
from contract.watch import changes

TILLER = [sys.executable, "-c", "from console.main import main; raise SystemExit(main())"]
LIGHT = ("--only", "bridge,lab")
"""Programs that start fast."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(tmp_path / "a root")
    yield root
    stop(OperatingSystem(), root, lambda line: None)


def tiller(root: Root, *arguments: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Through pipes, which what it leaves running must not hold open."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    return subprocess.run(
        [*TILLER, "--root", str(root.path), *arguments],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env=inherited,
        timeout=PATIENCE_S,
        preexec_fn=before,
    )


def running(root: Root) -> dict[str, int]:
    return members(OperatingSystem(), root)


def comes_back(root: Root, name: str, than: int) -> int:
    """The number of the process that takes the place of another, once it does its work."""
    system, wake, stop_looking = OperatingSystem(), threading.Event(), threading.Event()
    until_s = time.monotonic() + PATIENCE_S
    for _ in changes(system, [root.heartbeat(name)], wake, stop_looking, lambda: 1.0):
        pulse = feel(system, root, name)
        beat = pulse.heartbeat
        if pulse.state == ALIVE and beat and beat.pid != than and beat.state == RUNNING:
            return beat.pid
        assert time.monotonic() < until_s, f"{name} does not come back: {pulse}"
    raise AssertionError


def ended(pid: int) -> bool:
    return session_of(pid) is None


def test_start_twice_then_stop(root: Root) -> None:
    first = tiller(root, "start", *LIGHT)
    assert (first.returncode, first.stderr) == (DONE, "")
    assert sorted(line.split()[:3] for line in first.stdout.splitlines()) == [
        ["bridge", "runs", "(pid"],
        ["lab", "runs", "(pid"],
    ]
    started = running(root)
    assert set(started) == {"supervisor", "bridge", "lab"}
    second = tiller(root, "start", *LIGHT)
    assert second.returncode == DONE
    assert all(" runs already (pid " in line for line in second.stdout.splitlines())
    assert running(root) == started

    done = tiller(root, "stop")
    assert done.returncode == DONE
    assert sorted(line.split() for line in done.stdout.splitlines()) == [
        ["bridge", "stopped"],
        ["lab", "stopped"],
        ["supervisor", "stopped"],
    ]
    assert all(map(ended, started.values()))
    assert tiller(root, "stop").stdout == "nothing that was started here runs\n"


def test_two_starts_at_once_start_nothing_twice(root: Root) -> None:
    commands = [[*TILLER, "--root", str(root.path), "start", "--only", names] for names in ("bridge", "bridge,lab")]
    both = [Running(words) for words in commands]
    assert [start.ended() for start in both] == [DONE, DONE]
    assert set(running(root)) == {"supervisor", "bridge", "lab"}
    assert tiller(root, "logs", "bridge").stdout.count("INFO bridge started") == 1


def test_a_daemon_that_is_killed_is_mended(root: Root) -> None:
    tiller(root, "start", *LIGHT)
    before = running(root)
    root.wanted.write_text("{")  # whatever somebody makes of that, what ran is kept running
    killed_s = time.monotonic()
    os.kill(before["bridge"], signal.SIGKILL)
    after = comes_back(root, "bridge", than=before["bridge"])
    assert time.monotonic() - killed_s < 10
    assert running(root) == before | {"bridge": after}
    told = json.loads(tiller(root, "status", "--json").stdout)
    assert told["daemons"]["bridge"]["starts"] == 2
    assert "[started 2 times; ended by SIGKILL]" in tiller(root, "status").stdout
    assert "ended by SIGKILL program=bridge" in tiller(root, "logs", "supervisor").stdout


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start_and_by_stop(root: Root) -> None:
    tiller(root, "start", *LIGHT)
    first = running(root)
    os.kill(first["supervisor"], signal.SIGKILL)
    assert tiller(root, "start", "--only", "bridge").returncode == DONE
    assert all(map(ended, first.values())), "also the lab, which nobody asked for again"
    second = running(root)
    assert set(second) == {"supervisor", "bridge"}
    os.kill(second["supervisor"], signal.SIGKILL)
    assert tiller(root, "stop").stdout.split() == ["bridge", "stopped"]
    assert ended(second["bridge"])


def test_whatever_is_started_can_be_found_by_the_next_supervisor(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any moment: its session is on the disk before there is anything in it."""
    system, seen = OperatingSystem(), list[Processes | None]()

    def start(*words: object, **how: object) -> object:
        seen.append(read_processes(system, root))
        raise OSError("not in a test")

    publish(system, root.wanted, encode_wanted(Wanted(("bridge",))))
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "getsid", lambda pid: 4242)  # our own may have a leader outside our container: then it is 0
    context = Context(root, Config(), system, Log(logging.Logger("supervisor")), argparse.Namespace())
    Supervisor().begin(context)(context)
    assert seen[0] is not None and seen[0].session == 4242


def test_what_somebody_else_started_is_left_alone(root: Root) -> None:
    with Running([sys.executable, CHECKOUT / "agents/strategy_lab.py", "--root", root.path]) as theirs:
        theirs.complains("INFO lab started")
        comes_back(root, "lab", than=0)
        started = tiller(root, "start", *LIGHT)
        assert started.returncode == DONE
        assert f"lab          runs (pid {theirs.pid}, was started by somebody else)" in started.stdout
        assert set(running(root)) == {"supervisor", "bridge"}
        os.kill(theirs.pid, signal.SIGTERM)
        assert theirs.ended() == DONE
        ours = comes_back(root, "lab", than=theirs.pid)
        assert running(root)["lab"] == ours, "and takes its place when it ends"


def test_a_program_that_cannot_run_is_shown_with_its_last_words(root: Root) -> None:
    root.lock("lab").mkdir(parents=True)
    started = tiller(root, "start", *LIGHT)
    assert started.returncode == FAILED
    said = started.stdout.splitlines()
    assert any(line.startswith("lab          ended with status 1; its last lines follow") for line in said)
    assert any(f"| lab: {root.lock('lab')}: Is a directory" in line for line in said)
    assert any(line.startswith("bridge       runs (pid ") for line in said)
    assert "Traceback" not in started.stdout + started.stderr
    root.lock("lab").rmdir()
    assert tiller(root, "start", *LIGHT).returncode == DONE, "who starts it again need not wait"


def test_restart_starts_what_ran(root: Root) -> None:
    tiller(root, "start", "--only", "lab")
    before = running(root)
    assert tiller(root, "start", "--only", "bridge").returncode == DONE
    assert running(root) == before | {"bridge": running(root)["bridge"]}, "a program more, and no other anew"
    again = tiller(root, "restart", "--json")
    assert again.returncode == DONE
    outcomes = json.loads(again.stdout)
    assert {name: outcome["runs"] for name, outcome in outcomes.items()} == {"lab": True, "bridge": True}
    after = running(root)
    assert set(after) == {"supervisor", "bridge", "lab"}
    assert not set(after.values()) & set(before.values())


def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])


@only_on_linux
def test_signals_that_somebody_blocked_reach_what_is_started(root: Root) -> None:
    tiller(root, "start", "--only", "bridge", before=block_signals)
    started = running(root)
    for pid in started.values():
        told = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "\t" in line)
        assert int(told["SigBlk"], 16) == 0
        assert os.getsid(pid) == started["supervisor"] != os.getsid(0)
    assert "killed" not in tiller(root, "stop").stdout


WRONG: Mapping[str, tuple[tuple[str, ...], str, int]] = {
    "a program that is none": (("start", "--with", "labs"), "'labs' is no program (there are trainer, ", FAILED),
    "a setting that is none": (("start",), "config.yaml: bounds.cup is no setting", FAILED),
    "an option that is none": (("stop", "--now"), "unrecognized arguments: --now", BAD_USAGE),
}


@pytest.mark.parametrize(("arguments", "said", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_a_line(root: Root, arguments: tuple[str, ...], said: str, code: int) -> None:
    if "is no setting" in said:
        root.path.mkdir()
        root.config.write_text("bounds: {cup: 1}")
    done = tiller(root, *arguments)
    assert done.returncode == code
    assert said in done.stderr.splitlines()[-1]
    assert running(root) == {}


def test_no_logs_yet(root: Root) -> None:
    done = tiller(root, "logs")
    assert (done.returncode, done.stderr) == (NOTHING_TO_DO, "")
    assert done.stdout == f"nothing has been said yet: there is no log below {root.logs}\n"
    done = tiller(root, "logs", "nobody")
    assert (done.returncode, done.stdout.count("there is no log of nobody below")) == (NOTHING_TO_DO, 1)
