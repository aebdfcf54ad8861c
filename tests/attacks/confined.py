"""Reads every case of a family in a process of its own, which has an end to its memory, and says what became of each.

    python -m attacks.confined checkpoints|csvs|json_texts|configs DIRECTORY

The process begins by reading something good, so that what it has loaded by then is no case's doing. A case that wants
more than `LIMIT_MIB` beyond that is refused the memory by the system. What runs leaves a file, because every case that
would run anything would make that: `CANARY`, in the directory where the process works.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from support.figures import ATTACK, Record

LIMIT_MIB = 256
CANARY = "canary"
PATIENCE_S = 280
LONGEST_LINE = 600
"""Of a refusal, without the path that it is about."""

Cases = Iterator[tuple[str, Callable[[], object]]]
"""Names, and how each is read; the file is there when its turn comes."""


class Outcome(NamedTuple):
    """What became of one case: `refused` is the line that was said, `raised` what should not have been raised, and
    `took_mib` how much more than something good this case or one before it took at the most."""

    name: str
    refused: str
    hint: str
    raised: str
    took_mib: int
    seconds: float


def read_all(family: str, directory: Path) -> list[Outcome]:
    """In a process of its own. Not one case may make it end."""
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "attacks.confined", family, str(directory)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": f"{checkout / 'tests'}{os.pathsep}{checkout}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [Outcome(*values) for values in json.loads(done.stdout)]


def what_is_wrong(outcomes: list[Outcome], directory: Path) -> list[str]:
    """Of the cases that must be refused: those that were not, or not as they should be."""
    wrong = [f"{one.name}: raised {one.raised}" for one in outcomes if one.raised]
    wrong += [f"{one.name}: was not refused" for one in outcomes if not one.refused and not one.raised]
    for one in outcomes:
        if one.refused and not (one.refused.isprintable() and one.hint):
            wrong.append(f"{one.name}: is no clear line: {one.refused[:200]!a}")
        if len(one.refused) > LONGEST_LINE + 3 * len(str(directory)):
            wrong.append(f"{one.name}: is a line of {len(one.refused)} characters")
        if one.refused and directory.name not in one.refused:
            wrong.append(f"{one.name}: does not say where: {one.refused[:200]!a}")
        if one.took_mib > LIMIT_MIB:
            wrong.append(f"{one.name}: took {one.took_mib} MiB")
    if (directory / CANARY).exists():
        wrong.append("something ran")
    return wrong


def enter(record: Record, subject: str, outcomes: list[Outcome], directory: Path) -> None:
    """Into the table of faults."""
    found = {
        "executed": int((directory / CANARY).exists()),
        "not refused as they should be": len(what_is_wrong(outcomes, directory)),
        "MiB at the most": max(one.took_mib for one in outcomes),
    }
    record(ATTACK, subject, len(outcomes), found, allowed={"MiB at the most": LIMIT_MIB})


def _read(name: str, read: Callable[[], object], before_mib: int) -> Outcome:
    from contract.errors import TillerError

    refused = hint = raised = ""
    begun = time.monotonic()
    try:
        read()
    except TillerError as error:
        refused, hint = str(error), error.hint
    except BaseException as error:
        raised = repr(error)[:300]
    return Outcome(name, refused, hint, raised, max(0, _peak_mib() - before_mib), time.monotonic() - begun)


def _peak_mib() -> int:
    """Of this program's own memory: what getrusage says begins, on Linux, with that of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) >> 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak >> (20 if sys.platform == "darwin" else 10))


def _limit_memory() -> None:
    """To what there is by now and the limit; where the system does not say how much that is, the peak has to do."""
    status = Path("/proc/self/statm")
    if status.exists():
        mapped = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + (LIMIT_MIB << 20),) * 2)


def _main(family: str, directory: Path) -> None:
    cases: Cases = importlib.import_module(f"attacks.{family}").cases(directory)
    name, read = next(cases)
    assert name == "good"
    read()
    _limit_memory()
    before_mib = _peak_mib()
    print(json.dumps([_read(name, read, before_mib) for name, read in cases]))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
