"""The optimizer as a daemon: when it speaks, what it says, and when it keeps silent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.scripted_book import ScriptedBook, ScriptedReader

from agents.portfolio_optimizer import OPTIMIZER
from contract.daemon import DONE, FAILED, NOTHING_TO_DO
from contract.errors import BadInput
from contract.schema.names import STRATEGIES
from contract.schema.weights import OptimizerWeights, parse_optimizer_weights
from trading.optimizer import optimise

HOUR_S = 3600.0


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    return ScriptedBook(tmp_path)


@pytest.fixture
def optimizer(book: ScriptedBook) -> ScriptedReader:
    return ScriptedReader(OPTIMIZER, book.root)


def returns(days: int, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    earned: NDArray[np.float64] = rng.normal(0.0005, 0.01, (days, 8)) * np.linspace(0.5, 2, 8)
    return earned.round(9)


def published(book: ScriptedBook) -> OptimizerWeights:
    path = book.root.optimizer_weights
    return parse_optimizer_weights(path.read_bytes(), path)


def test_it_proposes_the_portfolio_of_the_last_days(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    history = returns(300)
    book.mark(history)
    assert optimizer.once() == DONE
    said, expected = published(book), optimise(history[-250:], "risk_parity", 252)
    assert tuple(said.weights) == STRATEGIES
    assert list(said.weights.values()) == pytest.approx(expected.weights, abs=1e-9)
    assert said.method == "risk_parity" and said.reason == ""
    assert said.expected_return == pytest.approx(expected.expected_return, abs=1e-7)
    assert said.expected_volatility == pytest.approx(expected.expected_volatility, abs=1e-7)
    assert said.expected_sharpe == pytest.approx(expected.expected_sharpe, abs=1e-5)
    assert said.timestamp == optimizer.waits.now()


@pytest.mark.parametrize("days", [0, 1, 19])
def test_with_too_few_days_it_keeps_silent(book: ScriptedBook, optimizer: ScriptedReader, days: int) -> None:
    book.mark(returns(days))
    assert optimizer.once() == NOTHING_TO_DO
    assert not book.root.optimizer_weights.exists()
    assert optimizer.lines.said == [f'INFO nothing proposed reason="{days} days of 20 that are needed"']


def test_without_any_history_it_keeps_silent(
    book: ScriptedBook, optimizer: ScriptedReader, capsys: pytest.CaptureFixture[str]
) -> None:
    assert optimizer.once("--json") == NOTHING_TO_DO
    said = json.loads(capsys.readouterr().out)
    assert said == {"proposed": False, "reason": "0 days of 20 that are needed"}
    assert not book.root.optimizer_weights.exists()


def test_it_does_not_say_again_and_again_that_it_has_nothing_to_say(
    book: ScriptedBook, optimizer: ScriptedReader
) -> None:
    book.mark(returns(5))
    optimizer.loop(*[lambda: None] * 250)
    assert optimizer.waits.monotonic() > 2 * HOUR_S
    assert len([line for line in optimizer.lines.said if "nothing proposed" in line]) == 1


def test_a_book_in_which_nothing_moved_says_nothing(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    book.mark(np.zeros((60, 8)))
    assert optimizer.once() == NOTHING_TO_DO
    assert not book.root.optimizer_weights.exists()


def test_it_speaks_up_once_there_are_enough_days(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    book.mark(returns(18))
    found = []

    def a_day_passes() -> None:
        found.append(book.root.optimizer_weights.exists())
        book.mark(returns(1))

    assert optimizer.loop(a_day_passes, a_day_passes, a_day_passes) == DONE
    assert found == [False, False, True], "the third day finds the proposal of the second"
    assert [line.split(" volatility")[0] for line in optimizer.lines.said if "proposed" in line] == [
        'INFO nothing proposed reason="18 days of 20 that are needed"',
        'INFO nothing proposed reason="19 days of 20 that are needed"',
        'INFO proposed what="risk_parity of 20 days up to 2024-01-20"',
        'INFO proposed what="risk_parity of 21 days up to 2024-01-21"',
    ]


def test_it_repeats_itself_hourly_and_a_fill_alone_is_no_news(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    book.mark(returns(60))
    book.close(STRATEGIES[0], 1.0)
    contents: list[tuple[float, bytes]] = []

    def look() -> None:
        contents.append((optimizer.waits.monotonic(), book.root.optimizer_weights.read_bytes()))

    def a_fill() -> None:
        look()
        book.close(STRATEGIES[0], 2.0)

    optimizer.loop(a_fill, *[look] * 130)
    spoken = [at for (at, content), (_, before) in zip(contents[1:], contents, strict=False) if content != before]
    assert spoken == [HOUR_S], "its last word is an hour old, whatever woke it in between"
    assert contents[-1][0] > HOUR_S


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_the_method_can_be_chosen(
    book: ScriptedBook, optimizer: ScriptedReader, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    history = returns(100)
    book.mark(history)
    if source == "variable":
        monkeypatch.setenv("TILLER__OPTIMIZER__METHOD", "minimum_variance")
    if source == "file":
        book.root.config.write_text("optimizer: {method: minimum_variance}")
    assert optimizer.once(*(["--method", "minimum_variance"] if source == "flag" else [])) == DONE
    expected = optimise(history, "minimum_variance", 252)
    assert published(book).method == "minimum_variance"
    assert list(published(book).weights.values()) == pytest.approx(expected.weights, abs=1e-7)


@pytest.mark.parametrize("setting", ["method: sharpest", "window_days: 19", "interval_s: 0"])
def test_a_setting_without_sense_is_refused_by_name(
    book: ScriptedBook, optimizer: ScriptedReader, setting: str
) -> None:
    book.root.config.write_text(f"optimizer: {{{setting}}}")
    with pytest.raises(BadInput, match=f"optimizer.{setting.split(':')[0]} is "):
        optimizer.once()


def test_new_settings_are_a_reason_to_speak(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    book.mark(returns(60))
    methods = []

    def look() -> None:
        methods.append(published(book).method)
        book.root.config.write_text("optimizer: {method: hrp}")

    optimizer.loop(look, look)
    assert methods == ["risk_parity", "hrp"]


def test_settings_by_which_the_history_is_read_are_taken_up(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    rng = np.random.default_rng(3)
    for day in range(30):
        book.close("by symbol", float(rng.normal()), day=day)
    book.root.config.write_text("attribution: {strategy_of_symbol: {AAA: pairs_trading}}")
    reasons = []

    def look() -> None:
        reasons.append(published(book).reason)
        book.root.config.write_text("attribution: {strategy_of_symbol: {BBB: pairs_trading}}")

    optimizer.loop(look, lambda: None)
    assert reasons == ["7 of 8 did not move: each is given the median risk of the others"]
    assert optimizer.lines.said[-2] == 'INFO nothing proposed reason="nothing moved"'


def test_a_book_of_trades_is_measured_by_the_equity_curve(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    rng = np.random.default_rng(2)
    for day in range(40):
        for strategy in STRATEGIES:
            book.close(strategy, round(float(rng.normal(0, 1)), 6), day=day)
    optimizer.once()
    alone = published(book)
    curve = [f"{book.date(day)}T21:00:00Z,100000" for day in range(40)] + ["0001-01-01,5", "9999-12-31,5"]
    book.root.config.write_text("account: {day_zone: Pacific/Kiritimati}")
    book.root.performance_metrics.write_text("\n".join(["timestamp,equity", *curve, ""]))
    assert optimizer.once() == DONE
    beside_curve = published(book)
    assert alone.expected_volatility is not None and beside_curve.expected_volatility is not None
    assert beside_curve.expected_volatility == pytest.approx(alone.expected_volatility / 10, rel=0.01)

    book.root.performance_metrics.write_text("who,knows\n")
    assert optimizer.once() == DONE
    assert published(book).expected_volatility == alone.expected_volatility
    assert any(line.startswith("WARNING no equity curve") for line in optimizer.lines.said)


def test_a_history_that_cannot_be_read_keeps_the_last_proposal(book: ScriptedBook, optimizer: ScriptedReader) -> None:
    book.mark(returns(60))
    optimizer.once()
    before = book.root.optimizer_weights.read_bytes()
    book.root.pnl_history.write_text("nobody,knows\n1,2\n")
    assert optimizer.once() == FAILED
    assert book.root.optimizer_weights.read_bytes() == before
    assert optimizer.heartbeat().last_error


def test_json_is_what_is_published(
    book: ScriptedBook, optimizer: ScriptedReader, capsys: pytest.CaptureFixture[str]
) -> None:
    book.mark(returns(60))
    assert optimizer.once("--json") == DONE
    assert capsys.readouterr().out.encode() == book.root.optimizer_weights.read_bytes()
