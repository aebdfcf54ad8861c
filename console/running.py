"""Whether what should run does: what was asked for, the supervisor, every program, and the locks they hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from console.findings import OK, WARNING, WRONG, Finding, quoted, tiller
from console.launch import last_lines
from console.page import duration
from console.programs import CHOICES, PROGRAMS, SUPERVISOR, USUAL
from console.session import is_alive, members
from console.snapshot import Snapshot, take
from console.supervisor import FOREIGN
from contract.errors import TillerError
from contract.files import read_record
from contract.pulse import ALIVE, DEAD, STALE, UNREADABLE, Pulse, feel
from contract.schema.names import Root
from contract.schema.supervision import Child, parse_processes
from contract.system import System

LET_GO_S = 0.5


class Scene(NamedTuple):
    """What runs, at one moment."""

    system: System
    snapshot: Snapshot
    ours: dict[str, int]
    """What `tiller start` started here and still runs, and the supervisor: name to process number."""

    @property
    def root(self) -> Root:
        return self.snapshot.root

    @property
    def elsewhere(self) -> list[str]:
        """What runs, and was started by somebody else."""
        return [pulse.daemon for pulse in self.snapshot.pulses if is_alive(pulse) and pulse.daemon not in self.ours]

    @property
    def missing(self) -> list[str]:
        """What was asked for and does not run."""
        running = {*self.ours, *self.elsewhere}
        return [name for name in self.snapshot.should_run if name in PROGRAMS and name not in running]


def examine_running(system: System, root: Root) -> Iterator[Finding]:
    scene = Scene(system, take(system, root), members(system, root))
    yield _wanted(scene)
    yield _record(scene)
    yield _supervisor(scene)
    yield from _programs(scene)
    yield from _locks(scene)


def _wanted(scene: Scene) -> Finding:
    """runtime/wanted.json."""
    again = tiller(scene.root, "start")
    if scene.snapshot.wanted.trouble:
        return Finding("wanted", WRONG, scene.snapshot.wanted.trouble, f"{again} (and --with what is to run beside)")
    programs = scene.snapshot.should_run
    if unknown := [name for name in programs if name not in PROGRAMS]:
        detail = f"{scene.root.wanted} asks for {', '.join(unknown)}, which is no program"
        return Finding("wanted", WARNING, detail, tiller(scene.root, "restart", "--only", ",".join(_known(programs))))
    asked = "nothing is asked to run" if scene.snapshot.wanted.record else "nothing was ever started here"
    return Finding("wanted", OK, ", ".join(programs) or asked)


def _known(programs: tuple[str, ...]) -> list[str]:
    return [name for name in programs if name in CHOICES] or list(USUAL)


def _record(scene: Scene) -> Finding:
    """runtime/processes.json."""
    again = tiller(scene.root, "restart")
    try:
        record = read_record(scene.system, scene.root.processes, parse_processes)
    except TillerError as error:
        return Finding("processes", WARNING, str(error), f"{again}: it is written anew")
    if record is None:
        if SUPERVISOR in scene.ours:
            return Finding("processes", WARNING, f"{scene.root.processes} is gone", f"{again}: it is written anew")
        return Finding("processes", OK, "no supervisor has written down yet what it started")
    if record.boot_id != scene.system.boot_id():
        return Finding("processes", OK, "written before the machine was started, which ended all that it names")
    return Finding("processes", OK, ", ".join(map(_said, record.children.items())) or "the supervisor has no programs")


def _said(child: tuple[str, Child]) -> str:
    name, record = child
    return f"{name} {record.pid or record.ended or 'not started'}"


def _supervisor(scene: Scene) -> Finding:
    again, others = tiller(scene.root, "restart"), [name for name in scene.ours if name != SUPERVISOR]
    if SUPERVISOR in scene.ours:
        trouble = feel(scene.system, scene.root, SUPERVISOR).trouble
        kept = f"process {scene.ours[SUPERVISOR]} keeps {len(others)} programs running"
        if trouble:
            return Finding("supervisor", WARNING, f"{kept}: {trouble}", tiller(scene.root, "logs", SUPERVISOR))
        return Finding("supervisor", OK, kept)
    if others:
        detail = f"is gone; {', '.join(others)} run on, and nobody starts again what dies"
        return Finding("supervisor", WRONG, detail, f"{again}: it starts them anew; the bot notices nothing")
    if scene.missing:
        detail = f"is gone, and with it what was asked for: {', '.join(scene.missing)}"
        return Finding("supervisor", WRONG, detail, f"{again}; deploy/README.md says how to start at every boot")
    if scene.snapshot.should_run:
        remedy = f"{tiller(scene.root, 'stop')} leaves those alone, and asks for nothing any more"
        return Finding("supervisor", WARNING, "is gone; somebody else started the programs that run", remedy)
    return Finding("supervisor", OK, "none is needed: nothing is asked to run")


def _programs(scene: Scene) -> Iterator[Finding]:
    """What is wrong with each; one finding where nothing is."""
    found = [*_without_process(scene), *_unwell(scene)]
    yield from found
    if not found:
        running = [*(name for name in scene.ours if name != SUPERVISOR), *scene.elsewhere]
        yield Finding("programs", OK, f"{', '.join(running)} run" if running else "none runs")


def _without_process(scene: Scene) -> Iterator[Finding]:
    """Asked for, and the supervisor has none: it was not able to, or somebody else's is in the way."""
    if SUPERVISOR not in scene.ours:
        return
    for name in scene.snapshot.should_run:
        if name in scene.missing:
            yield Finding(name, WRONG, _in_vain(scene, name), tiller(scene.root, "logs", name))
        elif name in scene.elsewhere:
            remedy = "end it there, and the supervisor starts its own; or leave it"
            yield Finding(name, WARNING, f"{FOREIGN}, and not by the supervisor", remedy)


def _in_vain(scene: Scene, name: str) -> str:
    """What became of a program that has no process; what it said before it had a log is not in its log."""
    processes = scene.snapshot.processes
    child = processes.children.get(name) if processes else None
    ended = f"{child.ended or 'not started yet'} (started {child.starts} times)" if child else "not started yet"
    said = last_lines(scene.system, scene.root, name)
    return f"is to run and has no process: {ended}" + (f"; it said last: {said[-1]}" if said else "")


def _unwell(scene: Scene) -> Iterator[Finding]:
    for pulse in scene.snapshot.pulses:
        name, logs = pulse.daemon, tiller(scene.root, "logs", pulse.daemon)
        if pulse.state == UNREADABLE:
            remedy = f"rm {quoted(scene.root.heartbeat(name))}: while {name} runs it is written anew"
            yield Finding(name, WARNING, pulse.trouble, remedy)
        elif pulse.state == STALE and pulse.heartbeat:
            then = "the supervisor starts it again" if name in scene.ours and name != SUPERVISOR else "start it again"
            remedy = f"where it does not come back: kill -9 {pulse.heartbeat.pid}, and {then}"
            yield Finding(name, WRONG, f"no sign of life for {duration(pulse.age_s or 0.0)}: {_last(pulse)}", remedy)
        elif name == SUPERVISOR:
            continue  # looked at already
        elif pulse.state == DEAD and name not in (*scene.missing, *scene.ours):  # ours has only not spoken yet
            yield Finding(name, WRONG, f"died, and nothing here starts it again: {_last(pulse)}", logs)
        elif pulse.state == ALIVE and pulse.trouble:
            yield Finding(name, WARNING, pulse.trouble, logs)


def _last(pulse: Pulse) -> str:
    beat = pulse.heartbeat
    return (beat.last_error or beat.message) if beat else ""


def _locks(scene: Scene) -> Iterator[Finding]:
    found: list[Finding] = []
    try:
        for name in PROGRAMS:
            found += _lock(scene, name)
    except OSError as error:  # where it is a matter of rights, it is so for the others too
        path = Path(error.filename or scene.root.locks)
        rights = f"chown -R $(id -un) {quoted(scene.root.locks)}"
        remedy = rights if isinstance(error, PermissionError) else f"rm -r {quoted(path)}"
        found.append(Finding("lock", WRONG, f"{path}: {error.strerror}", remedy))
    yield from found
    if not found:
        yield Finding("lock", OK, "each program that runs holds its own")


def _lock(scene: Scene, name: str) -> Iterator[Finding]:
    """A lock file is no sign of anything; a lock that is held, or is not, is."""
    path = scene.root.lock(name)
    before = is_alive(feel(scene.system, scene.root, name))
    held = path.exists() and _is_held(scene.system, path)
    if held and not before:  # one that was killed just now may still be about to let go
        scene.system.wait(threading.Event(), LET_GO_S)
        held = _is_held(scene.system, path)
    now = is_alive(feel(scene.system, scene.root, name))  # one that begins or ends just now is neither
    if held and not before and not now and name not in scene.ours:
        detail = f"a process holds {path}, and no {name} gives a sign of life"
        yield Finding("lock", WARNING, detail, f"fuser -v {quoted(path)} names it: end it, and keep the file")
    elif before and now and not held:
        detail = f"{name} runs without its lock: {path} was removed, and a second one can start"
        yield Finding("lock", WRONG, detail, tiller(scene.root, "restart"))


def _is_held(system: System, path: Path) -> bool:
    lock = system.lock(path)
    if lock is not None:
        lock.release()
    return lock is None
