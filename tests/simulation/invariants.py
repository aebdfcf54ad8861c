"""What holds at every instant, whatever has happened: functions of what stands in the files.

Nothing here asks the programs what they think: what a file should say is worked out from the other files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from math import exp, expm1, log, log1p
from pathlib import Path
from typing import NamedTuple, TypeVar

from ai.trust import LEAST_FACTOR
from contract.errors import BadInput
from contract.schema.fields import Weights
from contract.schema.judgement import Trust
from contract.schema.model import PROMOTED, Manifest, TrainingLog
from contract.schema.names import RL_INFERENCE, SOURCES, STRATEGIES
from contract.schema.weights import Allocations, RlWeights
from trading.simplex import project

FLOOR, CAP = 0.02, 0.35
ETA, LARGEST_TRUST = 10.0, 0.9
FROM_THE_START, FROM_ANY_DAY = 0.933, 0.79
_ROUNDING = 1e-9
_FILL = re.compile(rb"[0-9-]{10},[^,]+,SIM[0-9]+,(?:buy|sell),(?:[^,\0\n]*,){9}paper-([0-9]{9})\Z")

Found = TypeVar("Found")


class Broken(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)


def readable(content: bytes, path: Path, parse: Callable[[bytes, Path], Found]) -> Found:
    """A published file is never torn, empty or half: it can be read at every instant."""
    try:
        return parse(content, path)
    except BadInput as error:
        raise Broken(f"{path.name} cannot be read: {error}; {len(content)} bytes: {content[:200]!r}") from None


def within_bounds(weights: Weights, what: str) -> None:
    require(abs(sum(weights) - 1.0) <= 1e-9, f"{what}: the weights sum to {sum(weights)!r}")
    outside = [weight for weight in weights if not FLOOR - 1e-12 <= weight <= CAP + 1e-12]
    require(not outside, f"{what}: {outside} are outside [{FLOOR}, {CAP}]")


def told_well(told: Allocations, since: datetime, until: datetime, valid_s: float) -> None:
    """What the bot is told, by the clock of the run that told it: from `since` to `until`."""
    within_bounds(told.strategy_allocations, "what the bot is told")
    require(tuple(told.allocations.values()) == told.strategy_allocations, "the bot is told two different things")
    require(since <= told.timestamp <= until, f"told at {told.timestamp}, in a run from {since} to {until}")
    good_for = told.valid_until and told.valid_until - told.timestamp
    require(good_for == timedelta(seconds=valid_s), f"what the bot is told is good for {good_for}")
    considered = tuple(source.source for source in told.considered)
    require(considered == SOURCES, f"considered were {considered}")


def source_was_fresh(told: Allocations, proposals: Sequence[RlWeights], since: datetime) -> None:
    """If the policy decides, it does so with weights that were still good in the run in which the bridge took them.

    since: the earliest that the bridge can have read from the clock in that run. proposals: what inference had said
    when it began, and whatever it said meanwhile.
    """
    if told.source != RL_INFERENCE:
        return
    taken = [one for one in proposals if one.generation == told.metadata.get("source_generation")]
    require(bool(taken), f"generation {told.metadata.get('source_generation')} of inference was not there to be taken")
    fresh = [one for one in taken if one.valid_until and one.valid_until >= since]
    require(bool(fresh), f"taken at {since} or later were weights that were good until {taken[-1].valid_until}")
    if told.metadata.get("move") is None:
        same = [one for one in fresh if tuple(project(one.weights, FLOOR, CAP)) == told.strategy_allocations]
        require(bool(same), f"generation {taken[-1].generation} of inference says other weights")


def renewed(told: Allocations, since: datetime, until: datetime, valid_s: float) -> None:
    """When the bridge rests, its word is good: not over by the clock of its run, and not good for too long."""
    require(told.valid_until is not None and told.valid_until >= since, f"its word was good until {told.valid_until}")
    assert told.valid_until is not None
    longest = until + timedelta(seconds=valid_s)
    require(told.valid_until <= longest, f"at {until} its word is good until {told.valid_until}")


def blended(said: RlWeights) -> None:
    """What inference says is trust x policy + (1 - trust) x base."""
    within_bounds(said.weights, "what inference says")
    if not said.model_loaded:
        return
    share, policy, base = (said.metadata[name] for name in ("trust", "policy_weights", "base_weights"))
    mixed = [share * policy[name] + (1.0 - share) * base[name] for name in policy]
    apart = max(abs(one - other) for one, other in zip(mixed, said.weights, strict=True))
    require(apart <= 1e-12, f"what inference says is {apart:g} from the blend of its experts")
    require(share <= LARGEST_TRUST, f"the policy is trusted with {share}")


def remembered_first(said: RlWeights, trust: Trust | None, days: Iterable[str]) -> None:
    """What is settled is remembered before anybody hears of what follows from it: all days but the last it speaks of.

    days: those that the bot has marked.
    """
    before = [day for day in days if day < said.metadata["last_day"]]
    if not before:
        return
    last = trust and trust.last_day and trust.last_day.isoformat()
    require(last is not None and last >= max(before), f"it speaks after {max(before)}, and {last} is remembered")
    assert trust is not None
    counted = said.metadata["live_days"] - trust.live_days
    require(counted in (0, 1), f"it speaks of {said.metadata['live_days']} live days, {trust.live_days} are remembered")


# Trust.


def ahead_of_base(trust: Trust) -> float:
    """The logarithm of the blend's wealth over the base's."""
    return trust.blend_log_wealth - trust.base.log_wealth


def guaranteed(trust: Trust, highest: float) -> None:
    """The theorem of `ai.trust`, on the virtual books; `highest` is the most that the blend was ever ahead.

    The odds tell what the blend must have: as long as nobody has begun them anew.
    """
    ahead = ahead_of_base(trust)
    require(exp(ahead) >= FROM_THE_START, f"the blend has {exp(ahead):.4f} of what the base has")
    since = exp(ahead - highest)
    require(since >= FROM_ANY_DAY, f"the blend has {since:.4f} of what it would have with the base from an earlier day")
    owed = (log1p(exp(trust.log_odds)) - log1p(1.0)) / ETA
    odds = exp(trust.log_odds)
    require(ahead >= owed - _ROUNDING, f"the blend is ahead by {ahead:g}, where odds of {odds:g} promise {owed:g}")


def moved_well(before: Trust, after: Trust) -> None:
    """From one remembered trust to the next: by each live day once, by nothing else, and not by a new model."""
    days = after.live_days - before.live_days
    back = before.last_day is not None and (after.last_day is None or after.last_day < before.last_day)
    require(not back, f"trust goes back from {before.last_day} to {after.last_day}")
    require(days >= 0, f"{before.live_days} live days became {after.live_days}")
    if after.last_day == before.last_day:
        require(days == 0, f"{after.last_day} was counted again")
    if days == 0:
        same = (before.log_odds, before.log_evidence) == (after.log_odds, after.log_evidence)
        require(same, f"the odds became {after.log_odds:g} from {before.log_odds:g} without a live day")
    if days == 1:
        policy, base = (
            getattr(after, name).log_wealth - getattr(before, name).log_wealth for name in ("policy", "base")
        )
        change = log1p(max(ETA * expm1(policy - base), LEAST_FACTOR - 1.0))
        expected = min(before.log_odds + change, log(LARGEST_TRUST / (1.0 - LARGEST_TRUST)))
        require(abs(after.log_odds - expected) < 1e-6, f"the odds became {after.log_odds:g} instead of {expected:g}")
        evidence = before.log_evidence + change
        require(abs(after.log_evidence - evidence) < 1e-6, f"the evidence became {after.log_evidence:g}")


# The model.


def in_service(
    manifest: Manifest, checkpoint: bytes | None, made: Container[str], served: Mapping[int, str]
) -> None:
    """What config.json names is there, to the last bit, was made by the learner, examined, and found to be better.

    made: sha256 of all that the learner made. served: the sha256 of each generation that was ever in service.
    """
    number = manifest.generation
    require(checkpoint is not None, f"generation {number} is in service, and {manifest.checkpoint} is missing")
    assert checkpoint is not None
    found = sha256(checkpoint).hexdigest()
    require(found == manifest.sha256, f"generation {number} is in service, and {manifest.checkpoint} is another model")
    require(served.get(number, found) == found, f"generation {number} has become another model")
    if number == 0:
        return
    require(found in made, f"generation {number} was never learnt")
    outcome = manifest.details.get("training", {}).get("outcome")
    require(outcome == PROMOTED, f"generation {number} is in service, and its training ended as {outcome!r}")


def logged(training_log: TrainingLog, manifest: Manifest | None) -> None:
    """Once the trainer rests: what serves stands in the log as promoted, and nothing stands in it twice."""
    trainings = training_log.trainings
    promoted = [training for training in trainings if training.outcome == PROMOTED]
    numbers = [training.generation for training in promoted]
    require(len(set(numbers)) == len(numbers), f"promoted were {numbers}")
    require(all(trainings.count(training) == 1 for training in trainings), "a training stands twice in the log")
    if manifest is not None and manifest.generation:
        require(manifest.generation in numbers, f"generation {manifest.generation} serves, and promoted were {numbers}")


# The rows.


class Rows(NamedTuple):
    """What the bot's history says, read by nobody's reader."""

    fills: tuple[int, ...]
    """The numbers in the ids."""
    pnls: tuple[float, ...]
    """Of the trades: a fill without a profit or a loss is none."""
    bad: int
    """Lines that are no rows."""


def rows_of(content: bytes) -> Rows:
    """All whole lines. A header is no line."""
    fills, pnls, bad = [], [], 0
    for line in content.split(b"\n")[:-1]:
        if found := _FILL.match(line):
            fills.append(int(found[1]))
            if pnl := float(line.split(b",")[7] or 0.0):
                pnls.append(pnl)
        elif not line.startswith(b"date,"):
            bad += 1
    return Rows(tuple(fills), tuple(pnls), bad)


def each_once(fills: Sequence[int], promised: int) -> None:
    """The bot's fills: none twice, and all those that it was told are safe.

    A power cut can spoil the first of the rows that were being appended and leave the others: then it is written again
    behind them, so the order is not promised.
    """
    require(len(set(fills)) == len(fills), f"the history holds fills {_brief(fills)}")
    lost = set(range(1, promised + 1)) - set(fills)
    require(not lost, f"of {promised} fills that were written durably, {sorted(lost)} are lost")


def all_there(fills: Sequence[int]) -> None:
    """When the bot rests: 1, 2, 3 and so on."""
    require(set(fills) == set(range(1, len(fills) + 1)), f"the history holds fills {_brief(fills)}")


def marked_once(content: bytes, *, wholly: bool) -> None:
    """No strategy has two marks on a day; and when the bot rests, each has one."""
    marks = [line.split(b",")[:2] for line in content.split(b"\n")[1:-1] if b"\0" not in line]
    days = Counter((time[:10], strategy) for time, strategy in marks)
    doubled = [found for found, count in days.items() if count > 1]
    require(not doubled, f"marked twice are {doubled}")
    wrong = {day: count for day, count in Counter(day for day, _ in days).items() if count != len(STRATEGIES)}
    require(not (wholly and wrong), f"of eight marks a day there are {wrong}")


def lines_once(content: bytes, what: str, key: Callable[[bytes], bytes] = lambda line: line) -> tuple[bytes, ...]:
    """The whole lines of a file in which none stands twice; one that a power cut has spoilt is none."""
    keys = [key(line) for line in content.split(b"\n")[:-1] if b"\0" not in line]
    doubled = {one for one in keys if keys.count(one) > 1} if len(set(keys)) < len(keys) else set()
    require(not doubled, f"{what}: twice there are {sorted(doubled)[:3]}")
    return tuple(keys)


def _brief(numbers: Iterable[int]) -> str:
    """1-45, 47, 46: where a row of numbers breaks off."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}-{last}" if first < last else f"{first}" for first, last in runs[:8])
