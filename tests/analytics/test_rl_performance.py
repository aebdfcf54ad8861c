"""The tracker: what it remembers, when it judges, and what it does where files are missing or broken."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scripted_book import ScriptedBook, ScriptedReader
from support.scripted_models import policy, put_into_service

from analytics import rl_performance
from analytics.live_days import parse_live_days
from analytics.rl_performance import TRACKER
from contract import journal
from contract.config import BadSetting, Config, Tracker
from contract.daemon import DONE, FAILED
from contract.errors import RetryLater
from contract.files import append_line
from contract.schema.fields import by_name
from contract.schema.judgement import NOT_PROVEN, parse_report
from contract.schema.names import Root
from contract.schema.operations import JournalEntry
from contract.schema.weights import (
    Allocations,
    Risk,
    RlWeights,
    WeightHistory,
    encode_allocations,
    encode_rl_weights,
    parse_weight_history,
)
from contract.system import OperatingSystem, System

NOW = datetime(2024, 1, 10, 21, 5, tzinfo=UTC)
HOUR_S = 3600.0


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TILLER__TRACKER__DRAWS", "100")


@pytest.fixture(autouse=True)
def no_time_for_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl_performance, "pictures", lambda found: {})


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    made = ScriptedBook(tmp_path)
    made.root.runtime.mkdir()
    return made


@pytest.fixture
def tracker(book: ScriptedBook) -> ScriptedReader:
    return ScriptedReader(TRACKER, book.root)


def mark(book: ScriptedBook, days: int) -> None:
    book.mark(np.random.default_rng(book.days).normal(0.0, 0.01, (days, 8)).round(9))


def share(number: int) -> tuple[float, ...]:
    """Weights that no other publication has."""
    first = 0.2 + number / 1000.0
    return (first, *[(1.0 - first) / 7] * 7)


def tell(root: Root, number: int, source: str = "rl_inference", last_day: str | None = None) -> None:
    """The bridge publishes, and inference said it."""
    when = NOW + timedelta(minutes=number)
    told = Allocations(
        by_name(share(number)), source, when, None, Risk(), share(number), (), number, {"source_generation": number}
    )
    root.allocations.write_bytes(encode_allocations(told))
    if source == "rl_inference":
        metadata = {"trust": 0.4, "last_day": last_day, "model": {"generation": 2, "sha256": "a" * 64}}
        root.rl_weights.write_bytes(encode_rl_weights(RlWeights(share(number), when, None, True, number, metadata)))


def note(root: Root, number: int) -> None:
    """What both journals say of a publication."""
    when, weights = NOW + timedelta(minutes=number), by_name(share(number))
    said = {"weights": weights, "trust": 0.3, "last_day": "2024-01-05", "model": None}
    body = {"source": "rl_inference", "source_generation": number, "weights": weights}
    journal.write(OperatingSystem(), root, JournalEntry("inference", number, when, said))
    journal.write(OperatingSystem(), root, JournalEntry("bridge", number, when, body))


def remembered(root: Root) -> WeightHistory:
    return parse_weight_history(root.weight_history.read_bytes(), root.weight_history)


def generations(root: Root) -> list[int]:
    return [entry.metadata["generation"] for entry in remembered(root).history]


def written_report(root: Root) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(root.report.read_bytes())
    return values


def test_a_publication_is_remembered_with_what_inference_said(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 3)
    tell(book.root, 5, last_day="2024-01-02")
    assert tracker.once("--track") == DONE
    (entry,) = remembered(book.root).history
    assert entry.weights == pytest.approx(share(5))
    assert entry.timestamp == NOW + timedelta(minutes=5)
    assert entry.metadata["trust"] == 0.4
    assert entry.metadata["last_day"] == "2024-01-02"
    assert entry.metadata["model"] == {"generation": 2, "sha256": "a" * 64}
    assert not book.root.report.exists(), "--track judges nothing"


def test_restarts_neither_forget_nor_double(book: ScriptedBook, tracker: ScriptedReader) -> None:
    """The ancestor's history had one entry after any number of runs."""
    for number in (1, 2, 3):
        tell(book.root, number)
        for _ in range(3):
            assert tracker.once("--track") == DONE
    assert generations(book.root) == [1, 2, 3]


def test_a_renewal_is_not_another_publication(book: ScriptedBook, tracker: ScriptedReader) -> None:
    def renew() -> None:
        tell(book.root, 1)

    tracker.loop(renew, renew, renew, options=["--loop"])
    assert generations(book.root) == [1]


def test_what_passed_while_nobody_looked_is_found_in_the_journal(book: ScriptedBook, tracker: ScriptedReader) -> None:
    tell(book.root, 1)
    tracker.once("--track")
    for number in (2, 3, 4):
        note(book.root, number)
    tell(book.root, 4)
    tracker.once("--track")
    assert generations(book.root) == [1, 2, 3, 4]
    missed = remembered(book.root).history[1]
    assert missed.weights == pytest.approx(share(2))
    assert (missed.metadata["trust"], missed.metadata["last_day"]) == (0.3, "2024-01-05")


def test_what_a_power_cut_took_back_was_told_once(book: ScriptedBook, tracker: ScriptedReader) -> None:
    """A publication that was not durable yet: the bot is told what came before it again, until the next."""
    for number in (1, 2, 1, 3):
        note(book.root, number)
        tell(book.root, number)
        tracker.once("--track")
    assert generations(book.root) == [1, 2, 1, 3], "the second is not looked up as if it had been missed"


@pytest.mark.parametrize("daemon", ["bridge", "inference"])
def test_a_journal_that_cannot_be_read_now_is_asked_again(
    book: ScriptedBook, tracker: ScriptedReader, monkeypatch: pytest.MonkeyPatch, daemon: str
) -> None:
    tell(book.root, 1)
    tracker.once("--track")
    for number in (2, 3):
        note(book.root, number)
    tell(book.root, 3)

    def failing(path: Path, flags: int, mode: int = 0o644) -> int:
        if path == book.root.journal(daemon):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return OperatingSystem().open(path, flags, mode)

    monkeypatch.setattr(tracker.waits, "open", failing)
    assert tracker.once("--track") == FAILED
    assert generations(book.root) == [1]
    monkeypatch.undo()
    assert tracker.once("--track") == DONE
    assert generations(book.root) == [1, 2, 3]
    assert remembered(book.root).history[1].metadata["trust"] == 0.3


def test_a_bridge_that_began_again_is_believed(book: ScriptedBook, tracker: ScriptedReader) -> None:
    for number in (9, 1):
        tell(book.root, number)
        tracker.once("--track")
    assert generations(book.root) == [9, 1]


def test_other_sources_are_remembered_as_such(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 4)
    tell(book.root, 1, "equal_weight")
    tracker.once("--track")
    (entry,) = remembered(book.root).history
    assert entry.metadata == {"source": "equal_weight", "generation": 1, "last_day": "2024-01-04"}


def test_each_day_gets_the_weights_that_were_in_force(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 2)
    tell(book.root, 1, last_day="2024-01-02")

    def a_day_passes() -> None:
        mark(book, 1)

    def and_new_weights_are_told() -> None:
        tell(book.root, 2, last_day=str(book.date(book.days - 1)))

    tracker.loop(a_day_passes, and_new_weights_are_told, a_day_passes, a_day_passes, options=["--loop"])
    live = parse_live_days(book.root.live_days.read_bytes())
    assert [(day.day.day, day.generation) for day in live] == [(3, 1), (4, 2), (5, 2)]
    assert tracker.once("--track") == DONE
    assert len(parse_live_days(book.root.live_days.read_bytes())) == 3


def test_a_torn_day_is_written_again(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 2)
    tell(book.root, 1, last_day="2024-01-01")
    tracker.once("--track")
    whole = book.root.live_days.read_bytes()
    book.root.live_days.write_bytes(whole[:-20])
    tracker.once("--track")
    assert book.root.live_days.read_bytes() == whole


def test_bad_rows_go_into_quarantine_once_each(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 1)
    book.close("vix_strategy", 1.0)

    def garbage() -> None:
        with book.root.pnl_history.open("a") as file:
            file.write("2024-01-01T20:00:00Z,AAA,nan,x\n<script>,1\n")

    garbage()
    assert tracker.once("--track") == DONE
    lines = book.root.quarantine.read_text().splitlines()
    assert lines[0] == "file,offset,reason,row"
    assert [line.split(",")[0] for line in lines[1:]] == ["pnl_history.csv"] * 2
    row = b"2024-01-01T20:00:00Z,AAA,nan,x"
    assert lines[1].split(",")[1] == str(book.root.pnl_history.read_bytes().index(row))
    assert "unreadable pnl" in lines[1] and "wrong column count" in lines[2]
    tracker.once("--track")
    assert book.root.quarantine.read_text().splitlines() == lines
    tracker.loop(garbage, lambda: None, options=["--loop"])
    assert len(book.root.quarantine.read_text().splitlines()) == 5, "the same row at another offset is another"
    assert tracker.once("--report") == DONE
    assert written_report(book.root)["book"]["bad_rows"] == 4


def test_bad_rows_wait_for_room_on_the_disk(
    book: ScriptedBook, tracker: ScriptedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(book, 1)
    with book.root.strategy_marks.open("a") as file:
        file.write("garbage\n")
    failures = [RetryLater("cannot append: No space left on device")] * 2

    def append_or_fail(system: System, path: Path, *lines: str, header: str) -> None:
        if lines and failures:
            raise failures.pop()
        append_line(system, path, *lines, header=header)

    monkeypatch.setattr("analytics.bad_rows.append_line", append_or_fail)
    found = []
    tracker.loop(*[lambda: found.append(book.root.quarantine.exists())] * 3, options=["--loop"])
    assert found == [False, False, True]
    assert len(book.root.quarantine.read_text().splitlines()) == 2
    assert tracker.heartbeat().last_error == ""


def test_a_full_quarantine_takes_no_more_and_says_so(
    book: ScriptedBook, tracker: ScriptedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.bad_rows.MOST_ROWS", 3)
    mark(book, 1)
    with book.root.strategy_marks.open("a") as file:
        file.write("".join(f"garbage {number}\n" for number in range(5)))
    assert tracker.once("--report") == DONE
    assert len(book.root.quarantine.read_text().splitlines()) == 1 + 3
    values = written_report(book.root)
    assert values["book"]["bad_rows"] == 5
    assert values["troubles"] == ["the quarantine is full: further bad rows are counted, not kept"]


def test_it_judges_at_once_then_once_an_interval_and_when_another_model_serves(
    book: ScriptedBook, tracker: ScriptedReader
) -> None:
    mark(book, 5)
    began = tracker.waits.now()
    made: list[float] = []

    def look() -> None:
        report = parse_report(book.root.report.read_bytes(), book.root.report)
        seconds = (report.timestamp - began).total_seconds()
        if seconds not in made:
            made.append(seconds)

    def promote() -> None:
        put_into_service(book.root, policy(1))

    tracker.loop(*[look] * 15, promote, *[look] * 15, options=["--loop", "--interval", "300"])
    first, second, promoted, last = made
    assert (first, second) == (0.0, 300.0)
    assert 300.0 < promoted < 600.0
    assert last == promoted + 300.0
    assert TRACKER.interval_s(Config()) < Config().tracker.interval_s == HOUR_S


def test_the_report_is_json_and_a_page(
    book: ScriptedBook, tracker: ScriptedReader, capsys: pytest.CaptureFixture[str]
) -> None:
    mark(book, 40)
    tell(book.root, 1, last_day="2024-01-20")
    assert tracker.once("--report") == DONE
    printed = json.loads(capsys.readouterr().out)
    assert printed == written_report(book.root)
    assert printed["verdict"] == NOT_PROVEN
    assert printed["live"]["days"] == 20
    assert printed["live"]["sources"] == {"rl_inference": 20}
    assert printed["model"]["generation"] == 0
    assert book.root.report_page.read_text().startswith("<!doctype html>")
    assert tracker.once() == DONE
    assert capsys.readouterr().out.startswith("not proven: 20 live days are too few")


def test_an_empty_house_gets_a_report(book: ScriptedBook, tracker: ScriptedReader) -> None:
    assert tracker.once("--report") == DONE
    assert written_report(book.root)["live"]["days"] == 0
    assert not book.root.weight_history.exists() and not book.root.quarantine.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("trust", "no trust"), ("training_log", "no training log"), ("allocations", "not recorded")],
)
def test_what_cannot_be_read_is_named_and_done_without(
    book: ScriptedBook, tracker: ScriptedReader, name: str, said: str
) -> None:
    mark(book, 5)
    getattr(book.root, name).write_bytes(b'{"torn')
    assert tracker.once("--report") == DONE, tracker.lines.said
    (trouble,) = written_report(book.root)["troubles"]
    assert trouble.startswith(said)
    assert said in tracker.heartbeat().last_error
    assert said in book.root.report_page.read_text()
    assert getattr(book.root, name).read_bytes() == b'{"torn', "it is never written over"


def test_a_model_that_is_broken_leaves_out_the_replay_alone(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 5)
    put_into_service(book.root, policy(1))
    manifest = json.loads(book.root.manifest.read_bytes())
    (book.root.model / manifest["checkpoint"]).write_bytes(b"garbage")
    assert tracker.once("--report") == DONE
    values = written_report(book.root)
    assert (values["model"], values["replay"]) == (None, None)
    assert values["troubles"][0].startswith("no model")


def test_a_history_that_cannot_be_read_is_not_begun_again(book: ScriptedBook, tracker: ScriptedReader) -> None:
    book.root.weight_history.write_bytes(b'{"history": [{}]}')
    tell(book.root, 1)
    assert tracker.once("--track") == FAILED
    assert "move it away to begin another" in tracker.heartbeat().last_error
    assert book.root.weight_history.read_bytes() == b'{"history": [{}]}'


def test_the_ancestors_history_goes_on(book: ScriptedBook, tracker: ScriptedReader) -> None:
    mark(book, 3)
    old = {"timestamp": "2024-01-01T23:13:01+00:00", "weights": by_name(share(0)), "metadata": {"deterministic": True}}
    book.root.weight_history.write_text(json.dumps({"history": [old], "last_update": "2024-01-01T23:13:01+00:00"}))
    tell(book.root, 1, last_day="2024-01-02")
    assert tracker.once("--report") == DONE
    assert len(remembered(book.root).history) == 2
    live = parse_live_days(book.root.live_days.read_bytes())
    assert [(day.day.day, day.source) for day in live] == [(2, "unknown"), (3, "rl_inference")]


NONSENSE = {"interval_s": 0.0, "least_days": 1, "level": 1.0, "draws": 99, "mean_block": 0.5, "least_e_value": 0.9}


@pytest.mark.parametrize("key", NONSENSE)
def test_settings_that_make_no_sense_are_refused(key: str) -> None:
    with pytest.raises(BadSetting, match=f"tracker.{key}"):
        Tracker(**{key: NONSENSE[key]})  # type: ignore[arg-type]
