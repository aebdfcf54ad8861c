"""One training: what it learns from, the candidates that come of it, the one that is offered, and what becomes of it.

Several seeds are several candidates. The one that did best on the validation days is offered and examined on the test
days; the others are logged, and count as trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from ai.checkpoint import Checkpoint
from ai.course import rules_of
from ai.histories import History
from ai.model_store import Stored
from ai.policy import policy_of
from ai.promotion import Split, Verdict, examine, split, too_short
from ai.study import Learn, Learned, Progress, Study
from contract.config import Config
from contract.schema.model import FAILED, PASSED_OVER, PROMOTED, REFUSED, VALIDATION_SHARPE, Training


class Lesson(NamedTuple):
    """What is learnt from, and with what it begins."""

    history: History
    trades: int
    service: Stored
    prior: Stored
    config: Config

    @property
    def split(self) -> Split:
        return split(self.history.days, self.config.promotion)

    @property
    def start(self) -> Stored:
        return self.service if self.config.agent.continue_from == "service" else self.prior


class Candidate(NamedTuple):
    seed: int
    learned: Learned
    final_metrics: Mapping[str, float]
    """The last of the learning itself."""

    @property
    def checkpoint(self) -> Checkpoint:
        return self.learned.checkpoint


def learn_from(
    lesson: Lesson, learn: Learn, seed: int, report: Callable[[Progress], None], stopping: Callable[[], bool]
) -> Learned:
    config, parts = lesson.config, lesson.split
    known = lesson.history.between(0, parts.validation.stop)
    rules, start = rules_of(config), lesson.start.checkpoint
    study = Study(start, known, parts.training, parts.validation, rules, config.agent, seed)
    return learn(study, report, stopping)


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """The one to offer."""
    return max(candidates, key=lambda candidate: _or(-inf, candidate.learned.validation_sharpe))


def verdict_on(
    candidate: Candidate, candidates: Sequence[Candidate], lesson: Lesson, trials: Sequence[float]
) -> Verdict:
    """trials: the validation Sharpe ratios of all candidates of earlier trainings."""
    config, days = lesson.config, lesson.split.test
    if not days:
        return Verdict(False, too_short(lesson.history.days, config.promotion))
    service, prior = lesson.service, lesson.prior
    in_service = service.policy
    return examine(
        policy_of(candidate.checkpoint),
        in_service,
        in_service if service.manifest.sha256 == prior.manifest.sha256 else prior.policy,
        lesson.history.between(days.start, days.stop),
        rules_of(config),
        config.promotion,
        np.random.default_rng(candidate.seed),
        [*trials, *(found for one in candidates if isfinite(found := one.learned.validation_sharpe))],
        config.account.periods_per_year,
    )


def offered(candidate: Candidate, verdict: Verdict, lesson: Lesson, now: datetime) -> Training:
    """The entry in the log of the candidate that was examined."""
    outcome = PROMOTED if verdict.promoted else REFUSED
    return _entry(candidate, lesson, now, outcome, verdict.reason, verdict.figures())


def passed_over(candidate: Candidate, lesson: Lesson, now: datetime) -> Training:
    return _entry(candidate, lesson, now, PASSED_OVER, "another seed did better on the validation days", {})


def broken_off(seed: int, lesson: Lesson, error: str, now: datetime) -> Training:
    """The entry of a training that an error ended."""
    return Training(
        timestamp=now,
        outcome=FAILED,
        generation=None,
        episodes=0,
        total_reward=0.0,
        seed=seed,
        duration_s=0.0,
        trades=lesson.trades,
        days=len(lesson.split.training),
        reason=error,
    )


def _entry(
    candidate: Candidate, lesson: Lesson, now: datetime, outcome: str, reason: str, figures: Mapping[str, object]
) -> Training:
    learned, parts = candidate.learned, lesson.split
    own: dict[str, object] = {
        "steps": learned.steps,
        "validation_days": len(parts.validation),
        "started_from": lesson.start.manifest.generation,
        "examined_against": lesson.service.manifest.generation,
    }
    if isfinite(learned.validation_sharpe):
        own[VALIDATION_SHARPE] = learned.validation_sharpe
    return Training(
        timestamp=now,
        outcome=outcome,
        generation=None,
        episodes=learned.episodes,
        total_reward=_or(0.0, learned.total_reward),
        seed=candidate.seed,
        duration_s=_or(0.0, learned.seconds),
        trades=lesson.trades,
        days=len(parts.training),
        final_metrics={name: value for name, value in candidate.final_metrics.items() if isfinite(value)},
        figures={**own, **figures},
        reason=f"{reason} ({learned.note})" if learned.note else reason,
    )


def _or(otherwise: float, value: float) -> float:
    return value if isfinite(value) else otherwise
