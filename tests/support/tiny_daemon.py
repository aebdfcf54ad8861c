"""A real daemon, small: a script that does what `state/order` says, and tells on standard output what it does."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from contract import observer, watch
from contract.daemon import NOTHING_TO_DO, Context, Daemon, RunOnce, Status, main
from contract.errors import BadInput, MustStop, RetryLater
from contract.files import publish, read_bytes
from contract.schema.names import Root

NAME = "tiny"
PRELOADED = observer  # so that what follows the gate takes no longer than in a daemon that has imported everything


def order(root: Root) -> Path:
    return root.state / "order"


def product(root: Root) -> Path:
    return root.runtime / "product"


def begin(context: Context) -> RunOnce:
    print("holding", flush=True)
    runs = 0

    def run_once(context: Context) -> Status:
        nonlocal runs
        runs += 1
        ordered = (read_bytes(context.system, order(context.root)) or b"").decode()
        print(f"ran {runs} cap={context.config.bounds.cap} {ordered}", flush=True)
        match ordered.partition(" ")[0]:
            case "retry":
                raise RetryLater("the world is in the way")
            case "bad":
                raise BadInput("a\x1b[2J\nb is wrong", path=order(context.root))
            case "stop":
                raise MustStop("this cannot be", hint="mend it")
            case "crash":
                raise RuntimeError("a mistake\x1b[2J\nof ours")
            case "trouble":
                return Status("worked", trouble="something is stale")
            case "nothing":
                return Status("nothing to do", exit_code=NOTHING_TO_DO)
            case "long":
                while not context.stopping():
                    context.beat("working")
                    context.system.wait(threading.Event(), 0.005)
        publish(context.system, product(context.root), f"{runs} {ordered}\n".encode())
        print(f"did {runs} {ordered}", flush=True)
        return Status("worked")

    return run_once


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gate", action="store_true", help="say `ready`, and begin when a line comes in")
    parser.add_argument("--rescan-s", type=float, default=watch.RESCAN_S)


TINY = Daemon(
    name=NAME,
    summary="Does as it is told.",
    begin=begin,
    watches=lambda root: (order(root),),
    interval_s=lambda config: 300.0,
    owns=lambda root: (product(root),),
    add_options=add_options,
)

if __name__ == "__main__":
    if "--gate" in sys.argv:
        print("ready", flush=True)
        sys.stdin.readline()
    if "--rescan-s" in sys.argv:
        watch.RESCAN_S = float(sys.argv[sys.argv.index("--rescan-s") + 1])
    raise SystemExit(main(TINY))
