"""An example of every record as it stands in its file."""

from __future__ import annotations

from typing import Any

from contract.schema.names import STRATEGIES

NOW = "2026-11-20T23:12:19Z"
EIGHT = dict(zip(STRATEGIES, (0.2, 0.1, 0.15, 0.05, 0.2, 0.1, 0.1, 0.1), strict=True))

GOOD: dict[str, dict[str, Any]] = {
    "rl_weights": {"weights": EIGHT, "timestamp": NOW, "valid_until": NOW, "model_loaded": True, "metadata": {"a": 1}},
    "optimizer_weights": {"weights": {"SPY": 0.7, "GLD": 0.3}, "method": "sharpe", "timestamp": NOW},
    "lab_weights": {"weights": {"SPY": 0.7, "GLD": 0.3}},
    "allocations": {
        "allocations": {"SPY": 0.7, "GLD": 0.3},
        "source": "strategy_lab",
        "timestamp": NOW,
        "risk": {"state": "REDUCING", "scale": 0.5, "reason": "weekly loss"},
        "strategy_allocations": EIGHT,
        "metadata": {"generation": 3, "considered": [{"source": "rl_inference", "verdict": "stale", "age_s": 900.5}]},
    },
    "weight_history": {"history": [{"timestamp": NOW, "weights": EIGHT}], "last_update": NOW},
    "trust": {
        "trust": 0.5,
        "log_odds": -0.25,
        "log_evidence": -0.25,
        "policy": {"log_wealth": 0.01, "weights": EIGHT},
        "base": {"log_wealth": 0.02, "weights": EIGHT},
        "blend": {"log_wealth": 0.015},
        "account": {"log_wealth": 0.1, "log_peak": 0.2, "gains": 0.3, "variance": 1e-5},
        "last_day": "2026-11-20",
        "live_after": "2026-11-01",
        "live_days": 12,
        "model": "0f" * 32,
        "held": [{"day": "2026-11-20", "policy": EIGHT, "base": EIGHT}],
    },
    "report": {"timestamp": NOW, "verdict": "not proven", "days": 30},
    "manifest": {
        "generation": 2,
        "checkpoint": "checkpoint_000002.pkl",
        "sha256": "0f" * 32,
        "size": 80_000,
        "features": ["volatility", "trend"],
        "timestamp": NOW,
        "parent": 1,
    },
    "training_log": {
        "training_history": [
            {
                **{"timestamp": NOW, "episodes": 50, "total_reward": -1.5},
                **{"final_metrics": {"loss": 0.5}, "reason": "no better"},
            }
        ]
    },
    "portfolio": {"cash": 900.0, "equity": 1000.0, "positions": {"SPY": {"qty": -2.0, "avg_price": 50.0}}},
    "strategy_performance": {
        "ranked_strategies": [{"strategy": "pairs_trading", "score": 0.9, "sharpe": 1.7, "drawdown": 9}],
        "active_strategies": ["pairs_trading"],
        "strategy_performance": {
            "macd_momentum": {
                **{"total_pnl": 12.5, "trade_count": 9, "win_count": 5, "loss_count": 4},
                **{"sharpe_ratio": 0.4, "max_drawdown": 6.0},
            }
        },
    },
    "risk_state": {
        "trip": {"rule": "drawdown", "value": 0.26, "threshold": 0.25, "reason": "drawdown 26% of 25%", "at": NOW},
        "halt": "lunch",
        **{"alerts": ["losing_days"], "recorded": ["losing_days"], "recorded_day": 20_411},
        "account": {
            **{"equity": 1.7e4, "day_open": 1.8e4, "week_open": 1.8e4, "peak": 2e4, "losing_days": 4, "day": 20_412},
            **{"time_us": 10**15, "since_us": -5, "meeting": False, "stated": True},
            "results": {"trades": 9, "wins": 5, "won": 70.0, "lost": 40.0, "losing": 1, "recent": "wl"},
        },
        "position": {"offset": 90},
        "ids": ["paper-1"],
    },
    "risk_event": {"timestamp": NOW, "kind": "trip", "rule": "drawdown", "value": 0.26, "threshold": 0.25},
    "resume_request": {"timestamp": NOW, "reason": "looked at it"},
    "heartbeat": {
        **{"daemon": "bridge", "pid": 4711, "boot_id": "b0", "sequence": 7, "utc": NOW, "state": "running"},
        "due_s": 35.0,
    },
    "journal_entry": {"daemon": "inference", "generation": 4, "timestamp": NOW, "body": {"features": [0.5]}},
    "wanted": {"programs": ["bridge", "paper_trader"], "bar_seconds": 0.5},
    "processes": {
        "session": 70,
        "boot_id": "b",
        "children": {"bridge": {"pid": 71, "starts": 2, "ended": "ended by SIGKILL"}},
    },
    "alerts_state": {
        "seen": {
            **{"source": "rl_inference", "risk": "ACTIVE", "generation": 3, "trainings": 4, "quarantined": 5},
            "unwell": {"bridge": "stale"},
        },
        "waiting": [{"event": "source_changed", "timestamp": NOW, "text": "the bot is told by another"}],
    },
}
