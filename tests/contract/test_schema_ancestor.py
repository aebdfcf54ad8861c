"""The files of the system that ours stands beside, in the shapes in which its programs write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract.errors import BadInput
from contract.schema.account import (
    MeasuredStrategy,
    PerformanceRow,
    Position,
    RankedStrategy,
    encode_strategy_performance,
    parse_performance_metrics,
    parse_portfolio,
    parse_strategy_performance,
)
from contract.schema.judgement import encode_report, parse_report
from contract.schema.model import FAILED, encode_manifest, parse_manifest, parse_training_log
from contract.schema.names import STRATEGIES
from contract.schema.weights import (
    encode_rl_weights,
    encode_weight_history,
    parse_allocations,
    parse_lab_weights,
    parse_optimizer_weights,
    parse_rl_weights,
    parse_weight_history,
)

HERE = Path("/state/file")
TIME = "2025-03-04T05:06:07.250000+00:00"
MOMENT = datetime(2025, 3, 4, 5, 6, 7, 250_000, UTC)
ONE_HOT = {name: float(name == "breakout_trading") for name in STRATEGIES}


def written(values: object) -> bytes:
    return json.dumps(values, indent=2).encode()


# state/performance_metrics.csv

LEDGER_HEADER = "date,timestamp,equity,pnl_1d,drawdown,sharpe_30d,sortino_30d,win_rate_7d,trades_7d"
LEARNER_HEADER = "ts,equity,mdd_pct,rolling_sharpe,day_pnl"


def test_the_equity_curve_as_the_ledger_writes_it() -> None:
    text = f"{LEDGER_HEADER}\n2025-03-04,2025-03-04T05:06:07Z,20075.500000,-12.250000,1.375000,0.625000,,,\n"
    found = parse_performance_metrics(text.encode(), HERE)
    assert found.rows == (PerformanceRow(MOMENT.replace(microsecond=0), 20075.5, -12.25, 1.375, 0.625),)
    assert found.bad_rows == 0


def test_the_equity_curve_as_the_learner_looked_for_it() -> None:
    text = f"{LEARNER_HEADER}\n2025-03-04 05:06:07.25,20075.5,1.375,0.625,-12.25\n"
    found = parse_performance_metrics(text.encode(), HERE)
    assert found.rows == (PerformanceRow(MOMENT, 20075.5, -12.25, 1.375, 0.625),)


def test_where_both_spellings_stand_the_ledgers_is_taken() -> None:
    text = "date,ts,timestamp,equity,mdd_pct,drawdown\n1999-01-01,1999-01-01,2025-03-04T05:06:07.25,7,99,3\n"
    assert parse_performance_metrics(text.encode(), HERE).rows == (PerformanceRow(MOMENT, 7.0, None, 3.0, None),)


GOOD_ROW = "2025-03-04,2025-03-04T05:06:07Z,100,,,,,,"
BAD_ROWS = {
    "of another program": "2025-03-04,1.5,12.0,0.2",
    "empty": "",
    "no time": "2025-03-04,,100,,,,,,",
    "no such time": "2025-03-04,2025-13-04T05:06:07Z,100,,,,,,",
    "before the year 1": "x,0001-01-01T00:00:00+09:00,100,,,,,,",
    "after the year 9999": "x,9999-12-31T23:59:59-09:00,100,,,,,,",
    "no equity": "2025-03-04,2025-03-04T05:06:07Z,,1,,,,,",
    "NaN": "2025-03-04,2025-03-04T05:06:07Z,nan,,,,,,",
    "infinite": "2025-03-04,2025-03-04T05:06:07Z,-inf,,,,,,",
    "too large": "2025-03-04,2025-03-04T05:06:07Z,1e400,,,,,,",
    "grouped": "2025-03-04,2025-03-04T05:06:07Z,10_000,,,,,,",
    "in other digits": "2025-03-04,2025-03-04T05:06:07Z,\u0661\u0662,,,,,,",
    "text": "2025-03-04,2025-03-04T05:06:07Z,much,,,,,,",
    "a bad drawdown": "2025-03-04,2025-03-04T05:06:07Z,100,,deep,,,,",
    "NUL": "2025-03-04,2025-03-04T05:06:07Z,1\x0000,,,,,,",
    "a field too long for csv": "2025-03-04,2025-03-04T05:06:07Z,100,,,,,," + "9" * 140_000,
    "not UTF-8": "2025-03-04,2025-03-04T05:06:07Z,1\udcff0,,,,,,",
}


@pytest.mark.parametrize("row", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_row_that_cannot_be_read_is_counted_and_those_around_it_are_read(row: str) -> None:
    text = "\n".join([LEDGER_HEADER, GOOD_ROW, row, GOOD_ROW, ""]).encode(errors="surrogateescape")
    found = parse_performance_metrics(text, HERE)
    assert (len(found.rows), found.bad_rows) == (2, 1)


def test_a_torn_last_row_waits_for_its_newline() -> None:
    text = f"timestamp,equity\n{TIME},100\n{TIME},23456"
    for torn in range(len(text) - 5, len(text) + 1):
        found = parse_performance_metrics(text[:torn].encode(), HERE)
        assert ([row.equity for row in found.rows], found.bad_rows) == ([100.0], 0)


def test_byte_order_mark_white_space_and_other_newlines() -> None:
    text = f"\ufeff timestamp , equity \r\n {TIME} , 100 \r\n"
    assert parse_performance_metrics(text.encode(), HERE).rows == (PerformanceRow(MOMENT, 100.0, None, None, None),)


@pytest.mark.parametrize(
    ("text", "missing"),
    [("", "timestamp"), ("equity\n1\n", "timestamp"), ("ts,wealth\n", "equity"), ("timestamp,equity", "timestamp")],
)
def test_without_a_column_that_is_needed_nothing_is_read(text: str, missing: str) -> None:
    with pytest.raises(BadInput, match=rf"^{HERE}: no column {missing} \(one of {missing}"):
        parse_performance_metrics(text.encode(), HERE)


def test_a_header_that_csv_cannot_read() -> None:
    with pytest.raises(BadInput, match="no column timestamp"):
        parse_performance_metrics(b"x" * 140_000 + b"\n", HERE)


# state/strategy_performance.json

RESEARCH = {
    "ranked_strategies": [
        {
            **{"strategy": "vix_strategy", "name": "VIX Strategy", "score": 0.8, "sharpe": 1.6, "drawdown": 25},
            **{"actual_sharpe": None, "actual_win_rate": 0.55, "actual_drawdown": None, "retired": False},
        }
    ],
    "active_strategies": [],
    "optimization_cycle": 4,
    "retirement_check_cycle": 4,
    "timestamp": TIME,
}
MANAGER = {
    "timestamp": TIME,
    "active_strategies": ["turtle_trading", "vix_strategy"],
    "strategy_performance": {
        "turtle_trading": {
            **{"total_pnl": -3.5, "trade_count": 8, "win_count": 3, "loss_count": 5, "sharpe_ratio": -0.2},
            **{"max_drawdown": 4.5, "last_updated": TIME},
        }
    },
    "allocations": {"turtle_trading": 1.0},
}


def test_the_research_schema() -> None:
    found = parse_strategy_performance(written(RESEARCH), HERE)
    entry = RankedStrategy("vix_strategy", 0.8, 1.6, 25.0, actual_win_rate=0.55, name="VIX Strategy")
    assert (found.timestamp, found.ranked, found.active, found.measured) == (MOMENT, (entry,), (), {})


def test_the_managers_schema_with_and_without_its_lists() -> None:
    measured = {"turtle_trading": MeasuredStrategy(-3.5, 8, 3, 5, -0.2, 4.5)}
    found = parse_strategy_performance(written(MANAGER), HERE)
    assert (found.ranked, found.active, found.measured) == ((), ("turtle_trading", "vix_strategy"), measured)
    short = {name: MANAGER[name] for name in ("timestamp", "strategy_performance")}
    assert parse_strategy_performance(written(short), HERE).measured == measured


def test_active_strategies_that_are_ranked_entries() -> None:
    values = {**RESEARCH, "active_strategies": RESEARCH["ranked_strategies"]}
    assert parse_strategy_performance(written(values), HERE).active == ("vix_strategy",)


def test_what_we_write_has_all_that_the_ancestors_readers_look_for() -> None:
    values = {**RESEARCH, "active_strategies": RESEARCH["ranked_strategies"]}
    ours = json.loads(encode_strategy_performance(parse_strategy_performance(written(values), HERE), cycle=4))
    assert ours == {**values, "schema": 1, "timestamp": "2025-03-04T05:06:07.250000Z"}
    nameless = encode_strategy_performance(parse_strategy_performance(written({**RESEARCH, "timestamp": None}), HERE))
    assert json.loads(nameless)["timestamp"] is None


# The three sources of weights


def test_the_optimizers_allocations() -> None:
    values = {
        **{"weights": {"BTC-USD": 0.3, "SPY": 0.7}, "method": "risk_parity", "expected_sharpe": 0.9},
        **{"expected_return": 0.11, "expected_volatility": 0.12, "risk_budget": 1.0, "timestamp": TIME},
        "risk_free_rate": 0.02,
    }
    found = parse_optimizer_weights(written(values), HERE)
    assert (found.weights, found.method, found.timestamp) == ({"BTC-USD": 0.3, "SPY": 0.7}, "risk_parity", MOMENT)
    assert (found.expected_sharpe, found.expected_return, found.expected_volatility) == (0.9, 0.11, 0.12)


@pytest.mark.parametrize("values", [{"ETH-USD": 0.5, "QQQ": 0.4}, {"weights": {"ETH-USD": 0.5, "QQQ": 0.4}}])
def test_the_labs_weights_flat_and_nested(values: dict[str, Any]) -> None:
    found = parse_lab_weights(written(values), HERE)
    assert (found.weights, found.timestamp) == ({"ETH-USD": 0.5, "QQQ": 0.4}, None)


RL_WEIGHTS = {
    "weights": ONE_HOT,
    "source": "rl_inference",
    "timestamp": TIME,
    "model_loaded": True,
    "metadata": {"deterministic": True, "sum": 1.0, "top_strategy": "breakout_trading"},
}


def test_the_weights_of_inference() -> None:
    found = parse_rl_weights(written(RL_WEIGHTS), HERE)
    assert found.weights == tuple(ONE_HOT.values())
    assert (found.timestamp, found.valid_until, found.generation) == (MOMENT, None, None)
    assert found.model_loaded
    assert found.metadata["top_strategy"] == "breakout_trading"
    ours = json.loads(encode_rl_weights(found))
    assert {name: ours[name] for name in RL_WEIGHTS} == {**RL_WEIGHTS, "timestamp": "2025-03-04T05:06:07.250000Z"}


# What it held in files that are ours alone to write: refused by the name of what they lack

SOLE_EGRESS = {"allocations": ONE_HOT, "source": "rl_inference", "timestamp": TIME, "metadata": {}}
REPORT = {
    "timestamp": TIME,
    "performance_30d": {},
    "performance_7d": {},
    "weight_evolution": {"error": "no history"},
    "training_info": {"last_training": None, "total_episodes": 50, "recent_avg_reward": 0.0},
    "summary": {"rl_sharpe_30d": 0.1, "baseline_sharpe": 0.0, "improvement": 0.0, "rl_better": False},
}
MODEL = {
    **{"state_size": 34, "action_size": 8, "learning_rate": 0.0003, "gamma": 0.99, "epsilon": 0.2},
    **{"use_torch": False, "timestamp": TIME},
}


@pytest.mark.parametrize(
    ("parse", "values", "lacking"),
    [
        (parse_allocations, SOLE_EGRESS, "risk is missing"),
        (parse_report, REPORT, "verdict is missing"),
        (parse_manifest, MODEL, "checkpoint is missing"),
    ],
)
def test_without_guards_a_verdict_or_a_digest_a_file_is_not_taken_for_ours(
    parse: Any, values: dict[str, Any], lacking: str
) -> None:
    with pytest.raises(BadInput, match=lacking):
        parse(written(values), HERE)


def test_what_we_write_there_has_what_its_readers_look_for() -> None:
    report = json.loads(encode_report(parse_report(written({**REPORT, "verdict": "not proven"}), HERE)))
    assert {name: report[name] for name in REPORT} == {**REPORT, "timestamp": "2025-03-04T05:06:07.250000Z"}
    ours = {**MODEL, "generation": 1, "checkpoint": "checkpoint_000001.pkl", "sha256": "ab" * 32, "size": 9}
    manifest = json.loads(encode_manifest(parse_manifest(written({**ours, "features": ["f"] * 34}), HERE)))
    assert (manifest["state_size"], manifest["action_size"]) == (34, 8)
    assert manifest["timestamp"] == "2025-03-04T05:06:07.250000Z"


# runtime/portfolio.json


def test_the_portfolio_keeps_what_was_sold() -> None:
    values = {"cash": 512.5, "equity": 512.5, "positions": {"ETH-USD": {"qty": 0.0, "avg_price": 0.0}}}
    found = parse_portfolio(written({**values, "allocations": {}}), HERE)
    assert (found.cash, found.equity, found.timestamp) == (512.5, 512.5, None)
    assert found.positions == {"ETH-USD": Position(0.0, 0.0)}


def test_the_portfolio_of_the_replay_is_refused() -> None:
    values = {"timestamp": TIME, "positions": [{"symbol": "SPY", "weight": 1.0}], "cash": 0.0}
    with pytest.raises(BadInput, match=r"positions is .*an object was expected"):
        parse_portfolio(written(values), HERE)


# What it remembered


def test_the_training_log() -> None:
    entry = {
        **{"timestamp": TIME, "episodes": 60, "total_reward": -0.3, "avg_reward": -0.005},
        **{"final_metrics": {"policy_loss": 0.1, "value_loss": 0.0, "entropy": 1.9}, "training_data_size": 77},
    }
    config = {"state_size": 34, "action_size": 8, "min_trades": 50, "retrain_interval_hours": 168}
    found = parse_training_log(written({"training_history": [entry], "last_training": None, "config": config}), HERE)
    (training,) = found.trainings
    assert (training.timestamp, training.episodes, training.total_reward, training.days) == (MOMENT, 60, -0.3, 77)
    assert (training.outcome, training.generation, training.seed, training.trades) == (FAILED, None, 0, None)
    assert training.final_metrics["entropy"] == 1.9
    assert training.average_reward == pytest.approx(-0.005)
    assert (found.last_training, found.config) == (MOMENT, config)


def test_an_empty_training_log() -> None:
    found = parse_training_log(b"{}", HERE)
    assert (found.trainings, found.last_training) == ((), None)


def test_a_training_without_episodes_has_no_average() -> None:
    entry = {"timestamp": TIME, "episodes": 0, "total_reward": 0.0}
    (training,) = parse_training_log(written({"training_history": [entry]}), HERE).trainings
    assert training.average_reward == 0.0


def test_the_weight_history() -> None:
    entry = {"timestamp": TIME, "weights": ONE_HOT, "metadata": {"sum": 1.0}}
    found = parse_weight_history(written({"history": [entry], "last_update": TIME}), HERE)
    assert found.last_update == MOMENT
    assert found.history[0].weights == tuple(ONE_HOT.values())
    ours = json.loads(encode_weight_history(found))
    assert ours["history"] == [{**entry, "timestamp": "2025-03-04T05:06:07.250000Z"}]
