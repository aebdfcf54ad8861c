"""The environment: what actions bring, where an episode may begin, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest
from support.scripted_models import policy

from ai.course import hold, run, without_account
from ai.feature_table import PORTFOLIO
from ai.histories import History, simulated
from ai.identity import NOTHING_KNOWN, Identity, Life
from ai.policy import Policy
from ai.reward import rewards
from ai.rl_environment import RUIN, ReplayEnvironment, Walk
from ai.smoothing import FloatArray
from market.strategy_worlds import random_world
from trading.rebalancing import Rules

RULES = Rules()
SIGMA = 0.01
EVEN = np.zeros(8)
FIRST = np.eye(8)[0] * 9.0


def world(days: int, seed: int) -> History:
    return simulated(random_world(days, np.random.default_rng(seed)).returns)


def worlds(seed: int) -> list[History]:
    """Of different lengths."""
    return [world(days, seed + days) for days in (60, 33, 45)]


def environment(histories: list[History], accounts: int = 1, episode_days: int = 30) -> ReplayEnvironment:
    lives = [Life(history, NOTHING_KNOWN) for history in histories]
    return ReplayEnvironment(lives, RULES, SIGMA, accounts, episode_days)


def actions(days: int, accounts: int, seed: int) -> FloatArray:
    return np.asarray(2.0 * np.random.default_rng(seed).standard_normal((days, accounts, 8)))


def constant(action: FloatArray, days: int, accounts: int = 1) -> FloatArray:
    return np.tile(action, (days, accounts, 1))


def joined(walks: list[Walk], field: str) -> FloatArray:
    return np.concatenate([getattr(walk, field) for walk in walks])


@pytest.mark.parametrize("pieces", [[1] * 30, [7, 1, 22]], ids=["of one day each", "of some days"])
def test_a_walk_of_many_days_is_as_many_walks(pieces: list[int], seed: int) -> None:
    logits = actions(30, 4, seed)
    at_once, in_pieces = (environment(worlds(seed), accounts=4) for _ in range(2))
    for one in (at_once, in_pieces):
        one.reset(np.random.default_rng(seed))
    whole = at_once.walk(logits)
    walks = [in_pieces.walk(piece) for piece in np.split(logits, np.cumsum(pieces)[:-1])]
    for field in ("rewards", "weights", "net", "turnover", "portfolio"):
        np.testing.assert_allclose(joined(walks, field), getattr(whole, field), rtol=0, atol=1e-9, err_msg=field)
    np.testing.assert_array_equal(joined(walks, "terminated"), whole.terminated)
    assert [walk.truncated for walk in walks] == [False] * (len(pieces) - 1) + [True] and whole.truncated
    np.testing.assert_allclose(in_pieces.observation(), at_once.observation(), rtol=0, atol=1e-9)


def test_two_actions_on_the_same_day_are_paid_differently(seed: int) -> None:
    returns = 0.001 * np.random.default_rng(seed).standard_normal((40, 8))
    returns[:, 0] += 0.02
    returns[:, 7] -= 0.02
    both = environment([simulated(returns)], accounts=2)
    paid = both.walk(np.stack((FIRST, FIRST[::-1]))[np.newaxis]).rewards[0]
    assert paid[0] > paid[1] + 0.01
    # And on any later day, whatever came before.
    both.walk(constant(EVEN, 20, 2))
    later = both.walk(np.stack((FIRST, FIRST[::-1]))[np.newaxis]).rewards[0]
    assert later[0] > later[1] + 0.01


def test_what_accounts_earn_is_what_the_course_of_a_policy_earns(seed: int) -> None:
    chosen: Policy = policy(1)
    history = world(50, seed)
    walk = environment([history], episode_days=50).walk(
        chosen.logits(without_account(history.features[:-1]))[:, np.newaxis]
    )
    course = run(chosen, history, RULES)
    np.testing.assert_allclose(walk.weights[:, 0], course.weights[:-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(walk.net[:, 0], course.net, rtol=0, atol=1e-12)
    np.testing.assert_allclose(walk.turnover[:, 0], course.turnover, rtol=0, atol=1e-12)
    np.testing.assert_allclose(walk.rewards[:, 0], rewards(course.net, SIGMA), rtol=0, atol=1e-12)


def test_who_wants_equal_weights_holds_them(seed: int) -> None:
    history = world(50, seed)
    walk = environment([history], episode_days=50).walk(constant(EVEN, 50))
    np.testing.assert_allclose(walk.net[:, 0], hold(history, RULES).net, rtol=0, atol=1e-12)


def test_how_sure_an_action_is_does_not_break_it(seed: int) -> None:
    walk = environment(worlds(seed)).walk(constant(FIRST * 1e6, 30))
    assert np.isfinite(walk.rewards).all()
    assert walk.weights[-1, 0] == pytest.approx([RULES.cap, *[(1 - RULES.cap) / 7] * 7], abs=1e-2)


def test_accounts_do_not_know_each_other(seed: int) -> None:
    days, logits = np.array([0, 17, 60, 95]), actions(30, 4, seed)
    together = environment(worlds(seed), accounts=4)
    together.begin(days)
    walk = together.walk(logits)
    for account, day in enumerate(days):
        alone = environment(worlds(seed))
        alone.begin(np.array([day]))
        own = alone.walk(logits[:, [account]])
        for field in ("rewards", "weights", "net", "turnover", "portfolio", "terminated"):
            mine, its = getattr(walk, field)[:, account], getattr(own, field)[:, 0]
            np.testing.assert_allclose(mine, its, rtol=0, atol=1e-12, err_msg=field)


def test_an_episode_is_truncated_at_its_end_and_not_before(seed: int) -> None:
    one = environment(worlds(seed), episode_days=10)
    assert not one.walk(constant(EVEN, 9)).truncated
    last = one.walk(constant(EVEN, 1))
    assert last.truncated and not last.terminated.any()
    with pytest.raises(ValueError, match="reset first"):
        one.walk(constant(EVEN, 1))
    one.reset(np.random.default_rng(seed))
    assert one.walk(constant(EVEN, 10)).truncated


def test_ruin_terminates_the_account_that_is_ruined_and_no_other() -> None:
    returns = np.zeros((10, 8))
    returns[3:5] = -0.9
    rising = np.full((10, 8), 0.01)
    both = environment([simulated(returns), simulated(rising)], accounts=2, episode_days=10)
    both.begin(np.array([0, 10]))
    walk = both.walk(constant(EVEN, 8, 2))
    # A tenth is left after the first of the two days, and a hundredth after the second.
    assert 0.01 < RUIN < 0.1
    np.testing.assert_array_equal(walk.terminated[:, 0], [False] * 4 + [True] * 4)
    assert not walk.terminated[:, 1].any() and not walk.truncated


def test_reset_puts_accounts_wherever_an_episode_fits_and_nowhere_else(seed: int) -> None:
    lengths, episode_days = (12, 7, 9), 5
    # Each day's return says which history it is of, and which day.
    histories = [
        simulated(np.full((days, 8), 1e-6) * (100 * number + np.arange(days)[:, np.newaxis]))
        for number, days in enumerate(lengths)
    ]
    many = environment(histories, accounts=2_000, episode_days=episode_days)
    many.reset(np.random.default_rng(seed))
    places = np.rint(many.returns_ahead(episode_days)[..., 0] * 1e6).astype(np.int64)
    assert (np.diff(places, axis=0) == 1).all()
    fitting = {100 * number + day for number, days in enumerate(lengths) for day in range(days - episode_days + 1)}
    assert set(places[0].tolist()) == fitting


def test_an_account_is_reset_to_what_a_new_one_is(seed: int) -> None:
    used, new = (environment(worlds(seed), accounts=3) for _ in range(2))
    used.walk(constant(FIRST, 20, 3))
    for one in (used, new):
        one.reset(np.random.default_rng(seed))
    np.testing.assert_array_equal(used.observation(), new.observation())
    logits = actions(30, 3, seed)
    np.testing.assert_array_equal(used.walk(logits).rewards, new.walk(logits).rewards)


def test_days_ahead_are_those_of_the_history_up_to_its_last_morning(seed: int) -> None:
    histories = worlds(seed)
    one = environment(histories, accounts=3, episode_days=30)
    one.begin(np.array([30, 60 + 3, 60 + 33 + 15]))
    ahead, returns = one.ahead(30), one.returns_ahead(30)
    for account, (history, first) in enumerate(zip(histories, (30, 3, 15), strict=True)):
        np.testing.assert_array_equal(ahead[:, account], history.features[first : first + 31])
        np.testing.assert_array_equal(returns[:, account], history.returns[first : first + 30])
    one.walk(constant(EVEN, 30, 3))
    mornings = np.stack([history.features[-1] for history in histories])
    np.testing.assert_array_equal(one.ahead(0)[0], mornings)
    np.testing.assert_array_equal(np.delete(one.observation(), np.r_[PORTFOLIO], axis=1), mornings)


def test_each_account_knows_of_strategies_what_belongs_to_its_history(seed: int) -> None:
    known = [Identity(np.full(8, float(number)), np.zeros((8, 8))) for number in range(3)]
    lives = [Life(*both) for both in zip(worlds(seed), known, strict=True)]
    one = ReplayEnvironment(lives, RULES, SIGMA, accounts=4, episode_days=10)
    one.begin(np.array([95, 0, 59, 60]))
    assert [identity.standing[0] for identity in one.known()] == [2.0, 0.0, 0.0, 1.0]
    # At the end of its history it is still in it.
    one.begin(np.array([50, 50, 83, 83]))
    one.walk(constant(EVEN, 10, 4))
    assert [identity.standing[0] for identity in one.known()] == [0.0, 0.0, 1.0, 1.0]


def test_the_account_is_observed_as_the_last_walk_left_it(seed: int) -> None:
    one = environment(worlds(seed), accounts=2)
    start = one.observation()[:, PORTFOLIO]
    assert start[0] == pytest.approx([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    walk = one.walk(constant(FIRST, 5, 2))
    np.testing.assert_array_equal(one.observation()[:, PORTFOLIO], walk.portfolio[-1])
    assert walk.portfolio.shape == (5, 2, 6) and (walk.portfolio[-1] != start).any()


def test_the_shortest_history_says_how_long_an_episode_can_be(seed: int) -> None:
    one = environment(worlds(seed), episode_days=1_000)
    assert one.episode_days == 33
    assert one.walk(constant(EVEN, 33)).truncated
    with pytest.raises(ValueError, match="without days"):
        environment([world(30, seed), simulated(np.empty((0, 8)))])
