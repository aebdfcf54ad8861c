"""A disk in memory: what processes see of it, and what of that would be left after a power cut.

Two states are kept of every file and directory: the present one, which is what the page cache holds, and the durable
one. `fsync` of a file makes its bytes durable; `fsync` of a directory makes its names durable, and with them its own
name and those above it, as the journals of today's file systems do. A failed `fsync` forgets what it had to write, as
Linux does: the next one succeeds and mends nothing.

At a power cut whatever is not durable survives or not as the seed has it: names each by itself, and a file as it was,
as it had become, or torn.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from contract.system import Stat

BLOCK = 64
"""Bytes that are written together or not at all: fewer than on any disk, so that small files are torn as well."""
UMASK = 0o022


def refusal(code: int, path: Path | None = None) -> OSError:
    return OSError(code, os.strerror(code), None if path is None else str(path))


@dataclass(eq=False)
class File:
    number: int
    mode: int
    mtime_ns: int = 0
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    unsynced: list[tuple[int, int]] = field(default_factory=list)
    """From and to which byte something was written since the last fsync."""

    @property
    def size(self) -> int:
        return len(self.content)

    def write(self, offset: int, data: bytes) -> None:
        self.content[offset : offset + len(data)] = data
        self.unsynced.append((offset, offset + len(data)))

    def truncate(self, size: int) -> None:
        if size > self.size:
            self.write(self.size, bytes(size - self.size))
        del self.content[size:]

    def sync(self) -> None:
        durable = bytearray(self.durable[: self.size].ljust(self.size, b"\0"))
        for start, end in self.unsynced:
            durable[start:end] = self.content[start:end]
        self.durable = bytes(durable)
        self.unsynced.clear()

    def lose_power(self, chance: random.Random) -> None:
        old, new = self.durable, bytes(self.content)
        self.durable = chance.choice((old, new, _torn(old, new, chance)))
        self.content = bytearray(self.durable)
        self.unsynced.clear()


def _torn(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Each block as it was or as it had become; and of what was added only a beginning, or zeros where the new size
    arrived and the data did not."""
    if len(new) > len(old):
        size = chance.choice((len(new), chance.randint(len(old), len(new))))
        new = new[: chance.choice((size, chance.randint(len(old), size)))].ljust(size, b"\0")
    else:
        new += chance.choice((b"", old[len(new) :]))  # did the cut arrive?
    kept = old.ljust(len(new), b"\0")
    blocks = [new[at : at + BLOCK] for at in range(0, len(new), BLOCK)]
    for at in range(0, min(len(old), len(new)), BLOCK):
        blocks[at // BLOCK] = chance.choice((kept, new))[at : min(at + BLOCK, len(new))]
    return b"".join(blocks)


@dataclass(eq=False)
class Directory:
    number: int
    mode: int
    mtime_ns: int = 0
    names: dict[str, Inode] = field(default_factory=dict)
    durable: dict[str, Inode] = field(default_factory=dict)

    size = 4096


Inode = File | Directory
Change = tuple[tuple[Directory, str, Inode | None], ...]
"""Names that change together: they stand for another inode from now on, or for None."""


class FakeDisk:
    """Paths are walked from one root, without links; rights are not checked."""

    def __init__(self, seed: int, now_ns: Callable[[], int], on_change: Callable[[Inode], None]) -> None:
        self.chance = random.Random(seed)
        self.opened: list[Opened] = []
        self._root = Directory(2, stat.S_IFDIR | 0o755)
        self._now_ns = now_ns
        self._on_change = on_change
        self._ticks = count(1)
        self._unsynced: list[Change] = []

    def find(self, path: Path) -> Inode:
        _, found = self._entry(path)
        if found is None:
            raise refusal(errno.ENOENT, path)
        return found

    def directory(self, path: Path) -> Directory:
        found = self.find(path)
        if isinstance(found, File):
            raise refusal(errno.ENOTDIR, path)
        return found

    def open(self, path: Path, flags: int, mode: int) -> Opened:
        directory, found = self._entry(path)
        if found is None:
            if not flags & os.O_CREAT:
                raise refusal(errno.ENOENT, path)
            found = File(self._free_number(), stat.S_IFREG | mode & ~UMASK)
            self._change((directory, path.name, found))
        elif flags & os.O_CREAT and flags & os.O_EXCL:
            raise refusal(errno.EEXIST, path)
        elif isinstance(found, Directory):
            if flags & (os.O_ACCMODE | os.O_CREAT):
                raise refusal(errno.EISDIR, path)
        elif flags & os.O_DIRECTORY:
            raise refusal(errno.ENOTDIR, path)
        elif flags & os.O_TRUNC:
            found.truncate(0)
            self.touch(found)
        self.opened.append(Opened(self, found, path, flags))
        return self.opened[-1]

    def mkdir(self, path: Path, mode: int) -> None:
        directory, found = self._entry(path)
        if found is None:
            made = Directory(self._free_number(), stat.S_IFDIR | mode & ~UMASK)
            self._change((directory, path.name, made))
        elif isinstance(found, File):
            raise refusal(errno.EEXIST, path)

    def replace(self, source: Path, target: Path) -> None:
        (left, moved), (entered, found) = self._entry(source), self._entry(target)
        if moved is None:
            raise refusal(errno.ENOENT, source)
        if found is moved:
            return
        if source in target.parents:
            raise refusal(errno.EINVAL, target)
        if isinstance(found, Directory):
            if target not in source.parents and isinstance(moved, File):
                raise refusal(errno.EISDIR, target)
            if found.names:
                raise refusal(errno.ENOTEMPTY, target)
        elif found is not None and isinstance(moved, Directory):
            raise refusal(errno.ENOTDIR, target)
        self._change((left, source.name, None), (entered, target.name, moved))

    def unlink(self, path: Path) -> None:
        directory, _ = self._entry(path)
        if isinstance(self.find(path), Directory):
            raise refusal(errno.EISDIR, path)
        self._change((directory, path.name, None))

    def touch(self, inode: Inode) -> None:
        """It changed now; and not at the same moment as anything else, even where the clock stands still."""
        inode.mtime_ns = self._now_ns() + next(self._ticks)
        self._on_change(inode)

    def sync_directory(self, directory: Directory) -> None:
        upwards: set[Inode] = {directory}
        carried: list[Change] = []
        for change in reversed(self._unsynced):
            if any(inode in upwards for _, _, inode in change):
                upwards.update(above for above, _, _ in change)
                carried.append(change)
            elif any(changed is directory for changed, _, _ in change):
                carried.append(change)
        for change in reversed(carried):
            self._unsynced.remove(change)
            _keep(change)

    def settle(self) -> None:
        """What the kernel does by itself within half a minute: everything becomes durable."""
        for change in self._unsynced:
            _keep(change)
        self._unsynced.clear()
        for inode in _tree(self._root, lambda directory: directory.names):
            if isinstance(inode, File):
                inode.sync()

    def power_cut(self) -> None:
        for change in self._unsynced:
            if self.chance.random() < 0.5:
                _keep(change)
        self._unsynced.clear()
        for inode in _tree(self._root, lambda directory: directory.durable):
            if isinstance(inode, Directory):
                inode.names = dict(inode.durable)
            else:
                inode.lose_power(self.chance)

    def _entry(self, path: Path) -> tuple[Directory, Inode | None]:
        """The directory in which the path's last name stands, and what stands there under it."""
        directory = self._root
        inode: Inode | None = directory
        for name in path.parts[path.is_absolute() :]:
            if inode is None:
                raise refusal(errno.ENOENT, path)
            if isinstance(inode, File):
                raise refusal(errno.ENOTDIR, path)
            directory, inode = inode, inode.names.get(name)
        return directory, inode

    def _change(self, *change: tuple[Directory, str, Inode | None]) -> None:
        for directory, name, inode in change:
            _name(directory.names, name, inode)
        self._unsynced.append(change)
        for directory, _, _ in change:
            self.touch(directory)

    def _free_number(self) -> int:
        """The smallest, so that the numbers of files that are gone come back, as they do on a real disk."""
        used = {opened.inode.number for opened in self.opened}
        used.update(inode.number for inode in _tree(self._root, lambda directory: directory.names))
        used.update(inode.number for inode in _tree(self._root, lambda directory: directory.durable))
        return next(number for number in count(self._root.number) if number not in used)


def _tree(directory: Directory, names: Callable[[Directory], dict[str, Inode]]) -> Iterator[Inode]:
    yield directory
    for inode in names(directory).values():
        if isinstance(inode, Directory):
            yield from _tree(inode, names)
        else:
            yield inode


def _keep(change: Change) -> None:
    for directory, name, inode in change:
        _name(directory.durable, name, inode)


def _name(names: dict[str, Inode], name: str, inode: Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


@dataclass(eq=False)
class Opened:
    """What a descriptor stands for."""

    disk: FakeDisk
    inode: Inode
    path: Path
    flags: int
    position: int = 0

    def read(self, size: int) -> bytes:
        data = self.pread(size, self.position)
        self.position += len(data)
        return data

    def pread(self, size: int, offset: int) -> bytes:
        self._must_be(os.O_RDONLY)
        return bytes(self._file().content[offset : offset + size])

    def write(self, data: bytes) -> int:
        self._must_be(os.O_WRONLY)
        self.position = self._write(self._file(), data, self.position)
        return len(data)

    def pwrite(self, data: bytes, offset: int) -> int:
        self._must_be(os.O_WRONLY)
        self._write(self._file(), data, offset)
        return len(data)

    def _write(self, file: File, data: bytes, start: int) -> int:
        """Returns where that ends. What is opened for appending is appended to, whatever place is named."""
        start = file.size if self.flags & os.O_APPEND else start
        if start > file.size and data:
            file.truncate(start)
        file.write(start, data)
        self.disk.touch(file)
        return start + len(data)

    def truncate(self, size: int) -> None:
        if self.flags & os.O_ACCMODE == os.O_RDONLY:
            raise refusal(errno.EINVAL, self.path)
        self._file().truncate(size)
        self.disk.touch(self.inode)

    def sync(self) -> None:
        if isinstance(self.inode, Directory):
            self.disk.sync_directory(self.inode)
        else:
            self.inode.sync()

    def fail_to_sync(self) -> None:
        if isinstance(self.inode, File):
            self.inode.unsynced.clear()

    def stat(self) -> Stat:
        return stat_of(self.inode)

    def close(self) -> None:
        self.disk.opened.remove(self)

    def _must_be(self, access: int) -> None:
        if self.flags & os.O_ACCMODE not in (access, os.O_RDWR):
            raise refusal(errno.EBADF, self.path)

    def _file(self) -> File:
        if isinstance(self.inode, Directory):
            raise refusal(errno.EISDIR, self.path)
        return self.inode


def stat_of(inode: Inode) -> Stat:
    return Stat(inode.size, inode.mtime_ns, inode.number, inode.mode, os.getuid())
