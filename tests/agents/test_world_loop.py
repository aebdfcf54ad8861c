"""The world around the policy, as real processes: the bot trades, the optimizer and the lab read, the bridge could."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.processes import Running

from contract.daemon import BAD_USAGE, NOTHING_TO_DO
from contract.files import read_record
from contract.pulse import ALIVE, ENDED, feel
from contract.schema.account import (
    parse_performance_metrics,
    parse_portfolio,
    parse_strategy_performance,
)
from contract.schema.names import CHECKOUT, MARKS_HEADER, PNL_HEADER, STRATEGIES, STRATEGY_LAB, Root
from contract.schema.weights import parse_lab_weights, parse_optimizer_weights
from contract.system import OperatingSystem

SYSTEM = OperatingSystem()
WORLD = {"TILLER__BOT__SYMBOLS": "6"}
PAPER_TRADER, OPTIMIZER, LAB = "paper_trader", "portfolio_optimizer", "strategy_lab"

RANKED_ENTRY: Mapping[str, tuple[type, ...]] = {
    "strategy": (str,),
    "name": (str,),
    "score": (float,),
    "sharpe": (float,),
    "drawdown": (int,),
    "actual_sharpe": (float, type(None)),
    "actual_win_rate": (float, type(None)),
    "actual_drawdown": (float, type(None)),
    "retired": (bool,),
}
"""How the ancestor's research describes a strategy, field by field."""


def command(agent: str, root: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "agents" / f"{agent}.py"), "--root", str(root), *arguments]


def run(agent: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")} | WORLD
    return subprocess.run(
        command(agent, root, *arguments), env=environment, capture_output=True, text=True, check=False, timeout=50
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """After two years of days, and one run of either source."""
    path = tmp_path_factory.mktemp("world")
    for agent, argument in ((PAPER_TRADER, "--fast-forward=730"), (OPTIMIZER, "--once"), (LAB, "--once")):
        done = run(agent, path, argument)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr
    return Root(path)


def test_every_file_is_what_its_parser_expects(world: Root) -> None:
    optimizer = read_record(SYSTEM, world.optimizer_weights, parse_optimizer_weights)
    lab = read_record(SYSTEM, world.lab_weights, parse_lab_weights)
    performance = read_record(SYSTEM, world.strategy_performance, parse_strategy_performance)
    portfolio = read_record(SYSTEM, world.portfolio, parse_portfolio)
    metrics = read_record(SYSTEM, world.performance_metrics, parse_performance_metrics)
    assert optimizer and lab and performance and portfolio and metrics
    for weights in (optimizer.weights, lab.weights):
        assert tuple(weights) == STRATEGIES
        assert min(weights.values()) >= 0 and sum(weights.values()) == pytest.approx(1, abs=1e-9)
    now = datetime.now(UTC)
    for moment in (optimizer.timestamp, lab.timestamp, performance.timestamp):
        assert moment is not None and timedelta(0) <= now - moment < timedelta(minutes=10)
    assert lab.writer == STRATEGY_LAB
    assert optimizer.method == "risk_parity" and optimizer.expected_volatility and optimizer.expected_volatility > 0
    assert optimizer.expected_return is not None and optimizer.expected_sharpe == pytest.approx(
        optimizer.expected_return / optimizer.expected_volatility
    )
    assert metrics.bad_rows == 0 and len(metrics.rows) == 730
    for path, header in ((world.pnl_history, PNL_HEADER), (world.strategy_marks, MARKS_HEADER)):
        with path.open(encoding="utf-8", newline="") as file:
            assert tuple(next(csv.reader(file))) == header


def test_the_performance_is_the_ancestors_field_by_field(world: Root) -> None:
    found: dict[str, Any] = json.loads(world.strategy_performance.read_text())
    lab = read_record(SYSTEM, world.lab_weights, parse_lab_weights)
    assert lab is not None
    ranked = found["ranked_strategies"]
    assert set(found) - {"schema"} == {
        *("ranked_strategies", "active_strategies", "optimization_cycle", "retirement_check_cycle", "timestamp")
    }
    assert found["active_strategies"] == ranked[:3]
    assert (found["optimization_cycle"], found["retirement_check_cycle"]) == (1, 1)
    assert datetime.fromisoformat(found["timestamp"]).tzinfo is not None
    for entry in ranked:
        assert set(entry) == set(RANKED_ENTRY)
        assert all(type(entry[field]) in kinds for field, kinds in RANKED_ENTRY.items()), entry
        assert entry["strategy"] in STRATEGIES and entry["retired"] is False
        assert 0 <= entry["drawdown"] <= 100 and 0 <= (entry["actual_drawdown"] or 0) <= 100
        assert 0 <= (entry["actual_win_rate"] or 0) <= 1
        assert lab.weights[entry["strategy"]] > 0
    assert [entry["score"] for entry in ranked] == sorted((entry["score"] for entry in ranked), reverse=True)
    listed = {entry["strategy"] for entry in ranked}
    assert 0 < len(listed) < 8, "in this world some strategies are retired"
    for name in set(STRATEGIES) - listed:
        assert lab.weights[name] == 0 and f"{name} (" in lab.reason


def test_nothing_else_is_left_behind(world: Root) -> None:
    state = {path.name for path in world.state.iterdir()}
    runtime = {path.name for path in world.runtime.iterdir()}
    bot = {"pnl_history.csv", "strategy_marks.csv", "performance_metrics.csv", "paper_trader.json"}
    assert state == bot | {"allocations.json", "strategy_performance.json"}
    assert runtime == {"portfolio.json", "strategy_weights.json", "heartbeats", "locks"}
    assert feel(SYSTEM, world, "optimizer").state == feel(SYSTEM, world, "lab").state == ENDED


@pytest.mark.parametrize("agent", [OPTIMIZER, LAB])
def test_without_a_history_it_writes_nothing_and_says_why(tmp_path: Path, agent: str) -> None:
    done = run(agent, tmp_path, "--once", "--json")
    assert done.returncode == NOTHING_TO_DO
    assert json.loads(done.stdout) == {"proposed": False, "reason": "0 days of 20 that are needed"}
    assert not [path for path in tmp_path.rglob("*.json") if path.parent.name != "heartbeats"]


def test_wrong_usage_is_told_from_failure(tmp_path: Path) -> None:
    assert run(OPTIMIZER, tmp_path, "--method", "sharpest").returncode == BAD_USAGE
    assert run(LAB, tmp_path, "--override").returncode == BAD_USAGE


@pytest.mark.parametrize(("agent", "daemon"), [(OPTIMIZER, "optimizer"), (LAB, "lab")])
def test_it_lives_beside_the_bot_and_ends_when_told(tmp_path: Path, agent: str, daemon: str) -> None:
    root = Root(tmp_path)
    run(PAPER_TRADER, tmp_path, "--fast-forward=30")
    with Running(command(agent, tmp_path), environment=WORLD) as running:
        running.complains("30 days up to")
        assert feel(SYSTEM, root, daemon).state == ALIVE
        assert run(agent, tmp_path, "--once").returncode == 1, "one at a time"
        run(PAPER_TRADER, tmp_path, "--fast-forward=1")
        running.complains("31 days up to")
        code, took_s = running.ends(signal.SIGTERM)
    assert code == 0 and took_s < 5
    assert feel(SYSTEM, root, daemon).state == ENDED
