"""A file and its rotated siblings: which they are, which is newer, and how to read one of them while names change.

A sibling's name is the file's name and a suffix of digits: `.1` (the higher the older), or a date or time such as
`-20261120` or `.2026-11-20` (the later the newer). `.old`, `.backup` and compressed files are none.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contract.errors import BadInput

if TYPE_CHECKING:
    from contract.system import System

_SUFFIX = re.compile(r"[.\-_](?:([0-9]{1,3})|([0-9][0-9.\-_:T]*))")


class Moved(Exception):
    """Files were renamed, removed or replaced between two looks at them: look again when they are at rest."""


class OpenFile(NamedTuple):
    """A file open for reading, as large as it was when opened. Its name may come to mean another file."""

    system: System
    path: Path
    descriptor: int
    size: int

    def read(self, size: int, offset: int) -> bytes:
        """What stands there: less than asked for only where the file ends."""
        data = self.system.pread(self.descriptor, size, offset)
        while 0 < len(data) < size:
            more = self.system.pread(self.descriptor, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data


@contextmanager
def opened(system: System, path: Path) -> Iterator[OpenFile | None]:
    """The file, closed at the end; None where there is none."""
    descriptor = None
    with suppress(FileNotFoundError):
        descriptor = system.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would make us wait for its writer
    if descriptor is None:
        yield None
        return
    try:
        found = system.fstat(descriptor)
        if not stat.S_ISREG(found.mode):
            raise BadInput("is not a plain file", path=path, hint="remove it")
        yield OpenFile(system, path, descriptor, found.size)
    finally:
        system.close(descriptor)


def siblings(system: System, live: Path) -> dict[Path, int]:
    """The rotated files and their inodes, newest first; where some have numbers and some dates, by modification."""
    numbered: list[tuple[int, Path]] = []
    dated: list[tuple[str, Path]] = []
    try:
        for name in system.list(live.parent):
            suffix = _SUFFIX.fullmatch(name, len(live.name)) if name.startswith(live.name) else None
            if suffix and suffix[1]:
                numbered.append((int(suffix[1]), live.with_name(name)))
            elif suffix:
                dated.append((suffix[2], live.with_name(name)))
        by_number = [path for _, path in sorted(numbered)]
        by_date = [path for _, path in sorted(dated, reverse=True)]
        found = {path: system.stat(path) for path in by_number + by_date}
    except FileNotFoundError:
        raise Moved from None
    newest_first = heapq.merge(by_number, by_date, key=lambda path: found[path].mtime_ns, reverse=True)
    return {path: found[path].inode for path in newest_first}
