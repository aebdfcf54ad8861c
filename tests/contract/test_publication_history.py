"""A writer that lives through everything at once, on the fake: what it was told is written stays written."""

from __future__ import annotations

import errno
import random
from collections import Counter
from pathlib import Path

import pytest
from support.fake_system import Call, Crash, FakeMachine, FakeSystem, Plan
from support.figures import Tell, table
from support.writers import content, is_whole, line, version_of

from contract.errors import RetryLater
from contract.files import append_line, publish, read_bytes, sweep
from contract.system import System

WEIGHTS, JOURNAL = Path("/tiller/runtime/weights.json"), Path("/tiller/state/journal.jsonl")
CODES = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)


def misfortune(chance: random.Random) -> Plan:
    """Now and then a call fails, and more rarely the process dies in one.

    Never do two calls in a row fail: a disk that takes a line, fails to make it durable, and then refuses to give it
    back leaves a line of which nobody can know.
    """
    last_failure = 0

    def plan(call: Call) -> None:
        nonlocal last_failure
        luck = chance.random()
        if luck < 0.004:
            raise Crash(f"in {call}")
        if luck < 0.02 and call.number > last_failure + 1:
            last_failure = call.number
            raise OSError(chance.choice(CODES), "no luck")

    return plan


class History:
    """Lives of one writer, and what was promised to it."""

    def __init__(self, seed: int) -> None:
        self.machine = FakeMachine(seed)
        self.chance = random.Random(seed)
        self.version = 0
        self.lines: list[str] = []
        self.count = Counter(lives=0, power_cuts=0, errors=0, publications=0, lines=0, torn=0, lost=0, doubled=0)

    def live(self) -> None:
        self.count["lives"] += 1
        system = self.machine.start(misfortune(self.chance))
        system.short_writes = self.chance.choice((0.0, 0.5))
        try:
            self._work(system)
        except Crash:
            pass
        system.kill()
        if self.chance.random() < 0.5:
            self.count["power_cuts"] += 1
            self.machine.power_cut()
        else:
            self.machine.disk.settle()  # as when nobody starts it again at once

    def _work(self, system: FakeSystem) -> None:
        while self.chance.random() > 0.05:
            try:
                sweep(system, WEIGHTS)
                version = version_of(read_bytes(system, WEIGHTS)) + 1
                publish(system, WEIGHTS, content(version))
                self.version = version
                self.count["publications"] += 1
                # A number that no life before has tried: what was never promised may be there all the same.
                entry = line(self.count["lives"] * 1000 + self.count["lines"])
                append_line(system, JOURNAL, entry)
                self.lines.append(entry)
                self.count["lines"] += 1
            except RetryLater:
                self.count["errors"] += 1

    def look(self) -> None:
        """As any other process does."""
        system: System = self.machine.start()
        found = read_bytes(system, WEIGHTS) or b""
        self.count["torn"] += bool(found) and not is_whole(found)
        self.count["lost"] += version_of(found) < self.version
        whole = (read_bytes(system, JOURNAL) or b"").decode().split("\n")[:-1]
        whole = [entry for entry in whole if "\0" not in entry]
        self.count["torn"] += sum(entry != line(int(entry[:8])) for entry in whole)
        self.count["lost"] += [entry for entry in whole if entry in set(self.lines)] != self.lines
        self.count["doubled"] += len(whole) - len(set(whole))


@pytest.mark.parametrize("seeds", [25, pytest.param(1000, marks=[pytest.mark.faults, pytest.mark.timeout(600)])])
def test_what_was_promised_is_kept_through_everything(seeds: int, tell: Tell) -> None:
    total: Counter[str] = Counter()
    for seed in range(seeds):
        history = History(seed)
        for _ in range(12):
            history.live()
            history.look()
        total.update(history.count)
    tell(table("lives of a writer under errors, kills and power cuts", {"": total}))
    assert total["power_cuts"] > 2 * seeds < total["errors"]
    assert total["torn"] == total["lost"] == total["doubled"] == 0
