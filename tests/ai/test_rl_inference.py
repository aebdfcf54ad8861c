"""Inference as a daemon: when it speaks, what it says, what it remembers, and what it makes of what is broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from support.scripted_book import ScriptedBook, ScriptedReader
from support.scripted_models import policy, put_into_service

from ai.model_store import read_prior
from ai.rl_inference import INFERENCE, NAME
from ai.smoothing import FloatArray
from contract import journal
from contract.daemon import DONE, FAILED
from contract.schema.fields import format_time
from contract.schema.judgement import Trust, parse_trust
from contract.schema.names import STRATEGIES
from contract.schema.operations import DEGRADED, RUNNING
from contract.schema.weights import RlWeights, parse_rl_weights

INTERVAL_S = 300.0
LOOP = ("--loop",)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    return ScriptedBook(tmp_path)


@pytest.fixture
def inference(book: ScriptedBook) -> ScriptedReader:
    return ScriptedReader(INFERENCE, book.root)


def returns(days: int, seed: int = 1) -> FloatArray:
    rng = np.random.default_rng(seed)
    earned: FloatArray = rng.normal(0.0005, 0.01, (days, 8)) * np.linspace(0.5, 2, 8)
    return earned.round(9)


def in_turn(*actions: Callable[[], object]) -> Callable[[], None]:
    def step() -> None:
        for action in actions:
            action()

    return step


def published(book: ScriptedBook) -> RlWeights:
    path = book.root.rl_weights
    return parse_rl_weights(path.read_bytes(), path)


def trust(book: ScriptedBook) -> Trust:
    return parse_trust(book.root.trust.read_bytes(), book.root.trust)


def generations(book: ScriptedBook) -> list[int]:
    lines = book.root.journal(NAME).read_text().splitlines()
    return [json.loads(line)["generation"] for line in lines]


def test_it_publishes_all_that_is_promised(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(60))
    book.close(STRATEGIES[2], 5.0, -3.0)
    assert inference.once("--update") == DONE
    said = published(book)
    assert min(said.weights) >= 0.02 and max(said.weights) <= 0.35 and abs(sum(said.weights) - 1) < 1e-9
    assert said.model_loaded and said.generation == 1
    assert said.timestamp == inference.waits.now()
    assert said.valid_until == said.timestamp + timedelta(seconds=3 * INTERVAL_S)
    about = said.metadata
    assert said.weights[STRATEGIES.index(about["top_strategy"])] == max(said.weights)
    assert about["entropy"] == pytest.approx(-sum(w * np.log(w) for w in said.weights))
    assert (about["trust"], about["e_value"], about["live_days"]) == (0.5, 1.0, 0)
    half = [(about["policy_weights"][name] + about["base_weights"][name]) / 2 for name in STRATEGIES]
    assert said.weights == pytest.approx(half, abs=1e-15)
    prior = read_prior().manifest
    trained_at = format_time(prior.trained_at)
    assert about["model"] == {"sha256": prior.sha256, "generation": 0, "trained_at": trained_at}
    assert about["input"]["rows"] == 2 and about["input"]["last_timestamp"] == "2024-02-29T20:00:00Z"
    assert len(about["input"]["sha256"]) == 64
    assert (about["book"], about["last_day"]) == ("marks", "2024-02-29")


def test_before_the_first_day_it_publishes_the_base_and_what_the_model_says_without_knowing_anything(
    book: ScriptedBook, inference: ScriptedReader
) -> None:
    assert inference.once() == DONE
    said = published(book)
    assert said.model_loaded and said.metadata["trust"] == 0.5
    assert said.weights == pytest.approx([1 / 8] * 8, abs=0.05)
    assert trust(book).last_day is None


def test_without_a_command_it_says_it_once_and_the_same_again_is_no_new_generation(
    book: ScriptedBook, inference: ScriptedReader
) -> None:
    book.mark(returns(30))
    for _ in range(3):
        assert inference.once() == DONE
        inference.waits.elapsed_s += 7
    assert generations(book) == [1]
    assert published(book).generation == 1
    assert published(book).timestamp == inference.waits.now() - timedelta(seconds=7), "but it is good for longer"


def test_a_row_is_heard_and_a_day_is_settled_once(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    weights = []

    def note() -> None:
        weights.append(published(book).weights)

    def mark_again() -> None:
        book.days -= 1
        book.mark(returns(1, 4))

    inference.loop(
        in_turn(note, lambda: book.mark(returns(1, 2))),
        in_turn(note, mark_again),
        in_turn(note, lambda: book.mark(returns(1, 3))),
        note,
        options=LOOP,
    )
    assert len(set(weights)) == 4
    assert generations(book) == [1, 2, 3, 4]
    assert trust(book).live_days == 1 and trust(book).last_day == book.date(40)
    assert published(book).metadata["live_days"] == 2, "with the day that is not over"


def test_what_changes_no_weight_is_no_news(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    before = []

    def note() -> None:
        before.append(book.root.rl_weights.read_bytes())

    inference.loop(in_turn(note, lambda: book.close(STRATEGIES[0], 0.0)), note, options=LOOP)
    assert before[0] == before[1] and generations(book) == [1]


def test_it_repeats_itself_every_interval(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    times: list[float] = []

    def note() -> None:
        until = published(book).valid_until
        assert until is not None
        times.append((until - inference.waits.now()).total_seconds())

    inference.loop(*[note] * 9, options=("--loop", "--interval", "60"))
    assert inference.waits.monotonic() > 120
    assert min(times) > 100 and max(times) == 180
    assert generations(book) == [1]


def test_many_rows_are_one_publication(book: ScriptedBook, inference: ScriptedReader) -> None:
    for day, strategy in enumerate(STRATEGIES * 5):
        book.close(strategy, 3.0 - day % 7, day=day)
    moments: list[float] = []

    def more() -> None:
        book.close(STRATEGIES[len(moments) % 8], 3.0 - len(moments), day=39)
        inference.waits.elapsed_s += 0.3
        moments.append(inference.waits.elapsed_s)
        inference.waits.watches[0].wake()

    inference.loop(*[more] * 20, options=LOOP)
    assert 5 <= len(generations(book)) <= 8, "in six seconds"


def test_a_clock_that_was_set_is_no_reason_to_go_stale(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    assert inference.once() == DONE
    first = published(book)
    inference.waits.elapsed_s -= 86_400
    assert inference.once() == DONE
    assert published(book).timestamp == first.timestamp - timedelta(days=1)


def test_another_model_is_heard_of_at_once_and_takes_up_the_trust_there_is(
    book: ScriptedBook, inference: ScriptedReader
) -> None:
    book.mark(returns(40))
    found = []

    def note() -> None:
        found.append((published(book), trust(book)))

    promote = partial(put_into_service, book.root, policy(5))
    inference.loop(lambda: book.mark(returns(2, 2)), in_turn(note, promote), note, options=LOOP)
    (before, known), (after, kept) = found
    assert [said.metadata["model"]["generation"] for said in (before, after)] == [0, 1]
    assert before.weights != after.weights
    assert kept == replace(known, model=kept.model)
    assert kept.model != known.model


def test_a_broken_model_leaves_the_last_good_one_in_its_place(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    put_into_service(book.root, policy(5))
    states = []

    def spoil() -> None:
        manifest = put_into_service(book.root, policy(6))
        checkpoint = book.root.generation(manifest.generation)
        content = bytearray(checkpoint.read_bytes())
        content[200] ^= 1
        checkpoint.write_bytes(content)

    def note() -> None:
        states.append((inference.heartbeat(), published(book)))
        book.mark(returns(1, len(states)))

    better = partial(put_into_service, book.root, policy(7))
    inference.loop(note, in_turn(spoil, note), note, better, note, options=LOOP)
    assert [state.state for state, _ in states] == [RUNNING, RUNNING, DEGRADED, RUNNING]
    assert "not the checkpoint that its manifest names" in states[2][0].last_error
    assert "generation 1 serves instead" in states[2][0].last_error
    assert [said.metadata["model"]["generation"] for _, said in states] == [1, 1, 1, 3]


def test_a_model_for_other_features_is_refused_by_name(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    manifest = put_into_service(book.root, policy(5))
    path = book.root.generation(manifest.generation)
    content = path.read_bytes().replace(b"regime_stability", b"regime_something")
    path.write_bytes(content)
    described = json.loads(book.root.manifest.read_text())
    described |= {"sha256": sha256(content).hexdigest(), "size": len(content)}
    described["features"] = [name.replace("regime_stability", "regime_something") for name in described["features"]]
    book.root.manifest.write_text(json.dumps(described))
    assert inference.once() == FAILED
    said = published(book)
    assert not said.model_loaded and said.weights == (0.125,) * 8
    assert "regime_stability" in said.metadata["reason"] and "base alone" in inference.heartbeat().last_error
    assert not book.root.trust.exists(), "no day counts without a model"


def test_without_any_model_it_publishes_the_base_that_is_set(book: ScriptedBook, inference: ScriptedReader) -> None:
    leaning = dict(zip(STRATEGIES, (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05), strict=True))
    book.root.config.write_text("trust: {base: " + json.dumps(leaning) + "}\n")
    book.root.model.mkdir()
    book.root.manifest.write_text("{}")
    assert inference.once() == FAILED
    assert published(book).weights == pytest.approx(tuple(leaning.values()))
    entry = journal.read(inference.waits, book.root, NAME)
    assert entry and entry.body["model"] is None


def test_a_restart_continues(book: ScriptedBook, inference: ScriptedReader) -> None:
    history = returns(55)
    book.mark(history[:40])
    assert inference.once() == DONE
    for day in range(40, 55):
        book.mark(history[day : day + 1])
        assert inference.once() == DONE
    one = published(book)

    def again() -> None:
        assert published(book).weights == one.weights

    inference.loop(again, options=LOOP)
    assert generations(book)[-1] == one.generation == 16
    assert one.metadata["live_days"] == 15 and trust(book).live_days == 14
    for name in ("policy", "base"):
        expert = getattr(trust(book), name)
        assert abs(expert.log_wealth) < 0.5 and expert.log_wealth != 0


def test_trust_that_cannot_be_read_is_not_begun_again_in_silence(
    book: ScriptedBook, inference: ScriptedReader
) -> None:
    book.mark(returns(40))
    assert inference.once() == DONE
    whole, said = book.root.trust.read_bytes(), published(book)
    book.root.trust.write_bytes(whole[:-30])
    assert inference.once() == FAILED
    assert "restore it from a backup, or remove it" in inference.heartbeat().last_error
    assert published(book) == said, "nothing new is said, and the bridge sees the old grow stale"
    book.root.trust.write_bytes(whole)
    assert inference.once() == DONE


def test_a_broken_or_foreign_publication_is_replaced(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    book.root.runtime.mkdir()
    book.root.rl_weights.write_text("{")
    assert inference.once() == DONE
    assert published(book).generation == 1


def test_a_journal_that_cannot_be_written_does_not_silence_it(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.mark(returns(40))
    inference.once()
    book.root.journal(NAME).unlink()
    book.root.journal(NAME).symlink_to(book.root.path / "elsewhere")
    book.mark(returns(1, 2))
    assert inference.once() == DONE
    assert published(book).generation == 2
    assert "not in the journal" in inference.heartbeat().last_error


def test_the_ancestors_rows_alone_make_a_book_too(book: ScriptedBook, inference: ScriptedReader) -> None:
    book.root.pnl_history.write_text(
        "date,timestamp,symbol,side,qty,price,reason,pnl\n"
        + "".join(
            f"2026-01-{day},2026-01-{day}T15:00:00Z,SPY,sell,1,100,paper_trade {STRATEGIES[day % 8]},{day - 9}.5\n"
            for day in range(10, 29)
        )
    )
    curve = "".join(f"2026-01-{day},2026-01-{day}T16:00:00Z,9000\n" for day in range(10, 29))
    book.root.performance_metrics.write_text(f"date,timestamp,equity\n{curve}")
    assert inference.once() == DONE
    assert published(book).metadata["book"] == "trades"
    book.root.performance_metrics.write_text("nonsense\n")
    assert inference.once() == DONE
    assert "no equity curve" in inference.heartbeat().last_error
