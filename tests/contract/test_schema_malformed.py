"""Files that are wrong, and what is said of them: the file, the field, the value, and what would be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attacks.json_texts import NO_OBJECT
from support.good_records import GOOD
from support.schema_records import KINDS, Kind

from contract.errors import BadInput
from contract.schema.fields import Fields
from contract.schema.names import STRATEGIES

HERE = Path("/runtime/file.json")
every_kind = pytest.mark.parametrize("name", GOOD)


def refusal_of(kind: Kind, text: bytes | str) -> str:
    with pytest.raises(BadInput) as caught:
        kind.parse(text if isinstance(text, bytes) else text.encode(), HERE)
    error = str(caught.value)
    assert error.startswith(f"{HERE}: ") and error.isprintable() and error.endswith(")")
    return error.removeprefix(f"{HERE}: ")


@every_kind
def test_the_examples_are_good(name: str) -> None:
    KINDS[name].parse(json.dumps(GOOD[name]).encode(), HERE)
    assert set(GOOD) == set(KINDS)


# Files that are no JSON object

@every_kind
@pytest.mark.parametrize(("text", "said"), NO_OBJECT.values(), ids=NO_OBJECT)
def test_what_is_no_json_object_is_refused(name: str, text: bytes | str, said: str) -> None:
    assert refusal_of(KINDS[name], text).startswith(said)


# Fields that are wrong. What is written there is JSON as it would stand in the file; nothing removes the field.

A_SHARE = "a number from 0 on was expected"
A_NUMBER, A_WHOLE, A_COUNT = "a number was expected", "a whole number from 1 on was expected", "from 0 on was expected"
A_TIME, A_DAY = "a time such as 2026-01-31T08:00:00Z was expected", "a day such as 2026-01-31 was expected"
AN_OBJECT, A_LIST, TEXT = "an object was expected", "a list was expected", "text was expected"
NOTHING_FOR_ANY = json.dumps(dict.fromkeys(STRATEGIES, 0))
WRONG = [
    ("rl_weights", "weights", "", "weights is missing", AN_OBJECT),
    ("rl_weights", "weights", "null", "weights is null", AN_OBJECT),
    ("rl_weights", "weights", "[0.125, 0.125]", "weights is [0.125, 0.125]", AN_OBJECT),
    ("rl_weights", "weights", "{}", "weights: 'turtle_trading' is missing", "the names are turtle_trading, mean_rev"),
    ("rl_weights", "weights.pairs_trading", "", "weights: 'pairs_trading' is missing", "the names are"),
    ("rl_weights", "weights.scalping", "0.1", 'weights: "scalping" is no strategy', "the names are"),
    ("rl_weights", "weights.Pairs_trading", "0.1", 'weights: "Pairs_trading" is no strategy', "the names are"),
    ("rl_weights", "weights", NOTHING_FOR_ANY, "weights: the sum is 0", "a positive, finite sum was expected"),
    ("rl_weights", "weights.pairs_trading", "NaN", "weights.pairs_trading is NaN", "a finite number was expected"),
    ("rl_weights", "weights.pairs_trading", "-Infinity", "weights.pairs_trading is -Infinity", "a finite number"),
    ("rl_weights", "weights.pairs_trading", "1e400", "weights.pairs_trading is Infinity", "a finite number"),
    ("rl_weights", "weights.pairs_trading", "1" + "0" * 400, "weights.pairs_trading is 100000", "a finite number"),
    ("rl_weights", "weights.pairs_trading", "-0.01", "weights.pairs_trading is -0.01", A_SHARE),
    ("rl_weights", "weights.pairs_trading", "true", "weights.pairs_trading is true", A_NUMBER),
    ("rl_weights", "weights.pairs_trading", '"0.1"', 'weights.pairs_trading is "0.1"', A_NUMBER),
    ("rl_weights", "weights.pairs_trading", '"' + "x" * 500 + '"', 'weights.pairs_trading is "xxxx', A_NUMBER),
    ("rl_weights", "weights.pairs_trading", r'"\n\u001b[2J"', r'weights.pairs_trading is "\n\u001b[2J"', A_NUMBER),
    ("rl_weights", "timestamp", "", "timestamp is missing", TEXT),
    ("rl_weights", "timestamp", "1763680339", "timestamp is 1763680339", TEXT),
    ("rl_weights", "timestamp", '"yesterday"', 'timestamp is "yesterday"', A_TIME),
    ("rl_weights", "timestamp", '"2026-02-30T00:00:00Z"', 'timestamp is "2026-02-30T00:00:00Z"', A_TIME),
    ("rl_weights", "timestamp", '"0001-01-01T00:00:00+01:00"', 'timestamp is "0001', A_TIME),
    ("rl_weights", "valid_until", '""', 'valid_until is ""', A_TIME),
    ("rl_weights", "model_loaded", "", "model_loaded is missing", "true or false was expected"),
    ("rl_weights", "model_loaded", "1", "model_loaded is 1", "true or false was expected"),
    ("rl_weights", "generation", "4.0", "generation is 4.0", A_COUNT),
    ("rl_weights", "generation", "-1", "generation is -1", A_COUNT),
    ("rl_weights", "generation", "true", "generation is true", A_COUNT),
    ("rl_weights", "metadata", "[]", "metadata is []", AN_OBJECT),
    ("rl_weights", "metadata.entropy", "NaN", "metadata.entropy is NaN", "finite numbers and shallow nesting"),
    ("rl_weights", "metadata.x", '[{"y": [-1e999]}]', 'metadata.x is [{"y": [-Infinity]}]', "finite numbers"),
    ("rl_weights", "metadata.x", "[" * 40 + "]" * 40, "metadata.x is [[[[", "finite numbers and shallow nesting"),
    ("optimizer_weights", "weights", "{}", "weights: the sum is 0", "a positive, finite sum was expected"),
    ("optimizer_weights", "weights.SPY", "-0.1", "weights.SPY is -0.1", A_SHARE),
    ("optimizer_weights", "weights.Q", "1.8e308", "weights.Q is Infinity", "a finite number was expected"),
    ("optimizer_weights", "weights.Q", "null", "weights.Q is null", A_NUMBER),
    ("optimizer_weights", "weights." + "long" * 100, "null", "weights.longlong", A_NUMBER),
    ("optimizer_weights", "method", "7", "method is 7", TEXT),
    ("optimizer_weights", "expected_sharpe", '"high"', 'expected_sharpe is "high"', A_NUMBER),
    ("lab_weights", "weights", '{"SPY": 0, "GLD": 0.0}', "weights: the sum is 0", "a positive, finite sum"),
    ("lab_weights", "weights", '{"A": 1e308, "B": 1e308}', "weights: the sum is inf", "a positive, finite sum"),
    ("lab_weights", "weights", '"all of it"', 'weights is "all of it"', AN_OBJECT),
    ("lab_weights", "timestamp", "5", "timestamp is 5", TEXT),
    ("allocations", "source", '"capital_governor"', 'source is "capital_governor"', "one of rl_inference, portfolio_"),
    ("allocations", "risk", "", "risk is missing", AN_OBJECT),
    ("allocations", "risk.state", '"PAUSED"', 'risk.state is "PAUSED"', "one of ACTIVE, REDUCING, HALTED was expected"),
    ("allocations", "risk.scale", "1.1", "risk.scale is 1.1", "a number from 0 to 1 was expected"),
    ("allocations", "strategy_allocations", "", "strategy_allocations is missing", AN_OBJECT),
    ("allocations", "strategy_allocations.cash", "0.5", 'strategy_allocations: "cash" is no strategy', "the names are"),
    ("allocations", "metadata.considered", "{}", "metadata.considered is {}", A_LIST),
    ("allocations", "metadata.considered", "[7]", "metadata.considered[0] is 7", AN_OBJECT),
    ("allocations", "metadata.considered.0.verdict", "", "metadata.considered[0].verdict is missing", TEXT),
    ("allocations", "metadata.considered.0.age_s", '"old"', 'metadata.considered[0].age_s is "old"', A_NUMBER),
    ("weight_history", "history", "7", "history is 7", A_LIST),
    ("weight_history", "history.0.weights", "{}", "history[0].weights: 'turtle_trading' is missing", "the names are"),
    ("weight_history", "history.0.timestamp", "", "history[0].timestamp is missing", TEXT),
    ("trust", "trust", "1.5", "trust is 1.5", "a number from 0 to 1 was expected"),
    ("trust", "log_odds", "Infinity", "log_odds is Infinity", "a finite number was expected"),
    ("trust", "policy.log_wealth", "null", "policy.log_wealth is null", A_NUMBER),
    ("trust", "blend", "", "blend is missing", AN_OBJECT),
    ("trust", "account.variance", "-1", "account.variance is -1", A_SHARE),
    ("trust", "held.0.day", "", "held[0].day is missing", TEXT),
    ("trust", "held.0.base.vix_strategy", "", "held[0].base: 'vix_strategy' is missing", "the names are"),
    ("trust", "base.weights.vix_strategy", "", "base.weights: 'vix_strategy' is missing", "the names are"),
    ("trust", "last_day", '"2026-13-01"', 'last_day is "2026-13-01"', A_DAY),
    ("trust", "last_day", "20261120", "last_day is 20261120", TEXT),
    ("trust", "live_days", "", "live_days is missing", A_COUNT),
    ("report", "verdict", '"excellent"', 'verdict is "excellent"', "one of RL beats equal weight, not proven, RL is w"),
    ("report", "sharpe", "NaN", "sharpe is NaN", "finite numbers"),
    ("manifest", "checkpoint", '"../../etc/passwd"', "checkpoint is '../../etc/passwd'", "a file name in the same"),
    ("manifest", "checkpoint", r'"..\\x"', "checkpoint is", "a file name in the same directory was expected"),
    ("manifest", "checkpoint", '".hidden"', "checkpoint is '.hidden'", "a file name in the same"),
    ("manifest", "checkpoint", '""', "checkpoint is ''", "a file name in the same directory was expected"),
    ("manifest", "checkpoint", r'"a\u0000b"', "checkpoint is", "a file name in the same directory was expected"),
    ("manifest", "sha256", '"0F"', "sha256 is '0F'", "64 hexadecimal digits were expected"),
    ("manifest", "sha256", f'"{"0G" * 32}"', "sha256 is '0G0G", "64 hexadecimal digits were expected"),
    ("manifest", "size", "0", "size is 0", A_WHOLE),
    ("manifest", "features", '["trend", 3]', "features[1] is 3", TEXT),
    ("manifest", "features", '"trend"', 'features is "trend"', A_LIST),
    ("training_log", "training_history.0.episodes", "1.5", "training_history[0].episodes is 1.5", A_COUNT),
    ("training_log", "training_history.0.outcome", '"won"', 'training_history[0].outcome is "won"', "one of promoted"),
    (
        *("training_log", "training_history.0.final_metrics.loss", "NaN"),
        *("training_history[0].final_metrics.loss is NaN", "a finite number was expected"),
    ),
    ("training_log", "training_history.0.total_reward", "null", "training_history[0].total_reward is null", A_NUMBER),
    ("portfolio", "positions", '[{"symbol": "SPY", "weight": 1}]', 'positions is [{"symbol"', AN_OBJECT),
    ("portfolio", "positions.SPY", "7", "positions.SPY is 7", AN_OBJECT),
    ("portfolio", "positions.SPY.avg_price", "-1", "positions.SPY.avg_price is -1", A_SHARE),
    ("portfolio", "equity", '"1000"', 'equity is "1000"', A_NUMBER),
    ("strategy_performance", "active_strategies", '["a", {}]', "active_strategies[1] is {}", TEXT),
    ("strategy_performance", "active_strategies", '[{"name": "a"}]', "active_strategies[0].strategy is missing", TEXT),
    ("strategy_performance", "active_strategies", "7", "active_strategies is 7", A_LIST),
    ("strategy_performance", "ranked_strategies.0.score", "", "ranked_strategies[0].score is missing", A_NUMBER),
    ("strategy_performance", "ranked_strategies.0.retired", "0", "ranked_strategies[0].retired is 0", "true or false"),
    (
        *("strategy_performance", "strategy_performance.macd_momentum.trade_count", "9.5"),
        *("strategy_performance.macd_momentum.trade_count is 9.5", A_COUNT),
    ),
    ("risk_state", "account.losing_days", "-1", "account.losing_days is -1", A_COUNT),
    ("risk_state", "account.results.won", "-0.1", "account.results.won is -0.1", A_SHARE),
    ("risk_state", "account.peak", "", "account.peak is missing", A_NUMBER),
    ("risk_state", "account.day", "1.5", "account.day is 1.5", "a whole number from -9223372036854775808 on"),
    ("risk_state", "trip.at", "false", "trip.at is false", TEXT),
    ("risk_state", "ids", "7", "ids is 7", A_LIST),
    ("risk_event", "kind", '"panic"', 'kind is "panic"', "one of trip, resume, alert was expected"),
    ("risk_event", "value", "NaN", "value is NaN", "a finite number was expected"),
    ("resume_request", "reason", "", "reason is missing", TEXT),
    ("heartbeat", "pid", "0", "pid is 0", A_WHOLE),
    ("heartbeat", "due_s", "-1", "due_s is -1", A_SHARE),
    ("heartbeat", "state", '"fine"', 'state is "fine"', "one of starting, running, degraded, stopped was expected"),
    ("journal_entry", "body", "", "body is missing", AN_OBJECT),
    ("journal_entry", "body.x", "1e999", "body.x is Infinity", "finite numbers"),
]


def changed(values: dict[str, Any], place: str, written: str) -> str:
    """The object as JSON with something else written in one place, or nothing."""
    whole = json.loads(json.dumps(values))
    *above, last = place.split(".")
    part: Any = whole
    for name in above:
        part = part[int(name) if isinstance(part, list) else name]
    if not written:
        del part[last]
        return json.dumps(whole)
    part[last] = "<here>"
    return json.dumps(whole).replace('"<here>"', written)


@pytest.mark.parametrize(
    ("name", "place", "written", "said", "hint"), WRONG, ids=[f"{w[0]}: {w[1][:40]}={w[2][:30]!a}" for w in WRONG]
)
def test_a_wrong_field_is_named(name: str, place: str, written: str, said: str, hint: str) -> None:
    refusal = refusal_of(KINDS[name], changed(GOOD[name], place, written))
    assert refusal.startswith(said)
    assert hint in refusal
    assert len(refusal) < 300


def test_a_performance_file_of_neither_shape_is_refused() -> None:
    said = refusal_of(KINDS["strategy_performance"], '{"scores": {}}')
    assert said == "says nothing of any strategy (ranked_strategies or strategy_performance was expected)"


def test_what_lies_too_deep_to_be_shown_is_named_by_its_kind() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadInput, match="weights is a list"):
        Fields({"weights": deep}, HERE).section("weights")
