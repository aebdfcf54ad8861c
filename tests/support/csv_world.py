"""A small world around one CSV: the bot that writes it, and everything else that happens to such a file.

Each operation is done to real files and to a model of them: a file as the bytes that it holds, by identity and not by
name or inode.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

HEADERS = (
    b"date,timestamp,symbol,side,qty,price,reason,pnl",
    b"timestamp,symbol,side,qty,price,reason,pnl",
    b"ts,symbol,pnl,strategy,id",
)
LONGEST_LINE = 600  # instead of 1 MiB, so that endless lines fit in a small history


@dataclass(eq=False)
class Content:
    """What one file holds, whatever it is called."""

    start: bytes  # byte order mark and header line, as far as the file has them
    header: bytes
    rows: bytes = b""

    def opening(self) -> bytes:
        whole = b"\n" in self.rows or len(self.rows) > LONGEST_LINE
        return self.rows[:1024] if whole else b""


class World:
    """The files, and those who write, rotate, copy, cut and rewrite them."""

    def __init__(self, directory: Path, chance: random.Random, *, destroys: bool) -> None:
        self.chance = chance
        self.path = directory / "pnl_history.csv"
        self.live: Content | None = None
        self.siblings: dict[str, Content] = {}  # by name, oldest first
        self.written: list[bytes] = []  # every line that the bot completed
        self.rest = b""  # of a torn line, still to be written
        self.torn_in: tuple[Path, Content] | None = None
        self.removed = Content(b"", b"")  # by the last truncation
        self.serial = 0
        self.day = 0
        self.clock_s = 1_700_000_000
        self.line_end = chance.choice((b"\n", b"\n", b"\r\n"))
        self.mark = chance.choice((b"", b"", b"\xef\xbb\xbf"))
        self.header = chance.choice(HEADERS[:2])
        self.naming = chance.choice(("numbered", "dated", "both"))
        self.bot_heads_empty_files = chance.random() < 0.5
        self.destroys = destroys

    def change(self) -> None:
        harmless = [*[self.append] * 6, *[self.tear, self.rotate] * 2]
        harmless += [self.copytruncate, self.keep_copy, self.back_up, self.replace_alike]
        harmful = [*[self.rewrite] * 2, *[self.truncate, self.restore] * 2, self.recreate, self.vanish, self.expire]
        self.chance.choice(harmless + harmful if self.destroys else harmless)()

    # The bot.

    def append(self) -> None:
        self._finish_torn_line()
        count = self.chance.choice((1, 1, 2, 3, 5, 8, 40))
        self._write(b"".join(self._row() + self.line_end for _ in range(count)))

    def tear(self) -> None:
        self._finish_torn_line()
        long = self.chance.random() < 0.2
        row = (self._row() if not long else self._row() + b"x" * self.chance.randrange(3_000)) + self.line_end
        cut = self.chance.randrange(1, len(row))
        content = self._write(row[:cut])
        self.rest, self.torn_in = row[cut:], (self.path, content)

    def _finish_torn_line(self) -> None:
        """In the file that the bot had open when it tore the line, which may be called otherwise by now."""
        if self.torn_in is not None:
            self._append(*self.torn_in, self.rest)
        self.torn_in, self.rest = None, b""

    def _row(self) -> bytes:
        self.serial += 1
        reason = "x" * self.chance.choice((0, 0, 20, 150))
        return b"2026-01-01,2026-01-01T00:00:00Z,SPY,sell,1,2,%s,%d" % (reason.encode(), self.serial)

    def _write(self, data: bytes) -> Content:
        if self.live is None:
            self._replace(self._empty_file(headed=True), in_place=True)
        assert self.live is not None
        if not self.live.rows and not self.live.start and self.bot_heads_empty_files:
            self._replace(self._empty_file(headed=True), in_place=True, same=self.live)
        self._append(self.path, self.live, data)
        return self.live

    def _append(self, path: Path, content: Content, data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)
        begun = content.rows[content.rows.rfind(b"\n") + 1 :]
        content.rows += data
        self.written += [shown(line) for line in (begun + data).split(b"\n")[:-1]]
        self._touch(path)

    # Rotation.

    def rotate(self) -> None:
        if self.live is None:
            return
        name = self._sibling_name()
        self.path.replace(self.path.with_name(name))
        self.siblings[name] = self.live
        if self.torn_in is not None and self.torn_in[1] is self.live:
            if self.chance.random() < 0.5 and self.destroys:
                self.torn_in, self.rest = None, b""  # the bot died over it
            else:
                self.torn_in = (self.path.with_name(name), self.live)
        self.live = None
        after = self.chance.choice(("absent", "empty", "headed"))
        if after != "absent":
            self._replace(self._empty_file(headed=after == "headed"), in_place=True)

    def copytruncate(self) -> None:
        if self.live is not None:
            self._finish_torn_line()
            self._copy(self._sibling_name())
            self._replace(Content(b"", b""), in_place=True)

    def keep_copy(self) -> None:
        """Between copy and truncation, or an operator's copy under a rotated name."""
        if self.live is not None:
            self._finish_torn_line()
            self._copy(self._sibling_name())

    def back_up(self) -> None:
        if self.live is not None:
            shutil.copyfile(self.path, self.path.with_name(self.path.name + self.chance.choice((".backup", ".1.gz"))))

    def expire(self) -> None:
        if self.siblings:
            name = next(iter(self.siblings))
            if self.torn_in is not None and self.torn_in[1] is self.siblings[name]:
                self.torn_in, self.rest = None, b""
            del self.siblings[name]
            path = self.path.with_name(name)
            if self.chance.random() < 0.5:
                path.unlink()
            else:
                path.replace(path.with_name(name + ".gz"))

    def _sibling_name(self) -> str:
        naming = self.naming if self.naming != "both" else self.chance.choice(("numbered", "dated"))
        if naming == "dated":
            self.day += 1
            return f"{self.path.name}-{20260000 + self.day}"
        shifted: dict[str, Content] = {}
        for name, content in self.siblings.items():  # oldest first, so that no target is in the way
            stem, _, number = name.rpartition(".")
            if stem == self.path.name:
                self.path.with_name(name).replace(self.path.with_name(f"{stem}.{int(number) + 1}"))
                name = f"{stem}.{int(number) + 1}"
            shifted[name] = content
            if self.torn_in is not None and self.torn_in[1] is content:
                self.torn_in = (self.path.with_name(name), content)
        self.siblings = shifted
        return f"{self.path.name}.1"

    def _copy(self, name: str) -> None:
        assert self.live is not None
        shutil.copyfile(self.path, self.path.with_name(name))
        self.siblings[name] = Content(self.live.start, self.live.header, self.live.rows)
        self._touch(self.path.with_name(name))

    # Replacement that changes nothing, or only adds.

    def replace_alike(self) -> None:
        if self.live is not None:
            self._finish_torn_line()
            row = self._row() + self.line_end if self.chance.random() < 0.5 else b""
            self.written += [shown(line) for line in row.split(b"\n")[:-1]]
            self._replace(Content(self.live.start, self.live.header, self.live.rows + row))

    # Destruction.

    def truncate(self) -> None:
        if self.live is not None:
            self.torn_in, self.rest = None, b""
            self.removed = self.live
            self._replace(self._empty_file(headed=self.chance.random() < 0.5), in_place=True)

    def restore(self) -> None:
        """Rows that a truncation removed, or the first of them, are put back."""
        if self.live is not None and self.removed.rows:
            self.torn_in, self.rest = None, b""
            lines = self.removed.rows.split(b"\n")[:-1]
            some = self.chance.choice((len(lines), self.chance.randrange(len(lines) + 1)))
            rows = b"".join(line + b"\n" for line in lines[:some])
            self._replace(Content(self.removed.start, self.removed.header, rows), in_place=True)

    def vanish(self) -> None:
        if self.live is not None:
            self.torn_in, self.rest = None, b""
            self.path.unlink()
            self.live = None

    def recreate(self) -> None:
        self.vanish()
        rows = b"".join(self._row() + self.line_end for _ in range(self.chance.choice((0, 1, 5))))
        self._replace(Content(*self._start(self.header), rows), in_place=True)

    def rewrite(self) -> None:
        if self.live is None:
            return
        self.torn_in, self.rest = None, b""
        lines = self.live.rows.split(b"\n")[:-1]
        some = self.chance.randrange(len(lines) + 1)
        start, header = self.live.start, self.live.header
        match self.chance.choice(("head", "lead", "tail", "tail", "first", "last", "new", "new header", "fee")):
            case "head":
                start, header = self._start(self.header)
            case "lead":
                lines = lines[some:]
            case "tail":
                lines = lines[:some]
            case "first":
                lines = [self._row() + self.line_end[:-1], *lines[1:]]
            case "last":
                lines = [*lines[:-1], self._row() + self.line_end[:-1]]
            case "new":
                lines = [self._row() + self.line_end[:-1] for _ in range(some)]
            case "new header":
                self.header = self.chance.choice(HEADERS)
                start, header = self._start(self.header)
            case _:
                start, header = self._start(self.header + b",fee")
                lines = [line.removesuffix(b"\r") + b",0.5" + self.line_end[:-1] for line in lines]
        rows = b"".join(line + b"\n" for line in lines)
        self._replace(Content(start, header, rows), in_place=self.chance.random() < 0.5)

    # What they share.

    def _start(self, header: bytes) -> tuple[bytes, bytes]:
        return self.mark + header + self.line_end, header

    def _empty_file(self, headed: bool) -> Content:
        return Content(*self._start(self.header)) if headed else Content(b"", b"")

    def _replace(self, content: Content, *, in_place: bool = False, same: Content | None = None) -> None:
        """In place keeps the inode, as a script does that opens for writing; else by a temporary file."""
        target = self.path if in_place else self.path.with_name("rewritten")
        target.write_bytes(content.start + content.rows)
        target.replace(self.path)
        if same is None:
            self.live = content
        else:
            same.start, same.header, same.rows = content.start, content.header, content.rows
        self._touch(self.path)

    def _touch(self, path: Path) -> None:
        self.clock_s += 1
        os.utime(path, (self.clock_s, self.clock_s))

    def assert_model_holds(self) -> None:
        for name, content in {**self.siblings, **({self.path.name: self.live} if self.live else {})}.items():
            assert self.path.with_name(name).read_bytes() == content.start + content.rows


def shown(line: bytes) -> bytes:
    """A line as far as every reader shows it: the rest of an endless one is skipped."""
    return line[: LONGEST_LINE + 1]


def alike(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)
