"""Simulated worlds: the same from the same seed, and of the lengths, ratios and tails that they claim."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest

from market.strategy_worlds import World, planted_world, random_world

Make = Callable[[int, np.random.Generator], World]
both_kinds = pytest.mark.parametrize("make", [planted_world, random_world])


def random_worlds(count: int, days: int, seed: int, edge: float = 1.0) -> list[World]:
    rng = np.random.default_rng(seed)
    return [random_world(days, rng, edge) for _ in range(count)]


def annual_ratios(world: World) -> np.ndarray:
    return np.asarray(sqrt(252) * world.means / world.deviations)


def changes(world: World) -> int:
    return int(np.count_nonzero(np.diff(world.regimes)))


@both_kinds
def test_a_seed_makes_a_world(make: Make, seed: int) -> None:
    one, same, other = (make(300, np.random.default_rng(seed + add)) for add in (0, 0, 1))
    for part, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(part, again)
    assert not np.array_equal(one.returns, other.returns)


@both_kinds
def test_the_parts_fit_each_other(make: Make, seed: int) -> None:
    for number in range(20):
        world = make(400, np.random.default_rng(seed + number))
        assert world.returns.shape == (400, 8) and world.regimes.shape == (400,) and world.deviations.shape == (8,)
        assert world.means.shape[1] == 8
        assert world.regimes.min() >= 0 and world.regimes.max() < len(world.means)
        assert np.abs(world.returns).max() <= 0.9


@pytest.mark.parametrize("mean_length_days", [20.0, 60.0, 150.0])
def test_regimes_last_as_long_as_stated(mean_length_days: float, seed: int) -> None:
    days = 60_000
    world = planted_world(days, np.random.default_rng(seed), mean_length_days)
    expected = days / mean_length_days
    assert changes(world) == pytest.approx(expected, abs=5 * sqrt(expected))
    assert world.mean_length_days == mean_length_days


def test_the_lengths_of_random_worlds_are_those_they_name(seed: int) -> None:
    worlds = random_worlds(60, 2_000, seed)
    expected = sum(2_000 / world.mean_length_days for world in worlds)
    assert sum(map(changes, worlds)) == pytest.approx(expected, abs=5 * sqrt(expected))
    lengths = np.array([world.mean_length_days for world in worlds])
    assert 20 <= lengths.min() < 60 and 160 < lengths.max() <= 200


def test_a_regime_is_left_for_each_of_the_others_alike(seed: int) -> None:
    regimes = planted_world(60_000, np.random.default_rng(seed), 10.0).regimes
    counts = np.zeros((4, 4))
    np.add.at(counts, (regimes[:-1], regimes[1:]), 1)
    leaving = counts[~np.eye(4, dtype=bool)]
    np.testing.assert_allclose(leaving, leaving.mean(), rtol=0.25)


def test_each_regime_of_a_planted_world_has_a_pair_of_its_own(seed: int) -> None:
    ratios = annual_ratios(planted_world(10, np.random.default_rng(seed)))
    assert ratios.shape == (4, 8)
    np.testing.assert_allclose(np.sort(ratios, axis=1), np.tile([-1.0] * 6 + [2.5] * 2, (4, 1)))
    np.testing.assert_array_equal((ratios > 0).sum(axis=0), np.ones(8))


def test_a_planted_pair_earns_its_ratio_and_the_others_lose_theirs(seed: int) -> None:
    world = planted_world(100_000, np.random.default_rng(seed))
    for regime, favoured in enumerate(world.means > 0):
        days = world.returns[world.regimes == regime]
        ratios = sqrt(252) * days.mean(axis=0) / days.std(axis=0)
        # About 25,000 days: a standard error of 0.1.
        np.testing.assert_allclose(ratios, np.where(favoured, 2.5, -1.0), atol=0.5)
        np.testing.assert_allclose(days.std(axis=0), 0.01, rtol=0.05)
    noise = world.returns - world.means[world.regimes]
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(8), atol=0.02)


def test_ratios_of_random_worlds_vary_as_stated(seed: int) -> None:
    ratios = [annual_ratios(world) for world in random_worlds(800, 1, seed)]
    assert {len(world) for world in ratios} == {2, 3, 4, 5, 6}
    within = np.concatenate([world - world.mean(axis=0) for world in ratios])
    freedom = sum(len(world) - 1 for world in ratios) * 8
    assert sqrt(np.square(within).sum() / freedom) == pytest.approx(1.5, rel=0.05)
    # The mean over regimes is a strategy's own ratio and what is left of the variation around it.
    own = np.array([world.mean(axis=0).var() - 1.5**2 / len(world) * 7 / 8 for world in ratios])
    assert own.mean() == pytest.approx(0.5**2 * 7 / 8, abs=0.1)


def test_the_days_of_random_worlds_deviate_as_stated_with_fat_tails(seed: int) -> None:
    worlds = random_worlds(30, 5_000, seed)
    deviations = np.concatenate([world.deviations for world in worlds])
    assert 0.005 <= deviations.min() < 0.006 and 0.019 < deviations.max() <= 0.02
    scores = np.concatenate([(world.returns - world.means[world.regimes]) / world.deviations for world in worlds])
    np.testing.assert_allclose(np.square(scores).mean(axis=0), 1.0, rtol=0.06)
    # Under a normal distribution 0.27% of the days are beyond 3 deviations.
    assert (np.abs(scores) > 3).mean() > 0.006


def test_strategies_of_random_worlds_share_a_factor(seed: int) -> None:
    others = ~np.eye(8, dtype=bool)
    correlations = [np.asarray(np.corrcoef(world.returns.T)) for world in random_worlds(60, 2_000, seed)]
    shared = np.array([correlation[others].mean() for correlation in correlations])
    assert -0.05 < shared.min() < 0.15 and 0.45 < shared.max() < 0.7


def test_without_an_edge_there_is_none(seed: int) -> None:
    worlds = random_worlds(40, 2_000, seed, edge=0.0)
    assert not any(world.means.any() for world in worlds)
    ratios = np.array([sqrt(252) * world.returns.mean(axis=0) / world.returns.std(axis=0) for world in worlds])
    # Each has a standard error of 0.35; those of one world are correlated.
    assert ratios.mean() == pytest.approx(0.0, abs=0.2)
    assert ratios.std() == pytest.approx(sqrt(252 / 2_000), rel=0.3)


def test_an_edge_scales_the_means_and_nothing_else(seed: int) -> None:
    (plain,), (doubled,) = (random_worlds(1, 500, seed, edge) for edge in (1.0, 2.0))
    np.testing.assert_allclose(doubled.means, 2 * plain.means)
    np.testing.assert_array_equal(doubled.regimes, plain.regimes)
    np.testing.assert_allclose(doubled.returns - plain.returns, plain.means[plain.regimes], atol=1e-15)
