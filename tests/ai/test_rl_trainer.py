"""The trainer as a daemon: when it trains, what it asks of the learner, and what becomes of the answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.policies_of_strength import model_with, strength_of
from support.scripted_book import ScriptedBook, ScriptedReader
from support.scripted_learner import CONTRARY, ScriptedLearner, turning_returns
from support.scripted_waits import START, ScriptedWaits

from ai import rl_trainer
from ai.model_store import publish_model, read_model, read_prior, roll_back
from ai.rl_trainer import trainer
from contract.daemon import CANDIDATE_REFUSED, DONE, FAILED, NOTHING_TO_DO
from contract.schema.fields import format_time
from contract.schema.model import Training, TrainingLog, parse_training_log
from contract.schema.names import STRATEGIES, Root
from contract.schema.operations import DEGRADED, RUNNING
from trading.rebalancing import Rules

DAYS = 600


class Follower(ScriptedReader):
    """The trainer, in a loop where it is not run once."""

    def loop(self, *steps: Callable[[], object], options: Sequence[str] = ("--loop",)) -> int:
        return super().loop(*steps, options=options)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    return ScriptedBook(tmp_path)


@pytest.fixture
def learner() -> ScriptedLearner:
    return ScriptedLearner()


@pytest.fixture
def daemon(book: ScriptedBook, learner: ScriptedLearner) -> Follower:
    return Follower(trainer(learner), book.root)


def trade(book: ScriptedBook, count: int, days: int = 0) -> None:
    if days:
        book.mark(turning_returns(days))
    book.close(STRATEGIES[0], *[1.0] * count)


def log(root: Root) -> TrainingLog:
    return parse_training_log(root.training_log.read_bytes(), root.training_log)


def last(root: Root) -> Training:
    return log(root).trainings[-1]


def strength(root: Root) -> float:
    return strength_of(read_model(ScriptedWaits(), root).checkpoint)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# When.


def test_it_waits_for_fifty_trades(book: ScriptedBook, daemon: Follower, learner: ScriptedLearner) -> None:
    trade(book, 49, DAYS)
    assert daemon.once() == NOTHING_TO_DO
    assert daemon.heartbeat().message == "stopped" and not book.root.training_log.exists()
    trade(book, 1)
    assert daemon.once() == DONE
    assert len(learner.lessons) == 1


def test_what_was_trained_is_remembered_across_restarts(book: ScriptedBook) -> None:
    trade(book, 50, DAYS)
    outcomes, hours = [], 0
    for more, later in [(0, 0), (0, 1), (49, 1), (1, 1), (0, 167), (0, 1)]:
        trade(book, more)
        hours += later
        restarted = ScriptedReader(trainer(ScriptedLearner()), book.root)
        restarted.waits.elapsed_s = 3600.0 * hours
        outcomes.append(restarted.once())
    assert outcomes == [DONE, NOTHING_TO_DO, NOTHING_TO_DO, CANDIDATE_REFUSED, NOTHING_TO_DO, CANDIDATE_REFUSED]


def test_the_ancestors_log_counts(book: ScriptedBook, daemon: Follower) -> None:
    trade(book, 80, DAYS)
    entry = {
        **{"timestamp": format_time(START - timedelta(hours=100)), "episodes": 100, "total_reward": -0.045},
        **{"avg_reward": -0.00045, "final_metrics": {"entropy": 2.0}, "training_data_size": 41},
    }
    content = {"training_history": [entry], "last_training": None, "config": {"min_trades": 50}}
    book.root.training_log.write_text(json.dumps(content))
    assert daemon.once() == NOTHING_TO_DO
    daemon.waits.elapsed_s = 68 * 3600.0
    assert daemon.once() == DONE
    assert [training.outcome for training in log(book.root).trainings] == ["failed", "promoted"]
    assert last(book.root).seed == 1


def test_asked_to_it_always_trains(book: ScriptedBook, daemon: Follower, learner: ScriptedLearner) -> None:
    trade(book, 3, DAYS)
    assert [daemon.once("--train"), daemon.once("--train")] == [DONE, CANDIDATE_REFUSED]
    assert [lesson.seed for lesson in learner.lessons] == [0, 1]


def test_with_a_handful_of_days_there_is_nothing_to_learn(
    book: ScriptedBook, daemon: Follower, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(book, 50, 39)
    assert daemon.once("--train", "--json") == NOTHING_TO_DO
    assert printed(capsys) == {"trained": False, "reason": "39 days of 40 that are needed to learn anything"}


def test_with_too_few_days_to_be_examined_on_it_trains_and_is_refused(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner
) -> None:
    trade(book, 50, 479)
    assert daemon.once() == CANDIDATE_REFUSED
    assert last(book.root).reason == "479 days are too few to examine a candidate on: 480 are needed (scripted)"
    assert read_model(daemon.waits, book.root).manifest.generation == 0
    (lesson,) = learner.lessons
    assert (lesson.training.days, lesson.validation.days) == (479 - 119 - 30, 119)


def test_it_follows_the_book_and_trains_when_it_is_due(book: ScriptedBook, daemon: Follower) -> None:
    trade(book, 49, DAYS)
    trained: list[int] = []

    def look(more: int) -> Callable[[], None]:
        def step() -> None:
            trained.append(len(log(book.root).trainings) if book.root.training_log.exists() else 0)
            if more:
                trade(book, more)

        return step

    assert daemon.loop(look(1), look(50), look(49), look(0)) == DONE
    assert trained == [0, 1, 2, 2]


# What it asks.


def test_the_learner_gets_what_lies_before_the_test_days(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner
) -> None:
    trade(book, 50, DAYS)
    daemon.once("--seed", "7", "--episodes", "3")
    (lesson,) = learner.lessons
    # 600 days = 210 | 30 | 80 | 30 | 250
    first, second = lesson.training.dates, lesson.validation.dates
    assert (len(first), len(second)) == (210, 80)
    assert (second[0] - first[-1], np.datetime64(book.date(599)) - second[-1]) == (31, 280)
    assert lesson.rules == Rules() and lesson.seed == 7 and lesson.settings.episodes == 3
    assert lesson.start.arrays.keys() == read_prior().checkpoint.arrays.keys()
    np.testing.assert_array_equal(lesson.start.arrays["residual"], read_prior().checkpoint.arrays["residual"])
    np.testing.assert_allclose(lesson.training.returns, turning_returns(DAYS)[:210], atol=1e-9)


@pytest.mark.parametrize("origin", ["prior", "service"])
def test_it_starts_from_the_prior_or_from_the_model_in_service(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner, origin: str
) -> None:
    trade(book, 50, DAYS)
    book.root.config.write_text(f"agent: {{continue_from: {origin}}}")
    publish_model(daemon.waits, book.root, model_with(1.25), {}, START, 0)
    assert daemon.once() == DONE
    expected = strength_of(read_prior().checkpoint) if origin == "prior" else 1.25
    assert strength_of(learner.lessons[0].start) == expected
    manifest = read_model(daemon.waits, book.root).manifest
    assert (manifest.parent, manifest.replaces) == ((0, 1) if origin == "prior" else (1, 1))


# What becomes of it.


def test_a_better_model_comes_into_service(
    book: ScriptedBook, daemon: Follower, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(book, 50, DAYS)
    assert daemon.once() == DONE
    assert strength(book.root) == CONTRARY
    manifest, entry = read_model(daemon.waits, book.root).manifest, last(book.root)
    assert (manifest.generation, manifest.trained_at) == (1, START)
    assert (entry.outcome, entry.generation, entry.timestamp) == ("promoted", 1, START)
    assert (entry.episodes, entry.total_reward, entry.duration_s) == (60, 30.0, 1.5)
    assert (entry.trades, entry.days, entry.seed) == (50, 210, 0)
    assert entry.final_metrics == {"policy_loss": 1 / 60, "entropy": 2.0}
    figures = entry.figures
    assert figures["service_lower_bound"] > 0 and figures["test_days"] == 250 and figures["trials"] == 1
    assert (figures["validation_sharpe"], figures["steps"], figures["examined_against"]) == (1.0, 3840, 0)
    assert manifest.details["training"]["figures"] == figures
    assert manifest.details["data"]["last_day"] == str(book.date(599))
    assert capsys.readouterr().out.startswith("promoted generation 1: better than the model in service: ")


def test_the_log_has_what_the_ancestors_readers_look_for(book: ScriptedBook, daemon: Follower) -> None:
    trade(book, 50, DAYS)
    daemon.once()
    content = json.loads(book.root.training_log.read_text())
    assert content["last_training"] == format_time(START)
    assert content["training_history"][0]["avg_reward"] == 0.5
    assert content["config"] == {
        **{"state_size": 34, "action_size": 8, "min_trades": 50},
        **{"retrain_interval_hours": 168.0, "retrain_trades": 50},
    }


def test_one_that_is_no_better_is_refused_and_logged(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner
) -> None:
    trade(book, 50, DAYS)
    learner.strength = 3.0  # what follows trends loses here
    assert daemon.once() == CANDIDATE_REFUSED
    assert last(book.root).outcome == "refused"
    assert last(book.root).reason.startswith("not shown to be better than the model in service")
    assert not book.root.manifest.exists()


def test_of_several_seeds_the_best_on_the_validation_days_is_offered(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(book, 50, DAYS)
    learner.worth = {10: 0.5, 11: 2.0, 12: float("nan")}
    assert daemon.once("--seed", "10", "--seeds", "3", "--json") == DONE
    said = printed(capsys)
    assert said["outcome"] == "promoted"
    assert [(t["seed"], t["outcome"]) for t in said["trainings"]] == [
        *((10, "passed over"), (12, "passed over"), (11, "promoted"))
    ]
    assert read_model(daemon.waits, book.root).checkpoint.settings["seed"] == 11
    assert log(book.root).trials == (0.5, 2.0), "nan is no ratio"
    assert last(book.root).figures["trials"] == 2
    daemon.once("--train", "--seeds", "2")
    assert last(book.root).figures["trials"] == 4
    assert [lesson.seed for lesson in learner.lessons] == [10, 11, 12, 3, 4]


def test_a_model_that_is_rolled_back_while_it_trains_is_not_what_it_was_examined_against(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner
) -> None:
    trade(book, 50, DAYS)
    publish_model(daemon.waits, book.root, model_with(1.25), {}, START, 0)
    learner.meanwhile = lambda: roll_back(daemon.waits, book.root, 0)
    assert daemon.once() == CANDIDATE_REFUSED
    assert last(book.root).reason == "another model was put into service while it trained"
    assert read_model(daemon.waits, book.root).manifest.generation == 0


# When something goes wrong.


def test_a_learner_that_fails_is_logged_and_not_asked_again_at_once(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner
) -> None:
    trade(book, 50, DAYS)

    def fail() -> None:
        raise ArithmeticError("no gradient")

    learner.meanwhile = fail
    beats: list[tuple[str, str]] = []

    def look() -> None:
        beats.append((daemon.heartbeat().state, daemon.heartbeat().last_error))

    daemon.loop(look, look)
    assert beats == [
        (DEGRADED, "unexpected ArithmeticError('no gradient')"),
        (DEGRADED, "the last training failed: ArithmeticError('no gradient')"),
    ]
    assert len(learner.lessons) == 1
    assert (last(book.root).outcome, last(book.root).trades) == ("failed", 50)
    learner.meanwhile = lambda: None
    assert daemon.once("--train") == DONE
    daemon.loop(look)
    assert beats[-1] == (RUNNING, "")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"training_history": [{"timestamp": "yesterday"}]}'])
def test_a_log_that_cannot_be_read_is_never_written_over(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner, content: str
) -> None:
    trade(book, 50, DAYS)
    book.root.training_log.write_text(content)
    assert daemon.once("--train") == FAILED
    assert book.root.training_log.read_text() == content
    assert learner.lessons == []
    assert "mend it, or move it away to begin another" in daemon.lines.said[-1]


def test_a_damaged_model_in_service_is_not_trained_over(book: ScriptedBook, daemon: Follower) -> None:
    trade(book, 50, DAYS)
    publish_model(daemon.waits, book.root, model_with(1.25), {}, START, 0)
    book.root.generation(1).write_bytes(b"damaged")
    assert daemon.once("--train") == FAILED
    assert "roll back to another generation" in daemon.lines.said[-1]


class FullDisk(ScriptedWaits):
    """Refuses to replace a file so many times."""

    def __init__(self, path: Path, times: int, *, after: bool = False) -> None:
        super().__init__()
        self.path = path
        self.left = times
        self.after = after
        self.must_fail = False

    def replace(self, source: Path, target: Path) -> None:
        if target == self.path and self.left:
            self.left -= 1
            if not self.after:
                raise OSError(28, "No space left on device")
            self.must_fail = True
        super().replace(source, target)

    def fsync(self, descriptor: int) -> None:
        if self.must_fail:
            self.must_fail = False
            raise OSError(5, "Input/output error")
        super().fsync(descriptor)


@pytest.mark.parametrize("place", ["checkpoint", "manifest", "training_log"])
@pytest.mark.parametrize("after", [False, True], ids=["full", "not durable"])
def test_what_was_learnt_outlasts_a_failing_disk(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner, place: str, after: bool
) -> None:
    trade(book, 50, DAYS)
    daemon.waits = FullDisk(getattr(book.root, place), times=2, after=after)
    found: list[int] = []
    daemon.loop(*[lambda: found.append(len(daemon.lines.said))] * 4)
    assert len(learner.lessons) == 1, "it is put on disk again, without another training"
    (entry,) = log(book.root).trainings
    manifest = read_model(daemon.waits, book.root).manifest
    assert entry.outcome == "promoted" and entry.generation == manifest.generation
    assert strength(book.root) == CONTRARY
    assert daemon.heartbeat().last_error == ""


def test_a_trainer_that_died_before_it_wrote_the_log_makes_up_for_it(
    book: ScriptedBook, daemon: Follower
) -> None:
    trade(book, 50, DAYS)
    daemon.once()
    written = last(book.root)
    book.root.training_log.unlink()
    assert daemon.once() == NOTHING_TO_DO, "it knows that it has trained"
    assert daemon.once("--train") == CANDIDATE_REFUSED
    assert log(book.root).trainings[0] == written
    assert len(log(book.root).trainings) == 2


def test_a_manifest_whose_notes_somebody_edited_still_serves(book: ScriptedBook, daemon: Follower) -> None:
    trade(book, 50, DAYS)
    daemon.once()
    text = book.root.manifest.read_text().replace('"episodes": 60', '"episodes": "sixty"')
    book.root.manifest.write_text(text)
    book.root.training_log.unlink()
    assert daemon.once() == CANDIDATE_REFUSED, "nothing is known of a training"
    assert len(log(book.root).trainings) == 1


# What a person sees.


def test_a_log_gets_a_line_every_few_seconds(
    book: ScriptedBook, daemon: Follower, learner: ScriptedLearner
) -> None:
    trade(book, 50, DAYS)
    beats: list[str] = []

    def a_second_passes() -> None:
        daemon.waits.elapsed_s += 1.0
        beats.append(daemon.heartbeat().message)

    learner.meanwhile = a_second_passes
    daemon.once("--episodes", "12")
    lines = [line for line in daemon.lines.said if "of=12" in line]
    assert [line.split()[3] for line in lines] == ["episode=6", "episode=11"]
    assert lines[0] == (
        "INFO training of=12 episode=6 reward=0.6 held_out_sharpe=1 steps_per_s=1000 seconds_left=6"
    )
    assert set(beats) == {
        "training with seed 0",
        "training with seed 0: episode 5 of 12",
        "training with seed 0: episode 10 of 12",
    }


def test_a_terminal_gets_a_bar(
    book: ScriptedBook,
    daemon: Follower,
    learner: ScriptedLearner,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trade(book, 50, DAYS)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")

    def a_second_passes() -> None:
        daemon.waits.elapsed_s += 1.0

    learner.meanwhile = a_second_passes
    daemon.once("--episodes", "12", "--seeds", "2")
    bars = capsys.readouterr().err.split("\r")
    assert bars[1].startswith("training 1 of 2 with seed 0 [##..")
    assert "8%  11 s left  episode 1  reward 0.1  held out sharpe 1  steps per s 1,000" in bars[1]
    assert not [line for line in daemon.lines.said if "of=12" in line]


def test_curves_for_tensorboard(book: ScriptedBook, daemon: Follower) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trade(book, 50, DAYS)
    daemon.once("--episodes", "4", "--seeds", "2")
    runs = sorted((book.root.logs / "tensorboard").iterdir())
    assert [run.name for run in runs] == ["20260131T080000Z-0", "20260131T080000Z-1"]
    curves = accumulators.EventAccumulator(str(runs[0]))
    curves.Reload()
    assert set(curves.Tags()["scalars"]) == {
        *("reward", "validation_sharpe", "steps_per_s", "policy_loss", "entropy")
    }
    assert [(event.step, event.value) for event in curves.Scalars("policy_loss")] == [
        (episode, pytest.approx(1 / episode)) for episode in range(1, 5)
    ]


def test_without_tensorboard_there_are_none(
    book: ScriptedBook, daemon: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(book, 50, DAYS)
    monkeypatch.setattr("ai.curves.find_spec", lambda name: None)
    assert daemon.once() == DONE
    assert not (book.root.logs / "tensorboard").exists()


def test_the_models_that_are_kept_can_be_listed_and_returned_to(
    book: ScriptedBook, daemon: Follower, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(book, 50, DAYS)
    daemon.once()
    publish_model(daemon.waits, book.root, model_with(1.25), {"note": "by hand"}, START, 0)
    capsys.readouterr()
    root = ("--root", str(book.root.path))
    assert rl_trainer.main([*root, "--history"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["generation", "published", "days", "episodes"]
    assert [line.split()[0] for line in lines[1:]] == ["0", "1", "*"]
    assert lines[2].split()[1:8] == ["2026-01-31", "08:00", "210", "60", "0", "+1.00", lines[2].split()[7]]
    assert "better than the model in service" in lines[2] and lines[3].endswith("by hand")

    assert rl_trainer.main([*root, "--rollback"]) == DONE
    assert capsys.readouterr().out == "generation 1 is in service\n"
    assert rl_trainer.main([*root, "--rollback", "0", "--json"]) == DONE
    assert printed(capsys) == {"generation": 0}
    assert rl_trainer.main([*root, "--rollback", "9"]) == FAILED
    assert "there is no generation 9 (python3 ai/rl_trainer.py --history lists them)" in capsys.readouterr().err

    book.root.generation(2).unlink()
    assert rl_trainer.main([*root, "--history", "--json"]) == DONE
    listed = printed(capsys)
    assert [(one["generation"], one["in_service"]) for one in listed] == [(0, True), (1, False), (2, False)]
    assert listed[1]["details"]["training"]["seed"] == 0
    assert "is missing" in listed[2]["trouble"] and listed[2]["sha256"] is None
    assert rl_trainer.main([*root, "--history"]) == DONE
    assert "checkpoint_000002.pkl: is missing" in capsys.readouterr().out


@pytest.mark.parametrize("asked", ["--rollback", "--train"])
def test_a_root_that_is_none_is_one_line(asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "root").touch()
    assert rl_trainer.main(["--root", str(tmp_path / "root"), asked]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"trainer: {tmp_path}/root/runtime") and "Not a directory (" in line


def test_models_in_a_place_that_is_none_are_listed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root").touch()
    assert rl_trainer.main(["--root", str(tmp_path / "root"), "--history"]) == DONE
    assert "cannot read: Not a directory" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["--rollback", "-1"], ["--rollback", "x"], ["--seeds", "0"], ["--seed", "-1"], ["--train", "--loop"], ["--what"]],
    ids=" ".join,
)
def test_bad_usage(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        rl_trainer.main(["--root", str(tmp_path), *arguments])
    assert "usage: trainer" in capsys.readouterr().err
