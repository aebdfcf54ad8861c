"""What the two sources of weights beside the policy share: they follow the bot's books, and speak when there is news.

A source speaks when the book has a new day or the settings have changed, and otherwise repeats itself once an
interval, so that whoever reads its file can tell it from one that has died. What it knows nothing about, it leaves
alone: with too few days it writes no file at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from contract.book.daily import BookKind, DailyBook
from contract.book.reader import HistoryReader
from contract.config import Config
from contract.daemon import NOTHING_TO_DO, Context, Status
from contract.equity_curve import equity_of_day
from contract.errors import TillerError
from contract.rows import Attribution
from trading.optimizer import are_usable, what_is_lacking


class Window(NamedTuple):
    """The last account days of the eight strategies; each array (days, 8)."""

    returns: NDArray[np.float64]
    trades: NDArray[np.int64]
    wins: NDArray[np.int64]
    last_day: date


class Pace(Protocol):
    """The settings that every source has."""

    @property
    def window_days(self) -> int: ...

    @property
    def interval_s(self) -> float: ...


Propose = Callable[[Context, Window], Status]
"""Works out a proposal and publishes it."""


class Proposer:
    """`run_once` of a source of weights."""

    def __init__(self, context: Context, pace: Callable[[Config], Pace], propose: Propose) -> None:
        self._pace = pace
        self._propose = propose
        self._last: Status | None = None
        self._last_about: tuple[int, object, Config] | None = None
        self._last_s = 0.0
        self._open(context)

    def __call__(self, context: Context) -> Status:
        config, now_s = context.config, context.system.monotonic()
        if (config.account, config.attribution) != self._read_by:
            self._open(context)
        self._reader.poll()
        book = self._reader.daily(config.account.initial_equity)
        about = (len(book.dates), book.dates[-1:].tolist(), config)
        left_s = self._last_s + self._pace(config).interval_s - now_s
        if self._last is not None and about == self._last_about and left_s > 0:
            return replace(self._last, wait_s=left_s)
        self._last = self._speak(context, book)
        self._last_about, self._last_s = about, now_s
        return self._last

    def _open(self, context: Context) -> None:
        """Read the history from its beginning, by the settings in force."""
        account, attribution = context.config.account, context.config.attribution
        self._read_by = account, attribution
        strategy_of_symbol = Attribution(attribution.strategy_of_symbol)
        self._reader = HistoryReader(context.system, context.root, strategy_of_symbol, ZoneInfo(account.day_zone))

    def _speak(self, context: Context, book: DailyBook) -> Status:
        config = context.config
        if book.kind is BookKind.TRADES:
            book = self._reader.daily(config.account.initial_equity, _equity_of_day(context))
        window = slice(-self._pace(config).window_days, None)
        returns = book.returns[window]
        lacking = what_is_lacking(returns[are_usable(returns)])
        if lacking:
            said = f"nothing proposed: {lacking}"
            if self._last is None or self._last.message != said:
                context.log.info("nothing proposed", reason=lacking)
            if context.options.json:
                print(json.dumps({"proposed": False, "reason": lacking}, indent=2))
            return Status(said, exit_code=NOTHING_TO_DO)
        last_day: date = book.dates[-1].astype("datetime64[D]").item()
        return self._propose(context, Window(returns, book.trades[window], book.wins[window], last_day))


def _equity_of_day(context: Context) -> Mapping[date, float]:
    """Nothing where the bot's equity curve cannot be read."""
    try:
        return equity_of_day(context.system, context.root, ZoneInfo(context.config.account.day_zone))
    except TillerError as error:
        context.log.warning("no equity curve", error=error)
        return {}
