"""The circuit breaker and the Kelly sizer: pure functions of what the account's rows tell.

`observe` enters one row of the history into the account and judges nothing. `check` judges the account as it stands:
the caller calls it whenever an instant is over and when there is nothing more to read, so that neither the order of
rows of one instant nor how many are read at once makes a difference.

- Days are the account's: a day begins with its first row, a week on Monday. How fast the rows come is no matter.
- Equity is what the rows state, or else where the account began and every pnl since. Only a fall of it can trip.
  Where rows state it, money that is taken out of the account is a fall as well; a resume sets that right.
- A history that is met for the first time counts from its latest week on: what was lost before is not news.
- A trip stands until it is resumed. A resume makes the equity of that moment the one from which day, week and
  drawdown are measured, and forgets the losing days, or the same loss would trip again at once.
- A row that comes late, for an instant before the latest, moves the equity, and no loss of today is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from math import sqrt
from typing import NamedTuple

from contract.config import RiskLimits
from contract.schema.risk import ALERT, RESUME, TRIP, Account, Breaker, Results, RiskEvent, Trip
from contract.schema.weights import ACTIVE, HALTED, REDUCING, Risk

HALT_FILE = "halt_file"
RECENT_TRADES = 100
LEAST_TRADES_FOR_WIN_RATE = 200

_LARGEST = 1e300  # sums stop here, so that no difference of two is infinite
_DAYS_FROM_MONDAY = 3  # 1970-01-01 was a Thursday

Outcome = tuple[Breaker, tuple[RiskEvent, ...]]


class Row(NamedTuple):
    """One row of the history. `equity` is None where it does not state it; `day` counts since 1970-01-01."""

    time_us: int
    day: int
    pnl: float
    equity: float | None = None


class Rule(NamedTuple):
    """How much is lost, how much may be, and how that is said."""

    name: str
    value: float
    limit: float
    shown: Callable[[float], str]

    @property
    def usage(self) -> float:
        return self.value / self.limit

    @property
    def reason(self) -> str:
        return f"{self.name.replace('_', ' ')} {self.shown(self.value)} of {self.shown(self.limit)}"


def open_account(equity: float, since_us: int | None = None, *, meeting: bool = True) -> Account:
    """An account before its first row. With `meeting=False` losses count from `since_us` on: it was known before."""
    return Account(equity, equity, equity, equity, since_us=since_us, meeting=meeting)


def met(account: Account) -> Account:
    """The history has been read to its end for the first time: from now on everything counts."""
    return account._replace(meeting=False)


def observe(account: Account, row: Row) -> Account:
    """The account after one more row."""
    if account.time_us is None:
        account = account._replace(day=row.day)
    elif row.time_us < account.time_us:
        return _late_row(account, row)
    elif row.day != account.day:
        account = _next_day(account, row)
    equity = _sum(account.equity, row.pnl)
    if row.equity is not None:
        if not account.stated:  # until now it was a guess where the account began
            account = _shifted(account, row.equity - equity)._replace(stated=True)
        equity = _sum(row.equity, 0.0)
    account = account._replace(equity=equity, time_us=row.time_us, results=_counted(account.results, row.pnl))
    return rebased(account) if _is_history(account, row) else account


def rebased(account: Account) -> Account:
    """From here on, and with a clean record of days."""
    level = account.equity
    return account._replace(day_open=level, week_open=level, peak=level, losing_days=0)


def rules(account: Account, limits: RiskLimits) -> Iterator[Rule]:
    """Every rule that can trip, with its value now."""
    losses = (
        ("daily_loss", account.day_open, limits.daily_loss, limits.daily_loss_amount),
        ("weekly_loss", account.week_open, limits.weekly_loss, limits.weekly_loss_amount),
        ("drawdown", account.peak, limits.drawdown, limits.drawdown_amount),
    )
    for name, before, share, amount in losses:
        lost = max(0.0, before - account.equity)
        yield Rule(name, _share(lost, before), share, "{:.2%}".format)
        if amount is not None:
            yield Rule(f"{name}_amount", lost, amount, "{:,.2f}".format)
    yield Rule("losing_days", float(account.losing_days), float(limits.losing_days), "{:.0f}".format)


def check(breaker: Breaker, limits: RiskLimits, now: datetime) -> Outcome:
    """Judge the account as it stands: the breaker after it, and what there is to record.

    An alert is recorded once an account day: an account with many trades has a run of losing ones every few minutes.
    """
    account = breaker.account._replace(peak=max(breaker.account.peak, breaker.account.equity))
    alerts = {alert.name: alert for alert in _alerts(account, limits)}
    recorded = breaker.recorded if breaker.recorded_day == account.day else ()
    new = [alert for name, alert in alerts.items() if name not in (*breaker.alerts, *recorded)]
    events = [_event(now, ALERT, alert) for alert in new]
    trip = breaker.trip
    if trip is None:
        worst = max(rules(account, limits), key=lambda rule: rule.usage)
        if worst.usage >= 1:
            trip = Trip(worst.name, worst.value, worst.limit, worst.reason, now)
            events.append(_event(now, TRIP, worst))
    recorded += tuple(alert.name for alert in new)
    after = Breaker(account, trip, breaker.halt, tuple(alerts), recorded, account.day)
    return after, tuple(events)


def verdict(breaker: Breaker, limits: RiskLimits) -> Risk:
    """What is said of the account now."""
    if breaker.halt is not None:
        return Risk(HALTED, 0.0, f"runtime/HALT: {breaker.halt}" if breaker.halt else "runtime/HALT exists")
    if breaker.trip is not None:
        return Risk(HALTED, 0.0, breaker.trip.reason)
    worst = max(rules(breaker.account, limits), key=lambda rule: rule.usage)
    state, reason = (REDUCING, worst.reason) if worst.usage >= limits.reduce_from else (ACTIVE, "")
    scale = min(1.0, max(0.0, (1 - worst.usage) / (1 - limits.reduce_from)))
    exposure = suggested_exposure(breaker.account.results, limits)
    if limits.apply_exposure and exposure is not None and exposure < scale:
        return Risk(state, exposure, f"{reason}{'; ' if reason else ''}suggested exposure applied")
    return Risk(state, scale, reason)


def halt(breaker: Breaker, text: str | None, now: datetime) -> Outcome:
    """Take note of runtime/HALT, or of its absence. It halts while it is there, whatever else there is."""
    changed = (text is None) != (breaker.halt is None)
    after = replace(breaker, halt=text)
    if not changed:
        return after, ()
    if text is None:
        return after, (RiskEvent(now, RESUME, HALT_FILE, 0.0, 1.0, "runtime/HALT was removed"),)
    return after, (RiskEvent(now, TRIP, HALT_FILE, 1.0, 1.0, text),)


def cooldown_left_s(trip: Trip, limits: RiskLimits, now: datetime) -> float:
    """How long no resume takes effect yet. A clock that was set back makes it no longer than it was at the trip."""
    return limits.cooldown_s - min(limits.cooldown_s, max(0.0, (now - trip.at).total_seconds()))


def resume(breaker: Breaker, reason: str, now: datetime) -> Outcome:
    """End a trip; without one nothing happens. Whoever calls this has seen to the cooldown."""
    trip = breaker.trip
    if trip is None:
        return breaker, ()
    account = rebased(breaker.account)._replace(since_us=breaker.account.time_us)
    event = RiskEvent(now, RESUME, trip.rule, trip.value, trip.threshold, reason)
    return replace(breaker, account=account, trip=None), (event,)


def suggested_exposure(results: Results, limits: RiskLimits) -> float | None:
    """Fractional Kelly: a part of p - (1 - p) / b, where p is the share of wins and b the mean win over the mean loss.

    From 0 to 1. None while there are too few trades to say anything.
    """
    if results.trades < limits.kelly_least_trades:
        return None
    if results.won <= 0:
        return 0.0
    # (1 - p) / b is p * lost / won: every count cancels.
    return limits.kelly_fraction * results.wins / results.trades * max(0.0, 1 - results.lost / results.won)


def _next_day(account: Account, row: Row) -> Account:
    """Close the latest day: a loss adds to the run, a gain ends it, and a day that only opened trades does neither."""
    assert account.day is not None
    earned = account.equity - account.day_open
    losing_days = account.losing_days + 1 if earned < 0 else 0 if earned > 0 else account.losing_days
    new_week = _week(row.day) != _week(account.day)
    account = account._replace(day=row.day, day_open=account.equity, losing_days=losing_days)
    if new_week and account.meeting:
        return rebased(account)._replace(since_us=account.time_us)
    return account._replace(week_open=account.equity) if new_week else account


def _late_row(account: Account, row: Row) -> Account:
    """Where rows state the equity it is in the latest of them already; else it moves what came after it."""
    account = account._replace(results=_counted(account.results, row.pnl))
    if account.stated:
        return account
    assert account.day is not None
    day, week = row.day < account.day, _week(row.day) < _week(account.day)
    history = _is_history(account, row)
    return account._replace(
        equity=_sum(account.equity, row.pnl),
        day_open=_sum(account.day_open, row.pnl if day or history else 0.0),
        week_open=_sum(account.week_open, row.pnl if week or history else 0.0),
        peak=_sum(account.peak, row.pnl if history else 0.0),
    )


def _shifted(account: Account, amount: float) -> Account:
    return account._replace(
        day_open=_sum(account.day_open, amount),
        week_open=_sum(account.week_open, amount),
        peak=_sum(account.peak, amount),
    )


def _is_history(account: Account, row: Row) -> bool:
    return account.since_us is not None and row.time_us <= account.since_us


def _counted(results: Results, pnl: float) -> Results:
    if pnl == 0.0:
        return results
    trades, wins, won, lost, losing, recent = results
    recent = (recent + ("w" if pnl > 0 else "l"))[-RECENT_TRADES:]
    if pnl > 0:
        return Results(trades + 1, wins + 1, _sum(won, pnl), lost, 0, recent)
    return Results(trades + 1, wins, won, _sum(lost, -pnl), losing + 1, recent)


def _alerts(account: Account, limits: RiskLimits) -> Iterator[Rule]:
    results = account.results
    whole = "{:.0f}".format
    if account.losing_days >= limits.alert_losing_days:
        yield Rule("losing_days", float(account.losing_days), float(limits.alert_losing_days), whole)
    if results.losing >= limits.alert_losing_trades:
        yield Rule("losing_trades", float(results.losing), float(limits.alert_losing_trades), whole)
    if results.trades >= LEAST_TRADES_FOR_WIN_RATE:
        lately = results.recent.count("w")
        before, won_before = results.trades - RECENT_TRADES, results.wins - lately
        usual = (won_before + 1) / (before + 2)  # of all trades before the last 100; never quite 0 or 1
        least = usual - limits.alert_win_rate * sqrt(usual * (1 - usual) / RECENT_TRADES)
        if lately / RECENT_TRADES < least:
            yield Rule("win_rate", lately / RECENT_TRADES, least, "{:.0%}".format)


def _event(now: datetime, kind: str, rule: Rule) -> RiskEvent:
    return RiskEvent(now, kind, rule.name, rule.value, rule.limit, rule.reason)


def _share(lost: float, before: float) -> float:
    """A loss of all and more counts as the whole, also where there was nothing left to lose."""
    if lost <= 0:
        return 0.0
    return min(1.0, lost / before) if before > 0 else 1.0


def _sum(one: float, other: float) -> float:
    return max(-_LARGEST, min(_LARGEST, one + other))


def _week(day: int) -> int:
    return (day + _DAYS_FROM_MONDAY) // 7
