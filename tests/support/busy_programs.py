"""Every program of ours in a world in which it has something to say whenever it is started, and where it says it.

To be started with `support.forked`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.bot_files import load
from ai.checkpoint import decode_checkpoint
from ai.model_store import roll_back
from analytics.live_days import parse_live_days
from console.launch import stop
from contract.files import publish
from contract.schema.account import parse_portfolio, parse_strategy_performance
from contract.schema.alerts import parse_alerts_state
from contract.schema.fields import by_name
from contract.schema.judgement import parse_report, parse_trust
from contract.schema.model import parse_manifest, parse_training_log
from contract.schema.names import MARKS_HEADER, PERFORMANCE_HEADER, PNL_HEADER, QUARANTINE_HEADER, STRATEGIES, Root
from contract.schema.operations import parse_heartbeat, parse_journal_entry
from contract.schema.risk import parse_resume_request, parse_risk_event, parse_risk_state
from contract.schema.supervision import Wanted, encode_wanted, parse_processes, parse_wanted
from contract.schema.weights import (
    ACTIVE,
    Allocations,
    Risk,
    encode_allocations,
    parse_allocations,
    parse_lab_weights,
    parse_optimizer_weights,
    parse_rl_weights,
    parse_weight_history,
)
from contract.system import OperatingSystem
from support import bridge_world
from support.published import Check, Published
from support.scripted_book import ScriptedBook
from support.scripted_learner import turning_returns

SYSTEM = OperatingSystem()
RETURNS = np.random.default_rng(5).normal(0.0005, 0.01, (20_000, 8)).round(9)


class Busy(NamedTuple):
    """A program, and what happens in the world before its n-th start."""

    program: str
    arguments: tuple[str, ...]
    once: tuple[str, ...]
    """Instead of those, for one run and the end; none where it cannot."""
    files: tuple[Published, ...]
    news: Callable[[ScriptedBook, int], None]
    environment: Mapping[str, str] = {}
    prepare: Callable[[ScriptedBook], None] = lambda book: None


def _state(root: Root) -> Path:
    return root.state


def _runtime(root: Root) -> Path:
    return root.runtime


def _model(root: Root) -> Path:
    return root.model


def _journals(root: Root) -> Path:
    return root.journals


def _cells(*headers: tuple[str, ...]) -> Check:
    """A line has as many cells as one of the headers."""

    def check(line: bytes, path: Path) -> None:
        if line.count(b",") + 1 not in map(len, headers) or b"\0" in line:
            raise ValueError(line)

    return check


def _live_day(line: bytes, path: Path) -> None:
    if not line.startswith(b"day,") and len(parse_live_days(b"day\n" + line + b"\n")) != 1:
        raise ValueError(line)


def _page(content: bytes, path: Path) -> None:
    if not content.rstrip().endswith(b"</html>"):
        raise ValueError(content[-60:])


def _ledger(content: bytes, path: Path) -> None:
    load(SYSTEM, Root(path.parents[1]))


def a_day(book: ScriptedBook, number: int) -> None:
    book.mark(RETURNS[number : number + 1])


def thirty_days(book: ScriptedBook) -> None:
    book.mark(RETURNS[-30:])


def another_proposal(book: ScriptedBook, number: int) -> None:
    """And a trade, and a halt that begins or ends."""
    weights = [0.3 if place == number % 8 else 0.1 for place in range(8)]
    bridge_world.rl(book.root, weights, generation=number + 1)
    bridge_world.trade(book.root, f"{book.date(number)}T12:00:00Z", 1.0)
    if number % 2:
        book.root.halt.unlink(missing_ok=True)
    else:
        book.root.halt.touch()


def told(root: Root, number: int, source: str = "rl_inference") -> None:
    now = datetime.now(UTC)
    weights = tuple(0.3 if place == number % 8 else 0.1 for place in range(8))
    record = Allocations(
        allocations=by_name(weights),
        source=source,
        timestamp=now,
        valid_until=now + timedelta(minutes=10),
        risk=Risk(ACTIVE, 1.0, ""),
        strategy_allocations=weights,
        generation=number + 1,
    )
    publish(SYSTEM, root.allocations, encode_allocations(record))


def a_day_and_a_publication(book: ScriptedBook, number: int) -> None:
    """And a row that cannot be read."""
    a_day(book, number)
    told(book.root, number)
    with book.root.strategy_marks.open("a") as file:
        file.write(f"garbage {number}\n")


def another_source(book: ScriptedBook, number: int) -> None:
    told(book.root, number, ("rl_inference", "strategy_lab")[number % 2])
    publish(SYSTEM, book.root.wanted, encode_wanted(Wanted()))  # which wakes who only looks now and then


def many_days(book: ScriptedBook) -> None:
    book.mark(turning_returns(600))
    book.close(STRATEGIES[0], *[1.0] * 50)


def the_prior_serves(book: ScriptedBook, number: int) -> None:
    """So that there is something that a training can be better than; and a trade, so that it is looked for."""
    book.close(STRATEGIES[0], 1.0)
    if book.root.manifest.exists():
        roll_back(SYSTEM, book.root, 0)


def nothing_new(book: ScriptedBook, number: int) -> None:
    pass


def a_program_is_wanted(book: ScriptedBook) -> None:
    publish(SYSTEM, book.root.wanted, encode_wanted(Wanted(("bridge",))))


def halted(book: ScriptedBook) -> None:
    book.root.risk_state.write_text("{")  # what cannot be read counts as tripped


TRAINER_FILES = (
    Published(_model, r"config\.json", parse_manifest),
    Published(_model, r"checkpoint_latest\.pkl", lambda content, path: decode_checkpoint(content, path)),
    Published(_model, r"checkpoint_\d+\.pkl", lambda content, path: decode_checkpoint(content, path)),
    Published(_model, r"config_\d+\.json", parse_manifest),
    Published(_state, r"rl_training_log\.json", parse_training_log),
)

PROGRAMS = (
    Busy(
        "inference",
        ("--loop",),
        ("--update",),
        (
            Published(_runtime, r"rl_strategy_weights\.json", parse_rl_weights),
            Published(_state, r"trust\.json", parse_trust),
            Published(_journals, r"inference\.jsonl", parse_journal_entry, by_line=True),
        ),
        a_day,
        prepare=thirty_days,
    ),
    Busy(
        "bridge",
        (),
        ("--once",),
        (
            Published(_runtime, r"allocations_override\.json", parse_allocations),
            Published(_state, r"risk_state\.json", parse_risk_state),
            Published(_state, r"risk_events\.jsonl", parse_risk_event, by_line=True),
            Published(_journals, r"bridge\.jsonl", parse_journal_entry, by_line=True),
            Published(lambda root: root.heartbeats, r"bridge\.json", parse_heartbeat),
        ),
        another_proposal,
    ),
    Busy(
        "trainer",
        ("--train", "--episodes", "1"),
        ("--train", "--episodes", "1"),
        TRAINER_FILES,
        the_prior_serves,
        {"TILLER__PROMOTION__DRAWS": "100"},
        many_days,
    ),
    Busy(
        "tracker",
        ("--loop",),
        ("--report",),
        (
            Published(_state, r"rl_weight_history\.json", parse_weight_history),
            Published(_state, r"live_days\.csv", _live_day, by_line=True),
            Published(_state, r"rl_performance_report\.json", parse_report),
            Published(_state, r"rl_performance_report\.html", _page),
            Published(_state, r"quarantine\.csv", _cells(QUARANTINE_HEADER), by_line=True),
        ),
        a_day_and_a_publication,
        {"TILLER__TRACKER__DRAWS": "100"},
        thirty_days,
    ),
    Busy(
        "optimizer",
        (),
        ("--once",),
        (Published(_state, r"allocations\.json", parse_optimizer_weights),),
        a_day,
        prepare=thirty_days,
    ),
    Busy(
        "lab",
        (),
        ("--once",),
        (
            Published(_runtime, r"strategy_weights\.json", parse_lab_weights),
            Published(_state, r"strategy_performance\.json", parse_strategy_performance),
        ),
        a_day,
        prepare=thirty_days,
    ),
    Busy("alerts", (), ("--once",), (Published(_state, r"alerts\.json", parse_alerts_state),), another_source),
    Busy(
        "paper_trader",
        ("--live", "--bar-seconds", "0.001"),
        ("--fast-forward", "1"),
        (
            Published(_state, r"paper_trader\.json", _ledger),
            Published(_state, r"pnl_history\.csv", _cells(PNL_HEADER), by_line=True),
            Published(_state, r"strategy_marks\.csv", _cells(MARKS_HEADER), by_line=True),
            Published(_state, r"performance_metrics\.csv", _cells(PERFORMANCE_HEADER), by_line=True),
            Published(_runtime, r"portfolio\.json", parse_portfolio),
        ),
        nothing_new,
        {"TILLER__BOT__SYMBOLS": "4"},
    ),
    Busy(
        "supervisor",
        (),
        (),
        (Published(_runtime, r"processes\.json", parse_processes),),
        nothing_new,
        {},
        a_program_is_wanted,
    ),
    Busy(
        "tiller",
        ("stop",),
        (),
        (Published(_runtime, r"wanted\.json", parse_wanted),),
        nothing_new,
        {},
        a_program_is_wanted,
    ),
    Busy(
        "tiller",
        ("resume", "--reason", "looked at it"),
        (),
        (Published(_runtime, r"resume\.json", parse_resume_request),),
        nothing_new,
        prepare=halted,
    ),
)

BY_NAME = {busy.program: busy for busy in PROGRAMS}


@contextmanager
def world_of(busy: Busy, path: Path) -> Iterator[ScriptedBook]:
    book = ScriptedBook(path)
    book.root.runtime.mkdir(exist_ok=True)
    busy.prepare(book)
    yield book
    if busy.program == "supervisor":
        stop(SYSTEM, book.root, lambda line: None)  # and what it left running when it was killed


def look(busy: Busy, root: Root, before: dict[Path, bytes], found: Counter[str]) -> dict[Path, bytes]:
    """Count what is wrong with its files, and which are gone since; returns them."""
    now: dict[Path, bytes] = {}
    for file in busy.files:
        there = file.found(root)
        for path, content in there.items():
            found["empty"] += not content and not file.by_line
            found["torn"] += bool(content) and file.is_torn(content, path)
        if not file.is_family:
            found["gone"] += sum(re.fullmatch(file.name, path.name) is not None for path in before.keys() - there)
        now |= there
    return now
