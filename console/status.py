"""`tiller status`: what the bot is told now, by whom and why, and whether everything that should run does."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading

from console import page
from console.snapshot import Snapshot, take
from contract.config import Config
from contract.configure import configure
from contract.daemon import DONE
from contract.errors import TillerError
from contract.schema.names import Root
from contract.system import OperatingSystem, System

NAME = "status"
SUMMARY = "Show what the bot is told now, from which source and why, and how every process is."

RENEW_EVERY_S = 1.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="show it once, also on a terminal")


def run(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    if options.json:
        print(json.dumps(page.as_values(take(system, root), settings(system, root)), indent=2))
    elif options.once or not sys.stdout.isatty():
        print("\n".join(shown(system, root)))
    else:
        live(system, root)
    return DONE


def shown(system: System, root: Root) -> list[str]:
    return list(page.plain(take(system, root), settings(system, root)))


def settings(system: System, root: Root) -> Config | str:
    try:
        return configure(system, root, os.environ).config
    except TillerError as error:
        return str(error)


def live(system: System, root: Root, until_s: float = float("inf")) -> None:
    """On a terminal, renewed until that time or Ctrl-C."""
    try:
        from console.tables import Screen
    except ImportError:  # no rich
        _live_in_plain_text(system, root, until_s)
        return
    with Screen() as screen:
        while system.monotonic() < until_s:
            snapshot: Snapshot = take(system, root)
            screen.show(snapshot, settings(system, root))
            system.wait(threading.Event(), RENEW_EVERY_S)


def _live_in_plain_text(system: System, root: Root, until_s: float) -> None:
    while system.monotonic() < until_s:
        home_and_clear = "\x1b[H\x1b[J"
        print(home_and_clear + "\n".join(shown(system, root)), flush=True)
        system.wait(threading.Event(), RENEW_EVERY_S)
