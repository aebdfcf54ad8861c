"""The account-day process: whoever looks, however often, finds the weights that training and replay find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted_models import policy

from ai.course import run
from ai.experts import BASE, POLICY, Decision, Settings, Standing
from ai.following import Followed, follow_book, record_of, standing_of
from ai.histories import decided_returns, history_of
from ai.past import past_of
from ai.replay import replayed
from ai.smoothing import FloatArray
from ai.trust import Evidence, Terms, advantage
from contract.book.daily import NO_CLOSINGS, BookKind, Closings, DailyBook
from contract.schema.judgement import encode_trust, parse_trust
from trading.rebalancing import Rules

EIGHTHS = np.full(8, 0.125)
RULES = Rules()
SETTINGS = Settings(policy(1), "one", EIGHTHS, RULES, Terms())
OTHER = SETTINGS._replace(policy=policy(2), model="two")
WITH_ACCOUNT = SETTINGS._replace(policy=policy(3, ("strategy", "portfolio", "market")))


def marked(days: int, seed: int = 0) -> DailyBook:
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0005, 0.01, (days, 8)) * np.linspace(0.5, 2.0, 8)
    trades = rng.poisson(1.0, (days, 8))
    dates = np.datetime64("2024-01-01") + np.arange(days)
    none, counts = np.zeros(days), np.zeros(days, np.int64)
    return DailyBook(
        BookKind.MARKS, dates, returns, np.ones((days, 8)), returns, trades, np.minimum(trades, 1), NO_CLOSINGS,
        none, none, none, counts, counts,
    )


def traded(days: int, seed: int = 0) -> DailyBook:
    """Each strategy opens a position on most days, and closes it up to 20 days later."""
    rng = np.random.default_rng(seed)
    rows = sorted(
        (day, max(day - int(rng.integers(0, 20)), -1), strategy, float(rng.normal(0.0003, 0.01)))
        for day in range(days)
        for strategy in range(8)
        if rng.random() < 0.7
    )
    day, entry, strategy = np.array([row[:3] for row in rows], np.int64).T
    closings = Closings(day, entry, strategy, np.array([row[3] for row in rows]))
    book = marked(days, seed)
    return replace(book, kind=BookKind.TRADES, closings=closings, returns=closings.by_day(days))


def up_to(book: DailyBook, days: int) -> DailyBook:
    count = int(np.searchsorted(book.closings.day, days))
    closings = Closings._make(column[:count] for column in book.closings)
    parts = {name: getattr(book, name)[:days] for name in ("dates", "returns", "trades", "wins", "pnl")}
    return replace(book, closings=closings, **parts)


class Seen(NamedTuple):
    standing: Standing | None = None
    followed: Followed | None = None
    decision: Decision | None = None


def look(book: DailyBook, before: Seen = Seen(), chosen: Settings = SETTINGS) -> Seen:  # noqa: B008 (a constant)
    followed, decision = follow_book(book, chosen, before.standing, before.followed)
    return Seen(followed.standing, followed, decision)


def restarted(seen: Seen) -> Seen:
    """What a process that starts finds in state/trust.json."""
    assert seen.standing is not None
    path = Path("trust.json")
    return Seen(standing_of(parse_trust(encode_trust(record_of(seen.standing, SETTINGS.terms)), path)))


def decided(seen: Seen) -> Decision:
    assert seen.decision is not None
    return seen.decision


def same(one: Seen, other: Seen, within: float = 0.0) -> None:
    """`within` is for what was computed at once on the one hand and day by day on the other."""
    a, b = decided(one), decided(other)
    for mine, its in ((a.weights, b.weights), (a.published, b.published), (a.features, b.features)):
        np.testing.assert_allclose(mine, its, rtol=0, atol=within)
    assert a.evidence == pytest.approx(b.evidence, abs=within)
    assert (a.live_days, a.is_live) == (b.live_days, b.is_live)


@pytest.mark.parametrize("chosen", [SETTINGS, WITH_ACCOUNT], ids=["blind", "sees its account"])
@pytest.mark.parametrize("days", [0, 1, 2, 90])
def test_all_at_once_are_the_weights_of_the_course(days: int, chosen: Settings) -> None:
    book = marked(days)
    course = run(chosen.policy, history_of(book), chosen.rules)
    found = look(book, chosen=chosen)
    np.testing.assert_allclose(decided(found).weights[POLICY], course.weights[-1], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(decided(found).weights[BASE], EIGHTHS)
    assert decided(found).trust == 0.5 and decided(found).live_days == 0


@pytest.mark.parametrize("chosen", [SETTINGS, WITH_ACCOUNT], ids=["blind", "sees its account"])
def test_day_by_day_are_the_weights_of_the_course(chosen: Settings) -> None:
    book = marked(90)
    course = run(chosen.policy, history_of(book), chosen.rules)
    seen = Seen()
    for days in range(91):
        seen = look(up_to(book, days), seen, chosen)
        np.testing.assert_allclose(decided(seen).weights[POLICY], course.weights[days], rtol=0, atol=1e-12)


def test_a_book_of_trades_has_the_weights_of_the_course_too() -> None:
    book = traded(60)
    course = run(SETTINGS.policy, history_of(book), RULES)
    seen = Seen()
    for days in range(61):
        seen = look(up_to(book, days), seen)
    np.testing.assert_allclose(decided(seen).weights[POLICY], course.weights[-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(decided(look(book)).weights[POLICY], course.weights[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [marked, traded])
@given(st.lists(st.integers(1, 60), max_size=12, unique=True), st.sets(st.integers(0, 12)), st.integers(0, 5))
@settings(derandomize=True, max_examples=12, deadline=None)
def test_how_often_one_looks_and_restarts_changes_nothing(
    make: Callable[[int, int], DailyBook], looks: list[int], restarts: set[int], first: int
) -> None:
    book = make(61, 5)
    seen = every_day = look(up_to(book, first))
    for days in range(first, 62):
        every_day = look(up_to(book, days), every_day)
    for number, days in enumerate([*sorted(day for day in looks if day > first), 61]):
        if number in restarts:
            seen = restarted(seen)
        seen = look(up_to(book, days), seen)
    same(seen, every_day)
    assert decided(seen).live_days == 61 - first


def test_within_a_day_everything_can_be_computed_again() -> None:
    book, other = marked(40), marked(40, seed=9)
    before = look(up_to(book, 39))
    half_known = replace(book, returns=np.concatenate((book.returns[:39], other.returns[39:])))
    twice = look(book, look(half_known, look(half_known, before)))
    same(twice, look(book, before))
    assert not np.array_equal(decided(look(half_known, before)).published, decided(twice).published)


def test_trust_follows_from_what_both_experts_earned() -> None:
    book = marked(120)
    seen = look(up_to(book, 20))
    for days in range(21, 121):
        seen = look(up_to(book, days), seen)
    past = past_of(book, SETTINGS)
    evidence, wealth, blend = Evidence.before_any(SETTINGS.terms), 1.0, 1.0
    for mine, its in past.net[20:].tolist():
        trust = evidence.trust(SETTINGS.terms)
        blend *= 1.0 + trust * mine + (1.0 - trust) * its
        wealth *= 1.0 + mine
        evidence = evidence.after(advantage(mine, its), SETTINGS.terms)
    assert decided(seen).evidence == pytest.approx(evidence, abs=1e-10)
    assert decided(seen).trust == pytest.approx(evidence.trust(SETTINGS.terms), abs=1e-10)
    seen = look(replace(book, dates=np.append(book.dates[:-1], book.dates[-1] + 1)), seen)
    assert decided(seen).live_days == 100
    standing = seen.standing
    assert standing is not None and standing.last_day == book.dates[-2].item()
    np.testing.assert_allclose(standing.weights[POLICY], past.weights[-2, POLICY], rtol=0, atol=1e-12)


def test_what_both_earned_is_what_the_course_earned() -> None:
    """But for the cost of keeping weights that drift apart, which is the same for both, nearly."""
    book = marked(200)
    past, course = past_of(book, SETTINGS), run(SETTINGS.policy, history_of(book), RULES)
    np.testing.assert_allclose(past.net[:, POLICY], course.net, rtol=0, atol=2e-5)
    returns = decided_returns(book)
    np.testing.assert_allclose(past.net[:, BASE], returns.mean(axis=1), rtol=0, atol=1e-15)


def test_a_profit_counts_with_the_weight_of_the_day_of_its_entry() -> None:
    book = traded(100, seed=4)
    past = past_of(book, SETTINGS)
    gross = book.earned(past.weights[:-1, POLICY])
    seen, found = look(up_to(book, 25)), []
    for days in range(26, 101):
        seen = look(up_to(book, days), seen)
        found.append(decided(seen).net.tolist())
    np.testing.assert_allclose(np.array(found), past.net[25:], rtol=0, atol=1e-12)
    assert np.abs(past.net[:, POLICY] - gross).max() < 5e-4


def test_a_rewritten_history_counts_no_day_twice() -> None:
    book, rewritten = marked(50), marked(50, seed=8)
    seen = look(up_to(book, 50), look(up_to(book, 30)))
    assert decided(seen).live_days == 20
    again = look(rewritten, seen)
    assert decided(again).live_days == 20
    assert decided(again).known_before == decided(seen).known_before
    np.testing.assert_array_equal(decided(again).in_force, decided(seen).in_force)
    fresh_features = decided(look(rewritten)).features
    shared = [*range(8), *range(14, 34)]
    np.testing.assert_allclose(decided(again).features[shared], fresh_features[shared], rtol=0, atol=1e-12)


def test_a_history_that_lost_its_last_days_moves_from_the_weights_in_force() -> None:
    book = marked(50)
    seen = look(book, look(up_to(book, 30)))
    shorter = look(up_to(book, 20), seen)
    assert seen.standing is not None and shorter.standing is not None
    assert shorter.standing.last_day == seen.standing.last_day
    np.testing.assert_array_equal(decided(shorter).in_force, seen.standing.weights)
    same(look(up_to(book, 20), shorter), shorter)
    same(look(book, shorter), seen)


def test_another_model_goes_on_from_the_weights_in_force_and_the_trust_there_is() -> None:
    book = marked(60)
    seen = look(up_to(book, 50), look(up_to(book, 30)))
    promoted = look(up_to(book, 50), seen, OTHER)
    np.testing.assert_array_equal(decided(promoted).in_force, decided(seen).in_force)
    assert decided(promoted).evidence == decided(seen).evidence
    assert not np.array_equal(decided(promoted).weights[POLICY], decided(seen).weights[POLICY])
    later = look(book, promoted, OTHER)
    assert decided(later).live_days == 30, "each day on which this model was there to be seen"


def test_days_that_passed_before_a_model_was_seen_do_not_speak_for_it() -> None:
    """It may have been trained on them."""
    book = marked(60)
    seen = restarted(look(up_to(book, 50), look(up_to(book, 30))))
    known = record_of(seen.standing, SETTINGS.terms) if seen.standing else None
    promoted = look(up_to(book, 58), seen, OTHER)
    assert known and decided(promoted).known_before.log_odds == known.log_odds
    assert promoted.standing and promoted.standing.live_after == book.dates[57].item()
    assert decided(look(book, promoted, OTHER)).live_days == known.live_days + 2
    unchanged = look(up_to(book, 58), seen)
    assert decided(unchanged).live_days == 28


def test_the_first_service_before_the_first_day_counts_every_day() -> None:
    book = marked(30)
    for seen in (look(up_to(book, 0)), restarted(look(up_to(book, 0)))):
        assert decided(look(book, seen)).live_days == 30
    promoted = look(up_to(book, 0), look(up_to(book, 0)), OTHER)
    same(look(book, promoted, OTHER), look(book, look(up_to(book, 0), chosen=OTHER), OTHER))


def test_bounds_that_are_narrowed_hold_at_once() -> None:
    book = marked(60)
    seen = look(book)
    narrow = SETTINGS._replace(rules=RULES._replace(floor=0.08, cap=0.2))
    assert decided(seen).weights[POLICY].min() < 0.08
    published = decided(look(book, seen, narrow)).published
    assert published.min() >= 0.08 and published.max() <= 0.2 and abs(published.sum() - 1.0) < 1e-9


def test_a_base_of_its_own_is_held_from_the_start() -> None:
    base: FloatArray = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
    chosen = SETTINGS._replace(base=base)
    for days in (0, 1, 30):
        np.testing.assert_allclose(decided(look(marked(days), chosen=chosen)).weights[BASE], base, rtol=0, atol=1e-15)


def test_a_replay_is_what_looking_every_day_from_the_first_would_have_said() -> None:
    book = marked(80)
    replay = replayed(book, SETTINGS)
    seen = look(up_to(book, 0))
    for days in range(80):
        seen = look(up_to(book, days), seen)
        np.testing.assert_allclose(decided(seen).published, replay.published[days], rtol=0, atol=1e-11)
        np.testing.assert_allclose(decided(seen).weights[POLICY], replay.policy[days], rtol=0, atol=1e-12)
        assert decided(seen).trust == pytest.approx(replay.trust[days], abs=1e-10)


@pytest.mark.parametrize("make", [marked, traded])
def test_a_replay_uses_what_was_known_that_day(make: Callable[[int, int], DailyBook]) -> None:
    book = make(80, 1)
    whole, part = replayed(book, SETTINGS), replayed(up_to(book, 50), SETTINGS)
    np.testing.assert_allclose(whole.published[:50], part.published, rtol=0, atol=1e-12)
    returns = np.concatenate((book.returns[:49], -book.returns[49:]))
    changed = replayed(replace(up_to(book, 50), returns=returns[:50]), SETTINGS)
    np.testing.assert_allclose(whole.published[:50], changed.published, rtol=0, atol=1e-12)
