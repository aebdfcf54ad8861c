"""What every way of learning has in common: what it is given, what it says on the way, what comes of it.

`ai.learner` says which way of learning a machine has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ai.checkpoint import Checkpoint
from ai.course import run
from ai.histories import History
from ai.identity import identity_of
from ai.policy import Policy, knowing
from contract.config import Agent
from trading.metrics import sharpe
from trading.rebalancing import Rules


class Study(NamedTuple):
    """What there is to learn from, and how."""

    start: Checkpoint
    """What the learner knows already."""
    known: History
    """All days that may be looked at: those of training and of validation, and what lies between them."""
    training_days: range
    validation_days: range
    rules: Rules
    settings: Agent
    seed: int

    @property
    def training(self) -> History:
        return self.known.between(self.training_days.start, self.training_days.stop)

    @property
    def validation(self) -> History:
        return self.known.between(self.validation_days.start, self.validation_days.stop)

    def remembered(self, chosen: Checkpoint) -> Checkpoint:
        """The model that was chosen, with what all these days show of the strategies by name.

        It was chosen by what the training days alone show. The rest is statistics and no choice, so it costs nothing
        to have them from all days that may be looked at.
        """
        return knowing(chosen, identity_of(self.known))


class Progress(NamedTuple):
    """Where a training stands after an episode."""

    episode: int
    episodes: int
    reward: float
    """Mean of a day."""
    validation_sharpe: float
    """The best so far: that of the model that would be kept now."""
    steps_per_s: float
    seconds_left: float
    scalars: Mapping[str, float]
    """Whatever else is worth a curve, by its name."""


class Learned(NamedTuple):
    """What came of a training: the model that was best on the validation days, which may be the one it began with."""

    checkpoint: Checkpoint
    validation_sharpe: float
    episodes: int
    total_reward: float
    """Sum over episodes of the mean reward of a day."""
    steps: int
    """Days that were stepped through, in all replicas."""
    seconds: float
    stopped_early: bool
    note: str


class Learn(Protocol):
    def __call__(
        self, study: Study, report: Callable[[Progress], None], stopping: Callable[[], bool]
    ) -> Learned: ...


def judged(policy: Policy, validation: History, rules: Rules) -> float:
    """Its Sharpe ratio on the validation days, net of costs; below all others where it cannot be told."""
    reached = float(sharpe(run(policy, validation, rules).net)) if validation.days > 1 else math.nan
    return reached if math.isfinite(reached) else -math.inf
