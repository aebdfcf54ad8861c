"""When is a training due? Pure: what was trained, what has been traded since, and what time it is.

It is counted from `state/rl_training_log.json`, and so across restarts.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.config import Trainer
from contract.schema.model import Training, TrainingLog


class Traded(NamedTuple):
    """How many trades there were on each day, (days,) both."""

    dates: NDArray[np.datetime64]
    trades: NDArray[np.int64]

    @property
    def total(self) -> int:
        return int(self.trades.sum())

    def after(self, day: date) -> int:
        return int(self.trades[self.dates > np.datetime64(day)].sum())


class Due(NamedTuple):
    due: bool
    reason: str
    wait_s: float | None = None
    """How long until it is due without any further trade; None if it will not be."""


def when_due(log: TrainingLog, traded: Traded, now: datetime, settings: Trainer) -> Due:
    """The first training is due at so many trades; each further one after so much time or so many trades more."""
    if traded.total < settings.min_trades:
        return Due(False, f"{traded.total} trades of {settings.min_trades} that are needed")
    if not log.trainings:
        return Due(True, f"the first, with {traded.total} trades")
    last = log.trainings[-1]
    new = trades_since(last, traded)
    if new >= settings.retrain_trades:
        return Due(True, f"{new} trades since the last")
    interval = timedelta(hours=settings.retrain_hours)
    # A training from the future was logged before the clock was set back; waiting for it to come could take years.
    passed = abs(now - last.timestamp)
    if passed >= interval:
        return Due(True, f"{passed.total_seconds() / 3600:.0f} h since the last")
    left_s = (interval - (now - last.timestamp)).total_seconds()
    return Due(False, f"{new} trades of {settings.retrain_trades} since the last, {left_s / 3600:.0f} h left", left_s)


def trades_since(last: Training, traded: Traded) -> int:
    """Where the log does not say how many there were (the ancestor's does not), those of the days after count.

    A history with fewer trades than there were is another one, and all of it is new.
    """
    if last.trades is None:
        return traded.after(last.timestamp.astimezone(UTC).date())
    return traded.total - last.trades if traded.total >= last.trades else traded.total
