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
from contract.schema.names import Root
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
