"""Thousands of schedules of the five programs on one machine that crashes, lies about time, fills up and loses power.

A schedule is a number. What breaks says which: `bash scripts/test.sh tests/simulation -k replays --seed NUMBER` plays
that one again, call by call.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from support.figures import SCHEDULE, Record

from contract.schema.names import CHECKOUT
from simulation.invariants import Broken
from simulation.stage import set_up
from simulation.world import World

CHUNK = 30
CHUNKS = 10
FAULTS_CHUNK = 1000
SHOWN = {
    "processes": "processes",
    "calls": "calls",
    "kills": "kills",
    "power cuts": "power cuts",
    "errors": "errors",
    "clock": "clock steps",
    "fills": "fills",
    "promotions": "promotions",
}


@pytest.fixture(autouse=True)
def stage() -> Iterator[None]:
    with set_up():
        yield


def play(first: int, count: int) -> Counter[str]:
    """All of them, also behind one that breaks something."""
    total, broken = Counter[str](), list[str]()
    for number in range(first, first + count):
        world = World(number)
        try:
            world.play()
        except Broken as error:
            broken.append(str(error))
        total += world.count
    if broken:
        raise Broken("\n\n".join((f"{len(broken)} of {count} schedules broke something", *broken)))
    return total


def enter(record: Record, first: int, total: Counter[str]) -> None:
    """What was played without breaking anything."""
    what = ", ".join(f"{total[name]:,} {column}" for name, column in SHOWN.items())
    record(SCHEDULE, f"from {first}: {what}", total["schedules"], {"broken invariants": 0})


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_invariant_holds_in_every_schedule(chunk: int, seed: int, record: Record) -> None:
    first = seed + chunk * CHUNK
    total = play(first, CHUNK)
    assert total["schedules"] == CHUNK
    assert total["power cuts"] > CHUNK / 4 < total["kills"]
    enter(record, first, total)


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", range(10))
def test_every_invariant_holds_in_ten_thousand_schedules(chunk: int, seed: int, record: Record) -> None:
    first = seed + CHUNK * CHUNKS + chunk * FAULTS_CHUNK
    enter(record, first, play(first, FAULTS_CHUNK))


@pytest.mark.timeout(600)
def test_a_schedule_replays_exactly(seed: int) -> None:
    """In this process, and in another one whose sets and dictionaries of text are in another order."""
    program = "from simulation.stage import set_up\nfrom simulation.world import World\nimport sys\n"
    program += "with set_up():\n    print(World(int(sys.argv[1])).play())\n"
    environment = {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tests'}", "PYTHONHASHSEED": "7"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", program, str(seed)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert World(seed).play() == World(seed).play() == elsewhere.stdout.strip()
    assert World(seed + 1).play() != World(seed).play()
