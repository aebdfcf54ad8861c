"""The gradient through the replay is that of the replay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.lessons import SMALL, planted

from ai.course import EQUAL
from ai.identity import NOTHING_KNOWN, Identity, Life
from ai.network import network_of
from ai.policy import checkpoint_of, untrained
from ai.rl_environment import ReplayEnvironment
from ai.smoothing import FloatArray
from ai.warm_start import bounded, climb, mean_sharpe, smoothed
from trading import simplex_array
from trading.rebalancing import Rules, follow

RULES = Rules(max_turnover=2.0)


def shares(rows: int, sharpness: float, seed: int = 1) -> FloatArray:
    logits = sharpness * np.random.default_rng(seed).normal(size=(rows, 8))
    return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_the_bounds_are_those_of_the_projection(sharpness: float) -> None:
    wanted = shares(300, sharpness)
    expected = simplex_array.project(wanted, RULES.floor, RULES.cap)
    np.testing.assert_allclose(bounded(torch.tensor(wanted), RULES).numpy(), expected, atol=1e-12)


def test_the_gradient_of_the_projection_is_its_slope() -> None:
    wanted = torch.tensor(shares(20, 1.5), requires_grad=True)
    weights = torch.randn(20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (bounded(wanted, RULES) * weights).sum().backward()  # type: ignore[no-untyped-call]
    step = 1e-7
    for row, column in ((0, 0), (3, 5), (11, 2), (19, 7)):
        moved = wanted.detach().numpy().copy()
        moved[row, column] += step
        higher = simplex_array.project(moved, RULES.floor, RULES.cap)
        lower = simplex_array.project(wanted.detach().numpy(), RULES.floor, RULES.cap)
        slope = ((higher - lower) * weights.numpy()).sum() / step
        assert wanted.grad is not None
        assert wanted.grad[row, column].item() == pytest.approx(slope, abs=1e-5)


def test_smoothing_is_the_step_from_day_to_day() -> None:
    wanted = shares(120, 2.0).reshape(40, 3, 8)
    expected = follow(wanted, np.tile(EQUAL, (3, 1)), RULES)
    goals = torch.tensor(simplex_array.project(wanted, RULES.floor, RULES.cap))
    np.testing.assert_allclose(smoothed(goals, RULES).numpy(), expected, atol=1e-12)


def placed(rules: Rules = RULES) -> ReplayEnvironment:
    environment = ReplayEnvironment([Life(planted(300), NOTHING_KNOWN)], rules, 0.01, 8, 60)
    environment.reset(np.random.default_rng(1))
    return environment


def test_what_is_differentiated_is_what_a_walk_earns() -> None:
    environment = placed()
    network = network_of(checkpoint_of(untrained()), SMALL, NOTHING_KNOWN, torch.Generator().manual_seed(1))
    with torch.no_grad():
        reached = mean_sharpe(network, environment).item()
    features = environment.ahead(60)[:-1]
    portfolio = np.zeros((*features.shape[:-1], 6))
    rows = np.concatenate((features[..., :8], portfolio, features[..., 8:]), axis=-1)
    net = environment.walk(untrained().logits(rows)).net
    ratios = np.sqrt(252.0) * net.mean(axis=0) / np.sqrt((net.var(axis=0) + 0.01**2) / 2.0)
    assert reached == pytest.approx(ratios.mean(), abs=1e-3)


def test_climbing_climbs() -> None:
    # Every account lives through all of it.
    environment = ReplayEnvironment([Life(planted(300), NOTHING_KNOWN)], RULES, 0.01, 16, 300)
    network = network_of(checkpoint_of(untrained()), SMALL, NOTHING_KNOWN, torch.Generator().manual_seed(1))
    reached = list(climb(network, environment, 40, 0.0, np.random.default_rng(1)))
    assert len(reached) == 4
    assert reached[-1] > reached[0] + 0.02


def test_the_residual_can_be_left_alone() -> None:
    network = network_of(checkpoint_of(untrained()), SMALL, NOTHING_KNOWN, torch.Generator().manual_seed(1))
    list(climb(network, placed(), 10, 0.0, np.random.default_rng(1), learns_residual=False))
    np.testing.assert_array_equal(network.residual.detach().numpy(), untrained().residual.astype(np.float32))


def test_each_life_knows_something_else() -> None:
    knows = Identity(np.linspace(-1.0, 1.0, 8), NOTHING_KNOWN.kinship)
    network = network_of(checkpoint_of(untrained()), SMALL, NOTHING_KNOWN, torch.Generator().manual_seed(1))
    reached = []
    for second in (NOTHING_KNOWN, knows):
        lives = [Life(planted(120, 1), NOTHING_KNOWN), Life(planted(120, 2), second)]
        environment = ReplayEnvironment(lives, RULES, 0.01, 16, 60)
        environment.reset(np.random.default_rng(1))
        with torch.no_grad():
            reached.append(mean_sharpe(network, environment).item())
    assert abs(reached[1] - reached[0]) > 1e-3
