"""One day of a paper account: the books balance, the limit holds, and returns do not depend on the weights."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.schema.names import STRATEGIES
from trading.ledger import Ledger
from trading.paper_day import Session, Terms, trade_day

SYMBOLS = ("A", "B", "C")
FREE = Terms(fee_bps=0, slippage_bps=0, largest_gross=1.0, band=0.0)


def _world(seed: int, days: int) -> tuple[list[Session], np.ndarray]:
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (days + 1, 3)), axis=0))
    opens = closes * np.exp(rng.normal(0, 0.01, closes.shape))
    positions = rng.uniform(-1, 1, (days, len(STRATEGIES), 3)) * rng.integers(0, 2, (days, len(STRATEGIES), 1))
    positions /= np.maximum(np.abs(positions).sum(axis=2, keepdims=True), 1.0)
    sessions = [Session(SYMBOLS, closes[day], opens[day + 1], closes[day + 1]) for day in range(days)]
    return sessions, positions


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fee_bps=st.floats(0, 50),
    slippage_bps=st.floats(0, 50),
    largest_gross=st.floats(0.1, 2.0),
    band=st.floats(0, 0.9),
)
def test_books_balance_and_the_limit_holds(
    seed: int, fee_bps: float, slippage_bps: float, largest_gross: float, band: float
) -> None:
    ledger = Ledger.open(10_000.0)
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(STRATEGIES)))
    equity = 10_000.0
    for session, positions in zip(*_world(seed, 20), strict=True):
        terms = Terms(fee_bps, slippage_bps, largest_gross, band)
        day = trade_day(ledger, session, positions, weights.tolist(), "t", terms)
        close = session.by_symbol(session.close)
        assert abs(ledger.imbalance(close)) < 1e-6
        assert day.equity_before == equity
        assert abs(sum(mark.pnl for mark in day.marks) - (day.equity - day.equity_before)) < 1e-6
        at_open = session.by_symbol(session.open)
        assert ledger.gross(at_open) <= largest_gross * ledger.equity(at_open) * (1 + 1e-9)
        equity = day.equity


def test_a_strategys_return_does_not_depend_on_its_weight() -> None:
    """Without costs and band, what a strategy makes of its capital is the same at 2% and at 35%."""
    runs = []
    for first in (0.02, 0.35):
        ledger = Ledger.open(10_000.0)
        weights = [first, *[(1 - first) / 7] * 7]
        marks = [
            trade_day(ledger, session, positions, weights, "t", FREE).marks[0]
            for session, positions in zip(*_world(3, 60), strict=True)
        ]
        runs.append([mark.pnl / mark.capital for mark in marks])
    # The night before a trade is still carried by yesterday's capital: a trace of the account's own return remains.
    np.testing.assert_allclose(runs[0], runs[1], atol=2e-3)
    assert np.corrcoef(runs)[0, 1] > 0.999


def test_scale_zero_is_flat() -> None:
    ledger = Ledger.open(10_000.0)
    sessions, positions = _world(5, 2)
    trade_day(ledger, sessions[0], positions[0] * 0 + 0.3, [1 / 8] * 8, "t", FREE)
    assert ledger.holdings
    day = trade_day(ledger, sessions[1], positions[1] * 0.0, [1 / 8] * 8, "t", FREE)
    assert not ledger.holdings and all(mark.exposure == 0 for mark in day.marks)
