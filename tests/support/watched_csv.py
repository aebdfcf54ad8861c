"""A CSV that a test maltreats by hand, and a reader of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from contract.system import OperatingSystem, System
from contract.tail import Chunk, Position, Tail, Turn

HEADER = b"timestamp,pnl,id\n"


def rows(first: int, last: int, end: bytes = b"\n") -> bytes:
    return b"".join(b"2026-01-01,0.5,%d%s" % (number, end) for number in range(first, last + 1))


class Watched:
    """The file, its siblings and its reader."""

    def __init__(self, path: Path, system: System | None = None) -> None:
        self.path = path
        self.system = system or OperatingSystem()
        self.tail = Tail(self.system, path)

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def named(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def rotate(self, *, to: str = ".1", then: bytes | None = HEADER) -> None:
        """As logrotate does with numbers; `then` is what the new file begins with, None where there is none yet."""
        if to == ".1":
            for number in reversed(range(1, 20)):
                if self.named(f".{number}").exists():
                    self.named(f".{number}").rename(self.named(f".{number + 1}"))
        self.path.rename(self.named(to))
        if then is not None:
            self.path.write_bytes(then)

    def copytruncate(self) -> None:
        self.named(".1").write_bytes(self.path.read_bytes())
        os.truncate(self.path, 0)

    def restart(self) -> None:
        position = self.tail.position
        kept = json.loads(json.dumps(position and position.as_dict()))
        self.tail = Tail(self.system, self.path, Position.from_dict(kept) if kept else None)

    def poll(self) -> list[Turn | bytes]:
        """Turns, and the data of chunks; neighbouring chunks are one."""
        told: list[Turn | bytes] = []
        for item in self.tail.poll():
            if isinstance(item, Turn):
                told.append(item)
            elif told and isinstance(told[-1], bytes):
                told[-1] += item.data
            else:
                told.append(item.data)
        return told

    def chunks(self) -> list[Chunk]:
        return [item for item in self.tail.poll() if isinstance(item, Chunk)]
