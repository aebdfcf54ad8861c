"""When a training is due, whatever the clock and the history do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.schedule import Due, Traded, when_due
from contract.config import BadSetting, Trainer
from contract.schema.model import REFUSED, Training, TrainingLog

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def traded(total: int, days: int = 10) -> Traded:
    """The trades all on the last of the days, which is yesterday."""
    dates = np.datetime64("2026-01-30") - np.arange(days)[::-1]
    trades = np.zeros(days, np.int64)
    trades[-1] = total
    return Traded(dates, trades)


def log(ago: timedelta | None = None, trades: int | None = 100) -> TrainingLog:
    if ago is None:
        return TrainingLog()
    return TrainingLog((Training(NOW - ago, REFUSED, None, 60, 1.0, 0, 9.0, trades, 300),))


def due(log: TrainingLog, total: int) -> Due:
    return when_due(log, traded(total), NOW, Trainer())


def test_the_first_is_due_at_fifty_trades() -> None:
    assert due(log(), 49) == (False, "49 trades of 50 that are needed", None)
    assert due(log(), 50) == (True, "the first, with 50 trades", None)


def test_fifty_new_trades_make_one_due() -> None:
    assert due(log(HOUR), 149) == (False, "49 trades of 50 since the last, 167 h left", 167 * 3600.0)
    assert due(log(HOUR), 150) == (True, "50 trades since the last", None)


def test_a_week_makes_one_due_without_any_trade() -> None:
    second = timedelta(seconds=1)
    assert due(log(168 * HOUR - second), 100) == (False, "0 trades of 50 since the last, 0 h left", 1.0)
    assert due(log(168 * HOUR), 100) == (True, "168 h since the last", None)


def test_it_is_the_last_training_that_counts_whatever_became_of_it() -> None:
    both = TrainingLog((*log(1000 * HOUR, trades=60).trainings, *log(HOUR, trades=100).trainings))
    assert not due(both, 149).due
    assert due(both, 150).due


def test_a_history_with_fewer_trades_than_there_were_is_another_one() -> None:
    assert due(log(HOUR, trades=10_000), 80) == (True, "80 trades since the last", None)
    assert not due(log(HOUR, trades=10_000), 49).due


@pytest.mark.parametrize(("ago", "expected"), [(2 * HOUR, 0), (60 * HOUR, 55)])
def test_of_the_ancestors_log_the_trades_of_later_days_count(ago: timedelta, expected: int) -> None:
    found = due(log(ago, trades=None), 55)
    assert found.due == (expected >= 50)
    assert found.reason.startswith(f"{expected} trades")


@settings(derandomize=True)
@given(st.integers(-400_000, 400_000), st.integers(0, 500), st.integers(0, 500))
def test_no_clock_makes_it_wait_for_more_than_two_intervals(hours: int, trades: int, total: int) -> None:
    last = log(timedelta(hours=hours), trades=trades)
    found = due(last, total)
    assert found.reason
    if found.wait_s is not None:
        assert not found.due
        assert 0 < found.wait_s <= 2 * 168 * 3600
        assert when_due(last, traded(total), NOW + timedelta(seconds=found.wait_s), Trainer()).due
    elif not found.due:
        assert total < 50


@pytest.mark.parametrize(
    "setting",
    [
        *({"min_trades": 0}, {"retrain_trades": 0}, {"retrain_hours": 0.0}, {"interval_s": 0.0}, {"threads": 0}),
        {"keep_generations": 0},
    ],
    ids=str,
)
def test_a_schedule_that_makes_no_sense_is_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=rf"trainer\.{next(iter(setting))} is 0"):
        Trainer(**setting)
