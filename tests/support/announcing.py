"""The real system under a program that says every call to it before it makes it, so that others know where it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from contract.system import OperatingSystem

SILENT = ("now", "monotonic", "process_id", "user_id", "boot_id", "unique", "is_running")
"""Calls that change nothing and wait for nothing."""


class Call(NamedTuple):
    """A call of a program to the operating system, and what it is about."""

    name: str
    path: Path

    @classmethod
    def parse(cls, line: str) -> Call:
        name, _, path = line.rstrip("\n").partition(" ")
        return cls(name, Path(path))


class Announcing(OperatingSystem):
    """`say` is told the name of each call and the path that it is about, also where a descriptor says so."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say
        self._paths: dict[int, Path] = {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in SILENT:
            return found

        def announced(*arguments: Any, **named: Any) -> Any:
            subject = arguments[-1] if name == "replace" else arguments[0]
            path = self._paths.get(subject, "") if isinstance(subject, int) else subject
            self._say(f"{name} {path if isinstance(path, Path) else ''}")
            result = found(*arguments, **named)
            if name == "open":
                self._paths[result] = subject
            return result

        return announced


def writing(directory: Path, name: str, *, by_line: bool) -> Callable[[Call], bool]:
    """Which calls write a file of this name, a regular expression: in the order in which the calls come.

    That is what happens to its temporary sibling, the replacing, and what follows on the directory; to a file that is
    appended to, the writing itself and what follows.
    """
    writes = False
    ours = re.compile(name if by_line else rf"\.(?:{name})\..*\.tmp")
    begins = ("write", "pwrite", "truncate") if by_line else ("open", "replace")

    def writes_it(call: Call) -> bool:
        nonlocal writes
        if call.path != directory:
            is_target = call.name == "replace" and re.fullmatch(name, call.path.name) is not None
            is_ours = call.path.parent == directory and (ours.fullmatch(call.path.name) is not None or is_target)
            writes = is_ours and (writes or call.name in begins)
        return writes

    return writes_it
