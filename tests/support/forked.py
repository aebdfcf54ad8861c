"""The real programs, forked from a process that has imported them already: a start costs hundredths of a second.

So a program can be started thousands of times, and what it does tells where it is: it says every call to the operating
system before it makes it, and a test can kill it at the n-th one, wherever chance has put that. Nothing depends on how
fast the machine is. `support.forking` is the parent process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from support.announcing import Call
from support.forking import AT_ONCE, Misfortune
from support.processes import PATIENCE_S, Running

CHECKOUT = Path(__file__).resolve().parents[2]


class ForkedProcess:
    """What `subprocess.Popen` is to a child, to a grandchild: a waiter between them tells how it ended."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes], status: IO[bytes]) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._status = status
        self._code: int | None = None
        self.pid = int(status.readline())

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._code is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self._code = int(self._status.readline())
            self._status.close()
        return self._code


class Forked(Running):
    """A program, what it says, and the calls that it makes."""

    def __init__(self, process: ForkedProcess, calls: IO[bytes]) -> None:
        self._calls = calls
        self._heard: deque[bytes] = deque()
        self._last: Call | None = None
        self.attend(process)

    def calls(self) -> Iterator[Call]:
        """Each as soon as it begins, until the program ends."""
        while self._heard or self._hear():
            self._last = Call.parse(self._heard.popleft().decode())
            yield self._last

    def stops_at_rest(self) -> None:
        """Let it stand still as soon as it waits for something to do; what it did until then is forgotten."""
        while True:
            self.process.send_signal(signal.SIGSTOP)
            while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                os.sched_yield()
            while self._heard or select.select([self._calls], [], [], 0.0)[0]:
                next(self.calls())
            if self._last is not None and self._last.name == "wait":
                return
            self.goes_on()
            next(self.calls())

    def goes_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def _hear(self) -> bool:
        """Wait for more. A line comes whole, as a pipe does not part what is short."""
        said = os.read(self._calls.fileno(), 1 << 16)
        self._heard += said.splitlines()
        return bool(said)

    def reaches(self, number: int, counts: Callable[[Call], bool]) -> bool:
        """Wait until it begins the n-th call that counts; False if it ends or falls idle before that."""
        busy = False
        for call in self.calls():
            busy = busy or call.name == "open"
            number -= counts(call)
            if number <= 0:
                return True
            if call.name == "wait" and busy:
                return False
        return False

    def kills(self) -> None:
        self.process.kill()
        self.ended()

    def ended(self) -> int:
        code = super().ended()
        self._calls.close()
        return code


class Nursery:
    """The parent of the programs."""

    def __enter__(self) -> Self:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = f"{CHECKOUT}:{CHECKOUT / 'tests'}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
        environment = {**inherited, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "support.forking"]
        self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment)
        theirs.close()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()
        self._process.wait(timeout=PATIENCE_S)

    def start(
        self,
        name: str,
        root: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        begins: str = AT_ONCE,
        misfortune: Misfortune | None = None,
        rescan_s: float | None = None,
    ) -> Forked:
        """One of `programs`. At the gate it says `ready`, and begins when it is told a line."""
        ours, theirs = zip(*(os.pipe() for _ in range(4)), strict=True)
        stdin_theirs, stdin_ours = os.pipe()
        asked = {"name": name, "arguments": ["--root", str(root), *arguments], "begins": begins}
        more = {"environment": dict(environment or {}), "misfortune": misfortune, "rescan_s": rescan_s}
        socket.send_fds(self._socket, [json.dumps({**asked, **more}).encode()], [stdin_theirs, *theirs])
        for descriptor in (stdin_theirs, *theirs):
            os.close(descriptor)
        stdout, stderr, status = (os.fdopen(end, "rb") for end in ours[:3])
        calls = os.fdopen(ours[3], "rb", buffering=0)
        return Forked(ForkedProcess(os.fdopen(stdin_ours, "wb"), stdout, stderr, status), calls)
