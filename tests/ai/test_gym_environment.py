"""The face that learners of other people see, by the checks that they bring with them."""

from __future__ import annotations

import gymnasium.utils.env_checker
import numpy as np
import pytest
import stable_baselines3.common.env_checker

from ai.feature_table import FEATURES
from ai.gym_environment import LARGEST_LOGIT, AllocationEnvironment
from ai.histories import simulated
from ai.identity import NOTHING_KNOWN, Life
from ai.rl_environment import ReplayEnvironment
from market.strategy_worlds import random_world
from trading.rebalancing import Rules

EPISODE_DAYS = 20
LIVES = [Life(simulated(random_world(days, np.random.default_rng(days)).returns), NOTHING_KNOWN) for days in (60, 30)]

# How far apart logits are says how sure an action is; 1 is no natural limit of that.
logits_are_not_normalised = pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*:UserWarning")


def environment() -> AllocationEnvironment:
    return AllocationEnvironment(LIVES, Rules(), 0.01, EPISODE_DAYS)


def random_action(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-LARGEST_LOGIT, LARGEST_LOGIT, 8).astype(np.float32)


@logits_are_not_normalised
def test_gymnasium_finds_nothing_to_object_to() -> None:
    gymnasium.utils.env_checker.check_env(environment(), skip_render_check=True)


@logits_are_not_normalised
def test_stable_baselines_finds_nothing_to_object_to() -> None:
    stable_baselines3.common.env_checker.check_env(environment(), skip_render_check=True)


def test_a_step_is_a_walk_of_one_account_and_one_day(seed: int) -> None:
    one, accounts = environment(), ReplayEnvironment(LIVES, Rules(), 0.01, 1, EPISODE_DAYS)
    seen, _ = one.reset(seed=seed)
    rng = np.random.default_rng(seed)
    accounts.reset(np.random.default_rng(np.random.PCG64(np.random.SeedSequence(seed))))
    for day in range(EPISODE_DAYS):
        np.testing.assert_allclose(seen, accounts.observation()[0], rtol=0, atol=1e-6)
        assert seen.dtype == np.float32 and seen.shape == (len(FEATURES),)
        action = random_action(rng)
        seen, paid, terminated, truncated, info = one.step(action)
        walk = accounts.walk(action[np.newaxis, np.newaxis].astype(np.float64))
        assert (paid, info["net"], info["turnover"]) == (walk.rewards[0, 0], walk.net[0, 0], walk.turnover[0, 0])
        np.testing.assert_array_equal(info["weights"], walk.weights[0, 0])
        assert not terminated and truncated == (day == EPISODE_DAYS - 1)


def test_a_seed_says_where_an_episode_begins(seed: int) -> None:
    starts = [environment().reset(seed=number)[0].tobytes() for number in range(seed, seed + 20)]
    again = [environment().reset(seed=number)[0].tobytes() for number in range(seed, seed + 20)]
    assert starts == again and len(set(starts)) > 5


def test_ruin_is_told_from_the_end_of_an_episode() -> None:
    one = AllocationEnvironment([Life(simulated(np.full((10, 8), -0.9)), NOTHING_KNOWN)], Rules(), 0.01, 10)
    one.reset(seed=1)
    even = np.zeros(8, dtype=np.float32)
    ends = [one.step(even)[2:4] for _ in range(2)]
    assert ends == [(False, False), (True, False)]
