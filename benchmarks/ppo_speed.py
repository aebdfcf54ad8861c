#!/usr/bin/env python3
"""How many days PPO steps through in a second, walking and learning, beside Stable-Baselines3 in the same process.

    python3 benchmarks/ppo_speed.py [--iterations 6] [--threads 2] [--baseline] [--json]

The same work for all: 64 accounts x 256 days, batches of 4,096, 4 epochs, an actor and a critic of 64-64 with tanh.
Stable-Baselines3 (`--baseline`, from the extra `lab`) walks through the same environment by its vectorised interface.
Ours is measured with the plain actor of those sizes (`whole`) and with the one that is really used (`shared`). The
floor is the time that the multiplications of the update alone would take, at the rate that sgemm reaches here and now.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from ai.histories import History, simulated
from ai.identity import NOTHING_KNOWN, Life
from ai.network import network_of
from ai.policy import checkpoint_of, untrained
from ai.rl_agent import collect, environment_of, optimizer_of, update
from benchmarks.figure import Figure, Peer, print_figures
from contract.config import Agent
from market.strategy_worlds import planted_world
from trading.rebalancing import Rules

DAYS = 5_000
PLAIN = Agent(actor="whole", actor_groups="market, strategy, regime", hidden=64, largest_kl=1e9)
USED = Agent(largest_kl=1e9)
AIM = 10.0
"""How many times as fast as Stable-Baselines3 it should be."""
LIMIT = (
    "the aim is 10 x, which is more than the products of matrices alone leave room for on one thread; theirs walks "
    "through our environment, and both wait for the same products"
)


def rate_of(settings: Agent, training: History, iterations: int) -> list[float]:
    """Days a second of each iteration: walk, look back, update."""
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    network = network_of(checkpoint_of(untrained()), settings, NOTHING_KNOWN, generator)
    optimizer = optimizer_of(network, settings)
    environment = environment_of([Life(training, NOTHING_KNOWN)], Rules(), settings, rng)

    def iterate() -> None:
        environment.reset(rng)
        update(network, optimizer, collect(network, environment, settings, generator), settings, generator)

    return rates(iterate, settings.replicas * settings.episode_days, iterations)


def rates(iterate: Callable[[], object], days: int, iterations: int) -> list[float]:
    iterate()
    found = []
    for _ in range(iterations):
        began = time.perf_counter()
        iterate()
        found.append(days / (time.perf_counter() - began))
    return found


def floor_rate(settings: Agent) -> float:
    """Days a second if there were nothing but the multiplications of the two nets of 64-64.

    Walking is one pass forward, and each epoch one forward and one back, which is twice as much.
    """
    size = 2_048
    left, right = torch.randn(size, size), torch.randn(size, size)
    seconds = []
    for _ in range(7):
        began = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - began)
    per_second = 2.0 * size**3 / median(seconds)
    multiplied = sum(a * b for a, b in ((28, 64), (64, 64), (64, 8), (34, 64), (64, 64), (64, 1)))
    return per_second / (2.0 * multiplied * (1 + 3 * settings.epochs))


def baseline(training: History, iterations: int) -> list[float]:
    """The same by Stable-Baselines3, through its own loop."""
    from benchmarks.baseline_ppo import baseline_ppo

    settings = PLAIN
    environment = environment_of([Life(training, NOTHING_KNOWN)], Rules(), settings, np.random.default_rng(1))
    model = baseline_ppo(environment, settings)
    days = settings.replicas * settings.episode_days
    return rates(lambda: model.learn(days, reset_num_timesteps=False), days, iterations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--baseline", action="store_true", help="also measure Stable-Baselines3")
    parser.add_argument("--json", action="store_true", help="print the figures for the table as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    training = simulated(planted_world(DAYS, np.random.default_rng(3)).returns)
    floor = floor_rate(PLAIN)
    plain, used = (median(rate_of(settings, training, options.iterations)) for settings in (PLAIN, USED))
    print(f"threads                          {options.threads}")
    print(f"floor of the multiplications     {floor:>10,.0f} days/s")
    print(f"PPO, two nets of 64-64           {plain:>10,.0f} days/s   {plain / floor:.0%} of the floor")
    print(f"PPO, the actor that is used      {used:>10,.0f} days/s")
    command = f"python3 benchmarks/ppo_speed.py --threads {options.threads}"
    figures = [
        Figure("PPO, two nets of 64-64, of what its products alone would allow", plain / floor, "x", command),
        Figure("PPO, the actor that is used", used, "days/s", command),
    ]
    if options.baseline:
        theirs = median(baseline(training, max(2, options.iterations // 2)))
        print(f"Stable-Baselines3, the same nets {theirs:>10,.0f} days/s   ours is {plain / theirs:.1f} x")
        peer = Peer("Stable-Baselines3", theirs)
        name = "PPO, two nets of 64-64, walking and learning"
        figures.append(
            Figure(name, plain, "days/s", f"{command} --baseline", at_least=AIM * theirs, peer=peer, limit=LIMIT)
        )
    if options.json:
        print_figures(figures)


if __name__ == "__main__":
    main()
