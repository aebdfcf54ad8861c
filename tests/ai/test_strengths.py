"""The search for how much of a policy suits an account."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from support.lessons import planted, without_edge

from ai.course import run
from ai.identity import NOTHING_KNOWN, Life, crossed
from ai.policy import RESIDUALS, Policy, input_size, untrained
from ai.strengths import search
from trading.metrics import sharpe
from trading.rebalancing import Rules

RULES = Rules()


def talking(seed: int = 1) -> Policy:
    """A policy whose network says something, and nothing sensible."""
    rng = np.random.default_rng(seed)
    inputs = input_size("shared", ("strategy", "regime"))
    layers = ((rng.normal(size=(inputs, 4)), np.zeros(4)), (2.0 * rng.normal(size=(4, 1)), np.zeros(1)))
    return replace(untrained(), layers=layers)


def lives() -> list[Life]:
    return crossed(planted(300), 150)


def test_it_begins_with_the_policy_as_it_is_and_never_gets_worse() -> None:
    found = list(islice(search(talking(), lives(), RULES, np.random.default_rng(1)), 9))
    np.testing.assert_array_equal(found[0].policy.residual, talking().residual)
    paid = [some.worth for some in found]
    assert paid == sorted(paid)
    assert paid[-1] > paid[0]


def test_what_it_says_of_its_worth_is_so() -> None:
    first = next(search(talking(), lives(), RULES, np.random.default_rng(1)))
    net = [run(replace(talking(), **known._asdict()), history, RULES).net for history, known in lives()]
    assert first.worth == pytest.approx(sharpe(np.concatenate(net)))


def test_only_strengths_change() -> None:
    before = talking()
    after = list(islice(search(before, lives(), RULES, np.random.default_rng(1)), 6))[-1].policy
    ratios = after.layers[-1][0] / before.layers[-1][0]
    np.testing.assert_allclose(ratios, ratios[0, 0])
    np.testing.assert_array_equal(after.layers[0][0], before.layers[0][0])
    assert (after.residual > 0.0).all() and len(after.residual) == len(RESIDUALS)


@pytest.mark.parametrize(("says", "speaks"), [(3.6, True), (-3.6, False)], ids=["good", "harmful"])
def test_what_a_network_says_is_kept_where_it_does_good(says: float, speaks: bool) -> None:
    """One that repeats the Sharpe features, for a policy that has nothing else to go by; or says the contrary."""
    weight = np.zeros((input_size("shared", ("strategy", "regime")), 1))
    weight[0] = says
    policy = replace(untrained(), residual=np.zeros(3), layers=((weight, np.zeros(1)),))
    first = next(search(policy, crossed(planted(2_000), 500), RULES, np.random.default_rng(1)))
    assert first.policy.layers[0][0].any() == speaks


def test_steps_shrink_only_where_none_helps() -> None:
    found = list(islice(search(talking(), lives(), RULES, np.random.default_rng(1)), 12))
    for before, after in pairwise(found):
        assert (after.step < before.step) == (after.worth == before.worth)


def test_dear_trading_makes_it_trade_less() -> None:
    history, dear = without_edge(400), RULES._replace(cost_bps=100.0)
    *_, last = islice(search(untrained(), [Life(history, NOTHING_KNOWN)], dear, np.random.default_rng(1)), 12)
    before, after = (run(policy, history, dear).turnover.mean() for policy in (untrained(), last.policy))
    assert after < 0.6 * before
