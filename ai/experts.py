"""The two experts, policy and base, day by day: what each of them holds, earned, and is trusted for.

An account has days. On each morning both experts' weights follow from what is known of the days before and from the
weights of the day before; in the evening each has earned what the day paid for them. The last day seen may still go
on: what it said so far decides the weights of the next one for now, and whenever more is known of it they are decided
again, from the same weights in force. They are final when the next day has its first row. Then the day is settled: it
is counted once, and what becomes of its rows later changes the features of later mornings and nothing else.

So it does not matter how often, or after how many days, somebody looks: live, after a restart, and in a replay the
same weights are found. A profit counts on the day itself where the bot marks its positions. Where only closed trades
are known it counts on the day of its close, at the weights of the day on which the position was opened.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ai.account import LARGEST_GAIN, LARGEST_LOSS, AccountState, counted, portfolio_features
from ai.course import EQUAL
from ai.feature_table import SHARED, whole_rows
from ai.features import State, advance
from ai.policy import Policy
from ai.smoothing import FloatArray
from ai.trust import Evidence, Terms, advantage, blend
from contract.book.capital import RECENT_DAYS
from contract.book.daily import DailyBook
from trading.rebalancing import Rules, follow

POLICY, BASE = 0, 1
"""The rows of weights (2, 8)."""
LONGEST_POSITION = 60
"""Days for which the weights of the day of an entry are remembered."""



class Settings(NamedTuple):
    """By what weights are decided."""

    policy: Policy
    model: str
    """The sha256 of the policy's checkpoint."""
    base: FloatArray
    """(8,): what the base holds, within the bounds."""
    rules: Rules
    terms: Terms


class Closed(NamedTuple):
    """What was closed on a day; each `(closings,)`."""

    entry: NDArray[np.datetime64]
    """The day of the entry; not a time (NaT) where it is not known."""
    strategy: NDArray[np.int64]
    returned: FloatArray
    """Profit over the capital that the strategy had on the day of the entry."""


class Day(NamedTuple):
    """An account day, as far as it is known."""

    date: date
    returns: FloatArray
    """(8,), like trades and wins."""
    trades: FloatArray
    wins: FloatArray
    closed: Closed | None = None
    """In a book of trades; without it each strategy earned what it returned."""


class Standing(NamedTuple):
    """All that is remembered of the days that are settled, but the features' own memory."""

    last_day: date | None
    weights: FloatArray
    """(2, 8): in force on the day after."""
    held: FloatArray
    """(days, 2, 8): on the last of the settled days; without any, what both began with."""
    dates: tuple[date, ...]
    """Which days those are, the last one `last_day`."""
    evidence: Evidence
    account: AccountState
    """The policy's book since the first day of the history, as its features see it."""
    log_wealth: FloatArray
    """(3,): what one unit became over the live days with the policy, with the base and with the blend of both."""
    live_after: date | None
    live_days: int
    model: str


class Decision(NamedTuple):
    """What is published for the day after the last one seen, and what it follows from.

    The day itself, with what it earned, is missing where there was none, or where the history has lost it again.
    """

    features: FloatArray
    """(34,)"""
    in_force: FloatArray
    """(2, 8): what both experts held on the last day, from where they move."""
    weights: FloatArray
    """(2, 8): what they hold next."""
    trust: float
    published: FloatArray
    """(8,)"""
    evidence: Evidence
    live_days: int
    net: FloatArray
    """(2,): what both earned on the last day, costs taken off."""
    known_before: Evidence
    """What stood for the policy before that day."""
    is_live: bool
    """Whether that day counts for trust."""
    last_day: date | None = None


def dates_of(book: DailyBook) -> tuple[date, ...]:
    return tuple(book.dates.astype("datetime64[D]").tolist())


def opened(settings: Settings) -> tuple[Standing, Decision]:
    """Before the first day. The policy comes from equal weights, the base holds its own from the start."""
    start = np.stack((EQUAL, settings.base))
    account = AccountState.opened(1)
    evidence = Evidence.before_any(settings.terms)
    decision = decide(np.zeros(len(SHARED)), account, start, evidence, settings)
    standing = Standing(
        last_day=None,
        weights=decision.weights,
        held=start[np.newaxis],
        dates=(),
        evidence=evidence,
        account=account,
        log_wealth=np.zeros(3),
        live_after=None,
        live_days=0,
        model=settings.model,
    )
    return standing, decision


def step(
    standing: Standing, state: State, day: Day, settings: Settings
) -> tuple[Standing, State, FloatArray, Decision]:
    """A day more: what stands after it, the features' memory and shared features (28,), and what is decided then."""
    rules, terms = settings.rules, settings.terms
    state, shared = advance(state, day.returns, day.trades, day.wins)
    in_force = standing.weights
    net = _net(standing, in_force, day, rules)
    account = standing.account.after(in_force[:1], net[:1])
    is_live = standing.live_after is None or day.date > standing.live_after
    evidence, log_wealth = standing.evidence, standing.log_wealth
    if is_live:
        policy, base = net.tolist()
        share = evidence.trust(terms)
        evidence = evidence.after(advantage(policy, base), terms)
        log_wealth = log_wealth + np.log1p([policy, base, share * policy + (1.0 - share) * base])
    decision = decide(shared, account, in_force, evidence, settings)._replace(
        last_day=day.date,
        live_days=standing.live_days + is_live,
        net=net,
        known_before=standing.evidence,
        is_live=is_live,
    )
    kept = 1 if day.closed is None else LONGEST_POSITION
    dates = (*standing.dates, day.date)[-kept:]
    after = Standing(
        last_day=day.date,
        weights=decision.weights,
        held=np.concatenate((standing.held, in_force[np.newaxis]))[-len(dates) :],
        dates=dates,
        evidence=evidence,
        account=account,
        log_wealth=log_wealth,
        live_after=standing.live_after,
        live_days=decision.live_days,
        model=settings.model,
    )
    return after, state, shared, decision


def decide(
    shared: FloatArray, account: AccountState, in_force: FloatArray, evidence: Evidence, settings: Settings
) -> Decision:
    """From shared features (28,), and what both experts hold now (2, 8); without what only a day can tell."""
    features = whole_rows(shared, portfolio_features(account, settings.rules.floor)[0])
    weights = next_weights(settings.policy, settings.base, features, in_force, settings.rules)
    trust = evidence.trust(settings.terms)
    published = blend(trust, weights[POLICY], weights[BASE], settings.rules.floor, settings.rules.cap)
    return Decision(features, in_force, weights, trust, published, evidence, 0, np.zeros(2), evidence, is_live=False)


def next_weights(
    policy: Policy, base: FloatArray, features: FloatArray, in_force: FloatArray, rules: Rules
) -> FloatArray:
    """What both experts hold next (2, 8), from features (34,) and what they hold now (2, 8)."""
    wanted = np.stack((policy.wanted(features), base))
    return np.asarray(follow(wanted[np.newaxis], in_force, rules)[0])


def _net(standing: Standing, in_force: FloatArray, day: Day, rules: Rules) -> FloatArray:
    """What the day brought each expert (2,), after the costs of moving to its weights."""
    if day.closed is None:
        gross = (in_force * day.returns.clip(-LARGEST_LOSS, LARGEST_GAIN)).sum(axis=-1)
    else:
        gross = day.closed.returned @ _entry_weights(standing, in_force, day.date, day.closed)
    traded = np.abs(in_force - standing.held[-1]).sum(axis=-1)
    return counted((1.0 + gross) * (1.0 - rules.cost_bps / 1e4 * traded) - 1.0)


def _entry_weights(standing: Standing, in_force: FloatArray, today: date, closed: Closed) -> FloatArray:
    """(closings, 2): what each expert gave the strategy on the day of the entry.

    Where that is not known, or too long ago, the mean of the last 20 days.
    """
    days = np.array((*standing.dates, today), "datetime64[D]")
    held = np.concatenate((standing.held, in_force[np.newaxis]))[-len(days) :]
    place = np.searchsorted(days, closed.entry).clip(max=len(days) - 1)
    known = days[place] == closed.entry
    recent = held[-RECENT_DAYS:].mean(axis=0)
    return np.where(known[:, np.newaxis], held[place, :, closed.strategy], recent.T[closed.strategy])
