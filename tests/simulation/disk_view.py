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
        """The oldest first."""
        found = self._with_rotated(ROOT.pnl_history)
        order = sorted(found, key=lambda name: (name == ROOT.pnl_history.name, name))
        return [(name, bytes(found[name].content)) for name in order]

    def _with_rotated(self, live: Path) -> dict[str, File]:
        """By their names: both journals and the history are rotated to some with a date."""
        try:
            names = self.disk.directory(live.parent).names
        except OSError:
            return {}
        ours = re.compile(re.escape(live.name) + r"([.-][0-9-]+)?")
        return {name: file for name, file in names.items() if ours.fullmatch(name) and isinstance(file, File)}

    def lines(self, path: Path) -> tuple[bytes, ...]:
        """In the order in which they were written: where the clock was set back it is not that of the files' dates."""
        files = sorted((bytes(file.content) for file in self._with_rotated(path).values()), key=_first_generation)
        return tuple(line for content in files for line in content.split(b"\n")[:-1] if b"\0" not in line)

    def read(self, path: Path, parse: Callable[[bytes, Path], Found]) -> Found | None:
        """None where there is no such file; a file that cannot be parsed is `Broken`."""
        content = self.visible(path)
        return None if content is None else readable(content, path, parse)


def _first_generation(content: bytes) -> int:
    found = re.search(rb'"generation":([0-9]+)', content)
    return int(found[1]) if found else 0


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
