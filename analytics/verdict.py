"""Is it better than equal weight, and how sure is that?

To be called better takes two things. The interval of the difference of Sharpe ratios, from the same days for both, must
lie above 0. And the evidence must hold on whichever day one looks: an interval that is computed anew every hour will
lie above 0 one day by luck alone, and an e-value will not. To be called worse the interval is enough, because a
warning that comes early costs less than one that comes late. Everything else is not proven.
"""

from __future__ import annotations

from math import isfinite, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contract.config import Tracker
from contract.schema.judgement import BETTER, NOT_PROVEN, WORSE
from trading.metrics import PERIODS_PER_YEAR, Interval, bootstrap, percentile_interval, sharpe

FloatArray = NDArray[np.float64]


class Difference(NamedTuple):
    """How much better the one Sharpe ratio is than the other (annual); nan where that is not known."""

    value: float
    interval: Interval


UNKNOWN = Difference(nan, Interval(nan, nan))


class Verdict(NamedTuple):
    word: str
    """One of `contract.schema.judgement.VERDICTS`."""
    reason: str
    days: int
    difference: Difference
    e_value: float | None


def paired_difference(
    ours: ArrayLike,
    others: ArrayLike,
    rng: np.random.Generator,
    terms: Tracker,
    periods_per_year: float = PERIODS_PER_YEAR,
) -> Difference:
    """Of the Sharpe ratios of net returns (days,) on the same days: the days are resampled for both alike."""
    pair = np.stack([np.asarray(ours, dtype=np.float64), np.asarray(others, dtype=np.float64)])
    if pair.shape[-1] < 2 or not np.isfinite(pair).all():
        return UNKNOWN

    def difference(both: FloatArray) -> FloatArray:
        first, second = sharpe(both, periods_per_year)
        return np.asarray(first - second)

    drawn = bootstrap(pair, difference, rng, draws=terms.draws, mean_block=terms.mean_block)
    return Difference(float(difference(pair)), percentile_interval(drawn, terms.level))


def judge(
    ours: ArrayLike,
    equal_weight: ArrayLike,
    e_value: float | None,
    rng: np.random.Generator,
    terms: Tracker,
    periods_per_year: float = PERIODS_PER_YEAR,
) -> Verdict:
    """The verdict on net returns (days,) against those of equal weight on the same days.

    e_value: of the policy against its base on the live days; None where nothing is known of it.
    """
    days = len(np.asarray(ours))
    difference = paired_difference(ours, equal_weight, rng, terms, periods_per_year)
    word, reason = _word(days, difference, e_value, terms)
    return Verdict(word, reason, days, difference, e_value)


def _word(days: int, difference: Difference, e_value: float | None, terms: Tracker) -> tuple[str, str]:
    low, high = difference.interval
    if days < terms.least_days:
        return NOT_PROVEN, f"{days} live days are too few to tell: at least {terms.least_days} are needed"
    if not (isfinite(difference.value) and isfinite(low) and isfinite(high)):
        return NOT_PROVEN, "what some of the days brought is not known"
    ahead = "ahead" if difference.value >= 0.0 else "behind"
    by = f"{ahead} by {abs(difference.value):.2f} in Sharpe ratio"
    said = f"{by}, between {low:+.2f} and {high:+.2f} at {terms.level:.0%}"
    if high < 0.0:
        return WORSE, f"{said}: all of it below 0"
    if not low > 0.0:
        return NOT_PROVEN, f"{said}: 0 is among what is possible"
    if e_value is None or not e_value >= terms.least_e_value:
        evidence = "there is no e-value" if e_value is None else f"the e-value is {e_value:.3g}"
        return NOT_PROVEN, f"{said}, but {evidence}: {terms.least_e_value:g} is needed to hold whenever one looks"
    return BETTER, f"{said}: all of it above 0; the e-value is {e_value:.3g}, and {terms.least_e_value:g} is needed"
