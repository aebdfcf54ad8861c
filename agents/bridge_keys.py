"""Strategy weights in the words of a bot that takes every key for a ticker.

Each strategy's weight is divided among its symbols, by the settings or by what it traded in each in the last 90 account
days. A strategy of which no symbol is known has its weight divided as the others together divide theirs: so the image
stays linear, non-negative, and sums to 1. Symbols that the ancestor's bot would drop are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from agents.bridge_guard import account_day
from agents.bridge_rows import Rows
from contract.daemon import Context
from contract.rows import Attribution, Trade
from contract.schema.fields import Weights
from contract.schema.names import STRATEGIES
from contract.tail import Turn

WINDOW_DAYS = 90
_DROPPED = ("trading", "strategy", "reversion", "momentum", "breakout", "bollinger", "vix", "pairs", "turtle", "macd")
_LONGEST_TICKER = 5

Shares = Mapping[str, Mapping[str, float]]
"""Strategy to symbol to share of it; only ratios within a strategy count."""


def accepted(symbol: str) -> bool:
    """Whether the ancestor's bot takes the key for a ticker."""
    if any(word in symbol.lower() for word in _DROPPED):
        return False
    return "-" in symbol or (symbol.isupper() and len(symbol) <= _LONGEST_TICKER)


def are_known(shares: Shares) -> bool:
    """Whether there is any symbol to speak of."""
    return any(_divided(symbols) for symbols in shares.values())


def image(weights: Weights, shares: Shares) -> dict[str, float]:
    """Weights of symbols; none where no symbol of any strategy is known."""
    divided = {name: divided for name in STRATEGIES if (divided := _divided(shares.get(name, {})))}
    if not divided:
        return {}
    together = Counter[str]()
    for symbols in divided.values():
        for symbol, share in symbols.items():
            together[symbol] += share / len(divided)  # type: ignore[assignment]
    total: dict[str, float] = dict.fromkeys(sorted(together), 0.0)
    for name, weight in zip(STRATEGIES, weights, strict=True):
        for symbol, share in divided.get(name, together).items():
            total[symbol] += weight * share
    whole = sum(total.values())
    return {symbol: weight / whole for symbol, weight in total.items()}


def _divided(symbols: Mapping[str, float]) -> dict[str, float]:
    usable = {symbol: share for symbol, share in symbols.items() if share > 0 and accepted(symbol)}
    largest = max(usable.values(), default=0.0)
    scaled = {symbol: share / largest for symbol, share in usable.items()}  # so that no sum overflows
    whole = sum(scaled.values())
    return {symbol: share / whole for symbol, share in scaled.items()}


class Traded:
    """What each strategy traded in each symbol lately, in money."""

    def __init__(self, context: Context) -> None:
        self._rows = Rows(context.system, context.root.pnl_history, ("strategy", "notes", "symbol", "qty", "price"))
        self._by_day: dict[int, dict[tuple[str, str], float]] = {}

    def shares(self, context: Context) -> Shares:
        self._read(context)
        total: dict[str, dict[str, float]] = {}
        for traded in self._by_day.values():
            for (strategy, symbol), notional in traded.items():
                symbols = total.setdefault(strategy, {})
                symbols[symbol] = min(1e300, symbols.get(symbol, 0.0) + notional)
        return total

    def _read(self, context: Context) -> None:
        zone = ZoneInfo(context.config.account.day_zone)
        for item in self._rows.new(Attribution(context.config.attribution.strategy_of_symbol)):
            if item is Turn.REWRITTEN:
                self._by_day.clear()
            elif isinstance(item, Trade) and item.strategy and item.symbol and item.qty and item.price:
                traded = self._by_day.setdefault(account_day(item.time, zone), {})
                key = item.strategy, item.symbol
                traded[key] = min(1e300, traded.get(key, 0.0) + abs(item.qty * item.price))
                if len(self._by_day) > WINDOW_DAYS:
                    del self._by_day[min(self._by_day)]
