"""A simulated market: daily bars of many symbols, driven by regimes that the bars do not name.

Three regimes follow each other at random. In a *trend* every symbol keeps a direction of its own; in a *range* what
a symbol does apart from the market is undone again; in a *crisis* the market falls, everything moves together,
spreads between related symbols tear open and the volatility index spikes. Whatever the regime, returns have fat
tails, volatility comes in clusters, and a fall raises it more than a rise.

The world is a function of the generator and the parameters, and longer is the same world continued: the first days
of `simulate(n + 1, ...)` are those of `simulate(n, ...)`, bit for bit, when both generators are new and of one seed. So
a bot that lives in it keeps a seed and a count of days, nothing else. Each kind of chance has a stream of its own,
drawn day by day; and there is no matrix product, whose rounding could depend on the number of threads.
"""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trading.bars import Bars, FloatArray

REGIMES = ("trend", "range", "crisis")
TRADING_DAYS = 252

GARCH_SHOCK, GARCH_LEVERAGE, GARCH_MEMORY = 0.04, 0.10, 0.88
LARGEST_CLUSTER = 2.0
"""Volatility over its regime's own, at most."""
LARGEST_SHOCK = 6.0
"""In standard deviations."""
REGIME_SPEED = 0.25
"""Share of the way to a new regime's volatility that each day goes."""


@dataclass(frozen=True)
class Regime:
    """What holds while one regime lasts. Drifts and volatilities are those of log prices, per year."""

    mean_days: float
    """Average length of an episode."""
    next_regimes: tuple[float, float, float]
    """Chance that each of `REGIMES` is the next episode; the same regime again is a new episode."""
    market_drift: float
    market_volatility: float
    """Of the factor that all symbols share."""
    own_volatility: float
    """Of the part that is a symbol's alone."""
    own_drift: float
    """Standard deviation, over symbols and episodes, of the drift that a symbol keeps for one episode."""
    pull_per_day: float
    """Share of a symbol's own movement since the episode began that is undone each day."""
    spread_volatility: float
    """Of the spread between cointegrated symbols."""
    spread_pull_per_day: float
    """Share of the spread that closes each day."""


@dataclass(frozen=True)
class MarketParameters:
    """The defaults give each family of rules a regime in which it earns and one in which it loses."""

    symbols: tuple[str, ...] = tuple(f"SIM{number:02d}" for number in range(1, 21))
    cointegrated_pairs: int = 4
    """The first symbols, two by two: the second of a pair follows the first with a spread that closes."""
    first_day: date = date(2005, 1, 3)
    """A bar for every day from Monday to Friday from here on."""
    trend: Regime = Regime(
        mean_days=80,
        next_regimes=(0.3, 0.5, 0.2),
        market_drift=0.12,
        market_volatility=0.13,
        own_volatility=0.20,
        own_drift=0.40,
        pull_per_day=0.0,
        spread_volatility=0.20,
        spread_pull_per_day=0.10,
    )
    range: Regime = Regime(
        mean_days=80,
        next_regimes=(0.55, 0.25, 0.2),
        market_drift=0.08,
        market_volatility=0.13,
        own_volatility=0.25,
        own_drift=0.0,
        pull_per_day=0.06,
        spread_volatility=0.20,
        spread_pull_per_day=0.20,
    )
    crisis: Regime = Regime(
        mean_days=35,
        next_regimes=(0.5, 0.5, 0.0),
        market_drift=-0.90,
        market_volatility=0.38,
        own_volatility=0.25,
        own_drift=0.0,
        pull_per_day=0.0,
        spread_volatility=0.50,
        spread_pull_per_day=0.0,
    )
    tail_degrees: float = 5.0
    """Degrees of freedom of the shocks' Student distribution; above 2, and the fewer, the fatter the tails."""
    night_share: float = 0.2
    """Share of a day's variance that falls between the last close and the open."""
    index_premium: float = 1.15
    """The volatility index over the volatility to be expected, as a factor."""

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.cointegrated_pairs <= len(self.symbols):
            raise ValueError(f"{self.cointegrated_pairs} pairs need twice as many symbols, not {len(self.symbols)}")
        for name in REGIMES:
            regime: Regime = getattr(self, name)
            if regime.mean_days < 1 or min(regime.next_regimes) < 0 or abs(sum(regime.next_regimes) - 1) > 1e-9:
                raise ValueError(f"{name}: mean_days is at least 1, next_regimes are chances that sum to 1: {regime}")
            if min(regime.market_volatility, regime.own_volatility, regime.spread_volatility) <= 0:
                raise ValueError(f"{name}: every volatility is above 0: {regime}")
            if not (0 <= regime.pull_per_day < 1 and 0 <= regime.spread_pull_per_day < 1):
                raise ValueError(f"{name}: a pull undoes a share of the distance, from 0 to below 1: {regime}")
        if self.tail_degrees <= 2:
            raise ValueError(f"tail_degrees {self.tail_degrees}: shocks have a variance only above 2")
        if not 0 < self.night_share < 1:
            raise ValueError(f"night_share {self.night_share}: a share of the day's variance, between 0 and 1")

    def by_day(self, field: str, regimes: NDArray[np.int8]) -> FloatArray:
        """(days,) the value of a `Regime` field on each day."""
        return np.array([getattr(getattr(self, name), field) for name in REGIMES], dtype=np.float64)[regimes]


class SimulatedMarket(NamedTuple):
    bars: Bars
    regimes: NDArray[np.int8]
    """(days,) index into `REGIMES`; hidden from rules and learners, for judging them."""


class _Streams(NamedTuple):
    """One generator for each kind of chance: a world of more days draws more of each, after the same beginning."""

    symbols: np.random.Generator
    regimes: np.random.Generator
    drifts: np.random.Generator
    market: np.random.Generator
    own: np.random.Generator
    spreads: np.random.Generator
    nights: np.random.Generator
    extremes: np.random.Generator
    volume: np.random.Generator
    fear: np.random.Generator


def simulate(days: int, rng: np.random.Generator, parameters: MarketParameters = MarketParameters()) -> SimulatedMarket:
    """The first `days` days of the world that `rng` stands for."""
    p = parameters
    streams = _Streams(*rng.spawn(len(_Streams._fields)))
    regimes, begins = _regime_path(days, p, streams.regimes)
    factor = _market_factor(regimes, p, streams.market)
    returns, daily_sd = _log_returns(regimes, begins, factor, p, streams)
    first_price = np.exp(streams.symbols.uniform(np.log(20), np.log(400), len(p.symbols)))
    prices = _day_shapes(np.log(first_price) + np.cumsum(returns, axis=0), returns, daily_sd, p, streams)
    bars = Bars(
        times=np.busday_offset([p.first_day], np.arange(days), roll="forward"),
        symbols=p.symbols,
        **prices._asdict(),
        volume=_volumes(returns, daily_sd, streams),
        volatility_index=_volatility_index(factor, p, streams.fear),
    )
    return SimulatedMarket(bars, regimes)


def _regime_path(
    days: int, p: MarketParameters, rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Each day's regime, and whether an episode begins on it; the world opens as if after a crisis."""
    chance = rng.random((days, 2))
    kinds = [getattr(p, name) for name in REGIMES]
    following = np.cumsum([kind.next_regimes for kind in kinds], axis=1)
    regimes, begins = np.zeros(days, dtype=np.int8), np.zeros(days, dtype=np.bool_)
    regime = REGIMES.index("crisis")
    for day in range(days):
        if day == 0 or chance[day, 0] < 1 / kinds[regime].mean_days:
            regime = int((chance[day, 1] * following[regime, -1] >= following[regime]).sum())
            begins[day] = True
        regimes[day] = regime
    return regimes, begins


class _Factor(NamedTuple):
    """The market's common movement, all per day and (days,)."""

    returns: FloatArray
    sd: FloatArray
    """Of the day's return, as known the evening before."""
    next_sd: FloatArray
    """Of the next day's return, as known at the close."""
    cluster: FloatArray
    """sd over the sd that the regime alone would give."""


def _market_factor(regimes: NDArray[np.int8], p: MarketParameters, rng: np.random.Generator) -> _Factor:
    """A GARCH process with leverage around the regime's volatility, which a new regime approaches in some days."""
    shock = _student(len(regimes), p, rng).tolist()
    regime_sd = (p.by_day("market_volatility", regimes) / np.sqrt(TRADING_DAYS)).tolist()
    level, variance = p.range.market_volatility / np.sqrt(TRADING_DAYS), 1.0
    rows = []
    for z, target in zip(shock, regime_sd, strict=True):
        level += REGIME_SPEED * (target - level)
        sd, cluster = level * variance**0.5, variance**0.5
        reaction = GARCH_SHOCK + (GARCH_LEVERAGE if z < 0 else 0.0)
        rest = 1 - GARCH_SHOCK - GARCH_LEVERAGE / 2 - GARCH_MEMORY
        variance *= GARCH_MEMORY + reaction * z * z
        variance = min(variance + rest, LARGEST_CLUSTER**2)
        rows.append((sd * z, sd, level * variance**0.5, cluster))
    returns, sds, next_sd, cluster_path = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return _Factor(returns + p.by_day("market_drift", regimes) / TRADING_DAYS, sds, next_sd, cluster_path)


def _log_returns(
    regimes: NDArray[np.int8],
    begins: NDArray[np.bool_],
    factor: _Factor,
    p: MarketParameters,
    streams: _Streams,
) -> tuple[FloatArray, FloatArray]:
    """(days, symbols) log returns from close to close, and the standard deviation of each."""
    days, count = len(regimes), len(p.symbols)
    beta, scale = streams.symbols.uniform(0.7, 1.3, (2, count))
    own_sd = np.outer(p.by_day("own_volatility", regimes) * factor.cluster, scale) / np.sqrt(TRADING_DAYS)
    own = own_sd * _student((days, count), p, streams.own)
    shock = np.outer(factor.returns, beta) + own

    episode = np.maximum.accumulate(np.where(begins, np.arange(days), 0))
    direction = streams.drifts.standard_normal((days, count))[episode]
    drift = direction * p.by_day("own_drift", regimes)[:, None] / TRADING_DAYS

    pull = p.by_day("pull_per_day", regimes)
    distance = _decaying_sum(own, np.where(begins, 0.0, 1 - pull))
    pulled = np.zeros_like(shock)
    pulled[1:] = distance[:-1] * np.where(begins, 0.0, pull)[1:, None]
    returns, daily_sd = shock + drift - pulled, np.hypot(np.outer(factor.sd, beta), own_sd)
    _tie_pairs(returns, daily_sd, regimes, factor, p, streams)
    return returns, daily_sd


def _tie_pairs(
    returns: FloatArray,
    daily_sd: FloatArray,
    regimes: NDArray[np.int8],
    factor: _Factor,
    p: MarketParameters,
    streams: _Streams,
) -> None:
    """Make the second of each cointegrated pair follow the first, in place."""
    leaders = slice(0, 2 * p.cointegrated_pairs, 2)
    followers = slice(1, 2 * p.cointegrated_pairs, 2)
    hedge = streams.symbols.uniform(0.7, 1.3, p.cointegrated_pairs)
    sd = (p.by_day("spread_volatility", regimes) * factor.cluster / np.sqrt(TRADING_DAYS))[:, None]
    noise = sd * streams.spreads.standard_normal((len(regimes), p.cointegrated_pairs))
    spread = _decaying_sum(noise, 1 - p.by_day("spread_pull_per_day", regimes))
    widening = np.diff(spread, axis=0, prepend=np.zeros_like(spread[:1]))
    returns[:, followers] = hedge * returns[:, leaders] + widening
    daily_sd[:, followers] = np.hypot(hedge * daily_sd[:, leaders], sd)


class _Prices(NamedTuple):
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


def _day_shapes(
    log_close: FloatArray, returns: FloatArray, daily_sd: FloatArray, p: MarketParameters, streams: _Streams
) -> _Prices:
    """Open, high and low of a Brownian day that ends at the close.

    The open is a point of the bridge from the last close to this one; high and low follow the distribution of the
    extremes of the bridge from open to close.
    """
    night = streams.nights.standard_normal(returns.shape)
    pairs = 2 * p.cointegrated_pairs
    night[:, 1:pairs:2] = night[:, 0:pairs:2]
    gap = p.night_share * returns + np.sqrt(p.night_share * (1 - p.night_share)) * daily_sd * night
    log_open = log_close - returns + gap
    day = log_close - log_open
    chance = -2 * np.log1p(-streams.extremes.random((*returns.shape, 2)))
    reach = np.sqrt(day[..., None] ** 2 + (1 - p.night_share) * daily_sd[..., None] ** 2 * chance)
    open_, close = np.exp(log_open), np.exp(log_close)
    high = np.exp(log_open + (day + reach[..., 0]) / 2)
    low = np.exp(log_open + (day - reach[..., 1]) / 2)
    # In real numbers the extremes enclose both; in rounded ones they may miss by a bit.
    high = np.maximum(high, np.maximum(open_, close))
    low = np.minimum(low, np.minimum(open_, close))
    return _Prices(open_, high, low, close)


def _volumes(returns: FloatArray, daily_sd: FloatArray, streams: _Streams) -> FloatArray:
    """Whole units; busier on days that move far and while volatility is high, with a memory of some days."""
    usual = streams.symbols.uniform(12, 16, returns.shape[1])
    mood = _decaying_sum(0.2 * streams.volume.standard_normal(returns.shape), np.full(len(returns), 0.7))
    surprise = np.minimum(np.abs(returns) / daily_sd, 5.0)
    unrest = np.log(daily_sd * np.sqrt(TRADING_DAYS) / 0.25)
    volume: FloatArray = np.rint(np.exp(usual + mood + 0.25 * surprise + 0.4 * unrest)) + 1
    return volume


def _volatility_index(factor: _Factor, p: MarketParameters, rng: np.random.Generator) -> FloatArray:
    """Percent a year: most of today's variance is expected to last, and each day's return moves the mood."""
    usual = p.range.market_volatility**2
    expected = np.sqrt(0.75 * factor.next_sd**2 * TRADING_DAYS + 0.25 * usual)
    news = -0.04 * factor.returns / factor.sd + 0.02 * rng.standard_normal(len(factor.sd))
    mood = _decaying_sum(news[:, None], np.full(len(news), 0.85))[:, 0]
    index: FloatArray = 100 * p.index_premium * expected * np.exp(mood)
    return index


def _student(shape: int | tuple[int, int], p: MarketParameters, rng: np.random.Generator) -> FloatArray:
    """Shocks of variance 1 with fat tails; none beyond `LARGEST_SHOCK`."""
    draws: FloatArray = rng.standard_t(p.tail_degrees, shape) * np.sqrt(1 - 2 / p.tail_degrees)
    return draws.clip(-LARGEST_SHOCK, LARGEST_SHOCK)


def _decaying_sum(shocks: FloatArray, keep: FloatArray) -> FloatArray:
    """Row t is row t - 1 times `keep[t]`, plus `shocks[t]`."""
    out = np.empty_like(shocks)
    state = np.zeros(shocks.shape[1])
    for row, (shock, share) in enumerate(zip(shocks, keep.tolist(), strict=True)):
        state = share * state + shock
        out[row] = state
    return out
