"""The lab as a daemon: what it writes in the ancestor's shape, and whose weights it leaves alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.scripted_book import ScriptedBook, ScriptedReader

from agents.strategy_lab import LAB
from contract.daemon import DONE, FAILED, NOTHING_TO_DO
from contract.errors import BadInput
from contract.schema.account import StrategyPerformance, parse_strategy_performance
from contract.schema.names import STRATEGIES, STRATEGY_LAB
from contract.schema.operations import DEGRADED, RUNNING
from contract.schema.weights import LabWeights, encode_lab_weights, parse_lab_weights
from trading.strategy_ranking import rank

TURTLE, PAIRS, VIX = "turtle_trading", "pairs_trading", "vix_strategy"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    (tmp_path / "runtime").mkdir()
    return ScriptedBook(tmp_path)


@pytest.fixture
def lab(book: ScriptedBook) -> ScriptedReader:
    return ScriptedReader(LAB, book.root)


def returns(days: int, **sharpes: float) -> NDArray[np.float64]:
    """Days in which each strategy has the annual Sharpe ratio given, 1 unless told otherwise."""
    noise = np.random.default_rng(1).normal(size=(days, 8))
    noise = (noise - noise.mean(axis=0)) / noise.std(axis=0, ddof=1)
    wanted = np.array([sharpes.get(name, 1.0) for name in STRATEGIES])
    earned: NDArray[np.float64] = 0.005 * (noise + wanted / np.sqrt(252))
    return earned


def weights(book: ScriptedBook) -> LabWeights:
    path = book.root.lab_weights
    return parse_lab_weights(path.read_bytes(), path)


def performance(book: ScriptedBook) -> StrategyPerformance:
    path = book.root.strategy_performance
    return parse_strategy_performance(path.read_bytes(), path)


def test_it_ranks_retires_and_weighs(book: ScriptedBook, lab: ScriptedReader) -> None:
    history = returns(300, turtle_trading=-1.5, pairs_trading=3.0)
    book.mark(history)
    for strategy in (TURTLE, PAIRS):
        book.close(strategy, *[2.0] * 15, *[-1.0] * 10)
    assert lab.once() == DONE
    trades = np.zeros((250, 8), dtype=np.int64)
    trades[-1, [0, 4]] = 25
    expected = rank(history[-250:], trades, trades * 15 // 25, 252)

    given = weights(book)
    assert list(given.weights.values()) == pytest.approx(expected.weights, abs=1e-6)
    assert tuple(given.weights) == STRATEGIES and given.weights[TURTLE] == 0.0
    assert given.timestamp == lab.waits.now() and given.writer == STRATEGY_LAB
    assert given.reason.startswith("retired: turtle_trading (Sharpe -1.") and PAIRS not in given.reason

    listed = performance(book)
    assert [entry.strategy for entry in listed.ranked] == [STRATEGIES[column] for column in expected.best_first]
    assert listed.ranked[0].strategy == PAIRS and TURTLE not in [entry.strategy for entry in listed.ranked]
    assert listed.active == tuple(entry.strategy for entry in listed.ranked[:3])
    best = expected.standings[STRATEGIES.index(PAIRS)]
    assert listed.ranked[0].actual_sharpe == pytest.approx(best.sharpe, abs=1e-4)
    assert listed.ranked[0].expected_sharpe == pytest.approx(best.expected_sharpe, abs=1e-4)
    assert listed.ranked[0].actual_win_rate == 0.6
    assert listed.ranked[0].actual_drawdown_pct == pytest.approx(100 * best.drawdown, abs=1e-4)


def test_the_performance_has_the_shape_that_the_ancestors_readers_know(
    book: ScriptedBook, lab: ScriptedReader
) -> None:
    history = returns(60)
    history[:, STRATEGIES.index(VIX)] = 0.0
    book.mark(history)
    book.close(PAIRS, 1.0, -1.0, 0.0)
    lab.once()
    found = json.loads(book.root.strategy_performance.read_text())
    ranked = found["ranked_strategies"]
    assert set(found) >= {"active_strategies", "optimization_cycle", "retirement_check_cycle", "timestamp"}
    assert len(ranked) == 8 and found["active_strategies"] == ranked[:3]
    shape = {
        **{"strategy": str, "name": str, "score": float, "sharpe": float, "drawdown": int, "actual_sharpe": float},
        **{"actual_win_rate": float, "actual_drawdown": float, "retired": bool},
    }
    assert all(set(entry) == set(shape) for entry in ranked)
    by_name = {entry["strategy"]: entry for entry in ranked}
    assert {name: type(value) for name, value in by_name[PAIRS].items()} == shape
    assert by_name[PAIRS]["actual_win_rate"] == 0.5
    assert [by_name[VIX][key] for key in shape if key.startswith("actual_")] == [None, None, None], "it never traded"
    assert [entry["score"] for entry in ranked] == sorted((entry["score"] for entry in ranked), reverse=True)


def test_the_cycles_are_counted_on_from_one_run_to_the_next(book: ScriptedBook, lab: ScriptedReader) -> None:
    book.mark(returns(30))
    path = book.root.strategy_performance
    cycles = []
    for standing_there in (None, None, '{"strategy_performance": {}, "timestamp": null}', "{half", None):
        if standing_there is not None:
            path.write_text(standing_there)
        assert lab.once() == DONE
        found = json.loads(path.read_text())
        cycles.append((found["optimization_cycle"], found["retirement_check_cycle"]))
    assert cycles == [(1, 1), (2, 2), (1, 1), (1, 1), (2, 2)]


def test_where_all_would_be_retired_all_get_the_same_and_it_says_so(book: ScriptedBook, lab: ScriptedReader) -> None:
    book.mark(returns(100, **dict.fromkeys(STRATEGIES, -2.0)))
    for strategy in STRATEGIES:
        book.close(strategy, *[-1.0] * 20)
    assert lab.once() == DONE
    assert set(weights(book).weights.values()) == {1 / 8}
    assert weights(book).reason.startswith("equal weight: every strategy would have to be retired: turtle_trading (")
    assert len(performance(book).ranked) == 8
    assert "every strategy would have to be retired" in lab.lines.said[-1]


@pytest.mark.parametrize("days", [0, 19])
def test_with_too_few_days_it_keeps_silent(book: ScriptedBook, lab: ScriptedReader, days: int) -> None:
    book.mark(returns(30)[:days])
    assert lab.once() == NOTHING_TO_DO
    assert not book.root.lab_weights.exists() and not book.root.strategy_performance.exists()


# Weights that a person typed.


def edited(book: ScriptedBook) -> str:
    """The lab's own file, with one number changed by hand and everything else as it was."""
    values = json.loads(book.root.lab_weights.read_text())
    values["weights"][PAIRS] = 0.5
    return json.dumps(values)


BY_HAND = {
    "flat": '{"BTC-USD": 0.25, "ETH-USD": 0.75}',
    "nested": '{"weights": {"pairs_trading": 1}}',
    "with a time": '{"weights": {"pairs_trading": 1}, "timestamp": "2026-01-01T00:00:00Z"}',
    "another writer": '{"weights": {"pairs_trading": 1}, "writer": "strategy_lab"}',
    "edited": None,
}


@pytest.mark.parametrize("text", BY_HAND.values(), ids=BY_HAND)
def test_a_hand_is_stronger_than_the_rule(book: ScriptedBook, lab: ScriptedReader, text: str | None) -> None:
    book.mark(returns(30))
    if text is None:
        lab.once()
        text = edited(book)
    book.root.lab_weights.write_text(text)
    assert lab.once() == DONE
    assert book.root.lab_weights.read_text() == text
    assert book.root.strategy_performance.exists(), "it ranks all the same"
    assert "leaves the weights that a person typed alone" in lab.lines.said[-1]


def test_its_status_says_that_a_hand_is_stronger(book: ScriptedBook, lab: ScriptedReader) -> None:
    book.mark(returns(30))
    book.root.lab_weights.write_text(BY_HAND["flat"] or "")
    beats = []
    lab.loop(lambda: beats.append(lab.heartbeat()))
    assert beats[0].state == RUNNING and "leaves the weights that a person typed alone" in beats[0].message


def test_what_nobody_can_read_is_left_alone_and_is_trouble(book: ScriptedBook, lab: ScriptedReader) -> None:
    book.mark(returns(30))
    book.root.lab_weights.write_text('{"weights": {"pairs_trading": ')
    beats = []
    lab.loop(lambda: beats.append(lab.heartbeat()))
    assert book.root.lab_weights.read_text() == '{"weights": {"pairs_trading": '
    assert beats[0].state == DEGRADED
    assert "strategy_weights.json" in beats[0].last_error and "set lab.overwrite" in beats[0].last_error


@pytest.mark.parametrize("text", ['{"BTC-USD": 1}', "{half"])
@pytest.mark.parametrize("by", ["flag", "setting"])
def test_it_can_be_told_to_overwrite(book: ScriptedBook, lab: ScriptedReader, text: str, by: str) -> None:
    book.mark(returns(30))
    book.root.lab_weights.write_text(text)
    if by == "setting":
        book.root.config.write_text("lab: {overwrite: true}")
    assert lab.once(*(["--overwrite"] if by == "flag" else [])) == DONE
    assert weights(book).writer == STRATEGY_LAB
    assert lab.once() == DONE
    assert "person" not in lab.lines.said[-1], "the file is the lab's again"


def test_it_takes_over_again_when_the_hand_is_withdrawn(book: ScriptedBook, lab: ScriptedReader) -> None:
    book.mark(returns(30))
    book.root.lab_weights.write_text('{"BTC-USD": 1}')

    def withdraw() -> None:
        book.root.lab_weights.unlink()
        book.mark(returns(2)[:1])

    lab.loop(withdraw, lambda: None)
    assert weights(book).writer == STRATEGY_LAB


shares = st.dictionaries(st.sampled_from([*STRATEGIES, "BTC-USD"]), st.floats(0.001, 1) | st.integers(1, 5), min_size=2)


@settings(derandomize=True)
@given(shares, st.data())
def test_the_mark_of_its_writer_holds_until_a_weight_is_changed(
    proposal: dict[str, float], data: st.DataObject
) -> None:
    path = Path("strategy_weights.json")
    record = LabWeights(proposal, None, STRATEGY_LAB, "retired: nobody")
    text = encode_lab_weights(record)
    assert parse_lab_weights(text, path) == record
    values = json.loads(text)
    values["weights"] = dict(reversed(values["weights"].items()))
    assert parse_lab_weights(json.dumps(values).encode(), path) == record, "order and layout say nothing"
    name = data.draw(st.sampled_from(sorted(proposal)))
    match data.draw(st.sampled_from(["changed", "removed", "added"])):
        case "changed":
            values["weights"][name] += 0.5
        case "removed":
            del values["weights"][name]
        case "added":
            values["weights"]["SPY"] = 0.0
    assert parse_lab_weights(json.dumps(values).encode(), path).writer == ""


# The rest.


def test_json_says_what_was_found_and_whether_it_was_published(
    book: ScriptedBook, lab: ScriptedReader, capsys: pytest.CaptureFixture[str]
) -> None:
    book.mark(returns(60, turtle_trading=-3.0))
    book.close(TURTLE, *[-1.0] * 20)
    assert lab.once("--json") == DONE
    said = json.loads(capsys.readouterr().out)
    assert said["weights"] == weights(book).weights and said["weights_published"] is True
    assert said["ranked_strategies"] == [entry.strategy for entry in performance(book).ranked]
    assert said["strategies"][TURTLE]["trades"] == 20 and "win rate 0%" in said["strategies"][TURTLE]["faults"]
    assert set(said["strategies"]) == set(STRATEGIES)
    book.root.lab_weights.write_text('{"BTC-USD": 1}')
    lab.once("--json")
    assert json.loads(capsys.readouterr().out)["weights_published"] is False


@pytest.mark.parametrize("setting", ["window_days: 3", "interval_s: -1"])
def test_a_setting_without_sense_is_refused_by_name(book: ScriptedBook, lab: ScriptedReader, setting: str) -> None:
    book.root.config.write_text(f"lab: {{{setting}}}")
    with pytest.raises(BadInput, match=f"lab.{setting.split(':')[0]} is "):
        lab.once()


def test_a_disk_that_refuses_keeps_the_last_weights(book: ScriptedBook, lab: ScriptedReader) -> None:
    book.mark(returns(30))
    lab.once()
    before = book.root.lab_weights.read_bytes()
    book.mark(returns(30))
    book.root.strategy_performance.unlink()
    book.root.strategy_performance.mkdir()
    assert lab.once() == FAILED
    assert book.root.lab_weights.read_bytes() == before
