"""SIGTERM at any moment of a program's life, which is chosen by the call to the system that it has come to."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.announcing import Call
from support.busy_programs import BY_NAME, Busy, world_of
from support.counts import trials
from support.figures import TOLD_TO_END, Record
from support.forked import Forked, Nursery
from support.published import temporaries
from support.scripted_book import ScriptedBook

from contract.daemon import DONE

END_S = 5.0
END_WHILE_SAVING_S = 15.0
ANY_CALLS = 1_000
"""More than there are in the life of a program up to its first rest."""
LEARNS = ("--loop", "--episodes", "1")
LEARNS_ON_AND_ON = ("--loop", "--episodes", "1000000")
DAEMONS = [busy for name, busy in BY_NAME.items() if name not in ("tiller", "trainer")]
TRAINER = BY_NAME["trainer"]


class Ends:
    """What was found at one program."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.found = {"too slow": 0, "not of its own accord": 0, "temporaries": 0, "seconds at the most": 0.0}

    def end(self, running: Forked, book: ScriptedBook) -> None:
        code, took_s = running.ends(signal.SIGTERM, within_s=4 * self.limit_s)
        self.found["too slow"] += took_s > self.limit_s
        self.found["not of its own accord"] += code != DONE
        self.found["temporaries"] += len(temporaries(book.root))
        self.found["seconds at the most"] = max(self.found["seconds at the most"], took_s)

    def enter(self, record: Record, subject: str, count: int, *, asked: int | None = None) -> None:
        limits = {"seconds at the most": self.limit_s}
        record(TOLD_TO_END, subject, count, self.found, allowed=limits, asked=asked)
        assert not any(value > limits.get(name, 0) for name, value in self.found.items()), self.found


def start(busy: Busy, nursery: Nursery, book: ScriptedBook, number: int, *arguments: str) -> Forked:
    busy.news(book, number)
    chosen = arguments or busy.arguments
    return nursery.start(busy.program, book.root.path, *chosen, environment=busy.environment)


def calls_until_it_rests(busy: Busy, nursery: Nursery, book: ScriptedBook, counts: Callable[[Call], bool]) -> int:
    made = 0

    def count(call: Call) -> bool:
        nonlocal made
        made += counts(call)
        return counts(call)

    with start(busy, nursery, book, 0) as running:
        running.reaches(ANY_CALLS, count)
        running.ends(signal.SIGTERM)  # a supervisor that is killed leaves its programs running, amid whatever they do
    return made


def any_call(call: Call) -> bool:
    return True


@trials(1, 100, timeout_s=1800)
@pytest.mark.parametrize("busy", DAEMONS, ids=lambda busy: busy.program)
def test_it_ends_whenever_it_is_told_to(
    busy: Busy, trials: int, nursery: Nursery, tmp_path: Path, seed: int, record: Record
) -> None:
    chance, ends = random.Random(seed), Ends(END_S)
    with world_of(busy, tmp_path) as book:
        most = calls_until_it_rests(busy, nursery, book, any_call)
        for number in range(1, trials + 1):
            with start(busy, nursery, book, number) as running:
                running.reaches(chance.randint(1, most + most // 4), any_call)  # a fifth of them while it rests
                ends.end(running, book)
    ends.enter(record, busy.program, trials)


def due(book: ScriptedBook) -> None:
    """So that the next trainer trains."""
    book.root.training_log.unlink(missing_ok=True)


@trials(1, 100, timeout_s=1800)
def test_a_trainer_ends_while_it_learns(
    trials: int, nursery: Nursery, tmp_path: Path, seed: int, record: Record
) -> None:
    chance, ends = random.Random(seed), Ends(END_S)
    with world_of(TRAINER, tmp_path) as book:
        for number in range(1, trials + 1):
            due(book)
            with start(TRAINER, nursery, book, number, *LEARNS_ON_AND_ON) as running:
                if number % 2:
                    running.reaches(chance.randint(1, 60), any_call)
                else:
                    running.complains("training seed=")
                ends.end(running, book)
    ends.enter(record, "trainer", trials)


@trials(1, 100, timeout_s=1800)
def test_a_trainer_ends_while_it_saves(
    trials: int, nursery: Nursery, tmp_path: Path, seed: int, record: Record
) -> None:
    chance, ends = random.Random(seed), Ends(END_WHILE_SAVING_S)
    with world_of(TRAINER, tmp_path) as book:
        for number in range(1, trials + 1):
            due(book)
            file = chance.choice(TRAINER.files)
            with start(TRAINER, nursery, book, number, *LEARNS) as running:
                assert running.reaches(chance.randint(1, file.calls), file.counts(book.root))
                ends.end(running, book)
    ends.enter(record, "trainer, while it saves", trials)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_trainer_ends_amid_ppo(nursery: Nursery, tmp_path: Path, record: Record) -> None:
    """The real learner, which looks up now and then only; torch is there by then."""
    ends, trials = Ends(END_S), 10
    with world_of(TRAINER, tmp_path) as book:
        for _ in range(trials):
            due(book)
            with nursery.start("learner", book.root.path, *LEARNS_ON_AND_ON) as running:
                running.complains("training seed=")
                ends.end(running, book)
    ends.enter(record, "trainer, amid PPO", trials, asked=trials)
