"""The journals: a line for every publication, a file for every day, kept for as many days as one may ask why.

`state/journal/<daemon>.jsonl` is the live file, and has one writer. The first entry of a new UTC day renames it to
`<daemon>.jsonl.YYYY-MM-DD`, the day of its last entry, and removes what is too old. Readers need no lock: they look at
the live file first, so that what is renamed meanwhile they find again under its date.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, timedelta
from pathlib import Path

from contract.errors import BadInput, RetryLater
from contract.files import append_line, cut_off_torn_line, sync_directory
from contract.rotation import OpenFile, opened
from contract.schema.names import Root
from contract.schema.operations import JournalEntry, encode_journal_entry, parse_journal_entry
from contract.system import System

KEEP_DAYS = 90
_BLOCK = 1 << 16


def write(system: System, root: Root, entry: JournalEntry, keep_days: int = KEEP_DAYS) -> None:
    """Append the entry, durably."""
    live = root.journal(entry.daemon)
    try:
        _rotate(system, live, _day(entry), keep_days)
    except OSError as error:
        raise _cannot("rotate", live, error) from error
    append_line(system, live, encode_journal_entry(entry))


def read(system: System, root: Root, daemon: str, generation: int | None = None) -> JournalEntry | None:
    """The entry of that generation, the newest where there are several; without one the newest of all."""
    live = root.journal(daemon)
    try:
        if generation is None:
            return _newest(system, live)
        with closing(_newest_first(system, live)) as entries:
            return next((entry for entry in entries if entry.generation == generation), None)
    except OSError as error:
        raise _cannot("read", live, error) from error


def last_generation(system: System, root: Root, daemon: str) -> int:
    """Of the newest entry; 0 where there is none."""
    newest = read(system, root, daemon)
    return newest.generation if newest else 0


def _rotate(system: System, live: Path, today: date, keep_days: int) -> None:
    """Where the clock was set back and a day comes to its end twice, the live file goes on into the next."""
    last = _last(system, live)
    if last is None or _day(last) >= today:
        return
    rotated = _rotated(system, live)
    if _day(last) not in rotated:
        cut_off_torn_line(system, live)  # so that files that are read one behind the other hold whole lines
        system.replace(live, live.with_name(f"{live.name}.{_day(last)}"))
        sync_directory(system, live.parent)  # before a new file has the name: a power cut must not keep that alone
    for day, path in rotated.items():
        if today - day > timedelta(days=keep_days):
            system.unlink(path)


def _newest(system: System, live: Path) -> JournalEntry | None:
    """The last of the live file. Where its writer died as it put a day away there is none yet: then the last of any
    day by its number, for where the clock was set back the latest date is not the last.
    """
    if last := _last(system, live):
        return last
    ends = [_last(system, path) for path in _rotated(system, live).values()]
    return max(filter(None, ends), key=lambda entry: entry.generation, default=None)


def _newest_first(system: System, live: Path) -> Generator[JournalEntry]:
    yield from _entries(system, live)
    for _, path in sorted(_rotated(system, live).items(), reverse=True):
        yield from _entries(system, path)


def _rotated(system: System, live: Path) -> dict[date, Path]:
    """The files of the days before; a name that is no such day is somebody's backup."""
    try:
        names = system.list(live.parent)
    except FileNotFoundError:
        return {}
    rotated = re.compile(re.escape(live.name) + r"\.([0-9]{4}-[01][0-9]-[0-3][0-9])")
    found = {}
    for name in filter(rotated.fullmatch, names):
        with suppress(ValueError):  # the 31st of a shorter month
            found[date.fromisoformat(name[-10:])] = live.with_name(name)
    return found


def _last(system: System, path: Path) -> JournalEntry | None:
    with closing(_entries(system, path)) as entries:
        return next(entries, None)


def _entries(system: System, path: Path) -> Generator[JournalEntry]:
    """The entries of one file, the newest first; lines that a crash or a power cut spoilt are none."""
    with opened(system, path) as file:
        for line in _lines_backwards(file) if file else ():
            try:
                yield parse_journal_entry(line, path)
            except BadInput:
                continue


def _lines_backwards(file: OpenFile) -> Iterator[bytes]:
    """Every whole line without its newline, the last one first; what follows the last newline is none."""
    begun = b""
    whole = False  # whether a newline follows what is begun
    end = file.size
    while end > 0:
        start = max(0, end - _BLOCK)
        first, *lines = (file.read(end - start, start) + begun).split(b"\n")
        for line in reversed(lines):
            if whole:
                yield line
            whole = True
        begun, end = first, start
    if whole:
        yield begun


def _day(entry: JournalEntry) -> date:
    return entry.timestamp.astimezone(UTC).date()


def _cannot(action: str, path: Path, error: OSError) -> RetryLater:
    reason = f"cannot {action}: {os.strerror(error.errno) if error.errno else error}"
    return RetryLater(reason, path=path, hint="see that this user may read and write its directory")
