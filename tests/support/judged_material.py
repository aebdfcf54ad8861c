"""What a report is made of, as a test wants it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai.course import EQUAL
from analytics.live_days import LiveDay
from analytics.report import Material
from contract.book.daily import DailyBook
from contract.config import Config, Tracker
from contract.schema.judgement import AccountPath, Expert, Trust
from contract.schema.model import PROMOTED, REFUSED, Training, TrainingLog
from support.daily_books import marked_book

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = Config(tracker=Tracker(draws=200))
SHARE = tuple(EQUAL.tolist())


def returns(days: int, edge: float = 0.0, seed: int = 1) -> NDArray[np.float64]:
    """(days, 8): the first strategy is better than the others by `edge` a day."""
    drawn = np.random.default_rng(seed).normal(0.0, 0.01, (days, 8))
    drawn[:, 0] += edge
    return drawn


def told(book: DailyBook, first: int, share: float, source: str = "rl_inference") -> list[LiveDay]:
    """That from the day `first` on the first strategy had such a share, and the others the rest."""
    weights = (share, *[(1.0 - share) / 7] * 7)
    dates: list[date] = book.dates.tolist()
    return [LiveDay(day, source, place, 0.5, weights) for place, day in enumerate(dates) if place >= first]


def trust_of(e_value: float) -> Trust:
    expert = Expert(SHARE, 0.1)
    evidence = log(e_value)
    return Trust(0.6, 0.4, evidence, expert, expert, 0.1, AccountPath(), date(2026, 2, 28), None, 100, "a" * 64)


def training(number: int, **changed: Any) -> Training:
    values: dict[str, Any] = {
        "timestamp": NOW.replace(month=1, day=1 + number),
        "outcome": PROMOTED if number % 3 == 0 else REFUSED,
        "generation": None,
        "episodes": 60,
        "total_reward": 30.0,
        "seed": number,
        "duration_s": 10.0,
        "trades": 500,
        "days": 400,
        "figures": {"validation_sharpe": 1.0 + 0.1 * number, "test_sharpe": 0.9},
        "reason": "not shown to be better than the prior",
    }
    return Training(**(values | changed))


def material(book: DailyBook | None = None, **changed: Any) -> Material:
    made = marked_book(returns(300)) if book is None else book
    values: dict[str, Any] = {
        "now": NOW,
        "config": CONFIG,
        "book": made,
        "live": told(made, 100, 0.3),
        "trust": trust_of(2.0),
        "log": TrainingLog(tuple(map(training, range(4)))),
        "manifest": None,
        "replayed": None,
    }
    return Material(**(values | changed))
