#!/usr/bin/env python3
"""How soon PPO reaches a Sharpe ratio on days it does not learn from, beside Stable-Baselines3 in the same process.

    python3 benchmarks/time_to_sharpe.py [--seconds 60] [--worlds 3] [--seed 500] [--json]

One thread each, in planted worlds of 4,000 days, judged after each iteration on 2,000 later ones. Seconds are those of
the processor, without the judging. Three learn: Stable-Baselines3 and ours with the same plain nets, from nothing, and
ours as it is used, from the prior. The mark is the best that Stable-Baselines3 reached in its time.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch

import torch

from ai.checkpoint import Checkpoint
from ai.histories import History, simulated
from ai.identity import Life, crossed, identity_of
from ai.model_store import read_prior
from ai.network import network_of
from ai.policy import checkpoint_of, untrained
from ai.reward import sigma_of
from ai.rl_agent import collect, environment_of, optimizer_of, update
from ai.rl_environment import ReplayEnvironment
from ai.study import judged
from benchmarks.baseline_ppo import baseline_ppo
from benchmarks.figure import Figure, Peer, print_figures
from benchmarks.ppo_speed import PLAIN
from contract.config import Agent
from market.strategy_worlds import planted_world
from trading.metrics import sharpe
from trading.rebalancing import Rules

TRAINING_DAYS, HELD_OUT_DAYS = 4_000, 2_000
BASELINE = "Stable-Baselines3"
RULES = Rules()


class Reached(NamedTuple):
    seconds: float
    """Of learning alone."""
    sharpe: float


def climb(iterate: Callable[[], object], judge: Callable[[], float], limit: float) -> list[Reached]:
    """What had been reached after each iteration, and before the first."""
    spent, course = 0.0, [Reached(0.0, judge())]
    while spent < limit:
        began = time.process_time()
        iterate()
        spent += time.process_time() - began
        course.append(Reached(spent, judge()))
    return course


def ours(start: Checkpoint, settings: Agent, training: History, held_out: History, limit: float) -> list[Reached]:
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    network = network_of(start, settings, identity_of(training), generator)
    optimizer = optimizer_of(network, settings)
    environment = environment_of(crossed(training, settings.episode_days), RULES, settings, rng)

    def iterate() -> None:
        environment.reset(rng)
        update(network, optimizer, collect(network, environment, settings, generator), settings, generator)

    return climb(iterate, lambda: judged(network.policy(), held_out, RULES), limit)


def theirs(training: History, held_out: History, limit: float) -> list[Reached]:
    life = Life(training, identity_of(training))
    model = baseline_ppo(environment_of([life], RULES, PLAIN, np.random.default_rng(1)), PLAIN)
    days = PLAIN.replicas * PLAIN.episode_days

    def judge() -> float:
        unseen = life._replace(history=held_out)
        walker = ReplayEnvironment([unseen], RULES, sigma_of(training.returns), 1, held_out.days)
        net = []
        for _ in range(held_out.days):
            action, _ = model.predict(walker.observation().astype(np.float32), deterministic=True)
            net.append(walker.walk(action[np.newaxis].astype(np.float64)).net[0, 0])
        return float(sharpe(net))

    return climb(lambda: model.learn(days, reset_num_timesteps=False), judge, limit)


def first_at(course: list[Reached], mark: float) -> float:
    return next((reached.seconds for reached in course if reached.sharpe >= mark), math.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of learning, for each")
    parser.add_argument("--worlds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=500, help="of the first world")
    parser.add_argument("--json", action="store_true", help="print the figures for the table as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {}
    from_nothing = checkpoint_of(replace(untrained(), residual=np.zeros(3)))
    for seed in range(options.seed, options.seed + options.worlds):
        world = planted_world(TRAINING_DAYS + HELD_OUT_DAYS, np.random.default_rng((77, seed)))
        history = simulated(world.returns)
        training, held_out = history.between(0, TRAINING_DAYS), history.between(TRAINING_DAYS, history.days)
        baseline = theirs(training, held_out, options.seconds)
        mark = max(reached.sharpe for reached in baseline)
        print(f"world {seed}: the mark is {mark:.3f}")
        for name, course in (
            (BASELINE, baseline),
            ("ours, plain nets", ours(from_nothing, PLAIN, training, held_out, options.seconds)),
            ("ours, as used", ours(read_prior().checkpoint, Agent(), training, held_out, options.seconds)),
        ):
            best = max(reached.sharpe for reached in course)
            seconds.setdefault(name, []).append(first_at(course, mark))
            print(
                f"  {name:20} began at {course[0].sharpe:+.3f}, there after {first_at(course, mark):6.1f} s; "
                f"best {best:+.3f} after {first_at(course, best):6.1f} s, last {course[-1].sharpe:+.3f}"
            )
    if options.json:
        command = f"python3 benchmarks/time_to_sharpe.py --worlds {options.worlds} --seconds {options.seconds:g}"
        peer = Peer("Stable-Baselines3", median(seconds[BASELINE]))
        print_figures(
            Figure(f"{name}: to the best Sharpe ratio of Stable-Baselines3", median(took), "s", command, peer=peer)
            for name, took in seconds.items()
            if name != BASELINE
        )


if __name__ == "__main__":
    main()
