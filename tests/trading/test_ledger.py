"""The accounting identity over random runs of fills, and single fills by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.ledger import Ledger

KEY = ("turtle_trading", "SPY")
RUNS = 50_000


def test_a_round_trip_by_hand() -> None:
    ledger = Ledger.open(1000.0)
    (opened,) = ledger.trade(KEY, 2.0, 100.0, 0.001, "monday", 500.0)
    (closed,) = ledger.trade(KEY, -2.0, 110.0, 0.001, "tuesday", 999.0)
    assert opened.pnl is None and opened.fee == pytest.approx(0.2)
    assert closed.pnl == pytest.approx(20.0 - 0.2 - 0.22), "net of both fees"
    assert (closed.entry_time, closed.capital) == ("monday", 500.0), "of the opening, not of the closing"
    assert ledger.cash == pytest.approx(1000.0 + closed.pnl) and not ledger.holdings


def test_a_turn_from_long_to_short_is_two_fills() -> None:
    ledger = Ledger.open(1000.0)
    list(ledger.trade(KEY, 3.0, 100.0, 0.0, "monday", 500.0))
    closed, opened = ledger.trade(KEY, -5.0, 90.0, 0.0, "tuesday", 400.0)
    assert (closed.quantity, closed.pnl) == (-3.0, pytest.approx(-30.0))
    assert (opened.quantity, opened.pnl, opened.entry_time) == (-2.0, None, "tuesday")
    assert ledger.equity({"SPY": 80.0}) == pytest.approx(1000.0 - 30.0 + 20.0)


def test_a_partial_close_keeps_the_average_price() -> None:
    ledger = Ledger.open(1000.0)
    list(ledger.trade(KEY, 1.0, 100.0, 0.0, "monday", 500.0))
    list(ledger.trade(KEY, 3.0, 120.0, 0.0, "tuesday", 500.0))
    (closed,) = ledger.trade(KEY, -1.0, 130.0, 0.0, "friday", 500.0)
    assert closed.pnl == pytest.approx(130.0 - 115.0)
    assert ledger.holdings[KEY].entry_price == pytest.approx(115.0) and ledger.quantity(KEY) == pytest.approx(3.0)


def test_rounding_leaves_no_dust() -> None:
    ledger = Ledger.open(1000.0)
    for _ in range(3):
        list(ledger.trade(KEY, 0.1, 100.0, 0.0, "monday", 500.0))
    assert len(list(ledger.trade(KEY, -0.3, 100.0, 0.0, "tuesday", 500.0))) == 1
    assert not ledger.holdings


def test_the_identity_holds_over_fifty_thousand_random_runs(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Every run is a new account with fills of random size, side and price; the books balance after each one."""
    draw = random.Random(seed)
    keys = [(strategy, symbol) for strategy in ("a", "b") for symbol in ("X", "Y")]
    fills = 0
    worst = 0.0
    for _ in range(RUNS):
        ledger = Ledger.open(draw.uniform(1e2, 1e6))
        prices = {"X": draw.uniform(0.01, 1000.0), "Y": draw.uniform(0.01, 1000.0)}
        closed_pnl = 0.0
        for _ in range(draw.randint(1, 6)):
            key = draw.choice(keys)
            prices[key[1]] *= draw.uniform(0.7, 1.4)
            wanted = draw.uniform(-1, 1) * ledger.initial_cash / prices[key[1]]
            quantity = -ledger.quantity(key) if draw.random() < 0.2 else wanted
            for fill in ledger.trade(key, quantity, prices[key[1]], draw.uniform(0, 0.01), "now", 1.0):
                closed_pnl += fill.pnl or 0.0
                fills += 1
            worst = max(worst, abs(ledger.imbalance(prices)) / ledger.initial_cash)
        assert abs(closed_pnl - sum(ledger.realised.values())) <= 1e-9 * ledger.initial_cash
    with capsys.disabled():
        print(f"\nledger: {RUNS:,} runs, {fills:,} fills, worst imbalance {worst:.1e} of the initial cash")
    assert worst < 1e-11


@settings(derandomize=True, max_examples=300)
@given(
    trades=st.lists(
        st.tuples(
            st.sampled_from(["X", "Y"]),
            st.floats(-1e4, 1e4).filter(lambda quantity: abs(quantity) > 1e-6),
            st.floats(1e-2, 1e4),
            st.floats(0, 0.05),
        ),
        max_size=30,
    )
)
def test_what_strategies_earned_is_what_the_account_earned(trades: list[tuple[str, float, float, float]]) -> None:
    ledger = Ledger.open(1e6)
    prices = {"X": 1.0, "Y": 1.0}
    traded = 1e6
    for symbol, quantity, price, fee_rate in trades:
        prices[symbol] = price
        traded += abs(quantity) * price
        list(ledger.trade(("s", symbol), quantity, price, fee_rate, "now", 1.0))
        assert abs(ledger.imbalance(prices)) <= 1e-9 * traded
        assert ledger.gross(prices) >= abs(ledger.equity(prices) - ledger.cash) - 1e-6
