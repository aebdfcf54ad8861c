"""`tiller start | stop | restart`: what is to run, and whether it does.

The supervisor does the work; these say what is wanted, wait, and tell. One of them is at work at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from console.programs import ALERTS, CHOICES, PROGRAMS, SUPERVISOR, USUAL, command, names
from console.session import END_WITHIN_S, end, is_alive, members, read_processes
from console.supervisor import FOREIGN
from contract.configure import configure
from contract.daemon import DONE, FAILED
from contract.errors import BadInput, MustStop, RetryLater, one_line
from contract.files import make_directory, publish, read_record, read_tail
from contract.pulse import ALIVE, Pulse, feel
from contract.schema.names import CHECKOUT, Root
from contract.schema.operations import DEGRADED, RUNNING
from contract.schema.supervision import Child, Processes, Wanted, encode_wanted, parse_wanted
from contract.system import OperatingSystem, System

LOOK_EVERY_S = 0.05
START_WITHIN_S = 60.0
SHOWN_LINES = 8
"""Of what a program said before it failed."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How one program came up."""

    name: str
    runs: bool
    said: str


def start(system: System, root: Root, wanted: Wanted, say: Say) -> tuple[Outcome, ...]:
    """Have these programs run, beside those that run already; says of each how it comes up, once it is known."""
    configure(system, root, os.environ)  # a setting that makes no sense is better said once than by every program
    with _turn(system, root):
        running = SUPERVISOR in members(system, root) and is_alive(feel(system, root, SUPERVISOR))
        before = _wanted(system, root) if running else Wanted()
        wanted = replace(wanted, programs=tuple(dict.fromkeys((*before.programs, *wanted.programs))))
        wanted = replace(wanted, bar_seconds=wanted.bar_seconds or before.bar_seconds)
        alive = {name for name in wanted.programs if running and _is_up(feel(system, root, name))}
        tried = read_processes(system, root) if running else None
        publish(system, root.wanted, encode_wanted(wanted))
        supervisor = None if running else _launch(system, root)
        arrivals = _Arrivals(system, root, alive, tried, supervisor, say)
        return tuple(arrivals.of(wanted.programs))


def _launch(system: System, root: Root) -> subprocess.Popen[bytes]:
    """The supervisor, with nothing of ours: neither session nor terminal nor pipe."""
    make_directory(system, root.logs)
    with root.output(SUPERVISOR).open("wb") as output:
        return subprocess.Popen(
            command(SUPERVISOR, root, Wanted()),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            start_new_session=True,
        )


@dataclass(frozen=True)
class _Arrivals:
    """How programs come up. `alive` and `tried` are what there was before they were asked for."""

    system: System
    root: Root
    alive: set[str]
    tried: Processes | None
    supervisor: subprocess.Popen[bytes] | None
    say: Say

    def of(self, programs: tuple[str, ...]) -> Iterator[Outcome]:
        """Each as it comes up, or fails to."""
        left = list(programs)
        until_s = self.system.monotonic() + START_WITHIN_S
        while left:
            self._look_after_supervisor()
            late = self.system.monotonic() >= until_s
            for name in list(left):
                outcome = self._outcome(name, late)
                if outcome is not None:
                    left.remove(name)
                    self._tell(outcome)
                    yield outcome
            self.system.wait(threading.Event(), LOOK_EVERY_S)

    def _look_after_supervisor(self) -> None:
        if self.supervisor is not None and self.supervisor.poll() is not None:
            said = last_lines(self.system, self.root, SUPERVISOR)
            reason = said[-1] if said else "it said nothing"
            raise MustStop(f"the supervisor ended at once: {reason}", path=self.root.output(SUPERVISOR))

    def _outcome(self, name: str, late: bool) -> Outcome | None:
        """None while it is not known."""
        child = self._child(name)
        pulse = feel(self.system, self.root, name)
        foreign = child is not None and child.pid is None and child.ended.startswith(FOREIGN)
        if child and pulse.heartbeat and _is_up(pulse) and (foreign or child.pid == pulse.heartbeat.pid):
            runs = "runs already" if name in self.alive else "runs"
            said = pulse.heartbeat.last_error or pulse.heartbeat.message
            return Outcome(name, True, f"{runs} (pid {pulse.heartbeat.pid}{f', {FOREIGN}' if foreign else ''}): {said}")
        if child and child.pid is None and child.ended and not foreign and self._was_tried(name, child):
            return Outcome(name, False, f"{child.ended}; its last lines follow, and it is tried again")
        if late:
            return Outcome(name, False, f"does not work after {START_WITHIN_S:.0f} s; its last lines follow")
        return None

    def _child(self, name: str) -> Child | None:
        """What this supervisor says of it."""
        processes = read_processes(self.system, self.root)
        if processes is None or (self.supervisor is not None and processes.session != self.supervisor.pid):
            return None
        return processes.children.get(name)

    def _was_tried(self, name: str, child: Child) -> bool:
        """Since it was asked for."""
        before = self.tried.children.get(name) if self.tried else None
        return before is None or child.starts > before.starts

    def _tell(self, outcome: Outcome) -> None:
        self.say(f"{outcome.name:<12} {textwrap.shorten(one_line(outcome.said), 100)}")
        if not outcome.runs:
            for line in last_lines(self.system, self.root, outcome.name):
                self.say(f"{'':<12} | {line}")


def _is_up(pulse: Pulse) -> bool:
    beat = pulse.heartbeat
    return pulse.state == ALIVE and beat is not None and beat.state in (RUNNING, DEGRADED)


def stop(system: System, root: Root, say: Say) -> None:
    """End the supervisor and what it started, or what it left; nothing else."""
    with _turn(system, root):
        if root.wanted.exists():
            publish(system, root.wanted, encode_wanted(Wanted()))
        ours = members(system, root)
        if not ours:
            say("nothing that was started here runs")
        end(system, ours, lambda name, how: say(f"{name:<12} {how}"))
        for name in PROGRAMS:
            pulse = feel(system, root, name)
            if name not in ours and pulse.heartbeat and is_alive(pulse):
                say(f"{name:<12} {FOREIGN} (pid {pulse.heartbeat.pid}): left running")


def _wanted(system: System, root: Root) -> Wanted:
    try:
        return read_record(system, root.wanted, parse_wanted) or Wanted()
    except BadInput:
        return Wanted()  # it is written anew, and here alone


def last_lines(system: System, root: Root, name: str) -> list[str]:
    text = read_tail(system, root.output(name), 1 << 14).decode(errors="backslashreplace")
    return [one_line(line) for line in text.splitlines()[-SHOWN_LINES:]]


@contextmanager
def _turn(system: System, root: Root) -> Iterator[None]:
    """One `start` or `stop` at a time; the next one waits."""
    make_directory(system, root.runtime)
    system.mkdir(root.locks, 0o700)
    until_s = system.monotonic() + START_WITHIN_S + END_WITHIN_S
    while (lock := system.lock(root.lock("launch"))) is None:
        if system.monotonic() >= until_s:
            raise RetryLater("another start or stop is at work", hint="see what it waits for")
        system.wait(threading.Event(), LOOK_EVERY_S)
    try:
        yield
    finally:
        lock.release()


# The commands.


@dataclass(frozen=True)
class Command:
    """What `console/main.py` asks of a module, so that three commands can live in one."""

    NAME: str
    SUMMARY: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _add_start_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--with", dest="also", metavar="NAMES", default="", help="these too, such as optimizer,lab")
    parser.add_argument("--only", metavar="NAMES", default="", help=f"these instead of {','.join(USUAL)}")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=CHOICES, help=f"one of {', '.join(CHOICES)}", metavar="NAME")


def asked_for(options: argparse.Namespace, system: System, root: Root) -> Wanted:
    """Alerts are sent wherever an address for them is set."""
    config = configure(system, root, os.environ).config
    chosen = (*(names(options.only) or USUAL), *names(options.also), *((ALERTS,) if config.alerts.url else ()))
    return Wanted(tuple(dict.fromkeys(chosen)))


def _start(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    return _started(options, system, root, asked_for(options, system, root))


def _started(options: argparse.Namespace, system: System, root: Root, wanted: Wanted) -> int:
    outcomes = start(system, root, wanted, _say(options))
    _print(options, {outcome.name: {"runs": outcome.runs, "said": outcome.said} for outcome in outcomes})
    return DONE if all(outcome.runs for outcome in outcomes) else FAILED


def _stop(options: argparse.Namespace) -> int:
    said: list[str] = []
    stop(OperatingSystem(), Root.find(options.root), said.append if options.json else _say(options))
    _print(options, said)
    return DONE


def _restart(options: argparse.Namespace) -> int:
    """With what ran before, where nothing else is asked for."""
    system, root = OperatingSystem(), Root.find(options.root)
    wanted, before = asked_for(options, system, root), _wanted(system, root)
    if before.programs and not (options.only or options.also):
        wanted = replace(before, programs=tuple(name for name in before.programs if name in PROGRAMS))
    stop(system, root, _say(options))
    return _started(options, system, root, wanted)


def _say(options: argparse.Namespace) -> Say:
    return (lambda line: None) if options.json else lambda line: print(line, flush=True)


def _print(options: argparse.Namespace, values: Any) -> None:
    if options.json:
        json.dump(values, sys.stdout, indent=2)
        print()


def _run(options: argparse.Namespace) -> int:
    """This process becomes the program."""
    words = command(options.name, Root.find(options.root), Wanted())
    os.execv(words[0], words)


START = Command("start", "Start the daemons, and keep them running.", _add_start_options, _start)
STOP = Command("stop", "Stop what `start` started, and nothing else.", lambda parser: None, _stop)
RESTART = Command("restart", "Stop, and start again what ran.", _add_start_options, _restart)
RUN = Command("run", "Run one program in the foreground, as systemd wants it.", _add_run_options, _run)
