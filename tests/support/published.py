"""A file that a program publishes or appends to: where it is, what is whole of it, and which calls write it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from contract.schema.names import Root
from support.announcing import Call, writing

Check = Callable[[bytes, Path], object]
"""Raises for what is not whole."""


class Published(NamedTuple):
    """A file, or one of a family of them, and what is whole: all of it, or each of its lines."""

    directory: Callable[[Root], Path]
    name: str
    """A regular expression."""
    check: Check
    by_line: bool = False

    @property
    def is_family(self) -> bool:
        """Whose older members are removed in time."""
        return r"\d" in self.name

    def found(self, root: Root) -> dict[Path, bytes]:
        directory = self.directory(root)
        names = (path for path in directory.glob("*") if re.fullmatch(self.name, path.name))
        return {path: path.read_bytes() for path in names}

    def is_torn(self, content: bytes, path: Path) -> bool:
        """A last line without its newline is no line yet."""
        parts = content.split(b"\n")[:-1] if self.by_line else [content]
        try:
            for part in parts:
                self.check(part, path)
        except Exception:  # whatever it is, a reader would have met it
            return True
        return False

    @property
    def calls(self) -> int:
        """How many calls write it in a publication, or in an appending."""
        return 3 if self.by_line else 8

    def is_about(self, call: Call, root: Root) -> bool:
        """Also where nothing is written in the end."""
        return call.path.parent == self.directory(root) and bool(
            re.fullmatch(rf"\.?(?:{self.name})(\..*\.tmp)?", call.path.name)
        )

    def counts(self, root: Root) -> Callable[[Call], bool]:
        return writing(self.directory(root), self.name, by_line=self.by_line)


def temporaries(root: Root) -> list[Path]:
    return list(root.path.rglob(".*.tmp"))
