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

ACTORS = ("shared", "whole")
BRIDGE_KEYS = ("strategies", "symbols")
FEATURE_GROUPS = ("market", "portfolio", "strategy", "regime")
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
class Agent:
    """The policy's network and how it learns."""

    actor: str = "shared"
    """`shared`: one small network looks at each strategy in turn. `whole`: one for all, which tends to overfit."""
    actor_groups: str = "strategy, regime"
    """Groups of features that decide the weights: of market, portfolio, strategy, regime. The critic sees all."""
    hidden: int = 32
    """Units of each of the actor's two hidden layers."""
    critic_hidden: int = 64
    """Units of each of the critic's two hidden layers."""
    continue_from: str = "prior"
    """Where a training starts: `prior`, the shipped model, or `service`, the model in service with its optimizer."""
    search_rounds: int = 12
    """Rounds of the search for how much of the model that a training starts from suits the account."""
    warm_start_steps: int = 60
    """Steps of the gradient taken straight through the replay after that, before PPO begins."""
    episodes: int = 60
    """Each is a walk of all replicas and the updates that follow from it."""
    replicas: int = 64
    """Accounts that walk through the history side by side, each from a day of its own."""
    episode_days: int = 256
    """How far they walk."""
    resampled: int = 4
    """Histories made of shuffled blocks of the real one, which stand beside it where it is short."""
    resample_below_days: int = 2500
    """What short means."""
    batch: int = 4096
    """Days in each update."""
    epochs: int = 4
    """How often each walk is learnt from."""
    learning_rate: float = 3e-4
    """At the start; it falls to 0 over the episodes."""
    weight_decay: float = 1e-3
    """Of the networks, so that they stay near to saying nothing."""
    gamma: float = 0.97
    """What a reward counts a day earlier."""
    gae_lambda: float = 0.9
    """How far advantages trust the rewards over the critic: 1 is altogether."""
    clip: float = 0.2
    """How far an update may move the odds of an action."""
    clip_value: float = 0.0
    """How far an update may move a value; 0 is without limit."""
    entropy_weight: float = 0.0
    """What exploring is worth."""
    value_weight: float = 0.5
    """What the critic's error counts beside the actor's."""
    largest_gradient: float = 0.5
    """Longer gradients are shortened to this."""
    largest_kl: float = 0.02
    """An episode's updates end when the policy has moved further."""
    deviation: float = 0.5
    """Of the noise on the logits with which a training begins to explore."""

    def __post_init__(self) -> None:
        _require(self.actor in ACTORS, "agent.actor", self.actor, f"one of {', '.join(ACTORS)}")
        known = set(self.groups) <= set(FEATURE_GROUPS) and len(set(self.groups)) == len(self.groups) > 0
        _require(known, "agent.actor_groups", self.actor_groups, f"some of {', '.join(FEATURE_GROUPS)}, each once")
        needed = self.actor != "shared" or "strategy" in self.groups
        _require(needed, "agent.actor_groups", self.actor_groups, "strategy among them, for a shared actor")
        starts = ("prior", "service")
        _require(self.continue_from in starts, "agent.continue_from", self.continue_from, "prior or service")
        for name in ("hidden", "critic_hidden", "episodes", "replicas", "episode_days", "batch", "epochs"):
            _require(getattr(self, name) >= 1, f"agent.{name}", getattr(self, name), "at least 1")
        for name in ("search_rounds", "warm_start_steps", "resampled", "resample_below_days"):
            _require(getattr(self, name) >= 0, f"agent.{name}", getattr(self, name), "at least 0")
        for name in ("learning_rate", "clip", "largest_gradient", "largest_kl", "deviation"):
            _require(getattr(self, name) > 0, f"agent.{name}", getattr(self, name), "a positive number")
        for name in ("weight_decay", "clip_value", "entropy_weight", "value_weight"):
            _require(getattr(self, name) >= 0, f"agent.{name}", getattr(self, name), "at least 0")
        for name in ("gamma", "gae_lambda"):
            _require(0 <= getattr(self, name) <= 1, f"agent.{name}", getattr(self, name), "a number from 0 to 1")

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.actor_groups.split(","))


@dataclass(frozen=True)
class Alerts:
    """Messages about what an operator would want to know, as JSON to a webhook."""

    url: str = ""
    """Where to; none are sent without one."""
    timeout_s: float = 3.0
    """How long an answer may take."""
    source_changed: bool = True
    """Send when the bot is told by another source."""
    breaker_changed: bool = True
    """Send when the circuit breaker changes its state."""
    model_examined: bool = True
    """Send when a model is promoted, refused, or rolled back to."""
    daemon_stale: bool = True
    """Send when a program that should run hangs or is gone, and when it is back."""
    quarantine_grew: bool = True
    """Send when there are further rows that cannot be read."""

    def __post_init__(self) -> None:
        usable = not self.url or self.url.startswith(("http://", "https://"))
        _require(usable, "alerts.url", self.url, "an address that begins with https:// or http://")
        _require(0 < self.timeout_s <= 60, "alerts.timeout_s", self.timeout_s, "a number of seconds over 0 up to 60")


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
class Bridge:
    """The process that tells the bot: whom it believes, for how long, and in which words it speaks."""

    interval_s: float = 5.0
    """How often it decides anew when no file has changed."""
    valid_s: float = 60.0
    """How long what it publishes may be relied upon; it renews that in time, so a bot can see that it has died."""
    rl_age_s: float = 900.0
    """How old the policy's weights may be where they do not say themselves how long they are good for."""
    optimizer_age_s: float = 10_800.0
    """How old the portfolio optimizer's weights may be."""
    lab_age_s: float = 10_800.0
    """How old the strategy lab's weights may be. Those that a person typed do not age."""
    clock_skew_s: float = 5.0
    """How far ahead of this machine's clock a source may be before its weights count as from the future."""
    least_effective: float = 1.5
    """A proposal with fewer effective strategies has collapsed: 1 is all in one, 8 is equal weight."""
    turnover_limit: float = 1.0
    """The most that moves in an account day because the source changed: exchanging one strategy for another is 2."""
    keys: str = "strategies"
    """What `allocations` speaks of: strategies, or symbols for a bot that takes every key for a ticker."""
    symbols: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """For `keys: symbols`: strategy to {symbol: share}. Where none is given, what each traded in the last 90 days."""

    def __post_init__(self) -> None:
        for name in ("interval_s", "rl_age_s", "optimizer_age_s", "lab_age_s"):
            _require(getattr(self, name) > 0, f"bridge.{name}", getattr(self, name), "a positive number of seconds")
        _require(self.clock_skew_s >= 0, "bridge.clock_skew_s", self.clock_skew_s, "a number of seconds from 0 on")
        lasts = 3 * self.interval_s <= self.valid_s <= 86_400
        _require(lasts, "bridge.valid_s", self.valid_s, "from three times bridge.interval_s to a day")
        n = len(STRATEGIES)
        expected = f"a number from 1 to {n}"
        _require(1 <= self.least_effective <= n, "bridge.least_effective", self.least_effective, expected)
        _require(0 < self.turnover_limit <= 2, "bridge.turnover_limit", self.turnover_limit, "a number over 0 up to 2")
        _require(self.keys in BRIDGE_KEYS, "bridge.keys", self.keys, " or ".join(BRIDGE_KEYS))
        for strategy, shares in self.symbols.items():
            _require(strategy in STRATEGIES, "bridge.symbols", strategy, f"one of {', '.join(STRATEGIES)}")
            usable = shares and all(0 <= share <= 1e9 for share in shares.values()) and sum(shares.values()) > 0
            _require(bool(usable), f"bridge.symbols.{strategy}", shares, "symbols with shares, not all of them 0,")


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
class Inference:
    """The process that says the policy's weights."""

    interval_s: float = 300.0
    """How often it repeats them while there is no news; they are good for three times as long."""
    min_interval_s: float = 1.0
    """It speaks no more often than this, however fast the bot writes."""

    def __post_init__(self) -> None:
        _require(self.interval_s > 0, "inference.interval_s", self.interval_s, "a positive number of seconds")
        fits = 0 <= self.min_interval_s <= self.interval_s
        _require(fits, "inference.min_interval_s", self.min_interval_s, "from 0 to inference.interval_s")


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
class Promotion:
    """When a candidate may take the place of the model in service."""

    test_days: int = 500
    """The last days of the history, at most, on which a candidate is examined, once."""
    min_test_days: int = 250
    """With fewer it is refused, however good it looks."""
    validation_days: int = 250
    """The days before them, at most, by which training chooses among its own models."""
    purge_days: int = 30
    """Days left out on either side of those, so that no feature reaches across."""
    level: float = 0.9
    """How sure it has to be that the candidate is better."""
    draws: int = 2000
    """Resamples of the test days from which that is told."""
    mean_block: float = 5.0
    """Mean length of their blocks, in days."""
    least_effective: float = 3.6
    """Strategies that the weights have to be worth, in the mean: equal weights are 8, all at the bounds are 3.5."""
    most_turnover: float = 0.25
    """What it may trade a day, in the mean."""

    def __post_init__(self) -> None:
        _require(self.min_test_days >= 2, "promotion.min_test_days", self.min_test_days, "at least 2")
        enough = self.test_days >= self.min_test_days
        _require(enough, "promotion.test_days", self.test_days, "at least promotion.min_test_days")
        _require(self.validation_days >= 2, "promotion.validation_days", self.validation_days, "at least 2")
        _require(self.purge_days >= 0, "promotion.purge_days", self.purge_days, "at least 0")
        _require(0.5 <= self.level < 1, "promotion.level", self.level, "a number from 0.5 to under 1")
        _require(100 <= self.draws <= 100_000, "promotion.draws", self.draws, "a number from 100 to 100,000")
        _require(self.mean_block >= 1, "promotion.mean_block", self.mean_block, "at least 1")
        n = len(STRATEGIES)
        _require(1 <= self.least_effective <= n, "promotion.least_effective", self.least_effective, f"from 1 to {n}")
        _require(self.most_turnover > 0, "promotion.most_turnover", self.most_turnover, "a positive number")


@dataclass(frozen=True)
class Rebalancing:
    """How weights move from one account day to the next, and what that is taken to cost."""

    inertia: float = 0.2
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
class Tracker:
    """The process that judges: what was told, what it brought, and whether that is better than equal weight."""

    interval_s: float = 3600.0
    """How often the report is renewed, beside every time that another model comes into service."""
    least_days: int = 60
    """With fewer live days nothing is said to be better or worse."""
    level: float = 0.95
    """Of the intervals: how often such an interval holds the truth."""
    draws: int = 2000
    """Resamples of the days from which the intervals are told."""
    mean_block: float = 5.0
    """Mean length of their blocks, in days."""
    least_e_value: float = 19.0
    """The evidence that it takes to say that the policy is better: 19 is 5%, on whichever day one looks."""

    def __post_init__(self) -> None:
        _require(self.interval_s > 0, "tracker.interval_s", self.interval_s, "a positive number of seconds")
        _require(self.least_days >= 2, "tracker.least_days", self.least_days, "at least 2")
        _require(0.5 <= self.level < 1, "tracker.level", self.level, "a number from 0.5 to under 1")
        _require(100 <= self.draws <= 100_000, "tracker.draws", self.draws, "a number from 100 to 100,000")
        _require(self.mean_block >= 1, "tracker.mean_block", self.mean_block, "at least 1")
        _require(self.least_e_value >= 1, "tracker.least_e_value", self.least_e_value, "at least 1")


@dataclass(frozen=True)
class Trainer:
    """The process that trains."""

    min_trades: int = 50
    """It begins when there are so many."""
    retrain_trades: int = 50
    """It trains again when so many have been added."""
    retrain_hours: float = 168.0
    """Or when so much time has passed, whichever is first."""
    interval_s: float = 3600.0
    """How often it looks, when the bot's files do not change."""
    threads: int = 1
    """How many it keeps busy; it is niced as well, so that the bot is never starved."""
    keep_generations: int = 5
    """How many models are kept for rolling back, beside those that the journals name."""

    def __post_init__(self) -> None:
        for name in ("min_trades", "retrain_trades", "threads", "keep_generations"):
            _require(getattr(self, name) >= 1, f"trainer.{name}", getattr(self, name), "at least 1")
        _require(self.retrain_hours > 0, "trainer.retrain_hours", self.retrain_hours, "a positive number of hours")
        _require(self.interval_s > 0, "trainer.interval_s", self.interval_s, "a positive number of seconds")


@dataclass(frozen=True)
class RiskLimits:
    """When the circuit breaker trips, and when it only warns. Shares are of equity: 0.05 is 5%."""

    daily_loss: float = 0.05
    """Trips at this share lost since the account day began."""
    weekly_loss: float = 0.10
    """Trips at this share lost since the account week, which begins on Monday, began."""
    drawdown: float = 0.25
    """Trips at this share lost since the highest equity."""
    losing_days: int = 12
    """Trips after so many account days in a row that ended with a loss."""
    daily_loss_amount: float | None = None
    """The same as an amount of money; none by default."""
    weekly_loss_amount: float | None = None
    """The same as an amount of money; none by default."""
    drawdown_amount: float | None = None
    """The same as an amount of money; none by default."""
    reduce_from: float = 0.75
    """From this share of the nearest limit on the scale falls, in a straight line, to 0 at the limit."""
    cooldown_s: float = 3600.0
    """So long after a trip no resume takes effect."""
    auto_resume: bool = False
    """Resume by itself when the cooldown is over."""
    alert_losing_days: int = 3
    """Warns after so many losing days in a row."""
    alert_losing_trades: int = 3
    """Warns after so many losing trades in a row."""
    alert_win_rate: float = 4.0
    """Warns when the win rate of the last 100 trades is so many standard errors below that of all before (from 200)."""
    kelly_fraction: float = 0.25
    """Share of the Kelly bet that is suggested as exposure."""
    kelly_least_trades: int = 10
    """With fewer trades nothing is suggested."""
    apply_exposure: bool = False
    """Let the suggested exposure lower the published scale. It never touches weights, which always sum to 1."""

    def __post_init__(self) -> None:
        for name in ("daily_loss", "weekly_loss", "drawdown"):
            share, amount = getattr(self, name), getattr(self, f"{name}_amount")
            _require(0 < share <= 1, f"risk.{name}", share, "a share over 0 up to 1")
            _require(amount is None or amount > 0, f"risk.{name}_amount", amount, "a positive amount or none")
        for name in ("losing_days", "alert_losing_days", "alert_losing_trades", "kelly_least_trades"):
            _require(getattr(self, name) >= 1, f"risk.{name}", getattr(self, name), "at least 1")
        _require(0 < self.reduce_from < 1, "risk.reduce_from", self.reduce_from, "a share between 0 and 1")
        _require(self.cooldown_s >= 0, "risk.cooldown_s", self.cooldown_s, "a number of seconds from 0 on")
        _require(self.alert_win_rate > 0, "risk.alert_win_rate", self.alert_win_rate, "a positive number")
        _require(0 < self.kelly_fraction <= 1, "risk.kelly_fraction", self.kelly_fraction, "a share over 0 up to 1")


@dataclass(frozen=True)
class Trust:
    """How far the policy is believed: its share of what is published, the rest being the base's."""

    start: float = 0.5
    """Before the policy has shown anything."""
    cap: float = 0.9
    """However well it does."""
    eta: float = 10.0
    """By how much a day's advantage over the base moves the odds. The larger, the faster, and the fewer days are so
    extreme that the guarantee does not cover them: those that part the two by 1/eta."""
    base: Mapping[str, float] = field(default_factory=dict)
    """What stands against the policy: weights of all strategies, or nothing for equal ones."""

    def __post_init__(self) -> None:
        _require(0 < self.cap < 1, "trust.cap", self.cap, "a number over 0 and under 1")
        _require(0 < self.start <= self.cap, "trust.start", self.start, "a number over 0, up to trust.cap")
        _require(1 <= self.eta <= 100, "trust.eta", self.eta, "a number from 1 to 100")
        if self.base:
            named = set(self.base) == set(STRATEGIES)
            _require(named, "trust.base", self.base, "a weight for each of the strategies, or none at all")
            usable = min(self.base.values()) >= 0 and sum(self.base.values()) > 0
            _require(usable, "trust.base", self.base, "weights from 0 on, not all of them 0")

    @property
    def base_weights(self) -> tuple[float, ...]:
        """In the order of `STRATEGIES`; they need not sum to 1."""
        return tuple(self.base[name] for name in STRATEGIES) if self.base else (1 / len(STRATEGIES),) * len(STRATEGIES)


@dataclass(frozen=True)
class Config:
    account: Account = field(default_factory=Account)
    agent: Agent = field(default_factory=Agent)
    alerts: Alerts = field(default_factory=Alerts)
    attribution: Attribution = field(default_factory=Attribution)
    bot: Bot = field(default_factory=Bot)
    bounds: Bounds = field(default_factory=Bounds)
    bridge: Bridge = field(default_factory=Bridge)
    inference: Inference = field(default_factory=Inference)
    lab: Lab = field(default_factory=Lab)
    loop: Loop = field(default_factory=Loop)
    optimizer: Optimizer = field(default_factory=Optimizer)
    promotion: Promotion = field(default_factory=Promotion)
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    risk: RiskLimits = field(default_factory=RiskLimits)
    tracker: Tracker = field(default_factory=Tracker)
    trainer: Trainer = field(default_factory=Trainer)
    trust: Trust = field(default_factory=Trust)


def _require(holds: bool, key: str, value: Any, expected: str) -> None:
    if not holds:
        raise BadSetting(key, value, expected)
