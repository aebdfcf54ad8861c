"""How much of what the policy says suits an account: four numbers, found by trying.

They multiply the strengths of the policy's residual and its network's say, which may come from other worlds. Because
they are so few, even a short history tells them apart from noise; because a replay of a whole history takes
milliseconds, no gradient is needed. Steps around the best so far are tried on the training days, and become smaller
when none of them helps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ai.course import run
from ai.histories import History
from ai.identity import Life
from ai.policy import RESIDUALS, Policy
from ai.smoothing import FloatArray
from trading.metrics import sharpe
from trading.rebalancing import Rules

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
    """The best after each round, without end. It begins with the policy as it is."""
    best, step = np.zeros(len(RESIDUALS) + 1), _FIRST_STEP
    worth = _worth(policy, best, lives, rules)
    while True:
        yield Found(_scaled(policy, best), worth, step)
        tried = np.clip(best + step * rng.standard_normal((TRIED_AT_ONCE, len(best))), _LOWEST, _HIGHEST)
        found = [_worth(policy, logs, lives, rules) for logs in tried]
        if max(found) > worth:
            best, worth = tried[int(np.argmax(found))], max(found)
        else:
            step *= _SHRINK


def sigma_of(training: History) -> float:
    """The deviation of a day's return at equal weights: the yardstick of the reward."""
    return float(np.clip(training.returns.mean(axis=1).std(), 1e-6, 1.0))


def _scaled(policy: Policy, logs: FloatArray) -> Policy:
    *strengths, share = np.exp(logs)
    layers = policy.layers
    if layers:
        weight, bias = layers[-1]
        layers = (*layers[:-1], (share * weight, share * bias))
    return replace(policy, residual=policy.residual * strengths, layers=layers)


def _worth(policy: Policy, logs: FloatArray, lives: Sequence[Life], rules: Rules) -> float:
    """The annual Sharpe ratio of all lives, net of costs; less the further the policy is from the one it began as."""
    some = _scaled(policy, logs)
    net = [run(replace(some, **known._asdict()), history, rules).net for history, known in lives]
    reached = float(sharpe(np.concatenate(net)))
    return (reached if math.isfinite(reached) else 0.0) - _OF_DISTANCE * float(logs @ logs)
