"""A paper account in double entry: what every fill does to cash, to holdings and to what was earned.

Each strategy has a book of its own: a holding belongs to a strategy and a symbol. What a closed trade earned is net of
the fees of its opening and its closing; until then the fees of the opening are carried by the holding. So at any prices

    cash + value of the holdings
    = initial cash + pnl of all closed trades + (unrealised pnl - fees carried) of all that is open

holds, and `imbalance` says by how much it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SMALLEST_QUANTITY = 1e-12
"""What is left of a holding below this, relative to what there was, is rounding and is closed with it."""

Key = tuple[str, str]
"""Strategy and symbol."""


class Holding(NamedTuple):
    quantity: float
    """Negative when short; never 0."""
    entry_price: float
    """Average over what is still held."""
    fees: float
    """Paid to open what is still held."""
    entry_time: str
    capital: float
    """What the strategy had when the holding was opened."""

    def unrealised(self, price: float) -> float:
        return self.quantity * (price - self.entry_price) - self.fees


class Fill(NamedTuple):
    """One row of the bot's history. `pnl` is None where nothing was closed."""

    time: str
    strategy: str
    symbol: str
    quantity: float
    """Bought where positive, sold where negative."""
    price: float
    fee: float
    pnl: float | None
    entry_time: str
    capital: float


@dataclass
class Ledger:
    """`trade` is the only way to change it."""

    initial_cash: float
    cash: float
    holdings: dict[Key, Holding] = field(default_factory=dict)
    realised: dict[str, float] = field(default_factory=dict)
    """Net pnl of the closed trades of each strategy."""

    @classmethod
    def open(cls, cash: float) -> Ledger:
        return cls(initial_cash=cash, cash=cash)

    def trade(
        self, key: Key, quantity: float, price: float, fee_rate: float, time: str, capital: float
    ) -> Iterator[Fill]:
        """Buy (or sell, where negative) a quantity: one fill, or two where it turns a long into a short or back."""
        held = self.quantity(key)
        if held * quantity < 0:
            closing = -held if abs(quantity) >= abs(held) * (1 - SMALLEST_QUANTITY) else quantity
            yield self._close(key, closing, price, fee_rate, time)
            quantity -= closing
            if abs(quantity) <= SMALLEST_QUANTITY * abs(held):
                return
        if quantity != 0:
            yield self._open(key, quantity, price, fee_rate, time, capital)

    def quantity(self, key: Key) -> float:
        holding = self.holdings.get(key)
        return holding.quantity if holding else 0.0

    def equity(self, prices: Mapping[str, float]) -> float:
        return self.cash + sum(held.quantity * prices[symbol] for (_, symbol), held in self.holdings.items())

    def gross(self, prices: Mapping[str, float]) -> float:
        """The value of all holdings, shorts counted as positive."""
        return sum(abs(held.quantity) * prices[symbol] for (_, symbol), held in self.holdings.items())

    def earned(self, prices: Mapping[str, float]) -> dict[str, float]:
        """What each strategy has made since the beginning, realised and not, net of all fees."""
        earned = dict(self.realised)
        for (strategy, symbol), held in self.holdings.items():
            earned[strategy] = earned.get(strategy, 0.0) + held.unrealised(prices[symbol])
        return earned

    def imbalance(self, prices: Mapping[str, float]) -> float:
        """Equity as counted less equity as earned: 0 but for rounding."""
        return self.equity(prices) - self.initial_cash - sum(self.earned(prices).values())

    def _open(self, key: Key, quantity: float, price: float, fee_rate: float, time: str, capital: float) -> Fill:
        fee = abs(quantity) * price * fee_rate
        self.cash -= quantity * price + fee
        held = self.holdings.get(key)
        if held is None:
            held = Holding(quantity, price, fee, time, capital)
        else:
            total = held.quantity + quantity
            average = (held.quantity * held.entry_price + quantity * price) / total
            held = held._replace(quantity=total, entry_price=average, fees=held.fees + fee)
        self.holdings[key] = held
        return Fill(time, *key, quantity, price, fee, None, held.entry_time, capital)

    def _close(self, key: Key, quantity: float, price: float, fee_rate: float, time: str) -> Fill:
        held = self.holdings[key]
        share = -quantity / held.quantity
        fee = abs(quantity) * price * fee_rate
        carried = held.fees * share
        pnl = -quantity * (price - held.entry_price) - fee - carried
        self.cash -= quantity * price + fee
        self.realised[key[0]] = self.realised.get(key[0], 0.0) + pnl
        if quantity == -held.quantity:
            del self.holdings[key]
        else:
            self.holdings[key] = held._replace(quantity=held.quantity + quantity, fees=held.fees - carried)
        return Fill(time, *key, quantity, price, fee, pnl, held.entry_time, held.capital)
