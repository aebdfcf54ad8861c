#!/usr/bin/env python3
"""What is learnt: the policy against classical allocators and against what could be known, on simulated worlds.

    python3 benchmarks/learning.py [planted|random|no_edge|fees] [--worlds 50] [--seconds 30] [--out FILE] [--json]

Every contestant wants weights for each day, and all of them are bounded, smoothed and charged alike. Figures are annual
Sharpe ratios of days that nobody has seen before, as means over the worlds with their standard errors, and differences
are paired world by world. Seconds of training are those of the processor, on one thread. The best classical allocator
is chosen in hindsight, for each world anew. The filter knows the world's regimes but not which of them rules; the
clairvoyant knows that too; both choose in hindsight how boldly.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch

from ai.course import EQUAL, run
from ai.histories import History, simulated
from ai.identity import identity_of
from ai.learner import learner, use_threads
from ai.model_store import read_prior
from ai.policy import Policy, policy_of, untrained
from ai.smoothing import FloatArray
from ai.study import Study
from ai.trust import Evidence, Terms, advantage, blend
from benchmarks.figure import Figure, Peer, print_figures
from contract.config import Agent
from market.strategy_worlds import World, planted_world, random_world
from trading.allocators.online import exponentiated_gradient, fixed_share, hedge, online_newton_step
from trading.allocators.windowed import sharpe_momentum
from trading.metrics import sharpe
from trading.rebalancing import Rules, earn, follow
from trading.simplex_array import softmax

TRAINING_DAYS, PURGED_DAYS = 4_400, 30
HINDSIGHT = (
    "the best of 17 allocators is chosen for each world anew, and 0.1 of its Sharpe ratio is that choice; what is "
    "known by name brings the policy nearer, and 1,000 days show little of it"
)
BOLDNESS = (0.5, 1.0, 2.0, 4.0)
CLASSICAL: dict[str, Callable[[FloatArray], FloatArray]] = {
    **{f"hedge {rate:g}": partial(hedge, rate=rate) for rate in (2.0, 5.0, 10.0, 20.0)},
    **{f"fixed share {rate:g}": partial(fixed_share, rate=rate, share=0.01) for rate in (10.0, 20.0, 40.0)},
    **{f"EG {rate:g}": partial(exponentiated_gradient, rate=rate) for rate in (0.05, 1.0, 20.0)},
    "ONS": online_newton_step,
    **{
        f"Sharpe momentum {days}, {strength:g}": partial(sharpe_momentum, window=days, strength=strength)
        for days in (30, 60, 120)
        for strength in (0.5, 1.0)
    },
}


class Kind(NamedTuple):
    """A kind of world."""

    make: Callable[[int, np.random.Generator], World]
    seen_days: int
    """Training and validation; before any of them there is nothing to train on."""
    unseen_days: int
    rules: Rules


KINDS = {
    "planted": Kind(planted_world, 5_000, 4_000, Rules()),
    "random": Kind(random_world, 1_000, 2_000, Rules()),
    "no_edge": Kind(partial(random_world, edge=0.0), 5_000, 2_500, Rules()),
    "fees": Kind(partial(random_world, edge=0.3), 5_000, 2_500, Rules(cost_bps=50.0)),
}


class Figures(NamedTuple):
    sharpe: float
    turnover: float


class Unseen(NamedTuple):
    """The days on which all are compared."""

    history: History
    rules: Rules

    def wanted(self, weights: FloatArray) -> Figures:
        """Of whoever wants weights (days, 8)."""
        return self.held(follow(weights, EQUAL, self.rules))

    def held(self, weights: FloatArray) -> Figures:
        net, turnover = earn(weights, self.history.returns, EQUAL, self.rules)
        return Figures(float(sharpe(net)), float(turnover.mean()))

    def policy(self, policy: Policy) -> Figures:
        return self.held(run(policy, self.history, self.rules).weights[:-1])

    def published(self, policy: Policy, terms: Terms) -> Figures:
        """The blend of the policy and equal weight, as trust would have had it from the first of these days."""
        course = run(policy, self.history, self.rules)
        base = earn(np.tile(EQUAL, (self.history.days, 1)), self.history.returns, EQUAL, self.rules).net
        evidence, trust = Evidence.before_any(terms), np.empty((self.history.days, 1))
        for day, (ours, equal) in enumerate(zip(course.net.tolist(), base.tolist(), strict=True)):
            trust[day] = evidence.trust(terms)
            evidence = evidence.after(advantage(ours, equal), terms)
        return self.held(blend(trust, course.weights[:-1], EQUAL, self.rules.floor, self.rules.cap))


def expected_returns(world: World) -> FloatArray:
    """What each day is expected to bring (days, 8), by Bayes, to one who knows all about the world but its regime."""
    count, stay = len(world.means), 1.0 - 1.0 / world.mean_length_days
    moves = np.full((count, count), (1.0 - stay) / (count - 1))
    np.fill_diagonal(moves, stay)
    scores = (world.returns[:, np.newaxis] - world.means) / world.deviations
    likelihood = -0.5 * np.square(scores).sum(axis=-1)
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    belief, expected = np.full(count, 1.0 / count), np.empty_like(world.returns)
    for day, likely in enumerate(likelihood):
        expected[day] = belief @ world.means
        seen = belief * likely
        belief = (seen / seen.sum()) @ moves
    return expected


def boldest(world: World, expected: FloatArray, unseen: Unseen, first: int) -> Figures:
    """Of whoever expects these returns and divides by them; the best of several degrees of boldness."""
    ratios = expected[first:] / world.deviations * math.sqrt(252.0)
    return max(unseen.wanted(softmax(boldness * ratios)) for boldness in BOLDNESS)


def contest(kind: Kind, seed: int, seconds: tuple[float, ...]) -> dict[str, Figures]:
    """Everybody's figures in one world."""
    world = kind.make(kind.seen_days + kind.unseen_days, np.random.default_rng((77, seed)))
    whole, first = simulated(world.returns), kind.seen_days
    unseen = Unseen(whole.between(first, whole.days), kind.rules)
    seen = whole.between(0, first)
    prior = read_prior().checkpoint
    found = {"equal weight": unseen.wanted(np.tile(EQUAL, (kind.unseen_days, 1)))}
    classical = {name: unseen.wanted(rule(world.returns)[first:-1]) for name, rule in CLASSICAL.items()}
    found["best classical"] = max(classical.values())
    found["untrained"] = unseen.policy(untrained())
    found["prior, zero-shot"] = unseen.policy(policy_of(prior))
    known = identity_of(seen)
    found["untrained + names"] = unseen.policy(untrained(known))
    found["prior + names"] = unseen.policy(replace(policy_of(prior), **known._asdict()))
    found["filter (Bayes)"] = boldest(world, expected_returns(world), unseen, first)
    found["clairvoyant"] = boldest(world, world.means[world.regimes], unseen, first)
    for limit in seconds:
        policy = trained(kind, seen, seed, limit)
        found[f"PPO, {limit:g} s"] = unseen.policy(policy)
        found[f"published, {limit:g} s"] = unseen.published(policy, Terms())
    return found


def trained(kind: Kind, seen: History, seed: int, seconds: float) -> Policy:
    """From the prior, with as many episodes as there is time for: seconds of the processor, on one thread."""
    before_s, episode_s = pace(kind)
    settings, began = Agent(episodes=max(1, int((seconds - before_s) / episode_s))), time.process_time()
    learnt = learner()(study(kind, seen, settings, seed), lambda _: None, lambda: time.process_time() - began > seconds)
    return policy_of(learnt.checkpoint)


def study(kind: Kind, seen: History, settings: Agent, seed: int) -> Study:
    training_days = min(TRAINING_DAYS, round(0.85 * seen.days))
    parts = range(training_days), range(training_days + PURGED_DAYS, seen.days)
    return Study(read_prior().checkpoint, seen, *parts, kind.rules, settings, seed)


@cache
def pace(kind: Kind) -> tuple[float, float]:
    """Seconds for what comes before PPO, and for an episode of it: how many there will be is said when it begins."""
    seen = simulated(kind.make(kind.seen_days, np.random.default_rng(0)).returns)
    learn, ends, began = learner(), list[float](), time.process_time()
    learn(study(kind, seen, Agent(episodes=7), 0), lambda _: ends.append(time.process_time() - began), lambda: False)
    episode_s = float(np.median(np.diff(ends)))
    return ends[0] - episode_s, episode_s


def table(results: list[dict[str, Figures]]) -> str:
    names = list(results[0])
    sharpes = {name: np.array([result[name].sharpe for result in results]) for name in names}

    def figure(values: FloatArray) -> str:
        return f"{values.mean():+7.3f} +- {values.std() / math.sqrt(len(values)):.3f}"

    head = f"{'':24}{'Sharpe':>17}{'over equal weight':>21}{'over best classical':>21}"
    lines = [f"{head}{'of Bayes':>10}{'turnover':>10}"]
    for name in names:
        own = sharpes[name]
        over = [figure(own - sharpes[other]) for other in ("equal weight", "best classical")]
        share = own.mean() / sharpes["filter (Bayes)"].mean()
        turnover = np.mean([result[name].turnover for result in results])
        lines.append(f"{name:24}{figure(own):>17}{over[0]:>21}{over[1]:>21}{share:>10.0%}{turnover:>10.3f}")
    return "\n".join(lines)


def goals(name: str, results: list[dict[str, Figures]], seconds: Sequence[float]) -> Iterator[Figure]:
    """What was aimed at in worlds of this kind."""
    said = " ".join(f"{limit:g}" for limit in seconds)
    command = f"python3 benchmarks/learning.py {name} --worlds {len(results)} --seconds {said}"

    def mean(contestant: str, part: str = "sharpe") -> float:
        return float(np.mean([getattr(result[contestant], part) for result in results]))

    for limit in seconds:
        ppo, published = f"PPO, {limit:g} s", f"published, {limit:g} s"
        what = f"{len(results)} {name} worlds, {limit:g} s"
        if name in ("planted", "random"):
            least = {"planted": (1.15, 0.8), "random": (1.0, None)}[name]
            lead, of_bayes = (mean(ppo) / mean(other) for other in ("best classical", "filter (Bayes)"))
            over = f"{what}: PPO over the best classical in hindsight"
            yield Figure(over, lead, "x", command, least[0], limit=HINDSIGHT)
            yield Figure(f"{what}: PPO over Bayes", of_bayes, "x", command, least[1])
        elif name == "no_edge":
            gap = mean(published) - mean("equal weight")
            yield Figure(f"{what}: published less equal weight, in Sharpe ratios", gap, "", command, -0.1, 0.1)
            yield Figure(f"{what}: turnover of what is published", mean(published, "turnover"), "", command, None, 0.02)
        else:
            own, untaught = mean(ppo, "turnover"), mean("untrained", "turnover")
            peer = Peer("untrained", untaught)
            yield Figure(f"{what}: turnover of PPO", own, "", command, None, untaught, peer)
    if name == "random":
        zero_shot = mean("prior, zero-shot") / mean("best classical")
        what = f"{len(results)} random worlds: the shipped prior, zero-shot, over the best classical in hindsight"
        yield Figure(what, zero_shot, "x", command, 1.0, limit=HINDSIGHT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=KINDS, default="planted")
    parser.add_argument("--worlds", type=int, default=50)
    parser.add_argument("--seconds", type=float, nargs="*", default=[30.0], help="of training; none: no training")
    parser.add_argument("--seed", type=int, default=1_000, help="of the first world")
    parser.add_argument("--out", type=Path, help="keep each world's figures here as JSON, and add what is missing")
    parser.add_argument("--json", action="store_true", help="print the figures for the table as well")
    options = parser.parse_args()
    use_threads(1)
    results = kept(options.out) if options.out and options.out.exists() else []
    results += [{} for _ in range(options.worlds - len(results))]
    for world, before in enumerate(results[: options.worlds]):
        missing = tuple(limit for limit in options.seconds if f"PPO, {limit:g} s" not in before)
        if missing or not before:
            results[world] = before | contest(KINDS[options.kind], options.seed + world, missing)
            if options.out:
                content = [{name: figures._asdict() for name, figures in result.items()} for result in results]
                options.out.write_text(json.dumps(content, indent=1))
    results = results[: options.worlds]
    print(f"{options.kind}: {len(results)} worlds\n{table(results)}")
    if options.json:
        print_figures(goals(options.kind, results, options.seconds))


def kept(path: Path) -> list[dict[str, Figures]]:
    """What an earlier run wrote down."""
    worlds = json.loads(path.read_text())
    return [{name: Figures(**figures) for name, figures in world.items()} for world in worlds]


if __name__ == "__main__":
    main()
