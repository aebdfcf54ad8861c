"""Learning without torch: simpler, and into the same checkpoint.

The network stays as it is, and only how much of everything suits the account is learnt: see `ai.strengths`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ai.course import run
from ai.histories import History
from ai.identity import crossed, identity_of
from ai.policy import Policy, checkpoint_of, knowing, policy_of
from ai.reward import rewards, sigma_of
from ai.strengths import TRIED_AT_ONCE, search
from ai.study import Learned, Progress, Study, judged
from trading.rebalancing import Rules


def learn(study: Study, report: Callable[[Progress], None], stopping: Callable[[], bool]) -> Learned:
    """`ai.study.Learn`. An episode is a round of the search."""
    began, episode, total_reward = time.perf_counter(), 0, 0.0
    training, validation, rules, settings = study.training, study.validation, study.rules, study.settings
    policy = policy_of(knowing(study.start, identity_of(training)))
    kept, kept_sharpe = policy, judged(policy, validation, rules)
    rounds = search(policy, crossed(training, settings.episode_days), rules, np.random.default_rng(study.seed))
    next(rounds)
    while episode < settings.episodes and not stopping():
        found = next(rounds)
        reached = judged(found.policy, validation, rules)
        if reached > kept_sharpe:
            kept, kept_sharpe = found.policy, reached
        episode += 1
        paid = _paid(found.policy, training, rules)
        total_reward += paid
        seconds = time.perf_counter() - began
        report(
            Progress(
                episode=episode,
                episodes=settings.episodes,
                reward=paid,
                validation_sharpe=kept_sharpe,
                steps_per_s=episode * TRIED_AT_ONCE * training.days / seconds,
                seconds_left=seconds / episode * (settings.episodes - episode),
                scalars={"step": found.step},
            )
        )
    return Learned(
        checkpoint=study.remembered(checkpoint_of(kept)),
        validation_sharpe=kept_sharpe,
        episodes=episode,
        total_reward=total_reward,
        steps=episode * TRIED_AT_ONCE * training.days,
        seconds=time.perf_counter() - began,
        stopped_early=episode < settings.episodes,
        note="a search in numpy, because torch cannot be imported",
    )


def _paid(policy: Policy, training: History, rules: Rules) -> float:
    """The mean reward of a training day."""
    return float(rewards(run(policy, training, rules).net, sigma_of(training.returns)).mean())
