"""`tiller logs`: what the programs said last, in the order in which they said it."""

from __future__ import annotations

import argparse
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from contract.daemon import DONE, NOTHING_TO_DO
from contract.errors import one_line
from contract.files import read_tail
from contract.schema.names import Root
from contract.system import OperatingSystem, System

NAME = "logs"
SUMMARY = "Show what the programs said last, in order; with --follow, go on showing it."

LOOK_EVERY_S = 0.5
LARGEST_TAIL = 1 << 20
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("programs", nargs="*", metavar="NAME", help="of these alone, such as trainer")
    parser.add_argument("-n", "--lines", type=int, default=20, help="of each (default: 20)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")


def run(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    there = {file.stem: file for file in sorted(root.logs.glob("*.log")) if file.stem != "setup"}
    files = [there[name] for name in options.programs or there if name in there]
    if not files:
        whose, others = "", ""
        if options.programs:
            whose, others = f" of {', '.join(options.programs)}", f", but of {', '.join(there)}" if there else ""
        print(one_line(f"nothing has been said yet: there is no log{whose} below {root.logs}{others}"))
        return NOTHING_TO_DO
    ends = {file: file.stat().st_size for file in files}
    for line in merged(last_entries(system, file, options.lines) for file in files):
        print(line)
    while options.follow:
        for file in files:
            text, ends[file] = _since(system, file, ends[file])
            print(text, end="", flush=True)
        system.wait(threading.Event(), LOOK_EVERY_S)
    return DONE


def last_entries(system: System, file: Path, lines: int) -> Sequence[str]:
    text = read_tail(system, file, LARGEST_TAIL).decode(errors="backslashreplace")
    return [one_line(line) for line in text.splitlines()[-lines:]] if lines > 0 else []


def merged(files: Iterable[Sequence[str]]) -> Iterator[str]:
    """By time; the lines of a traceback stay with the one that they explain."""
    entries: list[list[str]] = []
    for lines in files:
        begun: list[str] | None = None
        for line in lines:
            if begun is None or _STAMP.match(line):
                begun = []
                entries.append(begun)
            begun.append(line)
    for entry in sorted(entries, key=lambda entry: entry[0][:20]):
        yield from entry


def _since(system: System, file: Path, end: int) -> tuple[str, int]:
    """What was added; a file that has become shorter was begun anew."""
    try:
        size = system.stat(file).size
    except OSError:
        return "", end
    grown = size - end if size >= end else size
    text = read_tail(system, file, grown).decode(errors="backslashreplace") if grown else ""
    return "".join(f"{one_line(line)}\n" for line in text.splitlines()), size
