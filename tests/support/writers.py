"""Writers that run until they are killed, each in a process of its own.

Run as a script this is the parent of such processes: it reads `kind path` lines, starts a writer for each, says its
process id, and `gone` when it has died. A writer says each version that it has written, and one that is followed says
each call to the system as well, before it makes it. Everything goes to standard output, a line at a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from contract.files import append_line, publish, read_bytes, sweep
from contract.system import OperatingSystem, System
from support.announcing import Announcing

CHECKOUT = Path(__file__).resolve().parents[2]
FOLLOWED, ALONE = "followed", "alone"


def content(version: int) -> bytes:
    """What a version of a published file holds: its number on each line, and not as many lines as the next version."""
    return b"%08d\n" % version * (2000 + version % 97)


def line(number: int) -> str:
    return f"{number:08d}:" + "x" * (number * 37 % 500)


def is_whole(found: bytes) -> bool:
    return found[:8].isdigit() and found == content(int(found[:8]))


def version_of(found: bytes | None) -> int:
    return int(found[:8]) if found else 0


def publish_on_and_on(path: Path, system: System) -> None:
    sweep(system, path)
    version = version_of(read_bytes(system, path))
    while True:
        version += 1
        publish(system, path, content(version))
        say(version)


def append_on_and_on(path: Path, system: System) -> None:
    number = (read_bytes(system, path, largest=1 << 30) or b"").count(b"\n")
    while True:
        number += 1
        append_line(system, path, line(number))
        say(number)


def overwrite_on_and_on(path: Path, system: System) -> None:
    """The careless way, to see that it is found out."""
    version = 0
    while True:
        version += 1
        path.write_bytes(content(version))
        say(version)


WRITERS: dict[str, Callable[[Path, System], None]] = {
    "publish": publish_on_and_on,
    "append": append_on_and_on,
    "overwrite": overwrite_on_and_on,
}


class Writer:
    """One of them. `said` is the last version of which it said that it is written."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self._process_id = int(output.readline())
        self.said = 0
        self.listen()

    def listen(self) -> None:
        """Wait for the next version."""
        while not self._heard_version():
            pass

    def follow(self, calls: int) -> None:
        """Wait until it begins the n-th call from here on."""
        while calls > 0:
            calls -= not self._heard_version()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process_id, signal.SIGKILL)
        while (said := self._output.readline()) != "gone\n":
            self._heed(said)

    def _heard_version(self) -> bool:
        return self._heed(self._output.readline())

    def _heed(self, said: str) -> bool:
        assert said, "the parent of the writers has died"
        if said.strip().isdigit():
            self.said = int(said)
        return said.strip().isdigit()


class Writers:
    """The parent process. It forks in a process without threads, and costs the start of Python once."""

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "support.writers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tests'}"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()

    def start(self, kind: str, path: Path, *, followed: bool = False) -> Writer:
        """Returns when it has written for the first time. One that is followed must be listened to, or it stops."""
        assert self._parent.stdin and self._parent.stdout
        self._parent.stdin.write(f"{kind} {FOLLOWED if followed else ALONE} {path}\n")
        self._parent.stdin.flush()
        return Writer(self._parent.stdout)


def main() -> None:
    for asked in sys.stdin:
        kind, manner, path = asked.rstrip("\n").split(" ", 2)
        child = os.fork()
        if child == 0:
            say(os.getpid())
            WRITERS[kind](Path(path), Announcing(say) if manner == FOLLOWED else OperatingSystem())
        os.waitpid(child, 0)
        say("gone")


def say(what: object) -> None:
    os.write(1, f"{what}\n".encode())


if __name__ == "__main__":
    main()
