"""The loop that every daemon shares.

A daemon is a function `run_once(context) -> Status`. Around it, and only here: one instance at a time, signals, the
heartbeat, settings that can change, waiting, and what becomes of an error.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.config import Config
from contract.configure import configure
from contract.errors import BadInput, MustStop, RetryLater, TillerError, told
from contract.files import make_directory, publish, settle, settle_lines, sweep
from contract.log import Log, open_log
from contract.pulse import ALIVE, STALE, feel
from contract.schema.names import Root
from contract.schema.operations import (
    DEGRADED,
    RUNNING,
    STARTING,
    STOPPED,
    Heartbeat,
    encode_heartbeat,
)
from contract.system import Lock, OperatingSystem, System
from contract.watch import changes

DONE, FAILED, BAD_USAGE, NOTHING_TO_DO, CANDIDATE_REFUSED = range(5)
"""Exit codes."""

_GRACE_S = 30.0
"""A heartbeat promises the next one within its wait and this."""
_LET_GO_S = 0.5
"""A lock that is held so long, by whomever, is held by another instance."""
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class Context:
    """What a run may use: nothing else of the world is its business."""

    root: Root
    config: Config
    system: System
    log: Log
    options: argparse.Namespace
    stopping: Callable[[], bool] = lambda: False
    """True when a long run should end early."""
    beat: Callable[[str], None] = lambda message: None
    """To be called now and then by a long run, with what it is doing."""


@dataclass(frozen=True)
class Status:
    """How a run went. `wait_s` is the longest wait until the next; None leaves it to the daemon's interval."""

    message: str
    wait_s: float | None = None
    exit_code: int = DONE
    trouble: str = ""
    """What is wrong although the run went on; the daemon is degraded while it says so."""


RunOnce = Callable[[Context], Status]


@dataclass(frozen=True)
class Daemon:
    name: str
    summary: str
    begin: Callable[[Context], RunOnce]
    """Makes the function that is then called again and again; what it remembers between calls lives in there.

    It may read, and where it fails it is tried again, as a run is.
    """
    watches: Callable[[Root], tuple[Path, ...]]
    """The files whose change is a reason to run at once."""
    interval_s: Callable[[Config], float]
    owns: Callable[[Root], tuple[Path, ...]] = lambda root: ()
    """The files that this daemon alone publishes: what a killed predecessor left beside them is removed."""
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    runs_once: Callable[[argparse.Namespace], bool] = lambda options: False
    """Whether these options ask for one run and the end, as `--once` always does."""
    settings: Callable[[argparse.Namespace], Mapping[str, Any]] = lambda options: {}
    """Options that override settings, as `section.key`."""


def settle_record(context: Context, path: Path) -> None:
    """Make durable what a killed predecessor left of what is for people to read: nothing that is told hangs on it."""
    try:
        settle_lines(context.system, path)
    except TillerError as error:
        context.log.warning("may be lost again", error=error)


@dataclass
class Signals:
    """What the world asks of the loop. Setting `stop` or `reload` is always followed by setting `wake`."""

    wake: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    reload: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        self.stop.set()
        self.wake.set()

    def read_settings_again(self) -> None:
        self.reload.set()
        self.wake.set()


def main(daemon: Daemon, arguments: Sequence[str] | None = None) -> int:
    """The command line of a daemon."""
    parser = argparse.ArgumentParser(prog=daemon.name, description=daemon.summary)
    add_common_options(parser)
    parser.add_argument("--once", action="store_true", help="run once and end")
    daemon.add_options(parser)
    options = parser.parse_args(arguments)
    root = Root.find(options.root)
    try:
        signals = Signals()
        catch_signals(signals)
        with closing(open_log(daemon.name, root.log(daemon.name), verbose=options.verbose > 0)) as log:
            return run(daemon, root, OperatingSystem(), log, options, signals)
    except (TillerError, OSError) as error:
        if options.verbose > 1:
            traceback.print_exc()
        print(f"{daemon.name}: {told(error)}", file=sys.stderr)
        return FAILED


def add_common_options(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """What every command of ours takes. `again`: a subcommand takes them too, without forgetting the first ones."""
    kept: dict[str, Any] = {"default": argparse.SUPPRESS} if again else {}
    where = "where state/ and runtime/ are (default: $TILLER_ROOT, else the checkout)"
    parser.add_argument("--root", type=Path, help=where, **kept)
    parser.add_argument("--json", action="store_true", help="print JSON", **kept)
    kept = kept or {"default": 0}
    parser.add_argument("-v", "--verbose", action="count", help="say more; twice: tracebacks as well", **kept)


def catch_signals(signals: Signals) -> None:
    """SIGTERM and SIGINT end the loop, SIGHUP makes it read its settings again.

    A thread of its own hears of them through a pipe, whichever thread the system gave them to. A handler in Python
    would run in the midst of the main thread, and setting an event whose lock that thread happens to hold would hang
    it for ever. Blocking them everywhere is no way either: numpy's threads are there before us.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: None)

    def listen() -> None:
        while number := os.read(heard, 1):
            if number[0] == signal.SIGHUP:
                signals.read_settings_again()
            else:
                signals.end()

    threading.Thread(target=listen, name="signals", daemon=True).start()


def run(
    daemon: Daemon, root: Root, system: System, log: Log, options: argparse.Namespace, signals: Signals
) -> int:
    """Hold the daemon's lock and run until told to stop; with `--once`, run once. Returns the exit code."""
    make_directory(system, root.runtime)
    system.mkdir(root.locks, 0o700)
    lock = _hold(system, root, daemon.name)
    try:
        return _Loop(daemon, root, system, log, options, signals).run()
    finally:
        lock.release()


def _hold(system: System, root: Root, name: str) -> Lock:
    """One that was killed holds its lock for a moment yet, where it had forked a child that is no other program yet."""
    until_s = system.monotonic() + _LET_GO_S
    while (lock := system.lock(root.lock(name))) is None:
        holder = _its_pid(system, root, name)
        if holder or system.monotonic() >= until_s:
            raise MustStop(f"another {name} is running{holder}", hint="stop it first")
        system.wait(threading.Event(), _LOOK_EVERY_S)
    return lock


def _its_pid(system: System, root: Root, name: str) -> str:
    """A holder that has only just begun has not said its number; its predecessor's would mislead."""
    pulse = feel(system, root, name)
    return f" (pid {pulse.heartbeat.pid})" if pulse.heartbeat and pulse.state in (ALIVE, STALE) else ""


class _Loop:
    def __init__(
        self, daemon: Daemon, root: Root, system: System, log: Log, options: argparse.Namespace, signals: Signals
    ) -> None:
        self._daemon = daemon
        self._root = root
        self._system = system
        self._log = log
        self._options = options
        self._signals = signals
        self._random = random.Random(system.process_id())
        self._sequence = 0
        self._backoff_s = 0.0
        self._last_error = ""
        self._wait_s = 0.0
        self._run_once: RunOnce | None = None
        self._context = self._make_context()

    def run(self) -> int:
        for path in (*self._daemon.owns(self._root), self._root.heartbeat(self._daemon.name)):
            sweep(self._system, path)
        self._beat(STARTING, self._daemon.summary)
        try:
            if self._options.once or self._daemon.runs_once(self._options):
                return self._attempt().exit_code
            self._log.info("started", pid=self._system.process_id(), root=self._root.path)
            return self._repeat()
        except MustStop as error:
            self._last_error = str(error)
            self._log.error("cannot go on", error=error)
            return FAILED
        finally:
            self._beat(STOPPED, "stopped")

    def _repeat(self) -> int:
        watched = (*self._daemon.watches(self._root), self._root.config)
        for changed in changes(
            self._system,
            watched,
            self._signals.wake,
            self._signals.stop,
            lambda: self._wait_s,
            asked=self._signals.reload.is_set,
            polling=lambda: self._context.config.loop.polling,
        ):
            if self._signals.reload.is_set() or self._root.config in changed:
                self._signals.reload.clear()
                self._reload()
            self._attempt()
        self._log.info("stopped")
        return DONE

    def _attempt(self) -> Status:
        """One run, and what becomes of an error in it."""
        try:
            if self._run_once is None:
                settle(self._system, *self._daemon.owns(self._root))
                self._run_once = self._daemon.begin(self._context)
            status = self._run_once(self._context)
        except MustStop:
            raise
        except (RetryLater, BadInput) as error:
            status = self._failed(str(error))
            self._log.warning("failed", error=error, again_in_s=status.wait_s)
        except Exception as error:
            status = self._failed(f"unexpected {error!r}")
            self._log.crash(error)
        else:
            self._backoff_s = 0.0
            self._last_error = status.trouble
        interval_s = self._daemon.interval_s(self._context.config)
        self._wait_s = interval_s if status.wait_s is None else status.wait_s
        self._beat(DEGRADED if status.trouble else RUNNING, status.message)
        return status

    def _failed(self, error: str) -> Status:
        loop = self._context.config.loop
        self._backoff_s = min(loop.longest_backoff_s, max(loop.backoff_s, 2.0 * self._backoff_s))
        self._last_error = error
        return Status("failed", self._backoff_s * self._random.uniform(0.5, 1.0), FAILED, error)

    def _make_context(self) -> Context:
        configured = configure(self._system, self._root, os.environ, self._daemon.settings(self._options))
        return Context(
            self._root,
            configured.config,
            self._system,
            self._log,
            self._options,
            stopping=self._signals.stop.is_set,
            beat=lambda message: self._beat(RUNNING, message),
        )

    def _reload(self) -> None:
        try:
            context = self._make_context()
        except TillerError as error:
            self._log.warning("keeping the settings in force", error=error)
            return
        if context.config != self._context.config:
            self._log.info("settings changed")
        self._context = context

    def _beat(self, state: str, message: str) -> None:
        """A heartbeat that cannot be written must not stop the work: whoever looks sees it grow old."""
        heartbeat = Heartbeat(
            daemon=self._daemon.name,
            pid=self._system.process_id(),
            boot_id=self._system.boot_id(),
            sequence=self._sequence,
            utc=self._system.now(),
            state=state,
            due_s=self._wait_s + _GRACE_S,
            message=message,
            last_error=self._last_error,
        )
        self._sequence += 1
        try:
            publish(self._system, self._root.heartbeat(self._daemon.name), encode_heartbeat(heartbeat))
        except TillerError as error:
            self._log.debug("no heartbeat", error=error)
