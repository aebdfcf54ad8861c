"""A new user's first hour: everything is started, weights move, the report is read; then one thing after the other is
broken, is told of and mended; then all of it is stopped. Real processes and real files, and the bot is somebody else's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.only_on_linux import only_on_linux
from support.processes import Running, comes_true, left_behind
from support.scripted_models import policy, put_into_service

from console.launch import stop
from console.session import members
from console.snapshot import Snapshot, take
from contract.daemon import DONE, FAILED
from contract.pulse import ALIVE, DEAD
from contract.schema.judgement import VERDICTS
from contract.schema.names import CHECKOUT, PORTFOLIO_OPTIMIZER, RL_INFERENCE, Root
from contract.schema.weights import parse_allocations
from contract.system import OperatingSystem

TILLER = [sys.executable, "-c", "from console.main import main; raise SystemExit(main())"]
BOT = CHECKOUT / "agents/paper_trader.py"
PATIENCE_S = 150.0
"""Two cores may have much else to do."""
comes = partial(comes_true, within_s=PATIENCE_S)

QUICK = """\
loop: {backoff_s: 0.2, longest_backoff_s: 1}
inference: {min_interval_s: 0.2, interval_s: 2}
bridge: {interval_s: 1, valid_s: 3}
tracker: {interval_s: 2}
trainer: {retrain_trades: 100000}
agent: {episodes: 1, replicas: 2, episode_days: 20, warm_start_steps: 0, resampled: 0}
"""


class Hour:
    """A root, and what is typed and looked at there."""

    def __init__(self, path: Path, years: int) -> None:
        self.root = Root(path)
        path.mkdir(exist_ok=True)
        self.root.config.write_text(QUICK)
        self.run(BOT, "--fast-forward", str(252 * years))

    def run(self, script: Path, *arguments: str) -> str:
        return self._said([sys.executable, str(script)], arguments, DONE)

    def tiller(self, *arguments: str, code: int = DONE) -> str:
        return self._said(TILLER, arguments, code)

    def _said(self, command: list[str], arguments: tuple[str, ...], code: int) -> str:
        words = [*command, "--root", str(self.root.path), *arguments]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
        done = subprocess.run(words, capture_output=True, text=True, cwd=CHECKOUT, env=inherited, timeout=PATIENCE_S)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    @property
    def now(self) -> Snapshot:
        return take(OperatingSystem(), self.root)

    @property
    def running(self) -> dict[str, int]:
        return members(OperatingSystem(), self.root)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tiller("status", "--json"))
        return found

    def line(self, label: str) -> str:
        """What `tiller status --once` says of that."""
        return next(line for line in self.tiller("status", "--once").splitlines() if line.startswith(f"{label} "))

    def told_by(self, source: str, *, beyond: int = 0) -> bool:
        """Whether the bot is told by that source, freshly, in a generation beyond that one."""
        told = self.now.told.record
        return bool(told and told.source == source and not self.now.is_stale and (told.generation or 0) > beyond)

    def generation(self) -> int:
        told = self.now.told.record
        assert told and told.generation
        return told.generation

    def said_by(self, name: str) -> str:
        """In its last heartbeat, of what it does and of what troubles it."""
        beat = next((pulse.heartbeat for pulse in self.now.pulses if pulse.daemon == name), None)
        return f"{beat.message} {beat.last_error}" if beat else ""

    def is_well(self) -> bool:
        """Everything that should run does, by a beat of its own."""
        alive = {pulse.daemon for pulse in self.now.pulses if pulse.state == ALIVE}
        return not self.now.unwell and alive >= {*self.now.should_run, "supervisor"}


@pytest.fixture
def hour(tmp_path: Path) -> Iterator[Hour]:
    hour = Hour(tmp_path / "a root", years=3)
    yield hour
    stop(OperatingSystem(), hour.root, lambda line: None)


def live_bot(hour: Hour) -> Running:
    words = [sys.executable, BOT, "--root", hour.root.path, "--live", "--bar-seconds", "0.3"]
    return Running(words, patience_s=PATIENCE_S)


@only_on_linux
@pytest.mark.timeout(600)
def test_a_new_users_hour(hour: Hour) -> None:
    with ExitStack() as afterwards:
        bot = afterwards.enter_context(live_bot(hour))
        said = hour.tiller("start", "--with", "optimizer,lab")
        assert said.count(" runs (pid ") == 6
        weights_move(hour)
        assert "wrong " not in hour.tiller("doctor")
        the_report_is_read(hour)
        a_daemon_is_killed(hour)
        the_supervisor_is_killed(hour)
        garbage_is_written(hour)
        the_model_is_spoilt(hour)
        all_is_stopped(hour, bot)


def doctor(hour: Hour, verdict: str, subject: str, remedy: str, code: int = FAILED) -> str:
    """What `tiller doctor` finds there, with that remedy below."""
    found = hour.tiller("doctor", code=code).splitlines()
    place = next(place for place, line in enumerate(found) if line.split()[:2] == [verdict, subject])
    assert remedy in found[place + 1], found[place : place + 2]
    return found[place]


def weights_move(hour: Hour) -> None:
    seen = set()

    def moved() -> bool:
        told = hour.now.told.record
        if told and told.source == RL_INFERENCE:
            seen.add(told.strategy_allocations)
        return len(seen) >= 5

    comes(moved, hour.root.allocations)
    assert all(abs(sum(weights) - 1) < 1e-9 for weights in seen)
    assert "is told by rl_inference, " in hour.line("bot")


def the_report_is_read(hour: Hour) -> None:
    """The trainer's first examination is in it, and the days on which the weights moved."""

    def is_shown() -> bool:
        if not hour.root.report_page.exists():
            return False
        found, page = json.loads(hour.root.report.read_bytes()), hour.root.report_page.read_text()
        verdict = found["verdict"]
        live = found["live"]["days"] >= 2 and found["training"]["history"]
        return bool(live) and f"<h1>{verdict[0].upper()}{verdict[1:]}</h1>" in page and page.endswith("</html>\n")

    comes(is_shown, hour.root.report_page)
    assert hour.run(CHECKOUT / "analytics/rl_performance.py").startswith(tuple(f"{verdict}: " for verdict in VERDICTS))


def a_daemon_is_killed(hour: Hour) -> None:
    killed = hour.running["inference"]
    os.kill(killed, signal.SIGKILL)
    comes(lambda: hour.running.get("inference", killed) != killed and hour.is_well(), hour.root.heartbeat("inference"))
    assert hour.status()["daemons"]["inference"]["starts"] == 2
    assert "[started 2 times; ended by SIGKILL]" in hour.line("inference")
    assert "ended by SIGKILL program=inference" in hour.tiller("logs", "supervisor")
    comes(partial(hour.told_by, RL_INFERENCE, beyond=hour.generation()), hour.root.allocations)


def the_supervisor_is_killed(hour: Hour) -> None:
    """What it watched over works on, and a restart puts another in its place."""
    before = hour.running
    os.kill(before["supervisor"], signal.SIGKILL)
    comes(lambda: hour.now.unwell.get("supervisor") == DEAD)
    comes(partial(hour.told_by, RL_INFERENCE, beyond=hour.generation()), hour.root.allocations)
    assert hour.status()["daemons"]["supervisor"]["state"] == DEAD
    assert hour.line("supervisor").split()[1] == "dead"
    assert "is gone; trainer, inference, " in doctor(hour, "wrong", "supervisor", " restart")
    assert hour.tiller("restart").count(" runs (pid ") == 6
    comes(hour.is_well)
    assert not set(hour.running.values()) & set(before.values())


GARBAGE = b"half a row\nwho,knows\x00,what\n" + b"2030-01-01,2030-01-01T00:00:00Z,AAA,buy,1,1,x,nan" + b"," * 6 + b"\n"


def garbage_is_written(hour: Hour) -> None:
    with hour.root.pnl_history.open("ab", buffering=0) as history:
        history.write(GARBAGE)
    comes(lambda: hour.now.quarantined.record == 3, hour.root.quarantine)
    assert hour.status()["book"]["quarantined"] == 3
    assert "3 quarantined" in hour.line("book")
    found = doctor(hour, "warning", "rows", str(hour.root.quarantine), code=DONE)
    assert found.endswith("count for nothing: 3")
    kept = hour.root.quarantine.read_text()
    assert kept.count("\npnl_history.csv,") == 3
    comes(partial(hour.told_by, RL_INFERENCE, beyond=hour.generation()), hour.root.allocations)


def the_model_is_spoilt(hour: Hour) -> None:
    """First it serves from memory; whoever begins anew has none, and another source takes over until a rollback."""
    root = hour.root
    put_into_service(root, policy(1))
    comes(lambda: "in model 1" in hour.said_by("inference"), root.heartbeat("inference"))
    for path in (root.generation(1), root.checkpoint):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    root.manifest.write_text("{")
    comes(lambda: "generation 1 serves instead" in hour.said_by("inference"), root.heartbeat("inference"))
    comes(partial(hour.told_by, RL_INFERENCE, beyond=hour.generation()), root.allocations)
    assert str(root.manifest) in hour.status()["model"]["trouble"]
    assert str(root.manifest) in hour.line("model")

    os.kill(hour.running["inference"], signal.SIGKILL)
    comes(partial(hour.told_by, PORTFOLIO_OPTIMIZER), root.allocations)
    assert "the base alone serves instead" in hour.line("inference")

    assert str(root.manifest) in doctor(hour, "wrong", "model", " rollback 0")
    assert hour.tiller("rollback", "0") == "generation 0 is in service\n"
    comes(partial(hour.told_by, RL_INFERENCE), root.allocations)
    comes(hour.is_well)
    assert hour.line("model").split()[1:3] == ["generation", "0,"]


def all_is_stopped(hour: Hour, bot: Running) -> None:
    """All that was started, and not the bot."""
    said = hour.tiller("stop")
    assert said.count(" stopped\n") == 7
    assert f"was started by somebody else (pid {bot.pid}): left running" in said
    assert processes_of(hour.root) == [bot.pid]
    bot.process.send_signal(signal.SIGINT)
    assert bot.ended() == DONE
    assert processes_of(hour.root) == []
    assert left_behind(hour.root) == []


def processes_of(root: Root) -> list[int]:
    """Those in whose command line the root stands."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if os.fsencode(root.path) in words:
            found.append(int(process.name))
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Hour]:
    """A disk of a few megabytes, with a bot of one year."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=6m", "tiller-test", place], capture_output=True)
    if not made or made.returncode != 0:
        pytest.skip("only root can mount a small disk")
    hour = Hour(place, years=1)
    yield hour
    stop(OperatingSystem(), hour.root, lambda line: None)
    subprocess.run(["umount", place], check=True)


@pytest.mark.timeout(600)
def test_a_full_disk_is_told_of_and_waited_out(small_disk: Hour) -> None:
    hour = small_disk
    root, ballast = hour.root, hour.root.path / "ballast"
    hour.tiller("start", "--only", "inference,bridge,tracker")
    with live_bot(hour) as bot:
        comes(partial(hour.told_by, RL_INFERENCE, beyond=3), root.allocations)
        with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        comes(lambda: hour.now.is_stale)
        told, before = hour.status(), parse_allocations(root.allocations.read_bytes(), root.allocations)
        assert told["disk"]["full"]
        assert told["allocations"]["stale"]
        assert "FULL: nothing new is said; free some space" in hour.line("disk")
        assert "STALE: its writer does not renew it" in hour.line("bot")
        found = hour.tiller("doctor", code=FAILED)
        assert "0 MiB are free" in found and "-> free some space: " in found
        assert abs(sum(before.strategy_allocations) - 1) < 1e-9
        ballast.unlink()
        comes(partial(hour.told_by, RL_INFERENCE, beyond=(before.generation or 0) + 3), root.allocations)
        comes(hour.is_well)
        assert not hour.status()["disk"]["full"]
        assert hour.now.quarantined.record is None, "no row was torn"
        bot.process.send_signal(signal.SIGINT)
        assert bot.ended() == DONE
    hour.tiller("stop")
    assert left_behind(root) == []
