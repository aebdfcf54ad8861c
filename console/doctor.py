"""`tiller doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contract.configure import configure
from contract.daemon import DONE, FAILED
from contract.errors import TillerError, one_line
from contract.files import read_record
from contract.pulse import ALIVE, feel
from contract.schema.fields import format_time
from contract.schema.names import Root
from contract.schema.risk import parse_resume_request
from contract.schema.weights import HALTED, parse_allocations
from contract.system import OperatingSystem, System

NAME = "doctor"
SUMMARY = "Check the installation and say how to mend what is wrong."

LEAST_FREE_BYTES = 200 << 20
NEEDED = ("numpy", "pandas", "yaml", "watchdog", "filelock")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. A warning does not make the installation unhealthy."""

    subject: str
    verdict: str
    detail: str
    remedy: str = ""


OK, WARNING, WRONG = "ok", "warning", "wrong"


def add_options(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    findings = list(examine(OperatingSystem(), Root.find(options.root)))
    if options.json:
        print(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(one_line(f"{finding.verdict:<8} {finding.subject:<12} {finding.detail}"))
            if finding.remedy:
                print(one_line(f"{'':<21} -> {finding.remedy}"))
    return FAILED if any(finding.verdict == WRONG for finding in findings) else DONE


def examine(system: System, root: Root) -> Iterator[Finding]:
    yield _python()
    yield _packages()
    yield _torch()
    yield _settings(system, root)
    for directory in (root.state, root.runtime, root.locks, root.logs):
        yield _directory(directory)
    yield _disk(root)
    yield _watches()
    yield _rival(root)
    yield _halt(system, root)
    yield _request(system, root)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", OK, f"{found} at {sys.executable}")


def _packages() -> Finding:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("packages", WRONG, f"missing: {', '.join(missing)}", "bash scripts/start_rl_system.sh doctor")
    return Finding("packages", OK, ", ".join(NEEDED))


def _torch() -> Finding:
    if importlib.util.find_spec("torch") is None:
        remedy = "unset TILLER_NO_TORCH and run bash scripts/start_rl_system.sh doctor"
        return Finding("torch", WARNING, "not installed: everything works but training at full strength", remedy)
    return Finding("torch", OK, "installed")


def _settings(system: System, root: Root) -> Finding:
    try:
        configured = configure(system, root, os.environ)
    except TillerError as error:
        where = f"{error.path}: " if error.path else ""
        return Finding("settings", WRONG, f"{where}{error.message}", error.hint)
    changed = sum(origin != "default" for origin in configured.origins.values())
    return Finding("settings", OK, f"{len(configured.origins)} settings, {changed} of them not the default")


def _directory(directory: Path) -> Finding:
    name = directory.name
    nearest = _nearest(directory)
    quoted = shlex.quote(str(nearest))
    if not nearest.is_dir():
        return Finding(name, WRONG, f"{nearest} is not a directory", f"move {quoted} out of the way")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(name, WRONG, f"{nearest} is not writable", f"chown -R $(id -un) {quoted}")
    if nearest != directory:
        return Finding(name, OK, f"{directory} will be made when it is needed")
    if stat.S_IMODE(directory.stat().st_mode) & stat.S_IWOTH:
        return Finding(name, WRONG, f"anyone may write to {directory}", f"chmod o-w {quoted}")
    return Finding(name, OK, f"{directory} is writable")


def _nearest(path: Path) -> Path:
    """The path, or where it is missing the directory in which it, or what leads to it, would be made."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _disk(root: Root) -> Finding:
    free = shutil.disk_usage(_nearest(root.path.resolve())).free
    if free < LEAST_FREE_BYTES:
        remedy = "free some space: publication stops when there is none"
        return Finding("disk", WRONG, f"{free >> 20:,} MiB are free", remedy)
    return Finding("disk", OK, f"{free >> 20:,} MiB are free")


def _watches() -> Finding:
    limit = Path("/proc/sys/fs/inotify/max_user_watches")
    try:
        allowed = int(limit.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return Finding("watches", OK, "no inotify here: files are looked at by the clock")
    if allowed < 100:
        return Finding("watches", WARNING, f"inotify allows {allowed}", "sysctl fs.inotify.max_user_watches=8192")
    return Finding("watches", OK, f"inotify allows {allowed:,}")


def _rival(root: Root) -> Finding:
    rival = root.allocations_symbols
    if rival.exists():
        remedy = f"remove {shlex.quote(str(rival))}, or accept that the ancestor's bot reads it instead of ours"
        return Finding("rivals", WARNING, f"{rival.name} beats {root.allocations.name}", remedy)
    return Finding("rivals", OK, f"nothing overrides {root.allocations.name}")


def _halt(system: System, root: Root) -> Finding:
    """The ancestor's bot reads weights and nothing else, so it has to be stopped by hand."""
    try:
        told = read_record(system, root.allocations, parse_allocations)
    except TillerError as error:
        remedy = "start the bridge: it writes it anew; whoever else writes there must stop"
        return Finding("egress", WARNING, str(error), remedy)
    if told is None:
        return Finding("egress", OK, "nothing has been published yet")
    if told.risk.state == HALTED:
        remedy = f"stop the ancestor's bot, which does not look at it; when all is well: {_halt_remedy(root)}"
        return Finding("egress", WARNING, f"HALTED: {told.risk.reason}", remedy)
    return Finding("egress", OK, f"{told.source}, {told.risk.state}")


def _halt_remedy(root: Root) -> str:
    where = shlex.quote(str(root.path))
    halt = f"rm {shlex.quote(str(root.halt))}" if os.path.lexists(root.halt) else ""
    return halt or f'tiller resume --root {where} --reason "..."'


def _request(system: System, root: Root) -> Finding:
    """The bridge takes a request when the cooldown is over; until then it may well lie there."""
    try:
        request = read_record(system, root.resume, parse_resume_request)
    except TillerError as error:
        return Finding("resume", WARNING, str(error), f"remove {shlex.quote(str(root.resume))} and ask again")
    if request is None:
        return Finding("resume", OK, "nobody asks to resume")
    asked = f"asked for at {format_time(request.timestamp)}"
    if feel(system, root, "bridge").state == ALIVE:
        return Finding("resume", WARNING, f"{asked}: the bridge waits for the cooldown", "wait: see risk.cooldown_s")
    return Finding("resume", WARNING, f"{asked}, and no bridge is there to take it", "start the bridge")
