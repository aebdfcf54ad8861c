"""PPO of Stable-Baselines3 on our environment, through its own vectorised interface: what ours is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from ai.feature_table import FEATURES, LIMIT
from ai.rl_environment import ReplayEnvironment
from contract.config import Agent
from contract.schema.names import STRATEGIES


class ManyAccounts(VecEnv):
    """All accounts take a step together, and begin again together."""

    def __init__(self, environment: ReplayEnvironment, seed: int) -> None:
        observed = spaces.Box(-LIMIT, LIMIT, (len(FEATURES),), np.float32)
        super().__init__(environment.accounts, observed, spaces.Box(-10.0, 10.0, (len(STRATEGIES),), np.float32))
        self._environment, self._rng = environment, np.random.default_rng(seed)

    def reset(self) -> NDArray[np.float32]:
        self._environment.reset(self._rng)
        return self._environment.observation().astype(np.float32)

    def step_async(self, actions: NDArray[np.float32]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        walk = self._environment.walk(self._actions[np.newaxis].astype(np.float64))
        observed = self._environment.observation().astype(np.float32)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if walk.truncated:
            infos = [{"TimeLimit.truncated": True, "terminal_observation": last} for last in observed]
            observed = self.reset()
        over = np.logical_or(walk.terminated[0], walk.truncated)
        return observed, walk.rewards[0].astype(np.float32), over, infos

    def close(self) -> None:
        pass

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **options: Any) -> list[Any]:
        raise NotImplementedError(method_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError(attr_name)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        return [None] * self.num_envs


def baseline_ppo(environment: ReplayEnvironment, settings: Agent) -> PPO:
    return PPO(
        "MlpPolicy",
        ManyAccounts(environment, seed=1),
        learning_rate=settings.learning_rate,
        n_steps=settings.episode_days,
        batch_size=settings.batch,
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        policy_kwargs={"net_arch": {"pi": [settings.hidden] * 2, "vf": [settings.critic_hidden] * 2}},
        seed=1,
        device="cpu",
    )
