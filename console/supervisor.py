#!/usr/bin/env python3
"""The supervisor: keeps the programs running that `tiller start` asked for, and ends them when it is told to stop.

It is started by `tiller start`, in a session of its own. A program that dies is started again, at once the first time
and then after a wait that doubles. What a supervisor that was killed left running is ended and started anew by the
next, so that it is the parent of all it watches over. A program that somebody else started is left alone; ours takes
its place when it ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import os
import signal
import subprocess
import threading
from contextlib import suppress

from console.programs import PROGRAMS, SUPERVISOR, command
from console.session import END_WITHIN_S, end, is_alive, members
from contract.daemon import FAILED, Context, Daemon, RunOnce, Status, main
from contract.errors import TillerError
from contract.files import make_directory, publish, read_record
from contract.pulse import feel
from contract.schema.names import CHECKOUT, Root
from contract.schema.supervision import (
    Child,
    Processes,
    Wanted,
    encode_processes,
    parse_wanted,
)

LOOK_EVERY_S = 0.2
"""How soon a death is noticed."""
BEAT_EVERY_S = 5.0
STEADY_S = 60.0
"""After so long a life a death counts as the first."""
LARGEST_OUTPUT = 1 << 20
FOREIGN_EVERY_S = 1.0
FOREIGN = "was started by somebody else"


class Kept:
    """One program that is kept running."""

    def __init__(self, name: str, context: Context) -> None:
        self.name = name
        self.starts = 0
        self.ended = ""
        self._system = context.system
        self._root = context.root
        self._output = context.root.output(name)
        self._process: subprocess.Popen[bytes] | None = None
        self._due_s = self._began_s = context.system.monotonic()
        self._backoff_s = 0.0
        self._told_s: float | None = None
        """When it was told to end."""

    @property
    def record(self) -> Child:
        return Child(self._process.pid if self._process else None, self.starts, self.ended)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def tend(self, context: Context, wanted: Wanted) -> None:
        """Notice an end, and start it when that is due."""
        now_s = self._system.monotonic()
        if self._process is not None:
            self._notice_end(context)
            self._bound_output()
        elif now_s >= self._due_s and not self._runs_elsewhere():
            self._start(context, wanted)

    def _start(self, context: Context, wanted: Wanted) -> None:
        """In a process group of its own, within the supervisor's session."""
        try:
            make_directory(self._system, self._output.parent)
            with self._output.open("ab") as output:  # appending, so that it can be cut while the program writes to it
                output.truncate(0)
                self._process = subprocess.Popen(
                    command(self.name, self._root, wanted),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=CHECKOUT,
                    process_group=0,
                )
        except OSError as error:
            self._wait(context, f"cannot be started: {error}")
            return
        self.starts += 1
        self.ended = "" if self.ended.startswith(FOREIGN) else self.ended
        self._told_s = None
        self._began_s = self._system.monotonic()
        context.log.info("started", program=self.name, pid=self._process.pid, starts=self.starts)

    def _notice_end(self, context: Context) -> None:
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            if self._system.monotonic() - self._began_s >= STEADY_S:
                self._backoff_s = 0.0
            return
        self._process = None
        self._wait(context, f"ended by {_signal_name(-code)}" if code < 0 else f"ended with status {code}")

    def _wait(self, context: Context, reason: str) -> None:
        loop = context.config.loop
        self.ended = reason
        self._due_s = self._system.monotonic() + self._backoff_s
        context.log.warning(reason, program=self.name, again_in_s=self._backoff_s)
        self._backoff_s = min(loop.longest_backoff_s, max(loop.backoff_s, 2 * self._backoff_s))

    def _runs_elsewhere(self) -> bool:
        """Whether a process that is not ours is this program."""
        pulse = feel(self._system, self._root, self.name)
        if pulse.heartbeat is None or not is_alive(pulse):
            return False
        self.ended = f"{FOREIGN} (pid {pulse.heartbeat.pid})"
        self._due_s = self._system.monotonic() + FOREIGN_EVERY_S
        return True

    def try_now(self) -> None:
        self._due_s, self._backoff_s = self._system.monotonic(), 0.0

    def tell_to_end(self) -> None:
        if self._process is not None and self._told_s is None:
            self._told_s = self._system.monotonic()
            self._process.terminate()

    def has_ended(self) -> bool:
        """After `tell_to_end`; one that takes too long is killed, with all that it started."""
        if self._process is None or self._process.poll() is not None:
            return True
        if self._told_s is not None and self._system.monotonic() >= self._told_s + END_WITHIN_S:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return False

    def _bound_output(self) -> None:
        with suppress(OSError):
            if self._output.stat().st_size > LARGEST_OUTPUT:
                os.truncate(self._output, 0)


class Supervisor:
    """`run_once` of the supervisor: a look at every program several times a second, for one beat."""

    def __init__(self) -> None:
        self._wanted = Wanted()
        self._kept: dict[str, Kept] = {}
        self._leaving: list[Kept] = []
        self._published: Processes | None = None
        self._has_looked = False
        self._asked: tuple[int, int] | None = None
        self._nothing = threading.Event()

    def begin(self, context: Context) -> RunOnce:
        """What a supervisor that was killed left running ends here: it cannot be waited for as a child can."""
        left = members(context.system, context.root)
        left.pop(SUPERVISOR, None)
        end(context.system, left, lambda name, how: context.log.warning("left behind", program=name, now=how))
        self._tell(context)  # before there is any program: by this session the next one finds them
        return self

    def __call__(self, context: Context) -> Status:
        system, troubles, unread = context.system, [], ""
        try:
            self._wanted = read_record(system, context.root.wanted, parse_wanted) or Wanted()
        except TillerError as error:
            unread = f"going on with what ran: {error}"
        self._take_on(context, self._wanted)
        until_s = system.monotonic() + (BEAT_EVERY_S if self._has_looked else 0.1)  # soon to say what it does
        self._has_looked = True
        looked = _look(context.root)
        while not context.stopping() and system.monotonic() < until_s and _look(context.root) == looked:
            for kept in self._kept.values():
                kept.tend(context, self._wanted)
            self._leaving = [kept for kept in self._leaving if not kept.has_ended()]
            troubles = self._tell(context)
            system.wait(self._nothing, LOOK_EVERY_S)
        running = sum(kept.is_running for kept in self._kept.values())
        idle = (f"{name} {kept.ended}" for name, kept in self._kept.items() if not kept.is_running)
        trouble = "; ".join(filter(None, (*idle, *troubles, unread)))
        return Status(f"{running} of {len(self._kept)} programs run", 0.0, trouble=trouble)

    def _take_on(self, context: Context, wanted: Wanted) -> None:
        """Those that are wanted now, and no others. One that is asked for again need not wait any longer."""
        look = _look(context.root)
        if look != self._asked:
            self._asked = look
            for kept in self._kept.values():
                kept.try_now()
        for name in wanted.programs:
            if name in PROGRAMS and name != SUPERVISOR and name not in self._kept:
                self._kept[name] = Kept(name, context)
        for name in [name for name in self._kept if name not in wanted.programs]:
            kept = self._kept.pop(name)
            kept.tell_to_end()
            self._leaving.append(kept)

    def _tell(self, context: Context) -> list[str]:
        """Publish what has changed; says what is in the way of that, for the work goes on without."""
        children = {name: kept.record for name, kept in self._kept.items()}
        record = Processes(os.getsid(0), context.system.boot_id(), children)
        if record == self._published:
            return []
        try:
            publish(context.system, context.root.processes, encode_processes(record))
        except TillerError as error:
            return [str(error)]
        self._published = record
        return []

    def end(self) -> None:
        """Ends all that it started, and only that."""
        leaving = [*self._kept.values(), *self._leaving]
        for kept in leaving:
            kept.tell_to_end()
        while not all([kept.has_ended() for kept in leaving]):
            self._nothing.wait(LOOK_EVERY_S / 4)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # those for real-time use have none
        return f"signal {number}"


def _look(root: Root) -> tuple[int, int] | None:
    with suppress(OSError):
        found = root.wanted.stat()
        return found.st_mtime_ns, found.st_ino
    return None


def run() -> int:
    """A session of its own tells what it started from all else; and no signal that somebody blocked stays blocked."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
        except PermissionError:
            print("supervisor: cannot run in the foreground (tiller start runs it)", file=sys.stderr)
            return FAILED
    supervisor = Supervisor()
    daemon = Daemon(
        name=SUPERVISOR,
        summary="Keeps the programs running that `tiller start` asked for.",
        begin=supervisor.begin,
        watches=lambda root: (root.wanted,),
        interval_s=lambda config: BEAT_EVERY_S,
        owns=lambda root: (root.processes,),
    )
    try:
        return main(daemon)
    finally:
        supervisor.end()


if __name__ == "__main__":
    sys.exit(run())
