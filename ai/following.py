"""How the experts follow a book that grows: from what was remembered, through the days since, to what is published."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ai.account import AccountState, Wealth
from ai.experts import BASE, POLICY, Closed, Day, Decision, Settings, Standing, decide, opened, step
from ai.feature_table import SHARED
from ai.features import START, State, advance
from ai.past import warmed_up
from ai.smoothing import FloatArray
from ai.trust import Evidence, Terms
from contract.book.daily import UNKNOWN_ENTRY, BookKind, DailyBook
from contract.schema.judgement import AccountPath, Expert, Held, Trust
from trading import simplex_array


class Followed(NamedTuple):
    """How far a book has been followed."""

    standing: Standing
    state: State
    """The features' memory of the settled days."""
    shared: FloatArray
    """(28,): the features of the morning after them."""
    seen: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]
    """Returns, trades and wins of those days (days, 8), as they were when the features were computed."""


def follow_book(
    book: DailyBook, settings: Settings, standing: Standing | None, before: Followed | None = None
) -> tuple[Followed, Decision]:
    """Settle all days of the book but the last, and decide for the day after it.

    standing: what is remembered; without it this is the first service here: the history up to now warms the experts up
    and moves no trust. before: what an earlier call returned, so that only what changed since is computed.
    """
    decision: Decision | None = None
    if standing is None and len(book.dates) > 1:
        standing = warmed_up(book, settings, len(book.dates) - 1)
    elif standing is None or standing.last_day is None:
        opening, decision = opened(settings)
        if standing is None:
            standing = opening._replace(live_after=_date(book, -1) if len(book.dates) else None)
        elif len(book.dates):
            standing = standing._replace(held=opening.held, account=opening.account)
        else:
            standing = opening
    settled = _days_up_to(book, standing.last_day)
    pending = range(settled, len(book.dates))
    if standing.model != settings.model:
        standing = _under_another_model(standing, settings.model, _date(book, -1) if len(pending) > 1 else None)
    rules = settings.rules
    weights = simplex_array.project(standing.weights, rules.floor, rules.cap)  # the bounds may have changed since
    standing = standing._replace(weights=weights)
    state, shared = _features_of(book, settled, before)
    for place in pending[:-1]:
        standing, state, shared, _ = step(standing, state, day_of(book, place), settings)
    if pending:
        decision = step(standing, state, day_of(book, pending[-1]), settings)[-1]
    elif decision is None:  # the history has lost its last days
        decision = decide(shared, standing.account, standing.weights, standing.evidence, settings)
        decision = decision._replace(live_days=standing.live_days)
    seen = _seen(book, settled + len(pending[:-1]))
    return Followed(standing, state, shared, seen), decision


def day_of(book: DailyBook, place: int) -> Day:
    closed = None
    if book.kind is BookKind.TRADES:
        day, entry, strategy, returned = book.closings
        rows = slice(*np.searchsorted(day, (place, place + 1)).tolist())
        dates = np.where(entry[rows] == UNKNOWN_ENTRY, np.datetime64("NaT"), book.dates[entry[rows]])
        closed = Closed(dates, strategy[rows], returned[rows])
    return Day(_date(book, place), book.returns[place], book.trades[place], book.wins[place], closed)


def features_after(book: DailyBook, days: int) -> tuple[State, FloatArray]:
    """The features' memory of the first days of a book, and the shared features (28,) of the morning after them.

    Day by day, as they were found while the days went by: to the last bit the same.
    """
    state, shared = START, np.zeros(len(SHARED))
    for returns, trades, wins in zip(*_seen(book, days), strict=True):
        state, shared = advance(state, returns, trades, wins)
    return state, shared


def standing_of(record: Trust) -> Standing:
    """What state/trust.json remembers."""
    account = record.account
    held = np.array([(day.policy, day.base) for day in record.held]).reshape(-1, 2, len(record.policy.weights))
    return Standing(
        last_day=record.last_day,
        weights=np.array((record.policy.weights, record.base.weights)),
        held=held,
        dates=tuple(day.day for day in record.held),
        evidence=Evidence(record.log_odds, record.log_evidence),
        account=AccountState(
            wealth=Wealth(np.array([account.log_wealth]), np.array([account.log_peak])),
            weights=held[-1:, POLICY],
            gains=np.array([account.gains]),
            variance=np.array([account.variance]),
        ),
        log_wealth=np.array([record.policy.log_wealth, record.base.log_wealth, record.blend_log_wealth]),
        live_after=record.live_after,
        live_days=record.live_days,
        model=record.model,
    )


def record_of(standing: Standing, terms: Terms) -> Trust:
    policy, base, blend = standing.log_wealth.tolist()
    account = standing.account
    weights, held = standing.weights.tolist(), standing.held[len(standing.held) - len(standing.dates) :].tolist()
    return Trust(
        trust=standing.evidence.trust(terms),
        log_odds=standing.evidence.log_odds,
        log_evidence=standing.evidence.log_evidence,
        policy=Expert(tuple(weights[POLICY]), policy),
        base=Expert(tuple(weights[BASE]), base),
        blend_log_wealth=blend,
        account=AccountPath(
            *(float(part[0]) for part in (*account.wealth, account.gains, account.variance)),
        ),
        last_day=standing.last_day,
        live_after=standing.live_after,
        live_days=standing.live_days,
        model=standing.model,
        held=tuple(
            Held(day, tuple(both[POLICY]), tuple(both[BASE]))
            for day, both in zip(standing.dates, held, strict=True)
        ),
    )


def _under_another_model(standing: Standing, model: str, blind_until: date | None) -> Standing:
    """A model may have been trained on days that passed before it was first seen here: those do not speak for it."""
    live_after = max((day for day in (standing.live_after, blind_until) if day), default=None)
    return standing._replace(model=model, live_after=live_after)


def _features_of(book: DailyBook, settled: int, before: Followed | None) -> tuple[State, FloatArray]:
    if before and all(map(np.array_equal, before.seen, _seen(book, settled))):
        return before.state, before.shared
    return features_after(book, settled)


def _seen(book: DailyBook, days: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    return book.returns[:days], book.trades[:days], book.wins[:days]


def _days_up_to(book: DailyBook, last_day: date | None) -> int:
    return 0 if last_day is None else int(np.searchsorted(book.dates, np.datetime64(last_day), "right"))


def _date(book: DailyBook, place: int) -> date:
    found: date = book.dates[place].astype("datetime64[D]").item()
    return found
