"""Real processes whose lines are waited for, each with a time limit."""

import inspect
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, TypeVar

from contract.files import publish
from contract.schema.names import Root
from contract.schema.operations import Heartbeat, parse_heartbeat
from contract.system import OperatingSystem
from contract.watch import changes
from support import tiny_daemon
from support.tiny_daemon import NAME

Found = TypeVar("Found")

TINY_DAEMON = Path(__file__).with_name("tiny_daemon.py")
PATIENCE_S = 30.0
END_S = 5.0
"""No daemon may take longer to end."""


class Process(Protocol):
    """As much of `subprocess.Popen` as is needed."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    @property
    def stderr(self) -> IO[bytes] | None: ...

    def send_signal(self, sig: int, /) -> None: ...

    def kill(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class Running:
    """A process, and what it says."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: dict[str, str] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=inherited | (environment or {}),
        )
        self.attend(process, patience_s)

    def attend(self, process: Process, patience_s: float = PATIENCE_S) -> None:
        """Hear what it says from now on."""
        self._patience_s = patience_s
        self.process = process
        self.pid = process.pid
        self.errors: list[str] = []
        self._out: queue.Queue[str | None] = queue.Queue()
        self._err: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self._out, [])),
            threading.Thread(target=self._read, args=(process.stderr, self._err, self.errors)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.ended()

    @staticmethod
    def _read(pipe: IO[bytes], lines: queue.Queue[str | None], kept: list[str]) -> None:
        for line in pipe:
            text = line.decode(errors="backslashreplace").rstrip("\n")
            kept.append(text)
            lines.put(text)
        lines.put(None)

    def says(self, pattern: str) -> str:
        """The next line on standard output in which the pattern is found."""
        found = self._find(self._out, pattern)
        assert found is not None, f"ended without saying {pattern!r}; errors: {self.errors}"
        return found

    def complains(self, pattern: str) -> str:
        """The next line on standard error in which the pattern is found."""
        found = self._find(self._err, pattern)
        assert found is not None, f"ended without complaining of {pattern!r}"
        return found

    def ever_says(self, pattern: str) -> bool:
        """False once it has ended without."""
        return self._find(self._out, pattern) is not None

    def _find(self, lines: queue.Queue[str | None], pattern: str) -> str | None:
        until = time.monotonic() + self._patience_s
        while (line := lines.get(timeout=max(0.0, until - time.monotonic()))) is not None:
            if re.search(pattern, line):
                return line
        return None

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def ends(self, number: signal.Signals, *, within_s: float = END_S) -> tuple[int, float]:
        """Send the signal; the exit code, and how many seconds the end took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=within_s)
        took_s = time.monotonic() - begun
        self.ended()
        return code, took_s

    def ended(self) -> int:
        """The exit code, when all that it said has been read."""
        code = self.process.wait(timeout=self._patience_s)
        for reader in self._readers:
            reader.join(timeout=self._patience_s)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def tiny(root: Path, *arguments: str, environment: dict[str, str] | None = None) -> Running:
    return Running([sys.executable, TINY_DAEMON, "--root", root, *arguments], environment=environment)


def order(root: Root, text: str) -> None:
    publish(OperatingSystem(), tiny_daemon.order(root), text.encode())


def heartbeat(root: Root) -> Heartbeat:
    return parse_heartbeat(root.heartbeat(NAME).read_bytes(), root.heartbeat(NAME))


def product(root: Root) -> str:
    return tiny_daemon.product(root).read_text()


def left_behind(root: Root) -> list[str]:
    return [path.name for path in root.path.rglob("*.tmp")]


def comes_true(condition: Callable[[], Found], *paths: Path, within_s: float = PATIENCE_S) -> Found:
    """What the condition says as soon as that is true: asked when one of the files changes, and now and then."""
    until_s = time.monotonic() + within_s
    for _ in changes(OperatingSystem(), paths, threading.Event(), threading.Event(), lambda: 0.2):
        if found := condition():
            return found
        assert time.monotonic() < until_s, f"not within {within_s:.0f} s: {inspect.getsource(condition).strip()}"
    raise AssertionError
