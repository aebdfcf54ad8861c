"""Settings: one frozen tree. Every field says below it what it is; every section refuses values that make no sense.

`contract/configure.py` merges the tree from defaults, `config.yaml`, the environment and the command line.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contract.errors import BadInput
from contract.schema.names import STRATEGIES

OPTIMIZER_METHODS = ("minimum_variance", "risk_parity", "hrp", "mean_variance", "maximum_sharpe")


class BadSetting(BadInput):
    """A setting whose value makes no sense."""

    def __init__(self, key: str, value: Any, expected: str) -> None:
        super().__init__(f"{key[:80]} is {_shown(value)}", hint=f"{expected} was expected")
        self.key = key


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxdict, _BRIEF.maxlist, _BRIEF.maxstring = 2, 3, 3, 60


def _shown(value: Any) -> str:
    try:
        return _BRIEF.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number too long to be written out"


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
class Bot:
    """The paper-trading bot that comes with Tiller, and the market that it trades."""

    seed: int = 7
    """Of the simulated market: the same seed is the same world."""
    symbols: int = 20
    """How many symbols the simulated market has."""
    fee_bps: float = 1.0
    """Fee of each fill, in basis points of its value."""
    slippage_bps: float = 2.0
    """How much worse than the open a fill is, in basis points of the price."""
    largest_gross: float = 1.0
    """Longs and shorts together, at most, as a multiple of equity."""
    band: float = 0.2
    """A holding this near to what is wanted (relative) is left alone."""

    def __post_init__(self) -> None:
        _require(self.symbols >= 2, "bot.symbols", self.symbols, "at least 2")
        _require(0 <= self.fee_bps <= 1000, "bot.fee_bps", self.fee_bps, "a number from 0 to 1000")
        _require(0 <= self.slippage_bps <= 1000, "bot.slippage_bps", self.slippage_bps, "a number from 0 to 1000")
        _require(0 < self.largest_gross <= 10, "bot.largest_gross", self.largest_gross, "a positive number up to 10")
        _require(0 <= self.band < 1, "bot.band", self.band, "a number from 0 to under 1")


@dataclass(frozen=True)
class Optimizer:
    """The portfolio optimizer, whom the bridge asks after the policy."""

    method: str = "risk_parity"
    """How it divides: minimum_variance, risk_parity, hrp, mean_variance or maximum_sharpe."""
    window_days: int = 250
    """How many account days it looks back on."""
    interval_s: float = 3600.0
    """How often it repeats what it proposes while the book has no new day, so that it does not grow stale."""

    def __post_init__(self) -> None:
        expected = f"one of {', '.join(OPTIMIZER_METHODS)}"
        _require(self.method in OPTIMIZER_METHODS, "optimizer.method", self.method, expected)
        _require(self.window_days >= 20, "optimizer.window_days", self.window_days, "at least 20")
        _require(self.interval_s > 0, "optimizer.interval_s", self.interval_s, "a positive number of seconds")


@dataclass(frozen=True)
class Lab:
    """The strategy lab, whom the bridge asks after the optimizer."""

    window_days: int = 250
    """How many account days it looks back on."""
    overwrite: bool = False
    """Replace also weights that a person typed into its file."""
    interval_s: float = 3600.0
    """How often it repeats what it proposes while the book has no new day, so that it does not grow stale."""

    def __post_init__(self) -> None:
        _require(self.window_days >= 20, "lab.window_days", self.window_days, "at least 20")
        _require(self.interval_s > 0, "lab.interval_s", self.interval_s, "a positive number of seconds")


@dataclass(frozen=True)
class Rebalancing:
    """How weights move from one account day to the next, and what that is taken to cost."""

    inertia: float = 0.3
    """Share of the way to what the policy wants that is gone in a day."""
    max_turnover: float = 0.5
    """The most that is moved in a day: the sum of all changes, so that exchanging one strategy for another is 2."""
    cost_bps: float = 5.0
    """Basis points of equity that a turnover of 1 costs, in training and in every comparison."""

    def __post_init__(self) -> None:
        _require(0 < self.inertia <= 1, "rebalancing.inertia", self.inertia, "a number over 0 up to 1")
        _require(0 < self.max_turnover <= 2, "rebalancing.max_turnover", self.max_turnover, "a number over 0 up to 2")
        _require(0 <= self.cost_bps <= 1000, "rebalancing.cost_bps", self.cost_bps, "a number from 0 to 1000")


@dataclass(frozen=True)
class Config:
    account: Account = field(default_factory=Account)
    attribution: Attribution = field(default_factory=Attribution)
    bot: Bot = field(default_factory=Bot)
    bounds: Bounds = field(default_factory=Bounds)
    lab: Lab = field(default_factory=Lab)
    loop: Loop = field(default_factory=Loop)
    optimizer: Optimizer = field(default_factory=Optimizer)
    rebalancing: Rebalancing = field(default_factory=Rebalancing)


def _require(holds: bool, key: str, value: Any, expected: str) -> None:
    if not holds:
        raise BadSetting(key, value, expected)
