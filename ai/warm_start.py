"""The gradient taken straight through the replay, before PPO begins.

What the days bring does not depend on what an account does, so what it earns is a function of its weights that can be
differentiated: softmax, projection, the step from day to day, costs. No noise, no critic, no credit to assign: a few
hundred steps find what PPO would look for much longer. PPO then starts from there, with the reward itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from ai.course import EQUAL, without_account
from ai.network import Known, Network
from ai.rl_environment import ReplayEnvironment
from trading import simplex_array
from trading.metrics import PERIODS_PER_YEAR
from trading.rebalancing import Rules

_LEARNING_RATE, _RESIDUAL_LEARNING_RATE = 2e-3, 3e-2
_LARGEST_GRADIENT = 1.0
STEPS_BETWEEN = 10
_LEAST_SHARE = 1e-12


def climb(
    network: Network,
    environment: ReplayEnvironment,
    steps: int,
    weight_decay: float,
    rng: np.random.Generator,
    learns_residual: bool = True,
) -> Iterator[float]:
    """Improve the policy, and say what it reached after each few steps: see `mean_sharpe`."""
    actor = list(network.actor.parameters())
    groups = [{"params": actor, "lr": _LEARNING_RATE, "weight_decay": weight_decay}]
    if learns_residual:
        groups.append({"params": [network.residual], "lr": _RESIDUAL_LEARNING_RATE, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1.0 / max(steps, 1), total_iters=max(steps, 1))
    for step in range(1, steps + 1):
        environment.reset(rng)
        reached = mean_sharpe(network, environment)
        optimizer.zero_grad()
        (-reached).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        if step % STEPS_BETWEEN == 0 or step == steps:
            yield reached.item()


def mean_sharpe(network: Network, environment: ReplayEnvironment) -> Tensor:
    """The annual Sharpe ratio of the episode ahead, net of costs, as a mean over the environment's accounts.

    Half of each variance is the yardstick's, as in the reward.
    """
    rules, sigma = environment.rules, environment.sigma
    days = environment.episode_days
    features = torch.tensor(without_account(environment.ahead(days)[:-1]), dtype=torch.float32)
    returns = torch.tensor(environment.returns_ahead(days), dtype=torch.float32)
    prepared = network.prepare(features, Known.of(environment.known()))
    wanted = torch.softmax(network.logits(prepared), dim=-1)
    weights = smoothed(bounded(wanted, rules), rules)
    before = torch.cat((torch.full_like(weights[:1], EQUAL[0]), _drifted(weights[:-1], returns[:-1])))
    turnover = (weights - before).abs().sum(dim=-1)
    net = (1.0 + (weights * returns).sum(dim=-1)) * (1.0 - rules.cost_bps / 1e4 * turnover) - 1.0
    deviation = ((net.var(dim=0, correction=0) + sigma**2) / 2.0).sqrt()
    ratio: Tensor = (net.mean(dim=0) / deviation).mean()
    return sqrt(PERIODS_PER_YEAR) * ratio


def bounded(wanted: Tensor, rules: Rules) -> Tensor:
    """`trading.simplex.project` of shares (..., n), with its gradient.

    A share that a bound stops has none; the others are all multiplied with what makes the sum 1.
    """
    projected = torch.tensor(simplex_array.project(wanted.detach().numpy(), rules.floor, rules.cap))
    free = (projected > rules.floor) & (projected < rules.cap)
    projected = projected.to(wanted.dtype)
    left = 1.0 - torch.where(free, 0.0, projected).sum(dim=-1, keepdim=True)
    asked = torch.where(free, wanted, 0.0).sum(dim=-1, keepdim=True)
    scale = left / asked.clamp_min(_LEAST_SHARE)
    return torch.where(free, wanted * scale, projected)


def smoothed(goals: Tensor, rules: Rules) -> Tensor:
    """The weights in force, from goals (days, accounts, n), beginning at equal weights.

    What is left of each goal after some days is a power, so a single product does it. The limit on turnover is left
    out: it binds on few days, and the gradient does without it.
    """
    days = len(goals)
    ages = np.subtract.outer(np.arange(days), np.arange(days))
    kept = 1.0 - rules.inertia
    parts = np.where(ages >= 0, rules.inertia * kept ** np.maximum(ages, 0), 0.0)
    first = torch.tensor(kept ** np.arange(1, days + 1), dtype=goals.dtype)[:, None, None]
    moved = torch.tensor(parts, dtype=goals.dtype) @ goals.reshape(days, -1)
    weights: Tensor = moved.reshape(goals.shape) + first * EQUAL[0]
    return weights


def _drifted(weights: Tensor, returns: Tensor) -> Tensor:
    grown = weights * (1.0 + returns)
    drifted: Tensor = grown / grown.sum(dim=-1, keepdim=True)
    return drifted
