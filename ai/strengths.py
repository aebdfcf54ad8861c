"""How much of what the policy says suits an account: four numbers, found by trying.

They multiply the strengths of the policy's residual and its network's say, which may come from other worlds. Because
they are so few, even a short history tells them apart from noise; because a replay of a whole history takes
milliseconds, no gradient is needed. Steps around the best so far are tried on the training days, and become smaller
when none of them helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ai.course import EQUAL, without_account
from ai.histories import History
from ai.identity import Life
from ai.policy import RESIDUALS, Policy
from ai.smoothing import FloatArray
from trading.metrics import sharpe
from trading.rebalancing import Rules, earn, follow
from trading.simplex_array import softmax

TRIED_AT_ONCE = 8
_FIRST_STEP, _SHRINK = 0.4, 0.7
_OF_DISTANCE = 0.03
_LOWEST, _HIGHEST = -5.0, 2.0


class Found(NamedTuple):
    """The best so far."""

    policy: Policy
    worth: float
    """Annual Sharpe ratio of the training days, less a penalty: see `_worth`."""
    step: float
    """How far from the best the next ones are looked for, as a logarithm."""


def search(policy: Policy, lives: Sequence[Life], rules: Rules, rng: np.random.Generator) -> Iterator[Found]:
    """The best after each round, without end.

    It begins with the policy as it is, or without what its network says, where these days were better without.
    """
    best, step = np.zeros(len(RESIDUALS) + 1), _FIRST_STEP
    starts = [(some, _terms(some, lives)) for some in (policy, _silent(policy))]
    worths = [float(_worth(best[np.newaxis], terms, rules)[0]) for _, terms in starts]
    worth = max(worths)
    policy, terms = starts[worths.index(worth)]
    while True:
        yield Found(_scaled(policy, best), worth, step)
        tried = np.clip(best + step * rng.standard_normal((TRIED_AT_ONCE, len(best))), _LOWEST, _HIGHEST)
        found = _worth(tried, terms, rules)
        if found.max() > worth:
            best, worth = tried[int(found.argmax())], float(found.max())
        else:
            step *= _SHRINK


def _scaled(policy: Policy, logs: FloatArray) -> Policy:
    *strengths, share = np.exp(logs)
    return _speaking(replace(policy, residual=policy.residual * strengths), share)


def _silent(policy: Policy) -> Policy:
    return _speaking(policy, 0.0)


def _speaking(policy: Policy, share: float) -> Policy:
    """With so much of what its network says."""
    if not policy.layers:
        return policy
    *inner, (weight, bias) = policy.layers
    return replace(policy, layers=(*inner, (share * weight, share * bias)))


class _Terms(NamedTuple):
    """What a policy says of a life: the strengths only multiply it, so it is computed once for all that are tried."""

    said: FloatArray
    """(days + 1, 8, 4): of each strategy, by each part of the residual and by the network."""
    returns: FloatArray
    """(days, 8)"""

    @classmethod
    def of(cls, policy: Policy, history: History) -> _Terms:
        """As if the account had no path of its own, for a policy that looks at it."""
        rows = without_account(history.features)
        alone = [replace(policy, residual=row, layers=()) for row in np.diag(policy.residual)]
        network = replace(policy, residual=np.zeros(len(RESIDUALS)))
        return cls(np.stack([part.logits(rows) for part in (*alone, network)], axis=-1), history.returns)

    def net(self, logs: FloatArray, rules: Rules) -> FloatArray:
        """(days, tried) returns after costs, where the strengths are multiplied by exp(logs (tried, 4))."""
        wanted = softmax((self.said @ np.exp(logs).T).swapaxes(-1, -2))
        before = np.tile(EQUAL, (len(logs), 1))
        weights = follow(wanted, before, rules)[:-1]
        return earn(weights, self.returns[:, np.newaxis], before, rules).net


def _terms(policy: Policy, lives: Sequence[Life]) -> list[_Terms]:
    return [_Terms.of(replace(policy, **life.known._asdict()), life.history) for life in lives]


def _worth(logs: FloatArray, terms: Sequence[_Terms], rules: Rules) -> FloatArray:
    """(tried,) of logs (tried, 4): the annual Sharpe ratio of all lives, net of costs, less a penalty.

    The further a policy is from the one it began as, the greater that is.
    """
    net = np.concatenate([life.net(logs, rules) for life in terms])
    reached: FloatArray = np.nan_to_num(sharpe(net.T), nan=0.0) - _OF_DISTANCE * np.square(logs).sum(axis=-1)
    return reached
