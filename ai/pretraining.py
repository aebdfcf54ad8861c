"""The prior: a model that has lived through many simulated worlds, so that a user with fifty trades has more than none.

Only what is true in most worlds can be learnt this way, for the network that is shared by all strategies: when to
believe a good month, and when moving costs more than it brings. What is true of one account's strategies is left to
the training that starts from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from ai.checkpoint import Checkpoint
from ai.course import rules_of, run, without_account
from ai.feature_table import STRATEGY_DRAWDOWN, STRATEGY_SHARPE
from ai.histories import History, simulated
from ai.identity import NOTHING_KNOWN, Life, identity_of
from ai.model_store import PRIOR, write_prior
from ai.network import checkpoint_from, network_of
from ai.policy import Policy, checkpoint_of, policy_of, untrained
from ai.rl_environment import ReplayEnvironment
from ai.smoothing import FloatArray
from ai.warm_start import STEPS_BETWEEN, climb
from contract.config import Agent
from contract.daemon import Context, Status
from contract.progress import Progress
from market.strategy_worlds import World, planted_world, random_world
from trading.metrics import sharpe
from trading.rebalancing import Rules

SEED, WORLDS, STEPS = 1, 400, 300
LIVED_DAYS = 1_000
SIGMA = 0.004
"""The yardstick of a day's return in all worlds alike."""

_FEWEST_SEEN, _MOST_SEEN = 100, 5_000
_OF_PAIRS, _WITHOUT_EDGE = 0.4, 0.15
"""Shares of the worlds; in the rest each regime has Sharpe ratios of its own."""
_UNKNOWN = 0.5
"""Share of the lives in which nothing is known of the strategies by name, as in an account's first days."""


def live(seed: Sequence[int]) -> Life:
    """A world of its own for each seed, some time after its beginning."""
    rng = np.random.default_rng(seed)
    seen = round(math.exp(rng.uniform(math.log(_FEWEST_SEEN), math.log(_MOST_SEEN))))
    history = simulated(_some_world(seen + LIVED_DAYS, rng).returns)
    known = identity_of(history.between(0, seen)) if rng.random() > _UNKNOWN else NOTHING_KNOWN
    return Life(history.between(seen, seen + LIVED_DAYS), known)


def pretrained(
    rules: Rules, settings: Agent, seed: int, worlds: int, steps: int, report: Callable[[int, float], None]
) -> Checkpoint:
    """The prior. `report` is told, after every few steps, how many there were and the Sharpe ratio they reached."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    lives = [live((seed, number)) for number in range(worlds)]
    start = _normalised(untrained(), [life.history for life in lives])
    network = network_of(checkpoint_of(start), settings, NOTHING_KNOWN, generator)
    environment = ReplayEnvironment(lives, rules, SIGMA, settings.replicas, settings.episode_days)
    climbing = climb(network, environment, steps, settings.weight_decay, rng, learns_residual=False)
    for number, reached in enumerate(climbing, 1):
        report(min(number * STEPS_BETWEEN, steps), reached)
    return checkpoint_from(network)


def gains(policy: Policy, rules: Rules, seed: int, worlds: int) -> FloatArray:
    """By how much it beats the untrained policy in each of some worlds (worlds,): Sharpe ratios, net of costs."""
    found = []
    for number in range(worlds):
        life = live((seed, number))
        trained, start = (replace(some, **life.known._asdict()) for some in (policy, untrained()))
        found.append(sharpe(run(trained, life.history, rules).net) - sharpe(run(start, life.history, rules).net))
    return np.array(found)


def pretrain(context: Context) -> Status:
    """Make the shipped prior anew, from the seed given: `--pretrain`."""
    rules, settings = rules_of(context.config), Agent()
    seed = SEED if context.options.seed is None else context.options.seed
    progress = Progress("prior", STEPS, context.system.monotonic)
    checkpoint = pretrained(
        rules, settings, seed, WORLDS, STEPS, lambda step, reached: progress.update(step, sharpe=reached)
    )
    progress.finish(STEPS)
    gained = gains(policy_of(checkpoint), rules, seed + 1, WORLDS // 2)
    details = {
        "seed": seed,
        "worlds": WORLDS,
        "steps": STEPS,
        "gain_on_other_worlds": round(float(gained.mean()), 4),
        "its_standard_error": round(float(gained.std() / math.sqrt(len(gained))), 4),
    }
    write_prior(checkpoint, details, context.system.now())
    said = f"Sharpe ratio {gained.mean():+.3f} +- {details['its_standard_error']:.3f} against the untrained policy"
    context.log.info("made the prior anew", seed=seed, worlds=WORLDS, gain=details["gain_on_other_worlds"])
    return Status(f"{said}, on {len(gained)} other worlds: {PRIOR}")


def _some_world(days: int, rng: np.random.Generator) -> World:
    kind = rng.random()
    if kind < _OF_PAIRS:
        return planted_world(days, rng, mean_length_days=rng.uniform(30.0, 150.0))
    return random_world(days, rng, edge=0.0 if kind < _OF_PAIRS + _WITHOUT_EDGE else rng.uniform(0.5, 1.5))


def _normalised(policy: Policy, histories: Sequence[History]) -> Policy:
    """The policy with a center and a scale that make the features of these histories of mean 0 and deviation 1."""
    rows = without_account(np.concatenate([history.features for history in histories]))
    center, deviation = rows.mean(axis=0), rows.std(axis=0)
    for group in (STRATEGY_SHARPE, STRATEGY_DRAWDOWN):  # the network must not tell strategies apart
        center[group], deviation[group] = center[group].mean(), deviation[group].mean()
    return replace(policy, center=center, scale=1.0 / np.where(deviation > 1e-3, deviation, 1.0))
