"""What a history shows of its strategies by name: found where it was planted, and nothing where there is nothing."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from ai.histories import simulated
from ai.identity import Identity, crossed, identity_of, standing
from ai.smoothing import FloatArray
from market.strategy_worlds import planted_world, random_world

OTHERS = ~np.eye(8, dtype=bool)


def noise(days: int, rng: np.random.Generator) -> FloatArray:
    return np.asarray(0.01 * rng.standard_normal((days, 8)))


def of(returns: FloatArray) -> Identity:
    return identity_of(simulated(returns))


def partners(means: FloatArray) -> list[int]:
    """Who belongs together with each strategy in a planted world."""
    favoured = (means > 0).argmax(axis=0)
    return [int(np.flatnonzero((favoured == regime) & (np.arange(8) != own))[0]) for own, regime in enumerate(favoured)]


def test_in_noise_often_nothing_is_found_and_never_much(seed: int) -> None:
    found = [of(noise(1_500, np.random.default_rng(seed + number))) for number in range(40)]
    # A spread of chance alone is under its expectation a little more often than above it: in 57% of the histories.
    assert sum(not known.standing.any() for known in found) > 12
    assert sum(not known.kinship.any() for known in found) > 12
    sizes = [np.abs(known.standing).mean() for known in found], [np.abs(known.kinship).mean() for known in found]
    # Three times less than what chance alone would show unshrunk: 0.41 / 3, and 0.05.
    assert np.mean(sizes[0]) < 0.4 * sqrt(252 / 1_500) / 3
    assert np.mean(sizes[1]) < 0.015


def test_a_factor_that_moves_all_of_them_alike_is_nobodys_kin(seed: int) -> None:
    worlds = [random_world(1_500, np.random.default_rng(seed + number), edge=0.0) for number in range(30)]
    found = [of(world.returns) for world in worlds]
    assert sum(not known.kinship.any() for known in found) > 15
    assert sum(not known.standing.any() for known in found) > 8


def test_those_that_thrive_in_the_same_regime_are_found_to_be_kin(seed: int) -> None:
    for number in range(3):
        world = planted_world(10_000, np.random.default_rng(seed + number))
        kin, partner = of(world.returns).kinship, partners(world.means)
        of_partners = kin[np.arange(8), partner]
        of_strangers = (kin.sum(axis=1) - of_partners) / 6
        assert (of_partners > of_strangers + 0.05).all()
        assert (np.where(OTHERS, kin, -1.0).argmax(axis=1) == partner).sum() >= 6


def test_who_is_better_in_the_long_run_stands_above_the_others(seed: int) -> None:
    returns = noise(20_000, np.random.default_rng(seed))
    returns[:, 3] += 2.0 / sqrt(252) * 0.01
    found = standing(returns)
    # Its ratio of 2 is 1.75 above the mean of all, the others' 0.25 below it; each has a standard error of 0.11.
    expected = np.where(np.arange(8) == 3, 1.75, -0.25) / 3
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_what_moves_all_of_them_alike_casts_no_doubt_on_who_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alike = 0.01 * rng.standard_normal((1_000, 1))
    returns = sqrt(0.9) * alike + sqrt(0.1) * noise(1_000, rng)
    returns[:, 3] += 1.0 / sqrt(252) * 0.01
    # Each ratio has a standard error of 0.5, but differences between them of 0.22: 0.875 / 3 is known with some doubt.
    assert standing(returns)[3] > 0.1


def test_the_fewer_the_days_the_less_is_believed(seed: int) -> None:
    heights = []
    for days in (250, 1_000, 4_000):
        better = np.where(np.arange(8) == 3, 2.0 / sqrt(252) * 0.01, 0.0)
        many = [standing(noise(days, np.random.default_rng(seed + number)) + better)[3] for number in range(40)]
        heights.append(float(np.mean(many)))
    assert 0.0 < heights[0] < heights[1] < heights[2] < 1.75 / 3


def test_both_are_about_each_against_the_others(seed: int) -> None:
    found = of(planted_world(3_000, np.random.default_rng(seed)).returns + 0.0004 * np.arange(8))
    assert found.standing.any() and found.kinship.any()
    assert found.standing.sum() == pytest.approx(0.0, abs=1e-12)
    assert found.kinship.min() < 0.0 < found.kinship.max()
    np.testing.assert_allclose(found.kinship, found.kinship.T, atol=1e-12)
    np.testing.assert_array_equal(np.diag(found.kinship), np.zeros(8))


def test_names_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    returns, order = planted_world(3_000, rng).returns + 0.0004 * np.arange(8), rng.permutation(8)
    found, renamed = of(returns), of(returns[:, order])
    np.testing.assert_allclose(renamed.standing, found.standing[order], atol=1e-9)
    np.testing.assert_allclose(renamed.kinship, found.kinship[np.ix_(order, order)], atol=1e-9)


def test_how_much_capital_a_strategy_risks_changes_nothing_about_its_standing(seed: int) -> None:
    returns = noise(1_000, np.random.default_rng(seed)) + 0.0005 * np.arange(8)
    scaled = returns * np.geomspace(0.1, 10.0, 8)
    assert standing(returns).any()
    np.testing.assert_allclose(standing(scaled), standing(returns), rtol=1e-9)


def test_what_comes_later_is_not_known(seed: int) -> None:
    returns = planted_world(1_500, np.random.default_rng(seed)).returns + 0.0004 * np.arange(8)
    changed = returns.copy()
    changed[1_000:] *= -5.0
    known, again = (identity_of(simulated(days).between(0, 1_000)) for days in (returns, changed))
    assert known.standing.any()
    np.testing.assert_array_equal(known.standing, again.standing)
    np.testing.assert_array_equal(known.kinship, again.kinship)


def test_a_part_of_a_history_knows_what_the_others_show(seed: int) -> None:
    history = simulated(planted_world(8_001, np.random.default_rng(seed)).returns + 0.0004 * np.arange(8))
    first, second = crossed(history, 4_000)
    assert (first.history.days, second.history.days) == (4_000, 4_001)
    np.testing.assert_array_equal(np.concatenate([life.history.returns for life in (first, second)]), history.returns)
    rest = history.between(4_000, 8_001)
    assert first.known.standing.any() and first.known.kinship.any()
    np.testing.assert_array_equal(first.known.standing, identity_of(rest).standing)
    np.testing.assert_array_equal(first.known.kinship, identity_of(rest).kinship)


@pytest.mark.parametrize(("days", "parts"), [(1, 2), (300, 2), (800, 3), (1_100, 4), (9_000, 5)])
def test_the_longer_a_history_the_more_parts(days: int, parts: int) -> None:
    history = simulated(noise(days, np.random.default_rng(1)))
    lives = crossed(history, 256)
    assert len(lives) == parts
    assert sum(life.history.days for life in lives) == days


def test_a_part_does_not_know_its_own_days(seed: int) -> None:
    returns = planted_world(2_000, np.random.default_rng(seed)).returns + 0.0004 * np.arange(8)
    changed = returns.copy()
    changed[-400:] *= -5.0
    known, again = (crossed(simulated(days), 400)[-1].known for days in (returns, changed))
    assert known.standing.any()
    np.testing.assert_array_equal(known.standing, again.standing)


def test_strangers_are_shrunk_more_than_kin(seed: int) -> None:
    known = of(planted_world(10_000, np.random.default_rng(seed)).returns).kinship
    unshrunk = np.abs(known[OTHERS])
    assert unshrunk.max() > 8 * np.median(unshrunk)


ONE_TRADE = np.pad([[0.02]], ((50, 400), (3, 4)))
NOISE = noise(400, np.random.default_rng(1))
NOTHING_TO_KNOW = {
    "no day": NOISE[:0],
    "one day": NOISE[:1],
    "ninety-eight days": NOISE[:98],
    "never a trade": np.zeros((400, 8)),
    "one trade of one strategy": ONE_TRADE,
    "constant gains": np.full((400, 8), 0.001),
    "one that never moves": NOISE * (np.arange(8) != 5),
    "all the same": np.tile(NOISE[:, :1], 8),
}
STRANGE = {
    "huge": NOISE * 1e14,
    "tiny": NOISE * 1e-3,
    "one huge day": np.vstack([NOISE, np.full((1, 8), 1e12), NOISE]),
    "each against its neighbour": np.tile(NOISE[:, :1], 8) * np.tile([1.0, -1.0], 4),
    "everything lost each second day": np.tile([[0.5] * 8, [-1.0] * 8], (200, 1)) * np.arange(1, 9) / 8,
}


@pytest.mark.parametrize("returns", NOTHING_TO_KNOW.values(), ids=list(NOTHING_TO_KNOW))
def test_where_there_is_nothing_to_know_both_are_zero(returns: FloatArray) -> None:
    found = of(returns)
    np.testing.assert_array_equal(found.standing, np.zeros(8))
    np.testing.assert_allclose(found.kinship, np.zeros((8, 8)), atol=1e-12)


@pytest.mark.parametrize("returns", STRANGE.values(), ids=list(STRANGE))
def test_whatever_happened_both_are_finite(returns: FloatArray) -> None:
    found = of(returns)
    assert np.isfinite(found.standing).all()
    assert np.isfinite(found.kinship).all() and np.abs(found.kinship).max() <= 2.0
