"""The paper trader as a process: what it writes, whom it listens to, and what killing it costs."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.counts import trials
from support.figures import Tell
from support.forked import Nursery

from contract.files import publish, read_record
from contract.schema.account import parse_performance_metrics, parse_portfolio
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.schema.weights import Allocations, Risk, encode_allocations
from contract.system import OperatingSystem

SYSTEM = OperatingSystem()
SMALL = {"TILLER__BOT__SYMBOLS": "6"}
CALLS_OF_SOME_DAYS = 600


def bot(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "agents" / "paper_trader.py"), "--root", str(root), *arguments],
        env={**os.environ, **SMALL},
        capture_output=True,
        text=True,
        check=check,
        timeout=50,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def allocate(root: Root, weights: tuple[float, ...], risk: Risk, *, fresh: bool = True) -> None:
    now = datetime.now(UTC)
    record = Allocations(
        allocations=dict(zip(STRATEGIES, weights, strict=True)),
        source="rl_inference",
        timestamp=now,
        valid_until=now + timedelta(hours=1 if fresh else -1),
        risk=risk,
        strategy_allocations=weights,
    )
    publish(SYSTEM, root.allocations, encode_allocations(record))


def check_history(root: Root) -> tuple[int, float]:
    """No fill lost or doubled, marks for every day and strategy, and all three files tell of the same money."""
    fills, marks = rows(root.pnl_history), rows(root.strategy_marks)
    assert [fill["id"] for fill in fills] == [f"paper-{number:09d}" for number in range(1, len(fills) + 1)]
    days = [row["timestamp"] for row in rows(root.performance_metrics)]
    assert len(set(days)) == len(days)
    marked = [(row["timestamp"], row["strategy"]) for row in marks]
    assert marked == [(day, name) for day in days for name in STRATEGIES]
    memory = json.loads(root.bot_state.read_text())
    assert memory["fills"] == len(fills)
    closed = sum(float(fill["pnl"]) for fill in fills if fill["pnl"])
    assert closed == pytest.approx(sum(memory["realised"].values()), abs=1e-5)
    equity = float(rows(root.performance_metrics)[-1]["equity"])
    assert equity - memory["initial_cash"] == pytest.approx(sum(float(mark["pnl"]) for mark in marks), abs=1e-5)
    return len(fills), equity


def test_every_file_is_what_its_parser_expects(tmp_path: Path) -> None:
    root = Root(tmp_path)
    bot(tmp_path, "--fast-forward", "400")
    check_history(root)
    portfolio = read_record(SYSTEM, root.portfolio, parse_portfolio)
    metrics = read_record(SYSTEM, root.performance_metrics, parse_performance_metrics)
    assert portfolio is not None and metrics is not None
    assert metrics.bad_rows == 0 and len(metrics.rows) == 400
    assert portfolio.equity == pytest.approx(metrics.rows[-1].equity)
    fills = rows(root.pnl_history)
    traded = {fill["strategy"] for fill in fills}
    assert len(traded) >= 6, "most rules find something to do"
    assert all(float(fill["qty"]) > 0 and fill["side"] in ("buy", "sell") for fill in fills)


def test_going_on_is_the_same_as_never_having_stopped(tmp_path: Path) -> None:
    for part in ("120", "1", "79"):
        bot(tmp_path / "parts", "--fast-forward", part)
    bot(tmp_path / "whole", "--fast-forward", "200")
    for name in ("pnl_history.csv", "strategy_marks.csv", "performance_metrics.csv"):
        assert (tmp_path / "parts/state" / name).read_bytes() == (tmp_path / "whole/state" / name).read_bytes()


def test_it_trades_by_what_it_is_told(tmp_path: Path) -> None:
    root = Root(tmp_path)
    bot(tmp_path, "--fast-forward", "150")
    told = (0.35, 0.35, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05)
    allocate(root, told, Risk())
    assert "told by rl_inference" in bot(tmp_path, "--fast-forward", "1").stderr
    marks = {mark["strategy"]: float(mark["capital"]) for mark in rows(root.strategy_marks)[-8:]}
    assert marks["turtle_trading"] == pytest.approx(7 * marks["vix_strategy"])

    allocate(root, (0.125,) * 8, Risk(), fresh=False)
    assert "stale" in bot(tmp_path, "--fast-forward", "1").stderr
    root.allocations.write_bytes(b'{"allocations": ')
    assert "keeping the last good weights" in bot(tmp_path, "--fast-forward", "1").stderr
    marks = {mark["strategy"]: float(mark["capital"]) for mark in rows(root.strategy_marks)[-8:]}
    assert marks["turtle_trading"] == pytest.approx(7 * marks["vix_strategy"])


def test_halted_is_flat_and_reducing_is_smaller(tmp_path: Path) -> None:
    root = Root(tmp_path)
    bot(tmp_path, "--fast-forward", "300")

    def exposure() -> float:
        return sum(float(mark["exposure"]) * float(mark["capital"]) for mark in rows(root.strategy_marks)[-8:])

    full = exposure()
    assert full > 0
    allocate(root, (0.125,) * 8, Risk("REDUCING", 0.3, "test"))
    bot(tmp_path, "--fast-forward", "1")
    assert 0 < exposure() < 0.6 * full
    allocate(root, (0.125,) * 8, Risk("HALTED", 0.0, "test"), fresh=False)
    bot(tmp_path, "--fast-forward", "1")
    assert exposure() == 0, "a halt counts even when its file is stale"
    check_history(root)


def test_it_leaves_another_bots_history_alone(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.state.mkdir()
    root.pnl_history.write_text("date,timestamp,symbol,side,qty,price,reason,pnl\n")
    refused = bot(tmp_path, "--fast-forward", "1", check=False)
    assert refused.returncode == 1 and "another bot's history" in refused.stderr and "Traceback" not in refused.stderr


def test_another_market_is_refused(tmp_path: Path) -> None:
    bot(tmp_path, "--fast-forward", "5")
    refused = subprocess.run(
        [sys.executable, str(CHECKOUT / "agents/paper_trader.py"), "--root", str(tmp_path), "--fast-forward", "1"],
        env={**os.environ, **SMALL, "TILLER__BOT__SEED": "8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1 and "give it the market it knows" in refused.stderr


def test_replayed_bars_end(tmp_path: Path) -> None:
    bars = tmp_path / "bars"
    bars.mkdir()
    for symbol, first in (("AAA", 100.0), ("BBB", 50.0)):
        lines = ["Date,Open,High,Low,Close,Volume"]
        for day in range(90):
            price = first * (1 + 0.1 * ((day * 7) % 11) / 11)
            date = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
            lines.append(f"{date},{price},{price * 1.01},{price * 0.99},{price},1000")
        (bars / f"{symbol}.csv").write_text("\n".join(lines) + "\n")
    ended = bot(tmp_path / "root", "--fast-forward", "500", "--replay", str(bars), check=False)
    assert ended.returncode == 3, "nothing to do: the bars are over"
    assert check_history(Root(tmp_path / "root"))[1] > 0


@trials(8, 100)
def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, trials: int, seed: int, tell: Tell) -> None:
    chance = random.Random(seed)
    root = Root(tmp_path)
    bot(tmp_path, "--fast-forward", "100")
    with Nursery() as nursery:
        for _ in range(trials):
            arguments = ("--live", "--bar-seconds", "0.001")
            with nursery.start("paper_trader", tmp_path, *arguments, environment=SMALL) as running:
                running.reaches(chance.randint(1, CALLS_OF_SOME_DAYS), lambda call: True)
                running.kills()
    bot(tmp_path, "--fast-forward", "1")
    fills, _ = check_history(root)
    days = len(rows(root.performance_metrics))
    tell(f"\npaper trader: {trials} kills, {days} days, {fills:,} fills, 0 lost, 0 doubled")
    assert days > 101
