"""Every name that two processes share: strategies, sources, daemons, and every path below the root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SCHEMA_VERSION = 1

# The order is part of the contract: it is the order of the action vector and of every weight tuple.
STRATEGIES: tuple[str, ...] = (
    "turtle_trading",
    "mean_reversion_rsi",
    "momentum_sma_crossover",
    "breakout_trading",
    "pairs_trading",
    "macd_momentum",
    "bollinger_bands",
    "vix_strategy",
)

# In the order in which the bridge asks them.
RL_INFERENCE = "rl_inference"
PORTFOLIO_OPTIMIZER = "portfolio_optimizer"
STRATEGY_LAB = "strategy_lab"
EQUAL_WEIGHT = "equal_weight"
SOURCES: tuple[str, ...] = (RL_INFERENCE, PORTFOLIO_OPTIMIZER, STRATEGY_LAB, EQUAL_WEIGHT)

DAEMONS: tuple[str, ...] = ("trainer", "inference", "tracker", "bridge", "optimizer", "lab")

# The ancestor's eight columns first, so that a reader by position keeps working; ours follow.
PNL_HEADER: tuple[str, ...] = (
    *("date", "timestamp", "symbol", "side", "qty", "price", "reason", "pnl"),
    *("strategy", "fee", "capital", "equity", "entry_time", "id"),
)
MARKS_HEADER: tuple[str, ...] = ("timestamp", "strategy", "capital", "pnl", "exposure")
# Both spellings of the equity curve's columns: the ledger's, and the ones the ancestor's learner looked for.
PERFORMANCE_HEADER: tuple[str, ...] = (
    *("date", "timestamp", "equity", "pnl_1d", "drawdown", "sharpe_30d", "sortino_30d", "win_rate_7d", "trades_7d"),
    *("ts", "day_pnl", "mdd_pct", "rolling_sharpe"),
)
QUARANTINE_HEADER: tuple[str, ...] = ("file", "offset", "reason", "row")


@dataclass(frozen=True)
class Root:
    """The directory below which a system lives, and where each of its files stands."""

    path: Path

    @classmethod
    def find(cls, flag: str | Path | None, environment: Mapping[str, str] = os.environ) -> Root:
        """`--root` where given, else `$TILLER_ROOT`, else the checkout that holds this package."""
        chosen = flag or environment.get("TILLER_ROOT") or CHECKOUT
        return cls(Path(chosen).expanduser().resolve())

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def runtime(self) -> Path:
        return self.path / "runtime"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    # What the bot writes.

    @property
    def pnl_history(self) -> Path:
        return self.state / "pnl_history.csv"

    @property
    def strategy_marks(self) -> Path:
        return self.state / "strategy_marks.csv"

    @property
    def performance_metrics(self) -> Path:
        return self.state / "performance_metrics.csv"

    @property
    def portfolio(self) -> Path:
        return self.runtime / "portfolio.json"

    @property
    def bot_state(self) -> Path:
        """Where our own bot remembers its ledger; a history beside no such file is another bot's."""
        return self.state / "paper_trader.json"

    # What proposes weights, and what the bot reads.

    @property
    def rl_weights(self) -> Path:
        return self.runtime / "rl_strategy_weights.json"

    @property
    def optimizer_weights(self) -> Path:
        return self.state / "allocations.json"

    @property
    def lab_weights(self) -> Path:
        return self.runtime / "strategy_weights.json"

    @property
    def strategy_performance(self) -> Path:
        return self.state / "strategy_performance.json"

    @property
    def allocations(self) -> Path:
        return self.runtime / "allocations_override.json"

    @property
    def allocations_symbols(self) -> Path:
        """The ancestor's bot prefers this file to ours; nothing of ours writes it."""
        return self.runtime / "allocations_symbols.json"

    # The model and how it came about.

    @property
    def model(self) -> Path:
        return self.state / "rl_model"

    @property
    def checkpoint(self) -> Path:
        return self.model / "checkpoint_latest.pkl"

    @property
    def manifest(self) -> Path:
        return self.model / "config.json"

    def generation(self, number: int) -> Path:
        return self.model / f"checkpoint_{number:06d}.pkl"

    def generation_manifest(self, number: int) -> Path:
        return self.model / f"config_{number:06d}.json"

    @property
    def model_lock(self) -> Path:
        """Held while a model is put into service: the trainer does that, and a person who rolls back."""
        return self.locks / "model.lock"

    @property
    def training_log(self) -> Path:
        return self.state / "rl_training_log.json"

    # Judgement.

    @property
    def trust(self) -> Path:
        return self.state / "trust.json"

    @property
    def weight_history(self) -> Path:
        return self.state / "rl_weight_history.json"

    @property
    def live_days(self) -> Path:
        return self.state / "live_days.csv"

    @property
    def report(self) -> Path:
        return self.state / "rl_performance_report.json"

    @property
    def report_page(self) -> Path:
        return self.state / "rl_performance_report.html"

    @property
    def quarantine(self) -> Path:
        return self.state / "quarantine.csv"

    # Risk.

    @property
    def risk_state(self) -> Path:
        return self.state / "risk_state.json"

    @property
    def risk_events(self) -> Path:
        return self.state / "risk_events.jsonl"

    @property
    def resume(self) -> Path:
        return self.runtime / "resume.json"

    @property
    def halt(self) -> Path:
        return self.runtime / "HALT"

    # The processes themselves.

    @property
    def journals(self) -> Path:
        return self.state / "journal"

    def journal(self, daemon: str) -> Path:
        return self.journals / f"{daemon}.jsonl"

    @property
    def wanted(self) -> Path:
        return self.runtime / "wanted.json"

    @property
    def processes(self) -> Path:
        return self.runtime / "processes.json"

    @property
    def alerts(self) -> Path:
        return self.state / "alerts.json"

    @property
    def heartbeats(self) -> Path:
        return self.runtime / "heartbeats"

    def heartbeat(self, daemon: str) -> Path:
        return self.heartbeats / f"{daemon}.json"

    @property
    def locks(self) -> Path:
        return self.runtime / "locks"

    def lock(self, daemon: str) -> Path:
        return self.locks / f"{daemon}.lock"

    def log(self, daemon: str) -> Path:
        return self.logs / f"{daemon}.log"

    def output(self, daemon: str) -> Path:
        """What it said on its terminal, had it one: also what comes before its log is there, or without it."""
        return self.logs / f"{daemon}.out"


CHECKOUT = Path(__file__).resolve().parents[2]
