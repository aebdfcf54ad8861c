"""The disk as anybody sees it, without a call that could fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from support.fake_disk import Directory, FakeDisk, File

from simulation.invariants import readable
from simulation.stage import ROOT

Found = TypeVar("Found")


class DiskView:
    def __init__(self, disk: FakeDisk) -> None:
        self.disk = disk

    def visible(self, path: Path) -> bytes | None:
        try:
            found = self.disk.find(path)
        except OSError:
            return None
        return bytes(found.content) if isinstance(found, File) else None

    def history(self) -> bytes:
        return b"".join(content for _, content in self.files_of_the_history())

    def files_of_the_history(self) -> list[tuple[str, bytes]]:
        return self._with_rotated(ROOT.pnl_history)

    def _with_rotated(self, live: Path) -> list[tuple[str, bytes]]:
        """The oldest first: both journals and the history are rotated to names with a date."""
        try:
            names = self.disk.directory(live.parent).names
        except OSError:
            return []
        rotated = sorted(name for name in names if re.fullmatch(re.escape(live.name) + r"[.-][0-9-]+", name))
        files = [*rotated, *([live.name] if live.name in names else [])]
        return [(name, bytes(names[name].content)) for name in files]

    def lines(self, path: Path) -> tuple[bytes, ...]:
        lines = b"".join(content for _, content in self._with_rotated(path)).split(b"\n")[:-1]
        return tuple(line for line in lines if b"\0" not in line)

    def read(self, path: Path, parse: Callable[[bytes, Path], Found]) -> Found | None:
        """None where there is no such file; a file that cannot be parsed is `Broken`."""
        content = self.visible(path)
        return None if content is None else readable(content, path, parse)


class OnDisk:
    """What `contract.read_allocations` takes for a path."""

    def __init__(self, disk: FakeDisk, path: Path) -> None:
        self._disk, self._path = disk, path

    def __truediv__(self, name: str) -> Self:
        return type(self)(self._disk, self._path / name)

    def read_text(self, encoding: str) -> str:
        found = self._disk.find(self._path)
        if isinstance(found, Directory):
            raise IsADirectoryError
        return found.content.decode(encoding)
