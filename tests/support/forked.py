"""The real programs, forked from a process that has imported them already: a start costs hundredths of a second.

So a program can be started thousands of times, and what it does tells where it is: it says every call to the operating
system before it makes it, and a test can kill it at the n-th one, wherever chance has put that. Nothing depends on how
fast the machine is.

Run as a script this is the parent process. It gets what is asked for over a socket, with the ends of pipes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, NoReturn, Self

from contract import watch
from contract.system import OperatingSystem, System
from support.announcing import Announcing, Call, writing
from support.processes import PATIENCE_S, Running

CHECKOUT = Path(__file__).resolve().parents[2]
STRUCK = "struck"
"""Said like a call by a program that its misfortune befalls."""
AT_ONCE, AT_THE_GATE = "at once", "at the gate"

Program = Callable[[Sequence[str]], int]
"""Takes its arguments, returns its exit code."""


class Misfortune(NamedTuple):
    """What befalls a program instead of the n-th call that writes a file: the kill, or an error of the kernel's."""

    error: int
    """As in `errno`; 0 for the kill."""
    directory: str
    name: str
    by_line: bool
    call: int


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
        command = [sys.executable, "-m", "support.forked"]
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


# In the parent process and its children.


def programs() -> dict[str, Program]:
    """By the names of `console.programs`, where a training takes no time; one that really learns; what one types."""
    import matplotlib.backends.backend_svg  # noqa: F401  # the report's, once for all

    from agents.paper_trader import BOT
    from agents.portfolio_optimizer import OPTIMIZER
    from agents.strategy_lab import LAB
    from agents.weights_bridge import BRIDGE
    from ai.rl_inference import entry as inference
    from ai.rl_trainer import trainer
    from analytics.rl_performance import entry as tracker
    from console import supervisor
    from console.alerts import MESSENGER
    from console.main import main as tiller
    from contract import observer  # noqa: F401  # so that what follows the start takes no longer than ever after
    from contract.daemon import Daemon, main
    from support.scripted_learner import ScriptedLearner

    def daemon(found: Daemon) -> Program:
        return lambda arguments: main(found, arguments)

    def supervise(arguments: Sequence[str]) -> int:
        sys.argv = ["supervisor", *arguments]
        return supervisor.run()

    return {
        "trainer": daemon(trainer(ScriptedLearner())),
        "learner": daemon(trainer()),
        "inference": inference,
        "bridge": daemon(BRIDGE),
        "tracker": tracker,
        "optimizer": daemon(OPTIMIZER),
        "lab": daemon(LAB),
        "alerts": daemon(MESSENGER),
        "paper_trader": daemon(BOT),
        "supervisor": supervise,
        "tiller": tiller,
    }


def announce(to: int, misfortune: Misfortune | None) -> None:
    """Wherever a program of ours makes itself a system. What nobody listens to is not said."""
    os.set_blocking(to, False)
    strikes = striking(misfortune)

    def say(call: str) -> None:
        with suppress(BlockingIOError):
            os.write(to, f"{call}\n".encode())
        if strikes(Call.parse(call)) and misfortune:
            os.write(to, f"{STRUCK}\n".encode())
            if misfortune.error:
                raise OSError(misfortune.error, os.strerror(misfortune.error))
            os.kill(os.getpid(), signal.SIGKILL)

    def system() -> System:
        return Announcing(say)

    for module in list(sys.modules.values()):
        if module.__name__ != __name__ and getattr(module, "OperatingSystem", None) is OperatingSystem:
            module.OperatingSystem = system  # type: ignore[attr-defined]


def striking(misfortune: Misfortune | None) -> Callable[[Call], bool]:
    if misfortune is None:
        return lambda call: False
    counts = writing(Path(misfortune.directory), misfortune.name, by_line=misfortune.by_line)
    seen = 0

    def strikes(call: Call) -> bool:
        nonlocal seen
        counted = counts(call)
        seen += counted
        return counted and seen == misfortune.call

    return strikes


def serve() -> int:
    asked = socket.socket(fileno=0)
    found = programs()
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, 1 << 16, 5)
        if not message:
            return 0
        if os.fork() == 0:
            os.close(asked.detach())
            wait_for(found, json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def wait_for(found: dict[str, Program], asked: dict[str, Any], *descriptors: int) -> NoReturn:
    """The waiter and its child, which is the program."""
    stdin, stdout, stderr, status, calls = descriptors
    child = os.fork()
    if child == 0:
        for number, descriptor in enumerate((stdin, stdout, stderr)):
            os.dup2(descriptor, number)
        for descriptor in (stdin, stdout, stderr, status):
            os.close(descriptor)
        become(found[asked["name"]], asked, calls)
    for descriptor in (stdin, stdout, stderr, calls):
        os.close(descriptor)
    os.write(status, f"{child}\n".encode())
    _, ended = os.waitpid(child, 0)
    os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
    os._exit(0)


def become(program: Program, asked: dict[str, Any], calls: int) -> NoReturn:
    """Ends without taking down all that its parent has imported, which takes longer than all the rest."""
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.update(asked["environment"])
    announce(calls, asked["misfortune"] and Misfortune(*asked["misfortune"]))
    watch.RESCAN_S = asked["rescan_s"] or watch.RESCAN_S
    code = 1
    try:
        if asked["begins"] == AT_THE_GATE:
            print("ready", flush=True)
            os.read(0, 1)
        code = program(asked["arguments"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(serve())
