"""What a report says of books of which one knows what it has to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.daily_books import EQUITY, marked_book, traded_book
from support.judged_material import CONFIG, NOW, material, returns, told, training, trust_of

from ai.course import rules_of
from ai.replay import Replayed
from analytics.report import report
from contract.config import Config, Tracker
from contract.schema.judgement import BETTER, NOT_PROVEN, WORSE, Report, encode_report, parse_report
from contract.schema.model import TrainingLog
from contract.schema.names import STRATEGIES
from trading import metrics
from trading.allocators import ALLOCATORS
from trading.rebalancing import earn

ANCESTORS = ("timestamp", "performance_30d", "performance_7d", "weight_evolution", "training_info", "summary")


def written(found: Report) -> dict[str, Any]:
    """As whoever reads the file sees it."""
    values: dict[str, Any] = json.loads(encode_report(found))
    return values


def test_it_can_be_read_again() -> None:
    found = report(material())
    again = parse_report(encode_report(found), Path("x"))
    assert (again.timestamp, again.verdict) == (NOW, found.verdict)
    assert again.body == json.loads(json.dumps(found.body))


def test_the_same_history_makes_the_same_report() -> None:
    assert encode_report(report(material())) == encode_report(report(material()))


@pytest.mark.parametrize(
    ("edge", "e_value", "word"),
    [
        pytest.param(0.004, 50.0, BETTER, id="better"),
        pytest.param(0.004, 2.0, NOT_PROVEN, id="better, but not on whichever day one looks"),
        pytest.param(-0.004, 0.1, WORSE, id="worse"),
        pytest.param(0.0, 1.0, NOT_PROVEN, id="no difference"),
    ],
)
def test_the_verdict_is_on_what_was_told_to_the_bot(edge: float, e_value: float, word: str) -> None:
    book = marked_book(returns(500, edge))
    values = written(report(material(book, live=told(book, 100, 0.3), trust=trust_of(e_value))))
    assert values["verdict"] == word
    assert values["evidence"]["days"] == 400
    assert values["evidence"]["e_value"] == pytest.approx(e_value)
    low, high = values["evidence"]["interval"]
    assert low < values["evidence"]["sharpe_difference"] < high
    assert (low > 0.0, high < 0.0) == (word == BETTER or e_value == 2.0, word == WORSE)


def test_days_before_the_first_publication_count_for_nothing() -> None:
    history = returns(300)
    history[:250, 0] += 0.02
    book = marked_book(history)
    values = written(report(material(book, live=told(book, 250, 0.3))))
    assert values["verdict"] == NOT_PROVEN
    assert values["live"]["days"] == 50
    assert values["live"]["first_day"] == str(book.dates[250])
    assert "50 live days are too few" in values["reason"]


def test_the_ancestors_keys_are_there_and_mean_what_they_say() -> None:
    book = marked_book(returns(300))
    live = told(book, 100, 0.3)
    values = written(report(material(book, live=live)))
    assert set(ANCESTORS) <= set(values)
    weights = np.array([day.weights for day in live])
    net = earn(weights, book.returns[100:], np.full(8, 0.125), rules_of(CONFIG)).net
    for days in (7, 30, 90):
        window = values[f"performance_{days}d"]
        ours, base = window["rl_performance"], window["baseline_performance"]
        assert window["period_days"] == window["days"] == days
        assert ours["sharpe_ratio"] == pytest.approx(float(metrics.sharpe(net[-days:])))
        assert ours["total_return_pct"] == pytest.approx(100 * (np.prod(1 + net[-days:]) - 1))
        assert ours["trades_count"] == 8 * days, "trades, not rows of an equity curve"
        assert 0.0 <= ours["max_drawdown_pct"] <= 100.0
        ratios = metrics.sharpe(book.returns[-days:].T)
        assert base["top_strategy"] == STRATEGIES[int(np.argmax(ratios))]
        assert base["top_sharpe"] == pytest.approx(float(ratios.max())), "measured, not a constant"
        improvement = ours["sharpe_ratio"] - base["sharpe_ratio"]
        assert window["comparison"]["sharpe_improvement"] == pytest.approx(improvement)
    assert values["performance_7d"] != values["performance_30d"]
    assert values["summary"] == {
        "rl_sharpe_30d": values["performance_30d"]["rl_performance"]["sharpe_ratio"],
        "baseline_sharpe": values["performance_30d"]["baseline_performance"]["sharpe_ratio"],
        "improvement": values["performance_30d"]["comparison"]["sharpe_improvement"],
        "rl_better": False,
    }
    evolution = values["weight_evolution"]
    assert evolution["samples"] == 30
    assert (evolution["top_strategy"], evolution["top_weight"]) == (STRATEGIES[0], pytest.approx(0.3))
    assert values["training_info"] == {
        "last_training": "2026-01-04T12:00:00Z",
        "total_episodes": 240,
        "recent_avg_reward": pytest.approx(0.5),
    }


def test_few_days_are_never_better_however_good() -> None:
    book = marked_book(returns(300, 0.02))
    values = written(report(material(book, live=told(book, 100, 0.34))))
    assert values["performance_30d"]["comparison"]["interval"][0] > 0.0
    assert values["performance_30d"]["comparison"]["rl_better"] is False
    assert values["performance_90d"]["comparison"]["rl_better"] is True


def test_every_allocator_is_there_on_the_same_days() -> None:
    rows = written(report(material()))["allocators"]
    assert [row["name"] for row in rows] == ["published", *ALLOCATORS]
    assert {row["days"] for row in rows} == {200}
    assert {row["name"] for row in rows if row["hindsight"]} == {"best_asset", "best_constant_rebalanced"}
    for row in rows:
        low, high = row["sharpe_interval"]
        assert low < row["sharpe"] < high


def test_whom_it_is_not_ahead_of_is_said_too() -> None:
    book = marked_book(returns(500, 0.004))
    values = written(report(material(book, live=told(book, 100, 0.3))))
    ahead, others = values["rivals"]["ahead_of"], values["rivals"]["not_ahead_of"]
    assert {*ahead, *others} == {*ALLOCATORS} - {"equal_weight", "best_asset", "best_constant_rebalanced"}
    rows = {row["name"]: row for row in values["allocators"]}
    assert all(rows[name]["published_ahead"][0] > 0.0 for name in ahead)
    assert all(rows[name]["published_ahead"][0] <= 0.0 for name in others)
    assert "minimum_variance" in ahead and "hedge" in others
    few = written(report(material(book, live=told(book, 450, 0.3))))
    assert few["rivals"]["ahead_of"] == []


def test_the_strategies_contributions_add_up() -> None:
    book = marked_book(returns(300, 0.002))
    values = written(report(material(book, live=told(book, 100, 0.3))))
    rows = values["attribution"]
    assert [row["strategy"] for row in rows] == list(STRATEGIES)
    added = book.returns[100:].sum(axis=0)
    assert rows[0]["contribution"] == pytest.approx(0.3 * added[0])
    assert rows[0]["added_by_weighting"] == pytest.approx((0.3 - 0.125) * added[0])
    assert rows[3]["equal_weight_contribution"] == pytest.approx(0.125 * added[3])


def test_what_was_traded_was_paid_for() -> None:
    live = written(report(material()))["live"]
    turnover = live["published"]["turnover_a_day"] * live["days"]
    assert live["published"]["cost_paid"] == pytest.approx(turnover * live["cost_bps"] / 1e4)
    assert live["published"]["cost_paid"] > live["equal_weight"]["cost_paid"] > 0.0


def test_the_account_is_held_against_what_was_published() -> None:
    book = marked_book(returns(300))
    live = written(report(material(book)))["live"]
    assert live["account"]["total_return"] == pytest.approx(book.account_equity[-1] / book.account_equity[99] - 1.0)
    gap = (1 + live["account"]["total_return"]) / (1 + live["published"]["total_return"]) - 1
    assert live["account"]["gap_to_published"] == pytest.approx(gap)
    assert book.account_opening[0] == pytest.approx(EQUITY)


def test_it_says_by_whom_the_bot_was_told() -> None:
    book = marked_book(returns(300))
    live = [*told(book, 100, 0.3)[:150], *told(book, 250, 0.2, "portfolio_optimizer")]
    assert written(report(material(book, live=live)))["live"]["sources"] == {
        "rl_inference": 150,
        "portfolio_optimizer": 50,
    }


def test_every_candidate_ever_tried_deflates_the_sharpe_ratio() -> None:
    book = marked_book(returns(600, 0.001))
    deflated = []
    for count in (2, 30):
        log = TrainingLog(tuple(training(k % 9, figures={"validation_sharpe": k % 3}) for k in range(count)))
        found = written(report(material(book, log=log)))["training"]
        assert found["trials"] == count
        deflated.append(found["deflated_sharpe"])
    assert 0.0 < deflated[1] < deflated[0] <= 1.0
    none = written(report(material(book, log=TrainingLog())))["training"]
    assert (none["trials"], none["deflated_sharpe"], none["history"]) == (0, None, [])


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_book_without_days_or_with_few(days: int) -> None:
    book = marked_book(returns(days))
    values = written(report(material(book, live=told(book, 0, 0.3), trust=None, log=TrainingLog())))
    assert values["verdict"] == NOT_PROVEN
    assert values["live"]["days"] == days
    assert values["trust"] is None
    assert len(values["series"]["dates"]) == days


def test_without_live_days_a_replay_is_shown_and_proves_nothing() -> None:
    book = marked_book(returns(300, 0.01))
    weights = np.tile((0.3, *(0.1,) * 7), (300, 1))
    replayed = Replayed(weights, np.full(300, 0.5), weights)
    values = written(report(material(book, live=[], replayed=replayed, trust=trust_of(1000.0))))
    assert values["verdict"] == NOT_PROVEN
    assert values["replay"]["interval"][0] > 0.0
    assert values["series_on"] == values["allocators_on"] == values["attribution_on"] == "replay"
    assert len(values["series"]["dates"]) == 240
    assert values["weight_evolution"] == {"error": "no day is known on which published weights were in force"}


def test_live_days_are_shown_where_there_are_two() -> None:
    book = marked_book(returns(300))
    weights = np.full((300, 8), 0.125)
    replayed = Replayed(weights, np.full(300, 0.5), weights)
    values = written(report(material(book, live=told(book, 298, 0.3), replayed=replayed)))
    assert values["series_on"] == "live"
    assert values["series"]["dates"] == [str(day) for day in book.dates[298:]]


@pytest.mark.parametrize("kind", [marked_book, traded_book])
def test_it_says_which_kind_of_book_is_in_use(kind) -> None:  # type: ignore[no-untyped-def]
    book = kind(returns(200))
    values = written(report(material(book, bad_rows=3)))["book"]
    assert values["kind"] == book.kind.value
    assert (values["days"], values["trades"], values["bad_rows"]) == (200, 1600, 3)


def test_enormous_and_ruinous_returns_make_a_report_all_the_same() -> None:
    history = returns(200)
    history[150] = 1e9
    history[160] = -5.0
    values = written(report(material(marked_book(history))))
    assert values["verdict"] == NOT_PROVEN


def test_the_terms_of_the_settings_are_kept() -> None:
    config = Config(tracker=Tracker(draws=150, level=0.8, least_days=201))
    values = written(report(material(config=config)))
    assert values["evidence"]["level"] == 0.8
    assert "at least 201 are needed" in values["reason"]
