"""How much of what the policy says suits an account: four numbers, found by trying.

They multiply the strengths of the policy's residual and its network's say, which may come from other worlds. Because
they are so few, even a short history tells them apart from noise; because a replay of a whole history takes
milliseconds, no gradient is needed. Steps around the best so far are tried on the training days, and become smaller
when none of them helps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ai.course import run
from ai.histories import History
from ai.policy import RESIDUALS, Policy
from ai.reward import rewards
from ai.smoothing import FloatArray
from trading.rebalancing import Rules

TRIED_AT_ONCE = 8
_FIRST_STEP, _SHRINK = 0.4, 0.7
_LOWEST, _HIGHEST = -5.0, 2.0


class Found(NamedTuple):
    """The best so far."""

    policy: Policy
    reward: float
    """Mean of a training day."""
    step: float
    """How far from the best the next ones are looked for, as a logarithm."""


def search(policy: Policy, training: History, rules: Rules, rng: np.random.Generator) -> Iterator[Found]:
    """The best after each round, without end. It begins with the policy as it is."""
    best, step = np.zeros(len(RESIDUALS) + 1), _FIRST_STEP
    reward = _reward(policy, training, rules)
    while True:
        yield Found(_scaled(policy, best), reward, step)
        tried = np.clip(best + step * rng.standard_normal((TRIED_AT_ONCE, len(best))), _LOWEST, _HIGHEST)
        rewarded = [_reward(_scaled(policy, logs), training, rules) for logs in tried]
        if max(rewarded) > reward:
            best, reward = tried[int(np.argmax(rewarded))], max(rewarded)
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


def _reward(policy: Policy, training: History, rules: Rules) -> float:
    return float(rewards(run(policy, training, rules).net, sigma_of(training)).mean())
