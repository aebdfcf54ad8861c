"""One day of a paper account: trade at the open what the last close asked for, then mark everything at the close."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.schema.names import STRATEGIES
from trading.ledger import Fill, Ledger
from trading.sizing import orders

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """What trading costs, and how much of it is allowed."""

    fee_bps: float
    slippage_bps: float
    largest_gross: float
    """Multiple of equity."""
    band: float
    """Relative; see `trading.sizing`."""


class Session(NamedTuple):
    """The prices of one day (symbols,)."""

    symbols: tuple[str, ...]
    last_close: FloatArray
    open: FloatArray
    close: FloatArray

    def by_symbol(self, prices: FloatArray) -> dict[str, float]:
        return dict(zip(self.symbols, prices.tolist(), strict=True))


class Mark(NamedTuple):
    """What one strategy made of its capital in one day. `exposure` is its gross value at the close over `capital`."""

    strategy: str
    capital: float
    pnl: float
    exposure: float


class Day(NamedTuple):
    fills: tuple[Fill, ...]
    marks: tuple[Mark, ...]
    equity_before: float
    """At the last close."""
    equity: float
    """At this close."""


def trade_day(
    ledger: Ledger, session: Session, positions: FloatArray, weights: Sequence[float], time: str, terms: Terms
) -> Day:
    """Move the ledger through one day.

    positions (strategies, symbols): what each strategy wants, as fractions of its capital. weights (strategies,):
    each strategy's share of the equity at the last close, which is its capital for the day.
    """
    last_close, close = session.by_symbol(session.last_close), session.by_symbol(session.close)
    equity_before = ledger.equity(last_close)
    earned_before = ledger.earned(last_close)
    capital = np.maximum(np.asarray(weights) * equity_before, 0.0)
    fills = tuple(_trade(ledger, session, positions, capital, time, terms))
    marks = tuple(_marks(ledger, capital, earned_before, close))
    return Day(fills, marks, equity_before, ledger.equity(close))


def _trade(
    ledger: Ledger, session: Session, positions: FloatArray, capital: FloatArray, time: str, terms: Terms
) -> Iterator[Fill]:
    opening = session.by_symbol(session.open)
    held = np.array([[ledger.quantity((k, s)) for s in session.symbols] for k in STRATEGIES])
    # The limit holds at the fill prices, after costs: at worst everything held is sold and as much bought anew.
    equity = ledger.equity(opening)
    cost_rate = (terms.fee_bps + terms.slippage_bps) / 1e4
    costs = cost_rate * (ledger.gross(opening) + terms.largest_gross * equity)
    largest_gross = max(0.0, terms.largest_gross * (equity - costs)) / (1 + terms.slippage_bps / 1e4)
    change = orders(held, positions, capital, session.open, largest_gross=largest_gross, band=terms.band)
    for k, s in np.argwhere(change != 0).tolist():
        quantity = float(change[k, s])
        symbol = session.symbols[s]
        price = opening[symbol] * (1 + math.copysign(terms.slippage_bps / 1e4, quantity))
        key = (STRATEGIES[k], symbol)
        yield from ledger.trade(key, quantity, price, terms.fee_bps / 1e4, time, float(capital[k]))


def _marks(
    ledger: Ledger, capital: FloatArray, earned_before: dict[str, float], close: dict[str, float]
) -> Iterator[Mark]:
    earned = ledger.earned(close)
    gross = dict.fromkeys(STRATEGIES, 0.0)
    for (strategy, symbol), holding in ledger.holdings.items():
        gross[strategy] += abs(holding.quantity) * close[symbol]
    for strategy, had in zip(STRATEGIES, capital.tolist(), strict=True):
        pnl = earned.get(strategy, 0.0) - earned_before.get(strategy, 0.0)
        yield Mark(strategy, had, pnl, gross[strategy] / had if had > 0 else 0.0)
