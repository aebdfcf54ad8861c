"""The environment as Gymnasium knows them: one account, for learners of other people. It needs the extra `lab`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ai.feature_table import FEATURES, LIMIT
from ai.identity import Life
from ai.rl_environment import ReplayEnvironment
from contract.schema.names import STRATEGIES
from trading.rebalancing import Rules

LARGEST_LOGIT = 10.0

Row = NDArray[np.float32]


class AllocationEnvironment(gymnasium.Env[Row, Row]):
    """`ai.rl_environment` with a single account: 34 features are observed, 8 logits are the action."""

    def __init__(self, lives: Sequence[Life], rules: Rules, sigma: float, episode_days: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-LIMIT, LIMIT, (len(FEATURES),), np.float32)
        self.action_space = gymnasium.spaces.Box(-LARGEST_LOGIT, LARGEST_LOGIT, (len(STRATEGIES),), np.float32)
        self._accounts = ReplayEnvironment(lives, rules, sigma, 1, episode_days)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Row, dict[str, Any]]:
        super().reset(seed=seed)
        self._accounts.reset(self.np_random)
        return self._observation(), {}

    def step(self, action: Row) -> tuple[Row, float, bool, bool, dict[str, Any]]:
        walk = self._accounts.walk(np.asarray(action, dtype=np.float64)[np.newaxis, np.newaxis])
        info = {"weights": walk.weights[0, 0], "net": float(walk.net[0, 0]), "turnover": float(walk.turnover[0, 0])}
        terminated = bool(walk.terminated[0, 0])
        return self._observation(), float(walk.rewards[0, 0]), terminated, walk.truncated, info

    def _observation(self) -> Row:
        row: Row = self._accounts.observation()[0].astype(np.float32)
        return row
