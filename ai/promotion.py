"""May this candidate take the place of the model in service?

It may if it earned more for its risk on days that nothing of it has seen: more than the model in service and more than
the prior, by so much that luck would rarely do it. Anything laxer lets a service decay, one candidate a little worse
than the last; so refusals are the rule, and a history too short to be examined on is one.

    | training | purge | validation | purge | test |

Training chooses its model on the validation days, and which of several seeds is offered is chosen there too. The test
days are used for one thing: this question, once per candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ai.course import Course, run
from ai.histories import History
from ai.policy import Policy
from contract.config import Promotion
from trading.metrics import (
    PERIODS_PER_YEAR,
    deflated_sharpe,
    effective_number,
    paired_sharpe_difference,
    sharpe,
    sharpe_estimate,
)
from trading.rebalancing import Rules
from trading.simplex import UnusableWeights

LEAST_DAYS = 40
"""With fewer there is nothing to be learnt."""
LEAST_BEFORE_TEST = 200
"""To learn from and to choose by; where a history cannot spare them, nothing of it is kept for a test."""


class Split(NamedTuple):
    """Days of a history, by their numbers."""

    training: range
    validation: range
    test: range
    """Empty where the history is too short for one."""


class Comparison(NamedTuple):
    """Of the candidate with another model, on the same days. Sharpe ratios are annual and net of costs."""

    sharpe: float
    """Of the other model."""
    difference: float
    lower_bound: float
    """One-sided."""
    standard_error: float


UNKNOWN = Comparison(nan, nan, nan, nan)


@dataclass(frozen=True)
class Verdict:
    """What was found out about a candidate; nan is what could not be."""

    promoted: bool
    reason: str
    test_days: int = 0
    sharpe: float = nan
    effective_number: float = nan
    """Of the weights in force, in the mean."""
    turnover: float = nan
    """Of a day, in the mean."""
    service: Comparison = UNKNOWN
    prior: Comparison = UNKNOWN
    deflated_sharpe: float = nan
    """The probability that it is above what luck gives the best of so many trials."""
    trials: int = 0

    def figures(self) -> dict[str, object]:
        """As the log of all trainings has them: what could not be found out is left out."""
        found: dict[str, float] = {
            "test_days": self.test_days,
            "test_sharpe": self.sharpe,
            "effective_number": self.effective_number,
            "turnover": self.turnover,
            "deflated_sharpe": self.deflated_sharpe,
            "trials": self.trials,
        }
        for name, comparison in (("service", self.service), ("prior", self.prior)):
            for part, figure in comparison._asdict().items():
                found[f"{name}_{part}"] = figure
        return {name: figure for name, figure in found.items() if isfinite(figure)}


def split(days: int, settings: Promotion) -> Split:
    """How a history of so many days is divided. No day of one part is within the purge of a test day."""
    test_days = min(settings.test_days, max(settings.min_test_days, days // 5))
    before = days - test_days - settings.purge_days
    if before < LEAST_BEFORE_TEST:
        test_days, before = 0, days
    validation_days = min(settings.validation_days, before // 4)
    training_days = before - validation_days - min(settings.purge_days, before // 4)
    return Split(range(training_days), range(before - validation_days, before), range(days - test_days, days))


def too_short(days: int, settings: Promotion) -> str:
    """Why a history cannot be examined on; empty where it can."""
    if split(days, settings).test:
        return ""
    needed = settings.min_test_days + settings.purge_days + LEAST_BEFORE_TEST
    return f"{days} days are too few to examine a candidate on: {needed} are needed"


def examine(
    candidate: Policy,
    service: Policy,
    prior: Policy,
    test: History,
    rules: Rules,
    settings: Promotion,
    rng: np.random.Generator,
    trials: Sequence[float] = (),
    periods_per_year: float = PERIODS_PER_YEAR,
) -> Verdict:
    """The verdict on a candidate by what all three would have done on the test days.

    trials: the Sharpe ratios of all candidates there ever were, this one among them, on the days by which they were
    chosen.
    """
    with np.errstate(all="ignore"):  # what overflows is not finite, and refused for it
        try:
            course = run(candidate, test, rules)
        except UnusableWeights as error:
            return Verdict(False, f"what it wants are no weights: {error}", test.days, trials=len(trials))
    in_service = run(service, test, rules)
    by_prior = in_service if service is prior else run(prior, test, rules)
    return judge(course, in_service, by_prior, settings, rng, trials, periods_per_year)


def judge(
    candidate: Course,
    service: Course,
    prior: Course,
    settings: Promotion,
    rng: np.random.Generator,
    trials: Sequence[float] = (),
    periods_per_year: float = PERIODS_PER_YEAR,
) -> Verdict:
    """The verdict by the courses of all three over the test days."""
    with_service = _compare(candidate, service, settings, rng, periods_per_year)
    with_prior = with_service if prior is service else _compare(candidate, prior, settings, rng, periods_per_year)
    found = Verdict(
        promoted=False,
        reason="",
        test_days=len(candidate.net),
        sharpe=float(sharpe(candidate.net, periods_per_year)),
        effective_number=float(effective_number(candidate.weights).mean()),
        turnover=float(candidate.turnover.mean()),
        service=with_service,
        prior=with_prior,
        deflated_sharpe=deflated(candidate.net, trials, periods_per_year),
        trials=len(trials),
    )
    against = _objection(found, settings)
    praise = f"better than the model in service: {_in_words(with_service, settings)}"
    return replace(found, promoted=not against, reason=against or praise)


def deflated(net: ArrayLike, trials: Sequence[float], periods_per_year: float = PERIODS_PER_YEAR) -> float:
    """The probability that returns (days,) come of skill, they being the best of so many trials; nan of none."""
    if not trials:
        return nan
    return deflated_sharpe(sharpe_estimate(net, periods_per_year), len(trials), float(np.std(trials)))


def _compare(
    candidate: Course, other: Course, settings: Promotion, rng: np.random.Generator, periods_per_year: float
) -> Comparison:
    difference = paired_sharpe_difference(
        candidate.net,
        other.net,
        rng,
        level=settings.level,
        draws=settings.draws,
        mean_block=settings.mean_block,
        periods_per_year=periods_per_year,
    )
    return Comparison(float(sharpe(other.net, periods_per_year)), *difference)


def _objection(found: Verdict, settings: Promotion) -> str:
    """What speaks against a candidate; empty if nothing does. Every comparison is false for nan."""
    if found.test_days < settings.min_test_days:
        return f"examined on {found.test_days} days, fewer than {settings.min_test_days}"
    if not isfinite(found.sharpe):
        return "what it earns is not finite"
    if not found.effective_number >= settings.least_effective:
        least = settings.least_effective
        return f"its weights are worth {found.effective_number:.2f} strategies in the mean, fewer than {least:g}"
    if not found.turnover <= settings.most_turnover:
        return f"it trades {found.turnover:.3f} a day, more than {settings.most_turnover:g}"
    for name, other in (("the model in service", found.service), ("the prior", found.prior)):
        if not other.lower_bound > 0.0:
            return f"not shown to be better than {name}: {_in_words(other, settings)}"
    return ""


def _in_words(other: Comparison, settings: Promotion) -> str:
    return f"Sharpe ratio {other.difference:+.2f}, at least {other.lower_bound:+.2f} at {settings.level:.0%}"
