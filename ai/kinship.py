"""Which strategies do well together: the one thing about their identities that a short history can teach.

In a regime that favours two strategies, the gains of the one are news about the other. A network with inputs for each
strategy would have to learn that pair by pair, and learns noise long before; here it is a statistic instead: how the
Sharpe features of two strategies were correlated, more or less than any two of them, times the part of those
differences that chance does not explain. Where there is no such structure, or too few days to tell, it is 0.
"""

from __future__ import annotations

import numpy as np

from ai.feature_table import SHARED
from ai.smoothing import FloatArray

_SHARPES = [SHARED.index(name) for name in SHARED if name.startswith("sharpe_")]
_LONGEST_LAG_DAYS = 250
_LEAST_DAYS = 100


def kinship(features: FloatArray) -> FloatArray:
    """(8, 8), symmetric with a diagonal of 0, from a history's features (days, 28)."""
    sharpes = features[:, _SHARPES]
    count = sharpes.shape[1]
    nothing = np.zeros((count, count))
    deviations = sharpes.std(axis=0)
    if len(sharpes) < _LEAST_DAYS or deviations.min() < 1e-6:
        return nothing
    scores = (sharpes - sharpes.mean(axis=0)) / deviations
    correlation = scores.T @ scores / len(scores)
    others = ~np.eye(count, dtype=bool)
    excess = np.where(others, correlation - correlation[others].mean(), 0.0)
    spread = np.square(excess[others]).mean()
    by_chance = _variance_by_chance(scores)
    return excess * (1.0 - by_chance / spread) if spread > by_chance else nothing


def _variance_by_chance(scores: FloatArray) -> float:
    """Of the correlation between two such series that have nothing to do with each other.

    Days that remember each other count for less than their number: by the sum of their squared autocorrelations.
    """
    days = len(scores)
    lags = range(1, min(_LONGEST_LAG_DAYS, days // 4))
    remembered = sum(float((scores[lag:] * scores[:-lag]).mean()) ** 2 for lag in lags)
    return (1.0 + 2.0 * remembered) / days
