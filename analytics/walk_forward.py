"""What the trainer would have made of a history, had it lived through it: only days that nothing learnt from count.

The history is walked in blocks. Before each block a candidate is trained, as the trainer trains, on what was known a
purge before the block began, and examined as the trainer examines it; what is in service then decides the block, and
trust goes on through all of them. A day of a block is therefore more than the purge away from every day that its
weights were learnt, chosen or promoted by: no feature reaches so far.

    | known: training | purge | validation | purge | gate |  purge  | block |
                                                                    | block after: known is longer, or moves along
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from ai.checkpoint import Checkpoint, encode_checkpoint
from ai.course import EQUAL, rules_of, run
from ai.experts import Settings
from ai.histories import History
from ai.learner import learner, use_threads
from ai.model_store import Stored
from ai.policy import Policy, policy_of
from ai.promotion import LEAST_DAYS, Split, Verdict, split
from ai.study import Learn, Learned, Progress
from ai.training import Candidate, Lesson, learn_from, verdict_on
from ai.trust import Evidence, advantage, blend
from analytics.ledger import PUBLISHED, FloatArray, Ledger, wished
from contract.config import Config, Promotion
from contract.errors import BadInput
from trading.allocators import ALLOCATORS
from trading.rebalancing import Earned, Rules, earn

EXPANDING, ROLLING = "expanding", "rolling"
POLICY, UNGATED, PRIOR = "policy", "every_candidate", "prior"
SUMMARIES = {
    PUBLISHED: "trust's blend of the policy in service with the base",
    POLICY: "the policy in service, alone",
    UNGATED: "each block's candidate, promoted or not",
    PRIOR: "the model that ships, never retrained",
}


class Plan(NamedTuple):
    scheme: str = EXPANDING
    """`expanding`: all that is known; `rolling`: the last `window_days` of it."""
    first_days: int = 750
    """Days before the first block."""
    block_days: int = 250
    """Between one training and the next."""
    window_days: int = 1500
    purge_days: int = 30
    """That lie between what is learnt from and the block it decides."""


class Fold(NamedTuple):
    """Days of the history, by their numbers."""

    known: range
    parts: Split
    """Of the known days, as the trainer divides them."""
    block: range


class Trained(NamedTuple):
    """What became of a block's candidate."""

    fold: Fold
    verdict: Verdict
    generation: int
    """In service in the block."""


class Walk(NamedTuple):
    ledger: Ledger
    trained: tuple[Trained, ...]
    trust: FloatArray
    """(days,)"""
    e_value: float
    trials: tuple[float, ...]


Map = Callable[[Callable[[Fold], Learned], Sequence[Fold]], Sequence[Learned]]
"""Trains the folds, in whatever order, and returns what came of them in theirs."""


def folds(days: int, plan: Plan, settings: Promotion) -> list[Fold]:
    """The blocks that follow one another from `first_days` to the end of a history of so many days."""
    if plan.first_days - plan.purge_days < LEAST_DAYS:
        least = LEAST_DAYS + plan.purge_days
        raise BadInput(f"{plan.first_days} days before the first block", hint=f"at least {least} are needed")
    if days <= plan.first_days:
        raise BadInput(f"the history has {days} days", hint=f"more than {plan.first_days} are needed")
    found = []
    for start in range(plan.first_days, days, plan.block_days):
        end = start - plan.purge_days
        begin = max(0, end - plan.window_days) if plan.scheme == ROLLING else 0
        parts = (range(part.start + begin, part.stop + begin) for part in split(end - begin, settings))
        found.append(Fold(range(begin, end), Split(*parts), range(start, min(start + plan.block_days, days))))
    return found


def walk(
    history: History, prior: Stored, settings: Settings, config: Config, plan: Plan, train_all: Map, learn: Learn | None
) -> Walk:
    """settings: by which experts decide; the policy in them is that of the prior. learn: None for the best there is."""
    blocks = folds(history.days, plan, config.promotion)
    learned = train_all(Training(history, prior, config, learn), blocks)
    trained, services, trials = _examined(history, prior, config, blocks, learned)
    rules = rules_of(config)
    paths = {
        POLICY: _path(services, history, blocks, rules),
        UNGATED: _path([policy_of(one.checkpoint) for one in learned], history, blocks, rules),
        PRIOR: _path([prior.policy] * len(blocks), history, blocks, rules),
    }
    first = blocks[0].block.start
    returns = history.returns[first:]
    published, trust, e_value = _trusted(paths[POLICY], returns, settings)
    known = history.seen[:, 0]
    wishes = {name: wished(name, known, first, rules) for name in ALLOCATORS}
    every = {PUBLISHED: published, **paths, **wishes}
    earned = [earn(weights, returns, EQUAL, rules) for weights in every.values()]
    return Walk(_ledger(history, first, every, earned), tuple(trained), trust, e_value, tuple(trials))


@dataclass(frozen=True)
class Training:
    """The training of any fold: it can be sent to another process."""

    history: History
    prior: Stored
    config: Config
    learn: Learn | None

    def __call__(self, fold: Fold) -> Learned:
        learn = self.learn
        if learn is None:
            use_threads(1)
            learn = learner()
        lesson = lesson_of(self.history, fold, self.prior, self.prior, self.config)
        return learn_from(lesson, learn, fold.block.start, _say_nothing, _never)


def lesson_of(history: History, fold: Fold, service: Stored, prior: Stored, config: Config) -> Lesson:
    known = history.between(fold.known.start, fold.known.stop)
    return Lesson(known, int(known.seen[:, 1].sum()), service, prior, config)


def _examined(
    history: History, prior: Stored, config: Config, blocks: Sequence[Fold], learned: Sequence[Learned]
) -> tuple[list[Trained], list[Policy], list[float]]:
    """The gate, one block after the other: what is in service in each follows from those before."""
    service, trained, services = prior, [], []
    trials: list[float] = []
    for fold, one in zip(blocks, learned, strict=True):
        candidate = Candidate(fold.block.start, one, {})
        lesson = lesson_of(history, fold, service, prior, config)
        verdict = verdict_on(candidate, [candidate], lesson, trials)
        if np.isfinite(one.validation_sharpe):
            trials.append(one.validation_sharpe)
        if verdict.promoted:
            service = _stored(one.checkpoint, service)
        trained.append(Trained(fold, verdict, service.manifest.generation))
        services.append(service.policy)
    return trained, services, trials


def _stored(checkpoint: Checkpoint, before: Stored) -> Stored:
    digest = sha256(encode_checkpoint(checkpoint)).hexdigest()
    return Stored(replace(before.manifest, generation=before.manifest.generation + 1, sha256=digest), checkpoint)


def _path(policies: Sequence[Policy], history: History, blocks: Sequence[Fold], rules: Rules) -> FloatArray:
    """The weights on the days of all blocks, each decided by its policy, from where the block before ended."""
    held, parts = EQUAL, []
    for policy, fold in zip(policies, blocks, strict=True):
        course = run(policy, history.between(fold.block.start, fold.block.stop), rules, held)
        parts.append(course.weights[:-1])
        held = course.weights[-2]
    return np.concatenate(parts)


def _trusted(policy: FloatArray, returns: FloatArray, settings: Settings) -> tuple[FloatArray, FloatArray, float]:
    """What is published of a policy's weights (days, 8), the trust of each day, and the e-value after the last."""
    rules, terms = settings.rules, settings.terms
    base = np.tile(settings.base, (len(policy), 1))
    nets = np.stack([earn(weights, returns, EQUAL, rules).net for weights in (policy, base)], axis=1)
    evidence, trust = Evidence.before_any(terms), np.empty(len(policy))
    for day, (ours, theirs) in enumerate(nets.tolist()):
        trust[day] = evidence.trust(terms)
        evidence = evidence.after(advantage(ours, theirs), terms)
    return blend(trust[:, np.newaxis], policy, base, rules.floor, rules.cap), trust, evidence.e_value


def _ledger(history: History, first: int, every: dict[str, FloatArray], earned: Sequence[Earned]) -> Ledger:
    return Ledger(
        dates=history.dates[first:],
        names=tuple(every),
        weights=np.stack(list(every.values())),
        net=np.stack([account.net for account in earned]),
        turnover=np.stack([account.turnover for account in earned]),
    )


def _say_nothing(progress: Progress) -> None:
    pass


def _never() -> bool:
    return False
