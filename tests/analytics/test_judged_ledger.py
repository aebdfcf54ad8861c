"""What the accounts of a ledger earned, and that none of them looks ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.daily_books import marked_book, traded_book

from ai.course import EQUAL
from analytics.judged import judged_live
from analytics.ledger import EQUAL_WEIGHT, PUBLISHED, contributions, earned_by, ledger_of
from analytics.live_days import LiveDay
from contract.book.daily import DailyBook
from trading.allocators import ALLOCATORS
from trading.rebalancing import Rules, earn

RULES = Rules()
FOREKNOWN = {name for name, entry in ALLOCATORS.items() if entry.hindsight}


def returns(days: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0004, 0.01, (days, 8))


def weights(days: int, seed: int = 2) -> NDArray[np.float64]:
    drawn = np.random.default_rng(seed).uniform(0.05, 0.2, (days, 8))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def live_from(book: DailyBook, first: int) -> NDArray[np.intp]:
    return np.arange(first, len(book.dates))


def test_equal_weights_published_are_the_equal_weights_of_the_allocators() -> None:
    book = marked_book(returns(200))
    days = live_from(book, 80)
    ledger = ledger_of(book, days, np.tile(EQUAL, (120, 1)), RULES)
    assert ledger.names == (PUBLISHED, *ALLOCATORS)
    assert ledger.dates.tolist() == book.dates[80:].tolist()
    assert np.allclose(ledger.of(PUBLISHED), ledger.of(EQUAL_WEIGHT), atol=1e-15)
    assert np.all(ledger.turnover >= 0.0)


def test_each_account_earned_what_its_weights_earn() -> None:
    book, published = marked_book(returns(150)), weights(50)
    ledger = ledger_of(book, live_from(book, 100), published, RULES)
    for row in range(len(ledger.names)):
        expected = earn(ledger.weights[row], book.returns[100:], EQUAL, RULES)
        assert ledger.net[row] == pytest.approx(expected.net)
        assert ledger.turnover[row] == pytest.approx(expected.turnover)
    assert np.array_equal(ledger.weights[0], published)


def test_every_account_keeps_the_bounds_and_the_pace() -> None:
    book = marked_book(returns(300) * np.linspace(0.2, 3.0, 8))
    ledger = ledger_of(book, live_from(book, 150), np.tile(EQUAL, (150, 1)), RULES)
    assert ledger.weights.min() >= RULES.floor - 1e-12
    assert ledger.weights.max() <= RULES.cap + 1e-12
    assert ledger.weights.sum(axis=-1) == pytest.approx(1.0)
    moved = np.abs(np.diff(ledger.weights, axis=1, prepend=np.full((len(ledger.names), 1, 8), 0.125))).sum(axis=-1)
    assert moved.max() <= RULES.max_turnover + 1e-12


@settings(derandomize=True, deadline=None, max_examples=8)
@given(st.integers(101, 139), st.integers(0, 100))
def test_no_allocator_knows_a_day_before_it_is_over(changed: int, seed: int) -> None:
    past = returns(140)
    future = past.copy()
    future[changed:] = returns(140, seed + 7)[changed:] * 3.0
    ledgers = [
        ledger_of(marked_book(history), np.arange(100, 140), np.tile(EQUAL, (40, 1)), RULES)
        for history in (past, future)
    ]
    for row, name in enumerate(ledgers[0].names):
        until = changed - 100 + 1
        one, other = (ledger.weights[row, :until] for ledger in ledgers)
        assert np.array_equal(one, other) or name in FOREKNOWN, name


@pytest.mark.parametrize("kind", [marked_book, traded_book])
def test_what_the_strategies_added_is_what_was_earned_before_costs(kind) -> None:  # type: ignore[no-untyped-def]
    book: DailyBook = kind(returns(60))
    days, held = live_from(book, 20), weights(40)
    free = Rules(cost_bps=0.0)
    added = contributions(book, days, held)
    assert added.shape == (40, 8)
    assert added.sum(axis=1) == pytest.approx(earned_by(book, held, 20, free).net)


def test_in_a_book_of_trades_a_profit_has_the_weight_of_its_entry() -> None:
    """Positions are held for three days: weights of the closing day would be three days too late."""
    book, held = traded_book(returns(60)), weights(40)
    net = earned_by(book, held, 20, Rules(cost_bps=0.0)).net
    assert net == pytest.approx(book.earned(np.vstack((np.tile(EQUAL, (20, 1)), held)))[20:])
    at_the_close = (held * book.returns[20:]).sum(axis=1)
    assert not np.allclose(net, at_the_close)


def test_moving_costs() -> None:
    for book in (marked_book(returns(60)), traded_book(returns(60))):
        free, dear = (earned_by(book, weights(40), 20, Rules(cost_bps=cost)) for cost in (0.0, 50.0))
        assert np.array_equal(free.turnover, dear.turnover)
        assert dear.net == pytest.approx((1.0 + free.net) * (1.0 - 50.0 / 1e4 * free.turnover) - 1.0)


def test_days_on_which_nothing_is_known_are_left_out() -> None:
    book = marked_book(returns(100))
    days = [day for place, day in enumerate(book.dates.tolist()) if place >= 50 and place != 70]
    recorded = [LiveDay(day, "rl_inference", 1, 0.25, tuple(EQUAL.tolist())) for day in days]
    judged = judged_live(book, recorded, RULES)
    assert judged.ledger.dates.tolist() == days
    assert judged.places.tolist() == [*range(50, 70), *range(71, 100)]
    assert judged.trust.tolist() == [0.25] * 49


def test_without_a_live_day_there_is_nothing_to_judge() -> None:
    for book in (marked_book(returns(30)), traded_book(returns(30)), marked_book(returns(0))):
        judged = judged_live(book, [], RULES)
        assert judged.ledger.net.shape == (len(ALLOCATORS) + 1, 0)
        assert judged.ledger.weights.shape == (len(ALLOCATORS) + 1, 0, 8)
