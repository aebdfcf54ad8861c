"""One definition of each measure of returns, wealth and weights, and of how sure of it one can be.

Shapes. Days are the last axis: returns are (..., days), so pass a book of (days, 8) as `book.T`. Weights are
(..., n). Leading axes pass through; a single series gives a scalar, which `float()` takes.

Units. A return is a fraction of the capital at the start of the day, turnover a fraction of the whole. Every Sharpe
ratio is annual, and so are its benchmarks and standard errors: a day's times sqrt(periods_per_year).

Nan means unknown. A nan or an infinity among the days of a series, or fewer days than the measure needs, makes the
measure nan: no day is left out in silence. Any other series (of numbers that are 0 or between 1e-100 and 1e100 in
size) gives a finite number, except where a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, e, inf, nan, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

Statistic = Callable[[FloatArray], FloatArray]
"""One figure a draw (draws,) of resampled series (..., draws, days): `sharpe` is one for series (days,)."""

PERIODS_PER_YEAR = 252.0

SPREAD_IS_ROUNDING = 1e-9
"""A standard deviation of at most this share of the mean is what rounding leaves of a constant series."""

CELLS_AT_ONCE = 2_000_000
"""How many resampled days `bootstrap` holds at once: arrays of 16 MB each."""


def sharpe(returns: ArrayLike, periods_per_year: float = PERIODS_PER_YEAR) -> FloatArray:
    """Annual Sharpe ratio of returns (..., days >= 2): mean / sd (n - 1) * sqrt(periods_per_year), no risk-free rate.

    A constant series (a strategy that never traded is one) has a ratio of 0: where no risk was seen, nothing is
    claimed about return for risk.
    """
    days = _known(returns, at_least=2)
    mean, sd = days.mean(axis=-1), days.std(axis=-1, ddof=1)
    constant = sd <= SPREAD_IS_ROUNDING * np.abs(mean)
    return np.where(constant, 0.0, mean / np.where(constant, 1.0, sd) * sqrt(periods_per_year))


def sortino(returns: ArrayLike, periods_per_year: float = PERIODS_PER_YEAR) -> FloatArray:
    """Annual Sortino ratio of returns (..., days >= 2): mean / downside deviation * sqrt(periods_per_year).

    The downside deviation is the root of the mean of min(return, 0)^2 over all days. Without a losing day the ratio
    is nan if there were gains (nothing was seen to measure them by, and 0 would slander them), else 0.
    """
    days = _known(returns, at_least=2)
    mean = days.mean(axis=-1)
    downside = np.sqrt(np.square(np.minimum(days, 0.0)).mean(axis=-1))
    ratio = mean / np.where(downside == 0.0, nan, downside) * sqrt(periods_per_year)
    return np.where((downside == 0.0) & (mean == 0.0), 0.0, ratio)


def volatility(returns: ArrayLike, periods_per_year: float = PERIODS_PER_YEAR) -> FloatArray:
    """Annual standard deviation (n - 1) of returns (..., days >= 2)."""
    days = _known(returns, at_least=2)
    return np.asarray(days.std(axis=-1, ddof=1) * sqrt(periods_per_year))


def annual_return(returns: ArrayLike, periods_per_year: float = PERIODS_PER_YEAR) -> FloatArray:
    """Compound growth a year of returns (..., days >= 1): wealth ** (periods_per_year / days) - 1. Ruin is -1.

    A gain of many times over in a few days is inf a year.
    """
    days = _known(returns, at_least=1)
    with np.errstate(over="ignore"):
        return np.asarray(wealth_of(days)[..., -1] ** (periods_per_year / days.shape[-1]) - 1.0)


def wealth_of(returns: ArrayLike) -> FloatArray:
    """Wealth (..., days + 1) that starts at 1 and compounds returns (..., days); once lost whole, it stays 0.

    nan from an unknown day on; inf from where no float is great enough.
    """
    growth = np.maximum(1.0 + _known(returns, at_least=0), 0.0)
    start = np.ones((*growth.shape[:-1], 1))
    with np.errstate(over="ignore"):
        return np.asarray(np.concatenate([start, growth], axis=-1).cumprod(axis=-1))


def drawdown(wealth: ArrayLike) -> FloatArray:
    """How far wealth (..., days) is below its highest so far, as a share of that: in [0, 1], every day.

    Wealth below 0 counts as 0. nan until wealth has been above 0, and from an unknown day on.
    """
    days = _known(wealth, at_least=0)
    peak = np.maximum.accumulate(days, axis=-1)
    return np.asarray(1.0 - np.maximum(days, 0.0) / np.where(peak > 0.0, peak, nan))


def max_drawdown(wealth: ArrayLike) -> FloatArray:
    """The deepest drawdown of wealth (..., days >= 1), in [0, 1]. Of returns: `max_drawdown(wealth_of(returns))`."""
    return np.asarray(drawdown(_known(wealth, at_least=1)).max(axis=-1))


def win_rate(outcomes: ArrayLike) -> FloatArray:
    """The share of gains among the gains and losses in outcomes (..., count): a 0 is neither. nan if all are 0."""
    known = _known(outcomes, at_least=1)
    gains = np.where(np.isnan(known), nan, known > 0.0).sum(axis=-1)
    decided = (known != 0.0).sum(axis=-1)
    return np.asarray(gains / np.where(decided > 0, decided, nan))


def win_rate_standard_error(rate: ArrayLike, count: ArrayLike) -> FloatArray:
    """Standard error of the win rate of `count` independent gains and losses, `rate` being the true one. nan of 0."""
    chance, number = np.asarray(rate, dtype=np.float64), np.asarray(count, dtype=np.float64)
    return np.sqrt(chance * (1.0 - chance) / np.where(number > 0.0, number, nan))


def drifted_weights(weights: ArrayLike, returns: ArrayLike) -> FloatArray:
    """What a day of returns (..., n) makes of weights (..., n) that nobody trades. nan once everything is lost."""
    grown = _known(weights, at_least=1) * (1.0 + _known(returns, at_least=1))
    total = grown.sum(axis=-1, keepdims=True)
    return np.asarray(grown / np.where(total > 0.0, total, nan))


def turnover(before: ArrayLike, after: ArrayLike) -> FloatArray:
    """L1 distance sum |after - before| of weights (..., n): selling everything to buy something else is 2.

    What rebalancing trades is the distance from the drifted weights, not from yesterday's: for weights and returns
    (days, n), `turnover(drifted_weights(weights[:-1], returns[:-1]), weights[1:])`.
    """
    return np.asarray(np.abs(_known(after, at_least=1) - _known(before, at_least=1)).sum(axis=-1))


def effective_number(weights: ArrayLike) -> FloatArray:
    """How many equal weights would be as concentrated: 1 / sum w^2 of weights (..., n) >= 0 scaled to sum 1.

    Between 1 (all in one) and n (equal). nan where all are 0.
    """
    values = _known(weights, at_least=1)
    largest = values.max(axis=-1, keepdims=True)
    scaled = values / np.where(largest > 0.0, largest, nan)
    return np.asarray(np.square(scaled.sum(axis=-1)) / np.square(scaled).sum(axis=-1))


class SharpeEstimate(NamedTuple):
    """A measured Sharpe ratio (annual) with what its uncertainty depends on. A normal kurtosis is 3."""

    sharpe: float
    days: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    periods_per_year: float = PERIODS_PER_YEAR

    @property
    def variance(self) -> float:
        """(days - 1) times the variance of the daily ratio, for independent days of any distribution."""
        daily = self.sharpe / sqrt(self.periods_per_year)
        return max(1.0 - self.skewness * daily + (self.kurtosis - 1.0) / 4.0 * daily * daily, 0.0)

    @property
    def standard_error(self) -> float:
        """Of `sharpe`, so annual. nan under 2 days."""
        return sqrt(self.variance / (self.days - 1) * self.periods_per_year) if self.days > 1 else nan


def sharpe_estimate(returns: ArrayLike, periods_per_year: float = PERIODS_PER_YEAR) -> SharpeEstimate:
    """The Sharpe ratio of returns (days,) with their skewness and kurtosis (those of a normal if constant)."""
    days = _known(returns, at_least=2)
    annual, count = float(sharpe(days, periods_per_year)), np.size(returns)
    deviation = days - days.mean()
    sd = float(np.sqrt(np.square(deviation).mean()))
    if not sd > SPREAD_IS_ROUNDING * abs(float(days.mean())):
        return SharpeEstimate(annual, count, periods_per_year=periods_per_year)
    skewness, kurtosis = (float(((deviation / sd) ** power).mean()) for power in (3, 4))
    return SharpeEstimate(annual, count, skewness, kurtosis, periods_per_year)


def probabilistic_sharpe(estimate: SharpeEstimate, benchmark: float = 0.0) -> float:
    """The probability that the true Sharpe ratio is above `benchmark` (annual): Bailey & Lopez de Prado 2012."""
    excess, error = estimate.sharpe - benchmark, estimate.standard_error
    if error == 0.0:
        return NormalDist().cdf(copysign(inf, excess) if excess else 0.0)
    return NormalDist().cdf(excess / error)


def expected_maximum_sharpe(trials: float, trial_sd: float) -> float:
    """The best Sharpe ratio to expect of `trials` independent trials without skill: Bailey & Lopez de Prado 2014.

    `trial_sd` is the standard deviation of the trials' ratios, and gives the result its unit. Correlated trials count
    as fewer, so `trials` need not be whole; a single one is expected at 0.
    """
    if not trials >= 1.0:
        raise ValueError(f"trials {trials!r}: needs at least 1")
    if trials == 1.0:
        return 0.0
    normal = NormalDist()
    # Gumbel's approximation of the greatest of `trials` standard normals; the lower tail keeps every digit.
    rare, rarer = -normal.inv_cdf(1.0 / trials), -normal.inv_cdf(1.0 / (trials * e))
    return trial_sd * max((1.0 - np.euler_gamma) * rare + np.euler_gamma * rarer, 0.0)


def deflated_sharpe(estimate: SharpeEstimate, trials: float, trial_sd: float) -> float:
    """The probability that the true Sharpe ratio of the best of `trials` is above what luck alone gives the best.

    It is the probabilistic Sharpe ratio against `expected_maximum_sharpe(trials, trial_sd)`, with an annual trial_sd.
    """
    return probabilistic_sharpe(estimate, expected_maximum_sharpe(trials, trial_sd))


def minimum_track_record(estimate: SharpeEstimate, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """How many days like these make it `confidence` probable that the true Sharpe ratio is above `benchmark` (annual).

    inf where the measured ratio is not above it: no length would do. Bailey & Lopez de Prado 2012.
    """
    excess = (estimate.sharpe - benchmark) / sqrt(estimate.periods_per_year)
    if excess <= 0.0:
        return inf
    return 1.0 + estimate.variance * (max(NormalDist().inv_cdf(confidence), 0.0) / excess) ** 2


def stationary_bootstrap_indices(
    days: int, draws: int, mean_block: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Which day stands at each place of `draws` resampled series: (draws, days), each in [0, days).

    The stationary bootstrap of Politis & Romano 1994: blocks of consecutive days, of geometrically distributed length
    with mean `mean_block`, that start anywhere and go on from the last day to the first.
    """
    if days < 1 or draws < 1 or not mean_block >= 1.0:
        raise ValueError(f"days {days!r}, draws {draws!r}, mean_block {mean_block!r}: each needs to be at least 1")
    cells = draws * days
    starts_block = rng.random(cells, dtype=np.float32) < 1.0 / mean_block
    starts_block[::days] = True
    place = np.flatnonzero(starts_block)
    shift = rng.integers(days, size=len(place)) - place
    indices = np.arange(cells) + np.repeat(shift, np.diff(place, append=cells))
    np.subtract(indices, days, out=indices, where=indices >= days)
    return indices.reshape(draws, days)


def bootstrap(
    series: ArrayLike, statistic: Statistic, rng: np.random.Generator, *, draws: int = 2_000, mean_block: float = 5.0
) -> FloatArray:
    """The statistic (draws,) of as many stationary resamples of series (..., days).

    The same days are drawn for all leading axes, so what depends on each other stays together. The standard deviation
    of the result is the standard error of the statistic.
    """
    known = _known(series, at_least=0)
    days, at_once = known.shape[-1], max(CELLS_AT_ONCE // max(known.size, 1), 1)
    figures = []
    for done in range(0, draws, at_once):
        indices = stationary_bootstrap_indices(days, min(at_once, draws - done), mean_block, rng)
        figures.append(statistic(known.take(indices, axis=-1)))
    return np.concatenate(figures)


class Interval(NamedTuple):
    low: float
    high: float


def percentile_interval(figures: ArrayLike, level: float = 0.95) -> Interval:
    """What holds the middle `level` of bootstrapped figures (draws,). nan if any of them is."""
    low, high = np.quantile(_known(figures, at_least=1), [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high))


class SharpeDifference(NamedTuple):
    """How much better the one Sharpe ratio is than the other (annual); nan all, if a day of either is unknown."""

    difference: float
    lower_bound: float
    standard_error: float


def paired_sharpe_difference(
    candidate: ArrayLike,
    incumbent: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.90,
    draws: int = 2_000,
    mean_block: float = 5.0,
    periods_per_year: float = PERIODS_PER_YEAR,
) -> SharpeDifference:
    """Sharpe ratio of `candidate` less that of `incumbent`, returns (days,) of the same days.

    The lower bound is one-sided: of stationary resamples of the days, the share `level` has a greater difference.
    It is a little too sure: at 90%, between books of equal ratio and independent fat-tailed days, it was above 0 in
    11.5% of 1,500 simulations of 250 days and in 10.7% of 1,000 of 500.
    """
    pair = np.stack([_known(candidate, at_least=2), _known(incumbent, at_least=2)])

    def difference(both: FloatArray) -> FloatArray:
        first, second = sharpe(both, periods_per_year)
        return np.asarray(first - second)

    figures = bootstrap(pair, difference, rng, draws=draws, mean_block=mean_block)
    lower_bound = np.quantile(figures, 1.0 - level)
    return SharpeDifference(float(difference(pair)), float(lower_bound), float(figures.std(ddof=1)))


def _known(values: ArrayLike, *, at_least: int) -> FloatArray:
    """The values as floats, with nan for what is not finite; where the last axis is too short, as long, and all nan."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape[-1] < at_least:
        return np.full((*array.shape[:-1], at_least), nan)
    finite = np.isfinite(array)
    return array if finite.all() else np.where(finite, array, nan)
