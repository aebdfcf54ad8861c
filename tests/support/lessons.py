"""Short lessons for learners: small worlds, small networks, few steps."""

from __future__ import annotations

from functools import cache

import numpy as np

from ai.checkpoint import Checkpoint
from ai.histories import History, simulated
from ai.policy import checkpoint_of, untrained
from ai.study import Study
from contract.config import Agent
from market.strategy_worlds import planted_world, random_world
from trading.rebalancing import Rules

SMALL = Agent(
    hidden=8,
    critic_hidden=8,
    search_rounds=1,
    warm_start_steps=2,
    episodes=2,
    replicas=8,
    episode_days=40,
    resampled=1,
    resample_below_days=100,
    batch=160,
    epochs=2,
)
"""Everything happens, and nothing takes long."""


def study(
    seed: int = 1,
    settings: Agent = SMALL,
    start: Checkpoint | None = None,
    training: range = range(160),
    validation: range = range(190, 260),
) -> Study:
    """Of a planted world, from the untrained policy unless there is another start."""
    known = planted(260).between(0, validation.stop)
    return Study(start or checkpoint_of(untrained()), known, training, validation, Rules(), settings, seed)


@cache
def planted(days: int, seed: int = 1) -> History:
    return simulated(planted_world(days, np.random.default_rng(seed)).returns)


@cache
def without_edge(days: int, seed: int = 1) -> History:
    return simulated(random_world(days, np.random.default_rng(seed), edge=0.0).returns)
