"""The account's own path: its wealth, and the six features that depend on the weights it held.

Everything is of n accounts at once, an element or a row each: training steps its replicas together; live there is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ai.feature_table import LIMIT
from ai.smoothing import FloatArray, decay_of, run_through, standard_error
from contract.schema.names import STRATEGIES

LARGEST_LOSS, LARGEST_GAIN = 0.95, 1e6
"""Of a day, as a share of the account. A loss of everything would be one for ever."""

_COUNT = len(STRATEGIES)
_ONES = np.ones(_COUNT)
_DECAY, _VARIANCE_DECAY = decay_of(20.0), decay_of(60.0)
_IN_ERRORS = (1.0 - _DECAY) / standard_error(_DECAY)
_FIRST_VARIANCE = 0.005**2


def counted(net_returns: ArrayLike) -> FloatArray:
    """Returns as they count: 0 where they are not finite, and between the largest loss and the largest gain."""
    returns = np.asarray(net_returns, dtype=np.float64)
    finite = np.where(np.isfinite(returns), returns, 0.0)
    return np.asarray(np.minimum(np.maximum(finite, -LARGEST_LOSS), LARGEST_GAIN))


class Wealth(NamedTuple):
    """Of n accounts, each against its start; as logarithms, which no run of gains or losses can exhaust."""

    log: FloatArray
    log_peak: FloatArray

    @classmethod
    def at_start(cls, accounts: int) -> Wealth:
        return cls(np.zeros(accounts), np.zeros(accounts))

    def along(self, returns: FloatArray) -> Wealth:
        """After each of some days, (days, n); returns (days, n) as they are `counted`, costs taken off."""
        log = self.log + np.cumsum(np.log1p(returns), axis=0)
        return Wealth(log, np.maximum(np.maximum.accumulate(log, axis=0), self.log_peak))

    def drawdown(self) -> FloatArray:
        """(n,), the share of the peak that is lost: from 0 to 1."""
        return np.asarray(-np.expm1(self.log - self.log_peak))


class AccountState(NamedTuple):
    """What is remembered of n accounts."""

    wealth: Wealth
    weights: FloatArray
    """(n, 8): those in force on the last day. Each row sums to 1."""
    gains: FloatArray
    """(n,): the sum of net returns that forgets with a half-life of 20 days."""
    variance: FloatArray
    """(n,): of net returns about 0, over 60 days. It starts at half a percent a day."""

    @classmethod
    def opened(cls, accounts: int) -> AccountState:
        """On the first morning, with equal weights."""
        equal = np.full((accounts, _COUNT), 1.0 / _COUNT)
        return cls(Wealth.at_start(accounts), equal, np.zeros(accounts), np.full(accounts, _FIRST_VARIANCE))

    def along(self, weights: ArrayLike, net_returns: ArrayLike) -> AccountState:
        """After each of some days, on an axis of its own before the accounts.

        Weights (days, n, 8) were in force, and net_returns (days, n) were earned with them, costs taken off.
        """
        returns = counted(net_returns)
        gains = np.concatenate((self.gains[np.newaxis], returns))
        variance = np.concatenate((self.variance[np.newaxis], (1.0 - _VARIANCE_DECAY) * (returns * returns)))
        run_through(gains, _DECAY)
        run_through(variance, _VARIANCE_DECAY)
        return AccountState(self.wealth.along(returns), np.array(weights, dtype=np.float64), gains[1:], variance[1:])

    def after(self, weights: ArrayLike, net_returns: ArrayLike) -> AccountState:
        """A day later: weights (n, 8) were in force, and net_returns (n,) were earned with them."""
        return self.along(np.asarray(weights)[np.newaxis], np.asarray(net_returns)[np.newaxis]).on(0)

    def on(self, day: int) -> AccountState:
        """The state on one of the days of `along`."""
        wealth = Wealth(self.wealth.log[day], self.wealth.log_peak[day])
        return AccountState(wealth, self.weights[day], self.gains[day], self.variance[day])


def portfolio_features(state: AccountState, floor: float, exposures: FloatArray | None = None) -> FloatArray:
    """The portfolio group of `ai.feature_table` (n, 6), or (days, n, 6) of states along some days.

    floor: the least weight that a strategy can have. exposures (8,) or (..., 8): what share of its capital each
    strategy has invested; without them, all of it.
    """
    weights = state.weights
    invested = weights if exposures is None else weights * exposures
    features = np.empty((*weights.shape[:-1], 6))
    features[..., 0] = state.wealth.log / 0.2
    features[..., 1] = 1.0 - invested @ _ONES
    features[..., 2] = (weights > 1.5 * floor) @ _ONES / _COUNT
    features[..., 3] = state.wealth.drawdown() / 0.2
    features[..., 4] = _IN_ERRORS * state.gains / np.sqrt(state.variance + 1e-12)
    features[..., 5] = 1.0 / (_COUNT * ((weights * weights) @ _ONES))
    np.minimum(np.maximum(features, -LIMIT, out=features), LIMIT, out=features)
    return features
