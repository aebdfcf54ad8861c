"""The breaker by its laws: only losses trip, a trip stands, a resume ends it, and how rows are cut makes no odds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.config import RiskLimits
from contract.schema.risk import ALERT, RESUME, TRIP, Account, Breaker, Results, RiskEvent
from contract.schema.weights import ACTIVE, HALTED, REDUCING, Risk
from trading.risk import (
    Row,
    check,
    cooldown_left_s,
    halt,
    met,
    observe,
    open_account,
    rebased,
    resume,
    rules,
    suggested_exposure,
    verdict,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY_US = 86_400_000_000
MONDAY = 4  # 1970-01-05
LIMITS = RiskLimits()
many = settings(derandomize=True, deadline=None, max_examples=80)


def row(day: int, pnl: float, equity: float | None = None, *, hour: int = 12) -> Row:
    return Row(day * DAY_US + hour * DAY_US // 24, day, pnl, equity)


def known(equity: float = 1000.0) -> Account:
    """An account whose breaker was there from the start."""
    return met(open_account(equity))


def judged(account: Account, rows: Iterable[Row], limits: RiskLimits = LIMITS) -> tuple[Breaker, list[RiskEvent]]:
    """Live: judged after every row."""
    breaker = Breaker(account)
    events: list[RiskEvent] = []
    for one in rows:
        breaker, more = check(replace(breaker, account=observe(breaker.account, one)), limits, NOW)
        events += more
    return breaker, events


def trips(events: Iterable[RiskEvent]) -> list[str]:
    return [event.rule for event in events if event.kind == TRIP]


# What trips.


@pytest.mark.parametrize(
    ("rows", "rule", "reason"),
    [
        pytest.param([row(MONDAY, -50)], "daily_loss", "daily loss 5.00% of 5.00%", id="a day"),
        pytest.param([row(MONDAY, -30), row(MONDAY, -20)], "daily_loss", "daily loss 5.00% of 5.00%", id="two rows"),
        pytest.param(
            [row(MONDAY + day, -pnl) for day, pnl in enumerate((40, 35, 30))],
            *("weekly_loss", "weekly loss 10.50% of 10.00%"),
            id="a week",
        ),
        pytest.param(
            [row(MONDAY + 7 * week, -30) for week in range(9)],
            *("drawdown", "drawdown 27.00% of 25.00%"),
            id="a drawdown",
        ),
        pytest.param(
            [row(MONDAY + day, -1) for day in range(13)], "losing_days", "losing days 12 of 12", id="losing days"
        ),
        pytest.param([row(MONDAY, 0, 1000), row(MONDAY + 1, 5, 940)], "daily_loss", None, id="stated equity"),
    ],
)
def test_a_loss_trips(rows: list[Row], rule: str, reason: str | None) -> None:
    breaker, events = judged(known(), rows)
    assert trips(events) == [rule]
    assert trips(judged(known(), rows[:-1])[1]) == []
    assert breaker.trip is not None and breaker.trip.at == NOW
    assert breaker.trip.value >= breaker.trip.threshold
    assert reason in (None, breaker.trip.reason)
    assert verdict(breaker, LIMITS) == Risk(HALTED, 0.0, breaker.trip.reason)


@pytest.mark.parametrize("name", ["daily_loss", "weekly_loss", "drawdown"])
def test_amounts_trip_where_they_are_configured(name: str) -> None:
    amount: dict[str, Any] = {f"{name}_amount": 10.0}
    limits = replace(LIMITS, **amount)
    breaker, events = judged(known(), [row(MONDAY, -9.99)], limits)
    assert trips(events) == []
    breaker, events = judged(known(), [row(MONDAY, -10)], limits)
    assert trips(events) == [f"{name}_amount"]
    assert breaker.trip is not None and breaker.trip.reason == f"{name.replace('_', ' ')} amount 10.00 of 10.00"


pnls = st.floats(-1e4, 1e4) | st.sampled_from([0.0, -1.0, 1.0, 1e308, -1e308])
equities = st.none() | st.floats(-1e5, 1e5)
histories = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 23), pnls, equities), max_size=60).map(
    lambda found: [row(day, pnl, equity, hour=hour) for day, hour, pnl, equity in found]
)


@many
@given(histories)
def test_whatever_comes_everything_stays_finite(rows: list[Row]) -> None:
    breaker, events = judged(open_account(1000.0), rows)
    account = breaker.account
    numbers = (account.equity, account.day_open, account.week_open, account.peak, *account.results[2:4])
    assert all(isfinite(number) for number in numbers)
    assert all(isfinite(event.value) and isfinite(event.threshold) for event in events)
    said = verdict(breaker, LIMITS)
    assert 0 <= said.scale <= 1
    assert (said.state == HALTED) == (breaker.trip is not None) == bool(trips(events))
    assert (said.scale == 0) == (said.state == HALTED) or said.state == REDUCING
    exposure = suggested_exposure(account.results, LIMITS)
    assert exposure is None or 0 <= exposure <= LIMITS.kelly_fraction


@many
@given(histories)
def test_only_losses_trip(rows: list[Row]) -> None:
    gains = [Row(one.time_us, one.day, abs(one.pnl)) for one in rows]
    breaker, events = judged(known(), gains)
    assert events == []
    assert verdict(breaker, LIMITS) == Risk(ACTIVE, 1.0, "")


@many
@given(histories)
def test_a_trip_stands_whatever_follows(rows: list[Row]) -> None:
    before, _ = judged(known(), [row(0, -60, hour=0)])
    after = before
    events: list[RiskEvent] = []
    for one in rows:
        after, more = check(Breaker(observe(after.account, one), after.trip), LIMITS, NOW + timedelta(days=9))
        events += more
    assert after.trip == before.trip and trips(events) == []


@many
@given(histories)
def test_a_resume_starts_afresh(rows: list[Row]) -> None:
    tripped, _ = judged(known(), [*rows, row(50, 0, 1e6), row(50, 0, -1e6)])
    again, events = resume(tripped, "looked at it", NOW)
    assert [(event.kind, event.reason) for event in events] == [(RESUME, "looked at it")]
    assert [rule.value for rule in rules(again.account, LIMITS)] == [0.0] * 4
    assert verdict(again, LIMITS) == Risk(ACTIVE, 1.0, "")
    assert trips(check(again, LIMITS, NOW)[1]) == []
    assert resume(again, "once more", NOW) == (again, ())


@many
@given(histories, st.integers(0, 60))
def test_rows_read_in_one_go_or_many_make_one_account(rows: list[Row], cut: int) -> None:
    """Judging changes nothing but the peak, which it takes at the end of an instant."""
    whole = part = open_account(1000.0)
    for one in rows:
        whole = observe(whole, one)
    for number, one in enumerate(rows):
        if number == cut:
            part = check(Breaker(part), LIMITS, NOW)[0].account
        part = observe(part, one)
    assert part._replace(peak=0.0) == whole._replace(peak=0.0)


# Reducing.


@pytest.mark.parametrize(
    ("lost", "state", "scale"),
    [(37.4, ACTIVE, 1.0), (37.501, REDUCING, 1.0), (43.75, REDUCING, 0.5), (50, HALTED, 0.0)],
)
def test_from_three_quarters_of_a_limit_on_the_scale_falls_in_a_line(lost: float, state: str, scale: float) -> None:
    breaker, _ = judged(known(), [row(MONDAY, -lost)])
    said = verdict(breaker, LIMITS)
    assert said.state == state and said.scale == pytest.approx(scale, abs=1e-3)
    assert bool(said.reason) == (state != ACTIVE)


def test_what_is_won_back_ends_reducing() -> None:
    reducing, _ = judged(known(), [row(MONDAY, -45)])
    assert verdict(reducing, LIMITS).state == REDUCING
    recovered, _ = judged(reducing.account, [row(MONDAY, 30)])
    assert verdict(recovered, LIMITS) == Risk(ACTIVE, 1.0, "")


@many
@given(st.floats(0, 200), st.floats(0, 200))
def test_who_lost_more_is_never_told_to_dare_more(one: float, other: float) -> None:
    less, more = sorted((one, other))
    scales = [verdict(judged(known(), [row(MONDAY, -lost)])[0], LIMITS).scale for lost in (less, more)]
    assert scales[0] >= scales[1]


# Days, weeks and history.


def test_losing_days_are_counted_when_they_are_over() -> None:
    account = known()
    runs = []
    for day, pnl in enumerate([-1, -1, 0, -1, 1, -1, 1]):
        account = observe(account, row(MONDAY + day, pnl))
        runs.append(account.losing_days)
    assert runs == [0, 1, 2, 2, 3, 0, 1]  # a day that earned nothing neither adds nor ends


def test_a_week_begins_on_monday() -> None:
    account = known()
    for day in range(MONDAY - 3, MONDAY):  # from Friday on
        account = observe(account, row(day, -10))
    assert account.week_open == 1000.0
    assert observe(account, row(MONDAY, -10)).week_open == 970.0
    assert observe(account, row(MONDAY + 700, -10)).week_open == 970.0


def test_a_history_counts_from_its_latest_week_on() -> None:
    account = open_account(1000.0)
    for day in range(MONDAY - 300, MONDAY + 2):
        account = observe(account, row(day, -1))
    account = met(account)
    values = {rule.name: rule.value for rule in rules(account, LIMITS)}
    assert account.equity == 698.0 and account.peak == account.week_open == 700.0
    assert values["losing_days"] == 1
    assert values["weekly_loss"] == values["drawdown"] == pytest.approx(2 / 700)
    breaker, events = check(Breaker(account), LIMITS, NOW)
    assert trips(events) == [] and verdict(breaker, LIMITS).state == ACTIVE
    assert trips(judged(account, [row(MONDAY + 1, -40)])[1]) == ["daily_loss"]


def test_a_history_that_ends_in_a_crash_trips() -> None:
    account = open_account(1000.0)
    for day in (MONDAY - 30, MONDAY, MONDAY + 1):
        account = observe(account, row(day, -60))
    assert trips(check(Breaker(met(account)), LIMITS, NOW)[1]) == ["daily_loss"]


def test_a_rewritten_history_counts_from_where_it_did() -> None:
    rows = [row(MONDAY + day, -20) for day in range(6)]
    tripped, _ = judged(known(), rows)
    resumed, _ = resume(tripped, "looked at it", NOW)
    later, events = judged(resumed.account, [row(MONDAY + 5, -5, hour=13)])
    again = open_account(1000.0, resumed.account.since_us, meeting=False)
    for one in (*rows, row(MONDAY + 5, -5, hour=13)):
        again = observe(again, one)
    assert trips(events) == [] and again == later.account


def test_rows_that_come_late_are_no_loss_of_today() -> None:
    account = known()
    for one in (row(MONDAY - 1, 0), row(MONDAY, 0), row(MONDAY + 1, 0)):
        account = observe(account, one)
    yesterday, last_week = observe(account, row(MONDAY, -30)), observe(account, row(MONDAY - 1, -30))
    today = observe(account, row(MONDAY + 1, -30, hour=11))
    lost = [account.equity, account.equity - 30]
    assert (yesterday.equity, yesterday.day_open, yesterday.week_open, yesterday.peak) == (970, 970, 1000, 1000)
    assert (last_week.equity, last_week.day_open, last_week.week_open, last_week.peak) == (970, 970, 970, 1000)
    assert (today.equity, today.day_open) == (lost[1], lost[0])
    assert today.results.lost == yesterday.results.lost == 30
    history = observe(account._replace(since_us=account.time_us), row(MONDAY, -30))
    assert [rule.value for rule in rules(history, LIMITS)] == [0.0] * 4


def test_where_equity_is_stated_the_latest_row_says_it() -> None:
    account = observe(observe(known(), row(MONDAY, 5, 90_000)), row(MONDAY + 1, 5, 90_010))
    assert (account.equity, account.day_open, account.week_open) == (90_010, 90_000, 89_995)
    late = observe(account, row(MONDAY, -500, 89_000))
    assert late.equity == 90_010 and late.results.lost == 500
    assert observe(account, row(MONDAY + 1, -10)).equity == 90_000  # a row without it moves it on


def test_an_account_with_nothing_left_has_lost_all() -> None:
    assert [rule.value for rule in rules(rebased(known(0.0)), LIMITS)] == [0.0] * 4
    assert trips(judged(known(0.0), [row(MONDAY, -1)])[1]) == ["daily_loss"]


# The file that halts.


def test_the_file_halts_while_it_is_there() -> None:
    breaker, (event,) = halt(Breaker(known()), "lunch", NOW)
    assert verdict(breaker, LIMITS) == Risk(HALTED, 0.0, "runtime/HALT: lunch")
    assert (event.kind, event.rule, event.reason) == (TRIP, "halt_file", "lunch")
    breaker, events = halt(breaker, "", NOW)
    assert verdict(breaker, LIMITS).reason == "runtime/HALT exists" and events == ()
    breaker, (event,) = halt(breaker, None, NOW)
    assert verdict(breaker, LIMITS).state == ACTIVE and event.kind == RESUME


def test_the_file_ends_no_trip() -> None:
    tripped, _ = judged(known(), [row(MONDAY, -60)])
    during, _ = halt(tripped, "also", NOW)
    after, _ = halt(during, None, NOW)
    assert verdict(during, LIMITS).reason == "runtime/HALT: also"
    assert verdict(after, LIMITS) == verdict(tripped, LIMITS)


# Cooling down.


@pytest.mark.parametrize(("passed_s", "left_s"), [(-1e6, 3600), (0, 3600), (3599, 1), (3600, 0), (1e9, 0)])
def test_a_cooldown_never_lasts_longer_than_it_is(passed_s: float, left_s: float) -> None:
    tripped, _ = judged(known(), [row(MONDAY, -60)])
    assert tripped.trip is not None
    assert cooldown_left_s(tripped.trip, LIMITS, NOW + timedelta(seconds=passed_s)) == left_s


# What only warns.


def alerts(rows: Iterable[Row]) -> list[str]:
    _, events = judged(known(1e9), rows)
    assert trips(events) == []
    return [event.rule for event in events if event.kind == ALERT]


def test_runs_of_losses_warn_once_each() -> None:
    assert alerts(row(MONDAY + day, -1) for day in range(3)) == ["losing_trades"]
    assert alerts(row(MONDAY + day, -1) for day in range(9)) == ["losing_trades", "losing_days"]
    again = [-1, -1, -1, -1, 1, -1, -1, 0, -1, -1]
    assert alerts(row(MONDAY + day, pnl) for day, pnl in enumerate(again)).count("losing_trades") == 2


def test_a_busy_account_is_warned_once_a_day() -> None:
    pnl_of_rows = [-1, -1, -1, 1] * 50
    assert alerts(row(MONDAY, pnl) for pnl in pnl_of_rows) == ["losing_trades"]
    days = [row(MONDAY + day, pnl) for day in range(5) for pnl in pnl_of_rows]
    assert alerts(days).count("losing_trades") == 5


@pytest.mark.parametrize(
    ("before", "lately", "warns"),
    [("wl" * 100, "lllw" * 25, True), ("wl" * 100, "wllwl" * 20, False), ("wl" * 49, "l" * 100, False)],
    ids=["25% after 50%", "40% after 50%", "too few"],
)
def test_a_win_rate_far_below_its_own_warns(before: str, lately: str, warns: bool) -> None:
    found = alerts(row(MONDAY, 1.0 if won == "w" else -1.0) for won in before + lately)
    assert ("win_rate" in found) == warns


# The size of a bet.


@pytest.mark.parametrize(
    ("results", "exposure"),
    [
        (Results(9, 9, 90.0, 0.0), None),
        (Results(10, 10, 90.0, 0.0), 0.25),
        (Results(10, 0, 0.0, 50.0), 0.0),
        (Results(10, 5, 20.0, 10.0), 0.0625),  # p = 1/2, b = 2: a quarter of a quarter
        (Results(10, 6, 60.0, 40.0), 0.05),  # p = 0.6, b = 1: a quarter of 0.2
        (Results(10, 5, 10.0, 10.0), 0.0),
        (Results(10, 4, 10.0, 90.0), 0.0),
        (Results(10, 4, 5e-324, 1e300), 0.0),
    ],
)
def test_the_kelly_bet(results: Results, exposure: float | None) -> None:
    assert suggested_exposure(results, LIMITS) == (exposure if exposure is None else pytest.approx(exposure))


@many
@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_the_kelly_bet_is_the_textbooks(wins: int, losses: int, won: float, lost: float) -> None:
    p, b = wins / (wins + losses), (won / wins) / (lost / losses)
    expected = max(0.0, p - (1 - p) / b) / 4
    found = suggested_exposure(Results(wins + losses, wins, won, lost), RiskLimits(kelly_least_trades=1))
    assert found == pytest.approx(expected, abs=1e-9)


def test_exposure_lowers_the_scale_only_where_that_is_asked_for() -> None:
    results = Results(10, 6, 60.0, 40.0)
    breaker = Breaker(known()._replace(results=results))
    applied = RiskLimits(apply_exposure=True)
    assert verdict(breaker, LIMITS) == Risk(ACTIVE, 1.0, "")
    said = verdict(breaker, applied)
    assert said == Risk(ACTIVE, pytest.approx(0.05), "suggested exposure applied")  # type: ignore[arg-type]
    few = Breaker(known()._replace(results=Results(9, 6, 60.0, 40.0)))
    assert verdict(few, applied).scale == 1.0
    reducing, _ = judged(breaker.account, [row(MONDAY, -45)])
    assert verdict(reducing, applied).reason.startswith("daily loss 4.50% of 5.00%; suggested")
    nearly, _ = judged(breaker.account._replace(results=Results(10, 10, 60.0, 0.0)), [row(MONDAY, -49.9)])
    assert verdict(nearly, applied).scale == pytest.approx(0.008)
