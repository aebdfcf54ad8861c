"""`kill -9` of every writer while it writes each of its files: nothing torn, nothing empty, nothing gone.

The moment is chosen by position: the n-th call to the system that is about the file. The kill arrives in that call or
a little behind it.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.busy_programs import PROGRAMS, Busy, look, world_of
from support.counts import trials
from support.figures import KILLED_WRITER, Record
from support.forked import Nursery
from support.published import Published, temporaries
from support.scripted_book import ScriptedBook

CALLS_OF_A_LIFE = 1_000
"""At the most: the paper trader goes on and on."""


def killed(busy: Busy, file: Published, nursery: Nursery, book: ScriptedBook, count: int, seed: int) -> Counter[str]:
    """So many kills in the calls that are about the file."""
    found = Counter(torn=0, empty=0, gone=0)
    chance, root, kills = random.Random(seed), book.root, 0
    contents: dict[Path, bytes] = {}
    for number in range(3 * count + 10):
        busy.news(book, number)
        with nursery.start(busy.program, root.path, *busy.arguments, environment=dict(busy.environment)) as running:
            kills += running.reaches(chance.randint(1, file.calls), file.counts(root))
            running.kills()
        contents = look(busy, root, contents, found)
        if kills == count:
            break
    assert kills == count, f"it seldom wrote {file.name}"
    return found


def lives_once_more(busy: Busy, nursery: Nursery, book: ScriptedBook) -> None:
    """Undisturbed, it does its work, and what its killed predecessors left is gone."""
    busy.news(book, -1)
    with nursery.start(busy.program, book.root.path, *busy.arguments, environment=dict(busy.environment)) as running:
        running.reaches(CALLS_OF_A_LIFE, lambda call: True)
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() in (0, 4), running.errors  # 4: a candidate was refused
    assert temporaries(book.root) == []


@trials(1, 150, timeout_s=1800)
@pytest.mark.parametrize("busy", PROGRAMS, ids=lambda busy: " ".join((busy.program, *busy.arguments[:1])))
def test_a_killed_program_leaves_whole_files(
    busy: Busy, trials: int, nursery: Nursery, tmp_path: Path, seed: int, record: Record
) -> None:
    with world_of(busy, tmp_path) as book:
        for file in busy.files:
            found = killed(busy, file, nursery, book, trials, seed)
            name = file.name.replace("\\", "").replace("d+", "N")
            record(KILLED_WRITER, f"{busy.program}: {name}", trials, found)
            assert found.total() == 0
        if busy.program != "tiller":
            lives_once_more(busy, nursery, book)
