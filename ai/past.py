"""The experts over a whole history at once: what `ai.experts` finds day by day, by the same rules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ai.account import AccountState, counted
from ai.course import EQUAL, run
from ai.experts import LONGEST_POSITION, Settings, Standing, dates_of
from ai.histories import decided_returns, history_of
from ai.smoothing import FloatArray
from ai.trust import Evidence
from contract.book.daily import BookKind, DailyBook


class Past(NamedTuple):
    """What both experts would have done."""

    weights: FloatArray
    """(days + 1, 2, 8): in force on each day, and on the day after the last."""
    net: FloatArray
    """(days, 2): what that brought, costs taken off."""


def past_of(book: DailyBook, settings: Settings) -> Past:
    history = history_of(book)
    policy = run(settings.policy, history, settings.rules).weights
    base = np.broadcast_to(settings.base, policy.shape)
    held = np.stack((policy[:-1], base[:-1]))
    if book.kind is BookKind.MARKS:
        gross = (held * decided_returns(book)).sum(axis=-1)
    else:
        gross = np.stack([book.earned(weights) for weights in held])
    start = np.broadcast_to(np.stack((EQUAL, settings.base))[:, np.newaxis], (2, 1, held.shape[-1]))
    traded = np.abs(np.diff(held, axis=1, prepend=start)).sum(axis=-1)
    net = counted((1.0 + gross) * (1.0 - settings.rules.cost_bps / 1e4 * traded) - 1.0)
    return Past(np.stack((policy, base), axis=1), net.T)


def warmed_up(book: DailyBook, settings: Settings, days: int) -> Standing:
    """What stands after the first days of a book (one at least), none of which moves any trust."""
    past = past_of(book, settings)
    account = AccountState.opened(1).along(past.weights[:days, :1], past.net[:days, :1]).on(-1)
    dates = dates_of(book)[:days][-1 if book.kind is BookKind.MARKS else -LONGEST_POSITION :]
    return Standing(
        last_day=dates[-1],
        weights=past.weights[days],
        held=past.weights[days - len(dates) : days],
        dates=dates,
        evidence=Evidence.before_any(settings.terms),
        account=account,
        log_wealth=np.zeros(3),
        live_after=dates_of(book)[-1],
        live_days=0,
        model=settings.model,
    )
