"""`tiller doctor` on what should run: each thing broken by hand, with real processes where there are any."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.processes import PATIENCE_S, Running

from console import running
from console.findings import OK, WARNING, WRONG, Finding
from console.launch import stop
from console.programs import SUPERVISOR
from console.running import examine_running
from console.session import members, session_of
from contract.files import publish
from contract.pulse import ALIVE, feel
from contract.schema.names import CHECKOUT, Root
from contract.schema.operations import DEGRADED, RUNNING, STOPPED, Heartbeat, encode_heartbeat
from contract.schema.supervision import Child, Processes, Wanted, encode_processes, encode_wanted
from contract.system import OperatingSystem

SYSTEM = OperatingSystem()
BRIDGE, LAB = "bridge", "lab"

pytestmark = pytest.mark.timeout(240)  # several starts of several processes, on a machine that may do other things


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(tmp_path / "it's a root")
    yield root
    stop(SYSTEM, root, lambda line: None)


def findings(root: Root) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine_running(SYSTEM, root)}


def wrong(root: Root) -> dict[str, Finding]:
    return {subject: finding for subject, finding in findings(root).items() if finding.verdict != OK}


def want(root: Root, *programs: str) -> None:
    publish(SYSTEM, root.wanted, encode_wanted(Wanted(programs)))


def runs(root: Root, *programs: str) -> dict[str, int]:
    """Started by a process of its own, so that the supervisor is nobody's child here."""
    tiller("start", "--only", ",".join(programs), "--root", str(root.path))
    return members(SYSTEM, root)


def tiller(*words: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    command = [sys.executable, "-c", "from console.main import main; raise SystemExit(main())", *words]
    subprocess.run(command, check=True, cwd=CHECKOUT, env=inherited, stdout=subprocess.DEVNULL, timeout=4 * PATIENCE_S)


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(session_of(pid) for pid in pids))


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s
        SYSTEM.wait(threading.Event(), 0.05)


def do(remedy: str) -> None:
    """What the operator is told to type, as far as it is a command."""
    program, *words = shlex.split(remedy.partition(": ")[0].partition(";")[0])
    if program == "tiller":
        tiller(*words)
    else:
        subprocess.run([program, *words], check=True, timeout=PATIENCE_S)


# Nothing runs.


def test_a_root_in_which_nothing_was_started_is_in_order(root: Root) -> None:
    assert {finding.verdict for finding in findings(root).values()} == {OK}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"programs": 3}'])
def test_a_wish_that_cannot_be_read(root: Root, text: str) -> None:
    root.runtime.mkdir(parents=True)
    root.wanted.write_text(text)
    found = wrong(root)
    assert list(found) == ["wanted"]
    assert found["wanted"].verdict == WRONG and str(root.wanted) in found["wanted"].detail
    assert found["wanted"].remedy.startswith("tiller start --root ")


def test_a_wish_for_what_is_no_program(root: Root) -> None:
    want(root, "oracle")
    found = findings(root)["wanted"]
    assert (found.verdict, "asks for oracle, which is no program" in found.detail) == (WARNING, True)
    assert found.remedy.startswith("tiller restart --only trainer,inference,bridge,tracker --root ")


def test_a_record_that_cannot_be_read(root: Root) -> None:
    root.runtime.mkdir(parents=True)
    root.processes.write_text('{"children": {}, "session": 0}')
    found = wrong(root)
    assert list(found) == ["processes"] and found["processes"].verdict == WARNING
    assert "session is 0" in found["processes"].detail and "tiller restart" in found["processes"].remedy


def test_a_record_of_another_boot_is_in_order(root: Root) -> None:
    publish(SYSTEM, root.processes, encode_processes(Processes(1, "another", {BRIDGE: Child(1, 1)})))
    found = findings(root)["processes"]
    assert found.verdict == OK and "before the machine was started" in found.detail


# What was asked for runs, and something happens to it.


def test_all_is_in_order_while_all_runs(root: Root) -> None:
    ours = runs(root, BRIDGE, LAB)
    found = findings(root)
    assert {finding.verdict for finding in found.values()} == {OK}
    assert found["wanted"].detail == "bridge, lab"
    assert found["supervisor"].detail == f"process {ours[SUPERVISOR]} keeps 2 programs running"
    assert found["programs"].detail == "bridge, lab run"
    root.processes.write_text("{")
    assert list(wrong(root)) == ["processes"]
    root.processes.unlink()
    assert wrong(root)["processes"].detail.endswith("processes.json is gone")


def test_programs_that_have_lost_their_supervisor(root: Root) -> None:
    kill(runs(root, BRIDGE, LAB)[SUPERVISOR])
    found = wrong(root)
    assert list(found) == ["supervisor"] and found["supervisor"].verdict == WRONG
    assert found["supervisor"].detail == "is gone; bridge, lab run on, and nobody starts again what dies"
    do(found["supervisor"].remedy)
    assert not wrong(root) and set(members(SYSTEM, root)) == {SUPERVISOR, BRIDGE, LAB}


def test_nothing_runs_of_what_was_asked_for(root: Root) -> None:
    kill(*runs(root, BRIDGE, LAB).values())
    found = wrong(root)
    assert list(found) == ["supervisor"] and found["supervisor"].verdict == WRONG
    assert found["supervisor"].detail == "is gone, and with it what was asked for: bridge, lab"
    assert "deploy/README.md" in found["supervisor"].remedy
    do(found["supervisor"].remedy)
    assert not wrong(root) and set(members(SYSTEM, root)) == {SUPERVISOR, BRIDGE, LAB}


def test_a_program_that_cannot_be_started_again(root: Root) -> None:
    ours = runs(root, BRIDGE, LAB)
    root.config.write_text("bounds: {cap: 9}")
    kill(ours[LAB])
    seen: list[Finding] = []  # it is tried again and again, and runs for a moment each time

    def ended() -> bool:
        seen.extend(one for subject, one in wrong(root).items() if subject == LAB)
        return bool(seen) and "ended with status 1" in seen[-1].detail

    until(ended)
    found = seen[-1]
    assert found.verdict == WRONG and found.detail.startswith("is to run and has no process: ")
    assert "; it said last: lab: " in found.detail and "bounds.cap is 9" in found.detail
    assert found.remedy.startswith("tiller logs lab --root ")


def test_a_program_of_somebody_elses(root: Root) -> None:
    with Running([sys.executable, CHECKOUT / "agents/weights_bridge.py", "--root", root.path]) as other:
        until(lambda: feel(SYSTEM, root, BRIDGE).state == ALIVE)
        assert findings(root)["programs"].detail == "bridge run"
        runs(root, BRIDGE, LAB)
        until(lambda: bool(feel(SYSTEM, root, SUPERVISOR).trouble))
        found = wrong(root)
        assert set(found) == {BRIDGE, SUPERVISOR} and {one.verdict for one in found.values()} == {WARNING}
        assert "was started by somebody else" in found[BRIDGE].detail
        kill(*(pid for name, pid in members(SYSTEM, root).items()))
        assert findings(root)["supervisor"].detail == "is gone, and with it what was asked for: lab"
        want(root, BRIDGE)
        found = wrong(root)
        assert found["supervisor"].verdict == WARNING and "somebody else" in found["supervisor"].detail
        other.ends(signal.SIGTERM)


# What heartbeats say.


def beat(root: Root, name: str, *, state: str = RUNNING, age_s: float = 0.0, pid: int = 0, error: str = "") -> None:
    utc = datetime.now(UTC) - timedelta(seconds=age_s)
    heartbeat = Heartbeat(name, pid or os.getpid(), SYSTEM.boot_id(), 1, utc, state, 30.0, "at work", error)
    publish(SYSTEM, root.heartbeat(name), encode_heartbeat(heartbeat))


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_program_that_hangs(root: Root) -> None:
    beat(root, BRIDGE, age_s=300.0)
    found = wrong(root)[BRIDGE]
    assert (found.verdict, found.detail) == (WRONG, "no sign of life for 5 min: at work")
    assert found.remedy.endswith(f"kill -9 {os.getpid()}, and start it again")


def test_a_program_that_died_and_that_nobody_misses(root: Root, gone: int) -> None:
    beat(root, BRIDGE, pid=gone, error="the disk is full")
    found = wrong(root)[BRIDGE]
    assert (found.verdict, found.detail) == (WRONG, "died, and nothing here starts it again: the disk is full")
    beat(root, BRIDGE, pid=gone, state=STOPPED)
    assert not wrong(root)


def test_a_program_in_trouble(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_is_held", lambda system, path: True)
    root.locks.mkdir(parents=True)
    root.lock(BRIDGE).touch()
    beat(root, BRIDGE, state=DEGRADED, error="the disk is full\x1b[2J")
    assert wrong(root)[BRIDGE].verdict == WARNING and "the disk is full" in wrong(root)[BRIDGE].detail


def test_a_heartbeat_that_cannot_be_read(root: Root) -> None:
    root.heartbeats.mkdir(parents=True)
    root.heartbeat(BRIDGE).write_text("{}")
    found = wrong(root)[BRIDGE]
    assert found.verdict == WARNING and str(root.heartbeat(BRIDGE)) in found.detail
    do(found.remedy)
    assert not wrong(root)


# Locks.


def test_a_lock_that_is_held_without_a_sign_of_life(root: Root, gone: int) -> None:
    root.locks.mkdir(parents=True)
    root.lock(BRIDGE).touch()
    assert findings(root)["lock"].verdict == OK, "the file alone means nothing"
    beat(root, BRIDGE, state=STOPPED, pid=gone)
    hold = "import sys, filelock as f; lock = f.FileLock(sys.argv[1]); lock.acquire(); print('held'); sys.stdin.read()"
    with Running([sys.executable, "-uc", hold, root.lock(BRIDGE)]) as holder:
        holder.says("held")
        found = wrong(root)["lock"]
        assert found.verdict == WARNING and "no bridge gives a sign of life" in found.detail
        assert found.remedy.startswith("fuser -v ") and "keep the file" in found.remedy
    assert not wrong(root) and root.lock(BRIDGE).exists()


def test_a_lock_file_that_was_removed_from_under_a_program(root: Root) -> None:
    runs(root, LAB)
    root.lock(LAB).unlink()
    found = wrong(root)["lock"]
    assert found.verdict == WRONG and "lab runs without its lock" in found.detail
    root.lock(LAB).touch()
    assert wrong(root)["lock"] == found, "another file is another lock"
    do(found.remedy)
    assert not wrong(root)


def test_a_lock_that_is_not_ours_to_open(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(system: object, path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    root.locks.mkdir(parents=True)
    root.lock(LAB).touch()
    monkeypatch.setattr(running, "_is_held", refuse)
    found = wrong(root)["lock"]
    assert found.verdict == WRONG and found.detail == f"{root.lock(LAB)}: Permission denied"
    do_it = found.remedy.replace("$(id -un)", str(os.getuid()))
    do(do_it)


def test_a_directory_in_the_place_of_a_lock(root: Root) -> None:
    root.lock(LAB).mkdir(parents=True)
    found = wrong(root)["lock"]
    assert found.verdict == WRONG and found.detail == f"{root.lock(LAB)}: Is a directory"
    do(found.remedy)
    assert not wrong(root)


def test_nothing_in_a_record_can_reach_the_terminal(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    from console.main import main

    root.runtime.mkdir(parents=True)
    root.wanted.write_text(json.dumps({"schema": 1, "programs": ["\x1b[2J"]}))
    main(["doctor", "--root", str(root.path)])
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
