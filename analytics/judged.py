"""Days of the book that are judged, and what was held on them: live ones, or those of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ai.replay import Replayed
from analytics.ledger import FloatArray, Ledger, ledger_of
from analytics.live_days import LiveDay, on_days
from contract.book.daily import DailyBook
from contract.schema.names import STRATEGIES
from trading.rebalancing import Rules


class Judged(NamedTuple):
    ledger: Ledger
    places: NDArray[np.intp]
    """(days,): where the days stand in the book."""
    trust: FloatArray
    """(days,): nan where the weights were not the policy's."""


def judged_live(book: DailyBook, recorded: Sequence[LiveDay], rules: Rules) -> Judged:
    dates: list[date] = book.dates.astype("datetime64[D]").tolist()
    live = on_days(recorded, dates)
    places = np.array([place for place, day in enumerate(dates) if day in live], dtype=np.intp)
    chosen = [live[dates[place]] for place in places]
    weights = np.array([day.weights for day in chosen]).reshape(-1, len(STRATEGIES))
    trust = np.array([np.nan if day.trust is None else day.trust for day in chosen])
    return Judged(ledger_of(book, places, weights, rules), places, trust)


def judged_replay(book: DailyBook, replayed: Replayed | None, rules: Rules) -> Judged | None:
    """None where there are no two days."""
    if replayed is None or len(book.dates) < 2:
        return None
    places = np.arange(len(book.dates))
    return Judged(ledger_of(book, places, replayed.published, rules), places, replayed.trust)
