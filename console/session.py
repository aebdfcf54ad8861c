"""What a supervisor started, told from all else, and how it is ended.

A supervisor leads a session of its own, and what it starts stays in it. No process of somebody else's can be in that
session, whatever number it is given, so that a signal meets only what is meant.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from console.programs import PROGRAMS, SUPERVISOR
from contract.errors import RetryLater, TillerError
from contract.files import read_record
from contract.pulse import ALIVE, STALE, Pulse, feel
from contract.schema.names import Root
from contract.schema.supervision import Processes, parse_processes
from contract.system import System

END_WITHIN_S = 20.0
"""A program that has not ended so long after it was told to is killed."""
LOOK_EVERY_S = 0.05


def read_processes(system: System, root: Root) -> Processes | None:
    """What the last supervisor of this boot started; None where that is not known."""
    try:
        found = read_record(system, root.processes, parse_processes)
    except TillerError:
        return None
    return found if found and found.boot_id == system.boot_id() else None


def session_of(pid: int) -> int | None:
    """None where it has ended, also if nobody has taken notice of that yet."""
    try:
        return None if _is_zombie(pid) else os.getsid(pid)
    except (ProcessLookupError, PermissionError, OverflowError):
        return None


def is_alive(pulse: Pulse) -> bool:
    """Whether the process that gave this heartbeat lives, well or not."""
    beat = pulse.heartbeat
    return pulse.state in (ALIVE, STALE) and beat is not None and session_of(beat.pid) is not None


def _is_zombie(pid: int) -> bool:
    """In a container without an init, what has lost its parent stays one for ever."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # gone, or not Linux
    return told.rpartition(")")[2].split()[0] == "Z"


def members(system: System, root: Root) -> dict[str, int]:
    """The programs that a supervisor of this root started and that still run, and the supervisor: name to number."""
    before = read_processes(system, root)
    session = before.session if before else None
    found = {}
    leader = _number(system, root, SUPERVISOR)
    if leader is not None and session_of(leader) == leader:
        found[SUPERVISOR] = leader
    for name in PROGRAMS:
        child = before.children.get(name) if before else None
        for pid in (child.pid if child else None, _number(system, root, name)):
            if name != SUPERVISOR and pid is not None and session_of(pid) in {session, leader} - {None}:
                found[name] = pid
    return found


def _number(system: System, root: Root, name: str) -> int | None:
    """The process number that its last heartbeat gives."""
    heartbeat = feel(system, root, name).heartbeat
    return heartbeat.pid if heartbeat and heartbeat.boot_id == system.boot_id() else None


def end(system: System, running: Mapping[str, int], say: Callable[[str, str], None]) -> None:
    """End these, and say of each what that took. The supervisor comes first, and ends the others before itself."""
    others = dict(running)
    leader = {SUPERVISOR: others.pop(SUPERVISOR)} if SUPERVISOR in others else {}
    _end(system, leader, END_WITHIN_S + 5.0, say)
    _end(system, others, END_WITHIN_S, say)


def _end(system: System, running: dict[str, int], patience_s: float, say: Callable[[str, str], None]) -> None:
    for number, seconds, how in ((signal.SIGTERM, patience_s, "stopped"), (signal.SIGKILL, 5.0, "killed")):
        for pid in running.values():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        until_s = system.monotonic() + seconds
        while running and system.monotonic() < until_s:
            for name in [name for name, pid in running.items() if session_of(pid) is None]:
                del running[name]
                say(name, how)
            if running:
                system.wait(threading.Event(), LOOK_EVERY_S)
    if running:
        raise RetryLater(f"{', '.join(running)} cannot be ended", hint="stop again, and see the system's log")
