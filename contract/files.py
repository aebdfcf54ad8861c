"""How this program writes and reads files: two write paths and one read path, all over the seam.

`publish` replaces a file whole: a reader sees the old content or the new, also after a crash or a power cut.
`append_line` adds whole lines to a journal: a crash can tear only a last line that no reader has taken yet.
`read_bytes` reads a file once, whole, and refuses what is not a plain file of reasonable size; `read_guarded` refuses
as well what somebody else could have put there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from contract.errors import BadInput, MustStop, RetryLater, TillerError
from contract.system import System

LARGEST_APPEND = 8 << 20
"""More than is ever appended at once."""
LARGEST_JSON = 16 << 20
_TAIL_BLOCK = 1 << 16
_TEMPORARY_SUFFIX = ".tmp"

Record = TypeVar("Record")


def publish(system: System, path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace the file: temporary sibling, fsync, rename over it, fsync of the directory.

    On an error the temporary file is gone and the old content stands; a file that failed to sync is never synced
    again but thrown away. Only when the last step fails is the new content visible, and not yet durable: the caller
    publishes again, as after every `RetryLater`.
    """
    try:
        make_directory(system, path.parent)
        temporary = path.with_name(f".{path.name}.{system.unique()}{_TEMPORARY_SUFFIX}")
        try:
            _write_new_file(system, temporary, content, mode)
            system.replace(temporary, path)
        except BaseException:
            _discard(system, temporary)
            raise
        sync_directory(system, path.parent)
    except OSError as error:
        raise _reaction(error, "cannot publish", path) from error


def append_line(system: System, path: Path, *lines: str, header: str | None = None, durable: bool = True) -> None:
    """Add lines (without their newlines) at the end of a file with a single writer.

    A torn last line that a crash left behind is cut off first: no reader has taken it, because readers stop at the
    last newline. After an error none of the lines is there, so that trying again doubles none (unless the disk fails
    twice, and refuses to take them back as well). A crash can leave the first few of several, and a power cut, on some
    file systems, a line with NULs in it, which readers refuse. A new file begins with the header.
    """
    if not lines:
        return
    text = "".join(f"{line}\n" for line in lines)
    if text.count("\n") != len(lines):
        raise ValueError("a line to append must not contain a newline")
    try:
        make_directory(system, path.parent)
        descriptor = system.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
        try:
            whole = _cut_off_torn_line(system, descriptor, durable)
            if whole == 0 and header is not None:
                text = f"{header}\n{text}"
            if whole == 0 and durable:
                sync_directory(system, path.parent)  # before the lines: were it to fail after them, they would stand
            _write_all_or_none(system, descriptor, text.encode(), whole, durable)
        finally:
            with suppress(OSError):  # by now the lines stand or do not: an error here must not make one double them
                system.close(descriptor)
    except OSError as error:
        raise _reaction(error, "cannot append", path) from error


def cut_off_torn_line(system: System, path: Path) -> None:
    """What a crash left of the last line of a file with a single writer, before the file is put away."""
    descriptor = system.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        _cut_off_torn_line(system, descriptor, durable=True)
    finally:
        system.close(descriptor)


def read_bytes(system: System, path: Path, *, largest: int = LARGEST_JSON) -> bytes | None:
    """The content of a plain file, read once; None where there is no such file."""
    return _read(system, path, os.O_RDONLY | os.O_NONBLOCK, largest)  # a FIFO would make us wait for its writer


def read_guarded(system: System, path: Path, *, largest: int = LARGEST_JSON) -> bytes | None:
    """The content of a plain file that only we or root can have put there: for what decides instead of informing.

    Whatever stands in its way is `BadInput`: who reads such a file keeps the last good one.
    """
    owners = (system.user_id(), 0)
    try:
        directory = system.stat(path.parent)
        if directory.mode & (stat.S_IWOTH | stat.S_IWGRP) or directory.uid not in owners:
            raise BadInput("others can write there", path=path.parent, hint=f"chown and chmod go-w {path.parent}")
        return _read(system, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, largest, owners)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _reaction(error, "cannot read", path) from error
    except MustStop as error:
        raise BadInput(error.message, path=path, hint=error.hint) from error


def read_tail(system: System, path: Path, size: int) -> bytes:
    """The last bytes of a file; none where there is no such file."""
    try:
        descriptor = system.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            end = system.fstat(descriptor).size
            return system.pread(descriptor, min(size, end), max(0, end - size))
        finally:
            system.close(descriptor)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _reaction(error, "cannot read", path) from error


def read_record(system: System, path: Path, parse: Callable[[bytes, Path], Record]) -> Record | None:
    """A file read and parsed; None where there is none. `BadInput` names what is wrong with it.

    Writers that are not ours truncate in place, so a file can be caught half-written: what does not parse is read
    once more.
    """
    content = read_bytes(system, path)
    if content is None:
        return None
    try:
        return parse(content, path)
    except BadInput:
        again = read_bytes(system, path)
        if again is None:
            raise
        return parse(again, path)


def make_directory(system: System, directory: Path, mode: int = 0o755) -> None:
    """Make a directory and those above it where they are missing."""
    try:
        system.stat(directory)
    except FileNotFoundError:
        make_directory(system, directory.parent)
        system.mkdir(directory, mode)


def sync_directory(system: System, directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = system.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        system.fsync(descriptor)
    finally:
        system.close(descriptor)


def settle_lines(system: System, path: Path) -> None:
    """Make durable what a killed writer left at the end of a file that grows, before anything rests on it.

    The end is written once more, byte for byte: a sync that failed has let the system forget what it had to write, so
    that the next one succeeds and mends nothing. Only for the file's one writer. Where there is no file, or something
    else, nothing is made durable: whoever adds to it will say so.
    """
    try:
        descriptor = system.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if stat.S_ISREG(system.fstat(descriptor).mode):
                _write_end_again(system, descriptor)
                system.fsync(descriptor)
        finally:
            system.close(descriptor)
    except FileNotFoundError:
        return
    except OSError as error:
        reaction = _reaction(error, "cannot make durable", path)
        if isinstance(reaction, RetryLater):
            raise reaction from error


def settle(system: System, *paths: Path) -> None:
    """Make durable which files stand at these paths, before anything rests on them.

    A killed writer can have put a file in its place, and not have lived to make that last.
    """
    for directory in dict.fromkeys(path.parent for path in paths):
        try:
            sync_directory(system, directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _reaction(error, "cannot make durable", directory) from error


def exists(system: System, path: Path) -> bool:
    try:
        system.stat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _reaction(error, "cannot be looked at", path) from error
    return True


def sweep(system: System, path: Path) -> None:
    """Remove temporary siblings of a file that killed writers left. Only for the holder of the file's writer lock."""
    try:
        names = system.list(path.parent)
    except OSError:
        return  # no directory yet, or none that we may see: whoever publishes there will say so
    for name in names:
        if name.startswith(f".{path.name}.") and name.endswith(_TEMPORARY_SUFFIX):
            _discard(system, path.with_name(name))


def _read(
    system: System, path: Path, flags: int, largest: int, owners: tuple[int, ...] | None = None
) -> bytes | None:
    try:
        descriptor = system.open(path, flags)
        try:
            found = system.fstat(descriptor)
            if not stat.S_ISREG(found.mode):
                raise BadInput("is not a plain file", path=path, hint="remove it")
            if owners is not None and found.uid not in owners:
                raise BadInput(f"belongs to user {found.uid}", path=path, hint=f"chown {path}")
            blocks: list[bytes] = []
            left = largest + 1
            while left > 0 and (block := system.read(descriptor, min(left, 1 << 20))):
                blocks.append(block)
                left -= len(block)
        finally:
            system.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _reaction(error, "cannot read", path) from error
    if left <= 0:
        raise BadInput(f"is larger than {largest:,} bytes", path=path, hint="it cannot be what its name says")
    return b"".join(blocks)


def _write_new_file(system: System, path: Path, content: bytes, mode: int) -> None:
    descriptor = system.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        written = 0
        while written < len(content):
            written += system.write(descriptor, content[written:])
        system.fsync(descriptor)
    finally:
        system.close(descriptor)


def _write_all_or_none(system: System, descriptor: int, content: bytes, size_before: int, durable: bool) -> None:
    written = 0
    try:
        while written < len(content):
            written += system.write(descriptor, content[written:])
        if durable:
            system.fsync(descriptor)
    except OSError:
        system.truncate(descriptor, size_before)
        raise


def _write_end_again(system: System, descriptor: int) -> None:
    size = system.fstat(descriptor).size
    offset = max(0, size - LARGEST_APPEND)
    end = system.pread(descriptor, size - offset, offset)
    while end:
        written = system.pwrite(descriptor, end, offset)
        offset, end = offset + written, end[written:]


def _cut_off_torn_line(system: System, descriptor: int, durable: bool) -> int:
    """Leave whole lines only; returns where they end."""
    size = system.fstat(descriptor).size
    whole = _end_of_last_line(system, descriptor, size)
    if whole < size:
        system.truncate(descriptor, whole)
        if durable:
            system.fsync(descriptor)  # lest a power cut make one line of the torn one's first block and the next's rest
    return whole


def _end_of_last_line(system: System, descriptor: int, size: int) -> int:
    """The offset behind the last newline, 0 where there is none."""
    end = size
    while end > 0:
        start = max(0, end - _TAIL_BLOCK)
        newline = system.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _discard(system: System, path: Path) -> None:
    with suppress(OSError):  # never made, or the disk is gone: the next start sweeps
        system.unlink(path)


def _reaction(error: OSError, action: str, path: Path) -> TillerError:
    """The error named by what to do about it."""
    reason = f"{action}: {os.strerror(error.errno) if error.errno else error}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return RetryLater(reason, path=path, hint="free some disk space")
        case errno.EFBIG:
            return RetryLater(reason, path=path, hint="raise the limit on the size of files (ulimit -f)")
        case errno.EROFS:
            return RetryLater(reason, path=path, hint="remount the file system writable")
        case errno.EACCES | errno.EPERM:
            return RetryLater(reason, path=path, hint="give this user the right to it")
        case errno.ELOOP:
            return MustStop(reason, path=path, hint="replace the symbolic link by the file itself")
        case errno.EISDIR | errno.ENOTDIR:
            return MustStop(reason, path=path, hint="a directory stands where a file belongs, or the reverse")
        case _:
            return RetryLater(reason, path=path, hint="see the system's log")
