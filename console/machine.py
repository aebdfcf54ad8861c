"""Whether the machine is fit for what runs here: Python, packages, directories, the disk, the clock, inotify."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from console.findings import OK, WARNING, WRONG, Finding, quoted
from contract.pulse import feel_all
from contract.schema.fields import format_time
from contract.schema.names import Root
from contract.system import System

NEEDED = {"numpy": "numpy", "pandas": "pandas", "yaml": "PyYAML", "watchdog": "watchdog", "filelock": "filelock"}
"""What is imported, and the package that brings it."""
OLDEST = {"filelock": (3, 20, 3), "pandas": (3,)}
"""What an older version does wrong: a lock that is none, text that is read as a number."""
SET_UP = "bash scripts/start_rl_system.sh doctor"
"""It sets up what is missing before it looks."""

LEAST_FREE_BYTES = 200 << 20
LEAST_FREE_FILES = 1000
LEAST_INOTIFY = {"max_user_watches": 100, "max_user_instances": 16}
CLOCK_STEP_S = 60.0
OTHERS = stat.S_IRWXG | stat.S_IRWXO
INOTIFY = Path("/proc/sys/fs/inotify")


def examine_machine(system: System, root: Root) -> Iterator[Finding]:
    yield _python()
    yield _packages()
    yield _torch()
    for directory in (root.state, root.runtime, root.logs):
        yield _directory(directory, closed_to=stat.S_IWOTH)
    yield _directory(root.model, closed_to=stat.S_IWGRP | stat.S_IWOTH)
    yield _directory(root.locks, closed_to=OTHERS)
    yield _disk(root)
    yield _clock(system, root)
    yield _watches()


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", OK, f"{found} at {sys.executable}")


def _packages() -> Finding:
    missing = [package for name, package in NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("packages", WRONG, f"missing: {', '.join(missing)}", SET_UP)
    found = {package: _version(package) for package in NEEDED.values()}
    old = [f"{name} {found[name]}" for name, oldest in OLDEST.items() if _parts(found[name]) < oldest]
    if old:
        needed = ", ".join(f"{name} {'.'.join(map(str, oldest))}" for name, oldest in OLDEST.items())
        return Finding("packages", WRONG, f"too old: {', '.join(old)}; needed is at least {needed}", SET_UP)
    return Finding("packages", OK, ", ".join(f"{name} {number}" for name, number in found.items()))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def _parts(number: str) -> tuple[float, ...]:
    """To compare; what is no number is taken for new."""
    return tuple(int(part) if part.isdecimal() else float("inf") for part in number.split("."))


def _torch() -> Finding:
    if importlib.util.find_spec("torch") is None:
        remedy = f"unset TILLER_NO_TORCH and run {SET_UP}"
        return Finding("torch", WARNING, "not installed: everything works but training at full strength", remedy)
    return Finding("torch", OK, f"installed, {_version('torch')}")


def _directory(directory: Path, closed_to: int) -> Finding:
    """`closed_to`: what others than its owner may not do there."""
    name = directory.name
    nearest = _nearest(directory)
    if not nearest.is_dir():
        return Finding(name, WRONG, f"{nearest} is not a directory", f"move {quoted(nearest)} out of the way")
    if not os.access(nearest, os.W_OK | os.X_OK):
        if os.statvfs(nearest).f_flag & os.ST_RDONLY:
            return Finding(name, WRONG, f"{nearest} is on a file system that is read-only", "mount it to be written to")
        return Finding(name, WRONG, f"{nearest} is not writable", f"chown -R $(id -un) {quoted(nearest)}")
    if nearest != directory:
        return Finding(name, OK, f"{directory} will be made when it is needed")
    wrong = stat.S_IMODE(directory.stat().st_mode) & closed_to
    if wrong and closed_to == OTHERS:
        return Finding(name, WARNING, f"others may look into {directory}", f"chmod 700 {quoted(directory)}")
    if wrong:
        who, whom = "anyone" if wrong & stat.S_IWOTH else "a group", "go" if closed_to & stat.S_IWGRP else "o"
        return Finding(name, WRONG, f"{who} may write to {directory}", f"chmod {whom}-w {quoted(directory)}")
    return Finding(name, OK, f"{directory} is writable")


def _nearest(path: Path) -> Path:
    """The path, or where it is missing the directory in which it, or what leads to it, would be made."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _disk(root: Root) -> Finding:
    place = _nearest(root.path.resolve())
    free, remedy = shutil.disk_usage(place).free, "free some space: publication stops when there is none"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", WRONG, f"{free >> 20:,} MiB are free", remedy)
    files = os.statvfs(place)
    if files.f_files and files.f_favail < LEAST_FREE_FILES:  # some file systems have no such limit, and say 0
        return Finding("disk", WRONG, f"there is room for {files.f_favail:,} further files", "remove files there")
    return Finding("disk", OK, f"{free >> 20:,} MiB are free")


def _clock(system: System, root: Root) -> Finding:
    """A clock that stands behind what was written: what is new then looks like the future, which is never fresh."""
    now = system.now()
    newest = max(_written(system, root), default=None)
    if newest is not None and (newest[0] - now).total_seconds() > CLOCK_STEP_S:
        moment, what = newest
        detail = f"it is {format_time(now)} by the clock, and {what} was written at {format_time(moment)}"
        return Finding("clock", WRONG, detail, "set the clock, and keep it set: timedatectl set-ntp true")
    return Finding("clock", OK, f"{format_time(now.replace(microsecond=0))}, and nothing was written later")


def _written(system: System, root: Root) -> Iterator[tuple[datetime, str]]:
    """When files were written, by the file system and by what they say."""
    for path in (root.allocations, root.rl_weights, root.pnl_history, root.strategy_marks, root.risk_state, root.trust):
        with suppress(OSError):
            yield datetime.fromtimestamp(path.stat().st_mtime, UTC), path.name
    for pulse in feel_all(system, root):
        if pulse.heartbeat:
            yield pulse.heartbeat.utc, root.heartbeat(pulse.daemon).name


def _watches() -> Finding:
    found = dict(_limits(LEAST_INOTIFY))
    if not found:
        return Finding("watches", OK, "no inotify here: files are looked at by the clock")
    detail = f"inotify allows {', '.join(f'{name} {allowed:,}' for name, allowed in found.items())}"
    few = [name for name, allowed in found.items() if allowed < LEAST_INOTIFY[name]]
    if few:
        remedy = " ".join(("sysctl", *(f"fs.inotify.{name}={100 * LEAST_INOTIFY[name]}" for name in few)))
        return Finding("watches", WARNING, f"{detail}: until there are more, files are looked at by the clock", remedy)
    return Finding("watches", OK, detail)


def _limits(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    for name in names:
        with suppress(OSError, ValueError):
            yield name, int((INOTIFY / name).read_text(encoding="ascii"))
