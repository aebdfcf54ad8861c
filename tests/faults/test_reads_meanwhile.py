"""Readers at work while files are published: none ever sees half of one, or an older one after a newer."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from support.bridge_world import bridge, rl
from support.counts import trials
from support.figures import READ_MEANWHILE, Record
from support.processes import Running
from support.writers import Writers, is_whole, version_of

from contract.files import read_bytes
from contract.schema.names import STRATEGIES, Root
from contract.system import OperatingSystem


def race(writers: Writers, kind: str, path: Path, reads: int, least_versions: int) -> Counter[str]:
    """Read while a writer writes, until enough was read and enough versions went by."""
    count = Counter(reads=0, versions=0, torn=0, backwards=0)
    system, last = OperatingSystem(), 0
    writer = writers.start(kind, path)
    while count["reads"] < reads or count["versions"] < least_versions:
        found = read_bytes(system, path) or b""
        count["reads"] += 1
        if not is_whole(found):
            count["torn"] += 1
            continue
        count["backwards"] += version_of(found) < last
        count["versions"] += version_of(found) > last
        last = version_of(found)
    writer.kill()
    return count


@trials(5_000, 50_000)
def test_readers_never_see_half_a_publication(trials: int, tmp_path: Path, record: Record) -> None:
    with Writers() as writers:
        count = race(writers, "publish", tmp_path / "weights.json", trials, least_versions=100)
        careless = race(writers, "overwrite", tmp_path / "other.json", reads=500, least_versions=20)
    found = {"torn": count["torn"], "older than the last": count["backwards"]}
    record(READ_MEANWHILE, "a file that is published on and on", count["reads"], found)
    assert count["torn"] == count["backwards"] == 0
    assert careless["torn"] > 0


# The bridge's file, read by a bot.

BOT = """
import json, sys
path, last = sys.argv[1], int(sys.argv[2])
words = "trading strategy reversion momentum breakout bollinger vix pairs turtle macd".split()
reads = 0
print("ready", flush=True)
while True:
    with open(path, "rb") as file:
        told = json.loads(file.read())
    generation = told["metadata"]["source_generation"]
    allocations = told["allocations"]
    assert abs(sum(allocations.values()) - 1) < 1e-9, allocations
    assert all(0.02 <= weight <= 0.35 for weight in allocations.values()), allocations
    if generation is not None:
        assert list(allocations) == told_names, allocations
        place = generation % 8
        wanted = [0.3 if other == place else 0.1 for other in range(8)]
        assert list(allocations.values()) == wanted, (generation, allocations)
    reads += 1
    if generation == last:
        break
print("read", reads, flush=True)
"""


@trials(30, 2_000)
def test_a_bot_never_reads_anything_but_what_was_intended(trials: int, tmp_path: Path, record: Record) -> None:
    root = Root(tmp_path)
    with bridge(root, bridge__interval_s=1.0) as process:
        process.complains("INFO bridge told .*source=equal_weight")
        bot = BOT.replace("told_names", repr(list(STRATEGIES)))
        with Running([sys.executable, "-c", bot, root.allocations, str(trials)]) as reader:
            reader.says("ready")
            for update in range(1, trials + 1):
                rl(root, [0.3 if place == update % 8 else 0.1 for place in range(8)], generation=update)
                process.complains(f"INFO bridge told .*generation={update + 1} ")
            reads = int(reader.says("read").split()[1])
            wrong = reader.ended()
    record(READ_MEANWHILE, f"the bridge's file, of which {trials:,} follow each other", reads, {"not intended": wrong})
    assert wrong == 0, reader.errors
