"""Settings: one frozen tree. Every field says below it what it is; every section refuses values that make no sense.

`contract/configure.py` merges the tree from defaults, `config.yaml`, the environment and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contract.errors import BadInput
from contract.schema.names import STRATEGIES


class BadSetting(BadInput):
    """A setting whose value makes no sense."""

    def __init__(self, key: str, value: Any, expected: str) -> None:
        super().__init__(f"{key} is {repr(value)[:60]}", hint=f"{expected} was expected")
        self.key = key


@dataclass(frozen=True)
class Account:
    """The account that the bot trades."""

    initial_equity: float = 10_000.0
    """Where the equity curve starts if no file says."""
    day_zone: str = "UTC"
    """The time zone whose midnights part the account's days."""
    periods_per_year: int = 252
    """Account days in a year: annual figures scale by it."""

    def __post_init__(self) -> None:
        _require(self.initial_equity > 0, "account.initial_equity", self.initial_equity, "a positive amount")
        _require(self.periods_per_year > 0, "account.periods_per_year", self.periods_per_year, "a positive number")
        try:
            ZoneInfo(self.day_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadSetting("account.day_zone", self.day_zone, "a zone such as UTC or Europe/Zurich") from None


@dataclass(frozen=True)
class Attribution:
    """Whose trade a row is when it does not say."""

    strategy_of_symbol: Mapping[str, str] = field(default_factory=dict)
    """Symbol to strategy, asked last: after the row's own strategy and the words of its reason."""

    def __post_init__(self) -> None:
        for symbol, strategy in self.strategy_of_symbol.items():
            known = strategy in STRATEGIES
            _require(known, f"attribution.strategy_of_symbol.{symbol}", strategy, f"one of {', '.join(STRATEGIES)}")


@dataclass(frozen=True)
class Bounds:
    """What every published weight respects."""

    floor: float = 0.02
    """No strategy gets less, so that each goes on trading and stays measurable."""
    cap: float = 0.35
    """No strategy gets more."""

    def __post_init__(self) -> None:
        n = len(STRATEGIES)
        _require(0 <= self.floor <= 1 / n, "bounds.floor", self.floor, f"a number from 0 to 1/{n}")
        _require(1 / n <= self.cap <= 1, "bounds.cap", self.cap, f"a number from 1/{n} to 1")


@dataclass(frozen=True)
class Loop:
    """How every daemon waits."""

    polling: bool = False
    """Look at the files every second instead of waiting for events: for network file systems and Docker mounts."""
    backoff_s: float = 1.0
    """The wait after a first failure; it doubles with each further one."""
    longest_backoff_s: float = 60.0
    """The longest wait after failures."""

    def __post_init__(self) -> None:
        _require(self.backoff_s > 0, "loop.backoff_s", self.backoff_s, "a positive number of seconds")
        enough = self.longest_backoff_s >= self.backoff_s
        _require(enough, "loop.longest_backoff_s", self.longest_backoff_s, "at least loop.backoff_s")


@dataclass(frozen=True)
class Config:
    account: Account = field(default_factory=Account)
    attribution: Attribution = field(default_factory=Attribution)
    bounds: Bounds = field(default_factory=Bounds)
    loop: Loop = field(default_factory=Loop)


def _require(holds: bool, key: str, value: Any, expected: str) -> None:
    if not holds:
        raise BadSetting(key, value, expected)
