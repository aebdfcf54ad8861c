"""The book of what the bot wrote, by the settings in force, and brought up to date whenever somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

from contract.book.daily import BookKind, DailyBook
from contract.book.reader import HistoryReader, Input
from contract.config import Config
from contract.equity_curve import equity_of_day
from contract.errors import TillerError
from contract.rows import Attribution
from contract.schema.names import Root
from contract.system import System


class BotsBook:
    """What every reader of the bot's files reads alike: trades, marks, and the equity curve where it is needed."""

    def __init__(self, system: System, root: Root, config: Config) -> None:
        self.trouble = ""
        """Why the equity curve is left out."""
        self._system = system
        self._root = root
        self._curve: Mapping[date, float] = {}
        self._curve_until: list[date] = []
        self._open(config)

    def read(self, config: Config) -> DailyBook:
        if (config.account, config.attribution) != self._read_by:
            self._open(config)
        self._reader.poll()
        book = self._daily(config)
        last_day: list[date] = book.dates[-1:].tolist()
        if book.kind is BookKind.TRADES and last_day != self._curve_until:
            # A bot may add to its curve with every fill. What that says of a day matters to the days after it.
            self._curve_until = last_day
            self._read_curve()
            book = self._daily(config)
        return book

    def input(self) -> Input:
        """What the book is made of."""
        return self._reader.input()

    def _open(self, config: Config) -> None:
        """Read all from the beginning."""
        self._read_by = config.account, config.attribution
        self._zone = ZoneInfo(config.account.day_zone)
        strategy_of_symbol = Attribution(config.attribution.strategy_of_symbol)
        self._reader = HistoryReader(self._system, self._root, strategy_of_symbol, self._zone)
        self._curve, self._curve_until = {}, []

    def _daily(self, config: Config) -> DailyBook:
        return self._reader.daily(config.account.initial_equity, self._curve)

    def _read_curve(self) -> None:
        try:
            self._curve, self.trouble = equity_of_day(self._system, self._root, self._zone), ""
        except TillerError as error:
            self.trouble = f"no equity curve: {error}"
