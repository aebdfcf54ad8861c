"""A way of learning that takes no time, and a world in which what it learns is better than whatever follows trends.

Run as a script this is a trainer that learns so: a little slower, and telling each episode on standard output.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path[:1] = [str(Path(__file__).resolve().parents[number]) for number in (2, 1)]

from ai.policy import checkpoint_of
from ai.rl_trainer import trainer
from ai.study import Learned, Progress, Study
from contract.daemon import main
from support.policies_of_strength import policy_with

CONTRARY = -1.0
"""The strength of a policy that flees what did well."""


def turning_returns(days: int, seed: int = 1) -> NDArray[np.float64]:
    """(days, 8): what did well of late does badly."""
    rng = np.random.default_rng(seed)
    returns, late = np.empty((days, 8)), np.zeros(8)
    for day in range(days):
        returns[day] = rng.normal(0.0, 0.01, 8) - 0.004 * np.tanh(late / 0.02)
        late = 0.9 * late + returns[day]
    return returns.round(9)


class ScriptedLearner:
    """Returns a policy of one strength; its validation Sharpe ratio is what its seed is worth."""

    def __init__(self, strength: float = CONTRARY, worth: dict[int, float] | None = None) -> None:
        self.strength = strength
        self.worth = worth or {}
        self.lessons: list[Study] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(
        self, study: Study, report: Callable[[Progress], None], stopping: Callable[[], bool]
    ) -> Learned:
        self.lessons.append(study)
        sharpe = self.worth.get(study.seed, 1.0)
        episodes = study.settings.episodes
        for episode in range(1, episodes + 1):
            scalars = {"policy_loss": 1.0 / episode, "entropy": 2.0}
            report(Progress(episode, episodes, 0.1 * episode, sharpe, 1000.0, float(episodes - episode), scalars))
            self.meanwhile()
            if stopping():
                break
        checkpoint = checkpoint_of(policy_with(self.strength), settings={"seed": study.seed})
        return Learned(checkpoint, sharpe, episode, 0.5 * episode, 64 * episode, 1.5, episode < episodes, "scripted")


def slowly() -> None:
    print("episode", flush=True)
    threading.Event().wait(0.005)


if __name__ == "__main__":
    learner = ScriptedLearner()
    learner.meanwhile = slowly
    raise SystemExit(main(trainer(learner)))
