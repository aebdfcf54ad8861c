"""A bot that trades by the thousand every day: it writes what the paper trader writes, and its files are rotated."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from agents.bot_files import Memory, commit, fill_row, mark_row, metrics_row
from contract.schema.names import STRATEGIES, Root
from contract.system import OperatingSystem
from trading.ledger import Ledger
from trading.paper_day import Mark

CASH = 100_000.0
SYMBOLS = ("BTC-USD", "ETH-USD", "SPY", "QQQ", "GLD", "TLT", "AAPL", "NVDA")
FEE_RATE = 1e-6
PRICE_SD = 0.004
"""Of a trade; a good month of a strategy brings a hundredth of that in each."""
NOTIONAL = 0.1
"""Of a strategy's capital, in each trade."""
TRADES_A_BAD_ROW = 1_000
BAD_ROWS = (
    "{day},{time},SPY,sell,1.0,100.0,paper_trade,nan,,,,,,bad-{number}",
    "{day},{time},SPY,sell,1.0,100.0,paper_trade,1.5",
    "{day},yesterday,SPY,sell,1.0,100.0,paper_trade,1.5,,,,,,bad-{number}",
    '{day},{time},SPY,sell,1.0,100.0,a "quote",1.5,,,,,,bad-{number}',
    "{day},{time},SPY,sell,1.0,100.0,\0,1.5,,,,,,bad-{number}",
    "garbage {number}",
)


class BusyBot:
    """Every trade is a position that is opened and closed again: two rows."""

    def __init__(self, root: Root, seed: int) -> None:
        self.rows = self.trades = self.bad_rows = 0
        self._root = root
        self._system = OperatingSystem()
        self._chance = random.Random(seed)
        self._ledger = Ledger.open(CASH)
        self._memory = Memory("busy", self._ledger)
        self._prices = dict.fromkeys(SYMBOLS, 100.0)
        self._earned = dict.fromkeys(STRATEGIES, 0.0)
        self._morning = CASH

    def trade(self, begin: datetime, end: datetime, count: int) -> None:
        """Trade, evenly over the time, and make it durable at its end."""
        equity = self._ledger.equity(self._prices)
        for number in range(count):
            when = begin + (end - begin) * number / count
            self._trade(when.replace(microsecond=0), equity)
        self._commit(end)

    def close(self, when: datetime) -> None:
        """The end of a day: each strategy's mark, and the account's equity."""
        memory, equity, time = self._memory, self._ledger.equity(self._prices), f"{when:%Y-%m-%dT%H:%M:%SZ}"
        earned = {**self._earned, **self._ledger.earned(self._prices)}
        for strategy in STRATEGIES:
            pnl = earned[strategy] - self._earned[strategy]
            memory.rows["marks"].append(mark_row(Mark(strategy, self._morning / len(STRATEGIES), pnl, 0.0), time))
        memory.rows["metrics"].append(metrics_row(time, equity, (equity - self._morning, 0.0, 0.0, 0.0, 0.5, 0.0)))
        self._commit(when)
        self._earned, self._morning = earned, equity

    def _trade(self, when: datetime, equity: float) -> None:
        chance, memory = self._chance, self._memory
        index = self.trades % len(STRATEGIES)
        key = STRATEGIES[index], SYMBOLS[index]
        capital = equity / len(STRATEGIES)
        good = 1.0 if (when.month + index) % 4 == 0 else -0.25
        entry = chance.uniform(50.0, 150.0)
        close = entry * (1.0 + chance.gauss(0.01 * good * PRICE_SD, PRICE_SD))
        quantity = NOTIONAL * capital / entry
        time, later = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (when, when + timedelta(seconds=1)))
        for fill in (
            *self._ledger.trade(key, quantity, entry, FEE_RATE, time, capital),
            *self._ledger.trade(key, -quantity, close, FEE_RATE, later, capital),
        ):
            memory.fills += 1
            memory.rows["fills"].append(fill_row(fill, memory.fills, equity))
        self.trades += 1
        self.rows += 2
        if self.trades % TRADES_A_BAD_ROW == 0:
            bad = BAD_ROWS[self.bad_rows % len(BAD_ROWS)]
            memory.rows["fills"].append(bad.format(day=time[:10], time=time, number=self.bad_rows))
            self.bad_rows += 1

    def _commit(self, when: datetime) -> None:
        commit(self._system, self._root, self._memory, self._prices, when)


def rotate(root: Root, size: int) -> bool:
    """What `deploy/logrotate` does with the history once it is as large as this; says whether it was."""
    live = root.pnl_history
    if not live.exists() or live.stat().st_size < size:
        return False
    rotated = [path for path in live.parent.glob(f"{live.name}.*") if path.suffix[1:].isdigit()]
    for path in sorted(rotated, key=lambda path: int(path.suffix[1:]), reverse=True):
        path.rename(path.with_suffix(f".{int(path.suffix[1:]) + 1}"))
    live.rename(live.with_name(f"{live.name}.1"))
    return True


def trading_days(first: date, days: int) -> list[date]:
    """So many weekdays from this one on."""
    found: list[date] = []
    while len(found) < days:
        if first.weekday() < 5:
            found.append(first)
        first += timedelta(days=1)
    return found
