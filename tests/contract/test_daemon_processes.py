import json
import re
import signal
from pathlib import Path

import pytest
from support import tiny_daemon
from support.processes import END_S, heartbeat, left_behind, order, tiny

from contract.files import publish
from contract.pulse import ALIVE, DEAD, ENDED, feel
from contract.schema.names import Root
from contract.schema.operations import DEGRADED, RUNNING, STOPPED
from contract.system import OperatingSystem

NAME = tiny_daemon.NAME
SYSTEM = OperatingSystem()
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (DEBUG|INFO|WARNING|ERROR) tiny \S.*")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "state").mkdir()
    return Root(tmp_path)


# The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("while_it", ["waits", "is in the middle of a long run"])
def test_a_signal_ends_it_soon(root: Root, number: signal.Signals, while_it: str) -> None:
    order(root, "" if while_it == "waits" else "long")
    with tiny(root.path) as running:
        running.says("ran 1 ")
        if while_it == "waits":
            running.process.send_signal(signal.SIGHUP)
            running.says("ran 2 ")  # so that one wait lies behind it
        code, took_s = running.ends(number)
    assert code == 0
    assert took_s < END_S / 2
    last = heartbeat(root)
    assert (last.state, last.pid, last.message) == (STOPPED, running.pid, "stopped")
    assert feel(SYSTEM, root, NAME).state == ENDED
    events = [line.split(" ", 3)[3] for line in running.errors]
    assert events == [f"started pid={running.pid} root={root.path}", "stopped"]
    assert left_behind(root) == []


def test_once_ends_by_itself_with_its_code(root: Root) -> None:
    for text, code in (("", 0), ("nothing", 3), ("retry", 1), ("stop", 1)):
        order(root, text)
        with tiny(root.path, "--once") as running:
            assert running.ended() == code
        assert heartbeat(root).state == STOPPED


# One at a time.


def test_a_second_instance_is_refused_in_one_line(root: Root) -> None:
    with tiny(root.path) as first:
        first.says("ran 1 ")
        for arguments in ((), ("--once",)):
            with tiny(root.path, *arguments) as second:
                assert second.ended() == 1
            assert second.errors == [f"tiny: another tiny is running (pid {first.pid}) (stop it first)"]
        order(root, "more")
        first.says("ran 2 .*more")


@pytest.mark.parametrize("text", ["", "long"])
def test_after_a_kill_it_can_begin_at_once(root: Root, text: str) -> None:
    order(root, text)
    with tiny(root.path) as first:
        first.says("ran 1 ")
        first.ends(signal.SIGKILL)
    assert feel(SYSTEM, root, NAME).state == DEAD
    whole = (tiny_daemon.product(root), root.heartbeat(NAME))
    torn = [path.with_name(f".{path.name}.{first.pid}-3.tmp") for path in whole]
    for path in torn:
        path.write_text("torn")
    order(root, "again")
    with tiny(root.path) as second:
        second.says("ran 1 .*again")
        assert not any(path.exists() for path in torn)
        assert heartbeat(root).pid == second.pid
        assert second.ends(signal.SIGTERM)[0] == 0
    assert left_behind(root) == []


# Settings.


def test_settings_are_read_again_and_broken_ones_are_not_taken(root: Root) -> None:
    with tiny(root.path) as running:
        running.says(r"ran 1 cap=0\.35")
        running.process.send_signal(signal.SIGHUP)
        running.says(r"ran 2 cap=0\.35")
        publish(SYSTEM, root.config, b"bounds: {cap: 0.5}\n")
        running.says(r"ran 3 cap=0\.5")
        publish(SYSTEM, root.config, b"bounds: {cup: 0.6}\n")
        line = running.complains("keeping the settings in force")
        assert "config.yaml: bounds.cup is no setting (did you mean bounds.cap?)" in line
        running.says(r"ran 4 cap=0\.5")
        root.config.unlink()
        running.says(r"ran 5 cap=0\.35")


def test_a_wrong_setting_at_the_start_is_one_line(root: Root) -> None:
    with tiny(root.path, environment={"TILLER__BOUNDS__CAP": "7"}) as running:
        assert running.ended() == 1
    expected = "TILLER__BOUNDS__CAP: bounds.cap is 7.0 (a number from 1/8 to 1 was expected)"
    assert running.errors == [f"tiny: {expected}"]


# Runs, errors and the heartbeat.


def test_each_kind_of_error_has_its_consequence(root: Root) -> None:
    root.config.write_text("loop: {backoff_s: 100, longest_backoff_s: 100}")
    with tiny(root.path) as running:
        running.says("ran 1 ")
        sequence = -1
        for run, (text, state, last_error) in enumerate(
            [
                ("retry", DEGRADED, "the world is in the way"),
                ("bad", DEGRADED, f"{tiny_daemon.order(root)}: a\\x1b[2J\\nb is wrong"),
                ("crash", DEGRADED, "unexpected RuntimeError('a mistake\\x1b[2J\\nof ours')"),
                ("trouble", DEGRADED, "something is stale"),
                ("fine", RUNNING, ""),
            ],
            start=1,
        ):
            order(root, text)
            running.says(f"ran {2 * run} .*{text}")
            running.process.send_signal(signal.SIGHUP)
            running.says(f"ran {2 * run + 1} ")  # so that the heartbeat of the run before has been written
            beat = heartbeat(root)
            assert (beat.state, beat.last_error, beat.pid) == (state, last_error, running.pid)
            assert beat.boot_id == SYSTEM.boot_id()
            assert beat.sequence > sequence
            assert feel(SYSTEM, root, NAME).state == ALIVE
            sequence = beat.sequence
        order(root, "stop")
        assert running.process.wait(timeout=END_S) == 1
        running.ended()
    assert heartbeat(root).last_error == "this cannot be (mend it)"
    events = [line for line in running.errors if LOG_LINE.fullmatch(line)]
    of_crashes = [line for line in running.errors if not LOG_LINE.fullmatch(line)]
    assert sum(line == "Traceback (most recent call last):" for line in of_crashes) == 2
    assert all(line.isprintable() for line in running.errors)
    assert len(events) == 1 + 2 * 3 + 1  # started, three kinds of failure twice each, the end
    assert root.log(NAME).read_text().splitlines() == running.errors


def test_the_heartbeat_is_json_that_anybody_can_read(root: Root) -> None:
    with tiny(root.path, "--once") as running:
        assert running.ended() == 0
    told = json.loads(root.heartbeat(NAME).read_text())
    assert told["pid"] == running.pid
    assert told["daemon"] == NAME
    assert told["utc"].endswith("Z")
