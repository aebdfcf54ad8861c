"""The parent of the programs that `support.forked` starts: it has imported all of them, and forks one when asked to.

It gets what is asked for over a socket, with the ends of pipes. It has no threads, so that its children are sound.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from contract import watch
from contract.system import OperatingSystem, System
from support.announcing import Announcing, Call, writing

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
