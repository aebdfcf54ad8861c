"""What an account has shown of its strategies by name: how good each is in the long run, and which thrive together.

A network with inputs for each strategy would learn their names by heart long before it had seen enough of them. So
what depends on names is no network but two statistics of the history, each shrunk by the part of it that chance alone
would explain (James and Stein). Where there is nothing to know, or too few days to tell, both are 0.

- Standing: in the long run one strategy may be better than another.
- Kinship: in a regime that favours two strategies, the gains of the one are news about the other. Some pairs may be
  kin and the rest strangers, so each pair is shrunk once more, by what chance would explain of it alone.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import NamedTuple

import numpy as np

from ai.feature_table import SHARED
from ai.histories import History
from ai.smoothing import FloatArray
from contract.schema.names import STRATEGIES
from trading.metrics import PERIODS_PER_YEAR

_SHARPES = [SHARED.index(name) for name in SHARED if name.startswith("sharpe_")]
_LONGEST_LAG_DAYS = 250
_LEAST_DAYS = 100
_FEWEST_PARTS, _MOST_PARTS = 2, 5


class Identity(NamedTuple):
    standing: FloatArray
    """(8,): how far a strategy's annual Sharpe ratio is above their mean, / 3 as in the features."""
    kinship: FloatArray
    """(8, 8), symmetric with a diagonal of 0: how much more two Sharpe features go together than any two of them."""


class Life(NamedTuple):
    """Days to learn from, and what an account that goes through them knows of its strategies."""

    history: History
    known: Identity


NOTHING_KNOWN = Identity(np.zeros(len(STRATEGIES)), np.zeros((len(STRATEGIES), len(STRATEGIES))))


def identity_of(history: History) -> Identity:
    return Identity(standing(history.seen[:, 0]), kinship(history.features))


def crossed(history: History, least_days: int) -> list[Life]:
    """The parts of a history, two to five of at least so many days where it has them, each with what the others show.

    How much such knowledge is worth can only be learnt on days that it does not come from: on its own days it is
    always worth too much. The more parts, the nearer is what each of them knows to what the whole history shows.
    """
    parts = min(max(history.days // least_days, _FEWEST_PARTS), _MOST_PARTS)
    edges = [history.days * part // parts for part in range(parts + 1)]
    return [_apart(history, start, stop) for start, stop in pairwise(edges)]


def _apart(history: History, start: int, stop: int) -> Life:
    """The days from start up to and without stop, and what all the others show."""
    own = slice(start, stop)
    returns, features = (np.delete(rows, own, axis=0) for rows in (history.seen[:, 0], history.features))
    return Life(history.between(start, stop), Identity(standing(returns), kinship(features)))


def standing(returns: FloatArray) -> FloatArray:
    """(8,) from a history's returns (days, 8)."""
    deviations = returns.std(axis=0) if len(returns) else np.zeros(len(STRATEGIES))
    if len(returns) < _LEAST_DAYS or deviations.min() < 1e-6:
        return NOTHING_KNOWN.standing
    ratios = sqrt(PERIODS_PER_YEAR) * returns.mean(axis=0) / deviations
    above = ratios - ratios.mean()
    # What the strategies have in common moves all of them, and none against the others.
    correlation = np.asarray(np.corrcoef(returns.T))
    common = float(correlation[~np.eye(len(above), dtype=bool)].mean())
    by_chance = PERIODS_PER_YEAR / len(returns) * (1.0 - common) * (len(above) - 1) / len(above)
    shrunk: FloatArray = above * _beyond_chance(above, by_chance) / 3.0
    return shrunk


def kinship(features: FloatArray) -> FloatArray:
    """(8, 8) from a history's features (days, 28)."""
    sharpes = features[:, _SHARPES]
    count = sharpes.shape[1]
    deviations = sharpes.std(axis=0)
    if len(sharpes) < _LEAST_DAYS or deviations.min() < 1e-6:
        return NOTHING_KNOWN.kinship
    scores = (sharpes - sharpes.mean(axis=0)) / deviations
    correlation = scores.T @ scores / len(scores)
    others = ~np.eye(count, dtype=bool)
    excess = np.where(others, correlation - correlation[others].mean(), 0.0)
    by_chance = _variance_by_chance(scores)
    of_each = np.square(excess)
    shrunk: FloatArray = excess * _beyond_chance(excess[others], by_chance) * of_each / (of_each + by_chance)
    return shrunk


def _beyond_chance(found: FloatArray, by_chance: float) -> float:
    """The share of what was found that chance, with its variance, does not explain."""
    spread = float(np.square(found).mean())
    return 1.0 - by_chance / spread if spread > by_chance else 0.0


def _variance_by_chance(scores: FloatArray) -> float:
    """Of the correlation between two such series that have nothing to do with each other.

    Days that remember each other count for less than their number: by the sum of their squared autocorrelations.
    """
    days = len(scores)
    lags = range(1, min(_LONGEST_LAG_DAYS, days // 2))
    remembered = sum(float((scores[lag:] * scores[:-lag]).mean()) ** 2 for lag in lags)
    return (1.0 + 2.0 * remembered) / days
