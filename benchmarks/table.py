#!/usr/bin/env python3
"""Every figure of benchmarks/ in one table: what it should be, what somebody else needs for the same, whether it holds.

    python3 benchmarks/table.py                          runs the benchmarks, one after the other: about ten minutes
    python3 benchmarks/table.py history features         only these
    python3 benchmarks/table.py --write                  and puts the table into docs/performance.md
    python3 benchmarks/table.py --finished FILE... --write    a table of what was printed by runs that took longer

Each benchmark is a process of its own that is asked for `--json` and prints rows as `benchmarks/figure.py` makes them.
One that fails, takes too long or prints no rows is a row that does not hold. What takes hours is run by itself
(`make learning`), its output kept, and read by `--finished`.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import json
import os
import platform
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from benchmarks.figure import shown
from contract.files import publish
from contract.schema.names import CHECKOUT
from contract.system import OperatingSystem

PAGE = CHECKOUT / "docs" / "performance.md"
BENCHMARKS = {
    "history": ("benchmarks/history.py",),
    "features": ("benchmarks/features.py",),
    "egress_inference": ("benchmarks/egress_inference.py",),
    "egress_bridge": ("benchmarks/egress_bridge.py",),
    "egress": ("benchmarks/egress.py",),
    "ppo_speed": ("benchmarks/ppo_speed.py", "--baseline"),
    "published_wealth": ("-m", "benchmarks.published_wealth"),
}
LONGEST_S = 1_200.0
"""For one benchmark."""
PACKAGES = ("numpy", "pandas", "torch", "stable-baselines3")


class Row(NamedTuple):
    """A figure as `benchmarks/figure.py` writes it down; `figure` is None where there is none to be had."""

    name: str
    figure: float | None
    unit: str
    target: str
    peer: str
    peer_figure: float | None
    holds: bool | None
    command: str
    reason: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Row:
        """KeyError, TypeError or ValueError where it is no record of a figure."""
        figure, theirs, target = record["figure"], record.get("peer_figure"), record.get("target")
        return cls(
            name=str(record["name"]),
            figure=float(figure),
            unit=str(record.get("unit") or ""),
            target=shown(target) if isinstance(target, int | float) else str(target or ""),
            peer=str(record.get("peer") or ""),
            peer_figure=None if theirs is None else float(theirs),
            holds=None if record.get("holds") is None else bool(record["holds"]),
            command=str(record["command"]),
            reason=str(record.get("reason") or ""),
        )

    @classmethod
    def not_run(cls, command: str, why: str) -> Row:
        return cls(f"`{command}`", None, "", "", "", None, False, command, f"not run: {why}")

    def cells(self) -> tuple[str, str, str, str, str]:
        figure = "-" if self.figure is None else f"{shown(self.figure)} {self.unit}".rstrip()
        beside = "" if self.peer_figure is None else f"{shown(self.peer_figure)} {self.unit}".rstrip()
        beside = f"{beside} ({self.peer})" if beside else ""
        verdict = {True: "yes", False: "no", None: ""}[self.holds]
        return self.name, figure, self.target, beside, verdict


TITLES = ("what", "figure", "target", "beside it", "holds")


def rows_in(printed: str) -> list[Row]:
    """The rows that stand last in what a benchmark printed; ValueError where there are none."""
    start = max(printed.rfind("\n["), 0 if printed.startswith("[") else -1)
    if start < 0:
        raise ValueError("it printed no figures")
    try:
        rows = [Row.of(record) for record in json.loads(printed[start:])]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"what it printed are no figures: {error!r}") from error
    if not rows:
        raise ValueError("it printed no figures")
    return rows


def run(arguments: Sequence[str], longest_s: float = LONGEST_S) -> list[Row]:
    """The rows of one benchmark, or the one that says why there are none."""
    command = " ".join(("python3", *arguments))
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, *arguments, "--json"], cwd=CHECKOUT, start_new_session=True, **pipes
    ) as process:
        try:
            printed, said = process.communicate(timeout=longest_s)
        except subprocess.TimeoutExpired:
            return [Row.not_run(command, f"it took more than {longest_s:,.0f} s")]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
    try:
        return rows_in(printed)
    except ValueError as error:
        return [Row.not_run(command, (said.strip() or str(error)).splitlines()[-1])]


def text(rows: Sequence[Row]) -> Iterator[str]:
    """For a terminal."""
    cells = [TITLES, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(TITLES))]
    for line in cells:
        what, *others = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join((what, *others)).rstrip()
    yield from (f"NOT HELD  {row.name}: {row.reason or UNKNOWN}" for row in rows if row.holds is False)


UNKNOWN = "not explained; the load of the machine is said above"


def page(rows: Sequence[Row]) -> Iterator[str]:
    """For the page: a table for each command, and what does not hold, with the reason."""
    for command in dict.fromkeys(row.command for row in rows):
        yield f"`{command}`"
        yield ""
        yield f"| {' | '.join(TITLES)} |"
        yield "|---|---|---|---|---|"
        yield from (f"| {' | '.join(map(_cell, row.cells()))} |" for row in rows if row.command == command)
        yield ""
    missed = [row for row in rows if row.holds is False]
    yield "Not held:" if missed else "All that has a target holds."
    yield ""
    yield from (f"- {row.name}: {row.reason or UNKNOWN}." for row in missed)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8"), re.MULTILINE)
        model = found.group(1) if found else model
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, {versions}"
    )


def load() -> str:
    """How many processes wanted a core in the last minute: beyond the number of cores, what is timed is too slow."""
    return f"{os.getloadavg()[0]:.1f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def put(document: str, mark: str, content: str) -> str:
    """The document with this between the marks; ValueError where it has none."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, found, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{begin} and {end} are not there")
    return f"{before}{begin}\n{content}\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--finished", type=Path, nargs="+", default=(), help="read these outputs instead")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    if options.write and options.names:
        parser.error("--write takes the whole table: leave the names out")
    began, rows = load(), list[Row]()
    for path in options.finished:
        rows += rows_in(path.read_text(encoding="utf-8"))
    for name in () if options.finished else options.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += run(BENCHMARKS[name])
    where = machine() if options.finished else f"{machine()}; load {began} at the beginning, {load()} at the end"
    print("\n".join((where, "", *text(rows))))
    if options.write:
        mark = "finished figures" if options.finished else "figures"
        document = PAGE.read_text(encoding="utf-8")
        content = "\n".join(("", f"{where}.", "", *page(rows)))
        publish(OperatingSystem(), PAGE, put(document, mark, content).encode())
    return 1 if any(row.figure is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
