"""From the readings of the sources to weights: pure, so that a journal entry says the same again.

    chosen source -> projection onto the bounds -> turnover limit, where the source changed -> strategy weights

The limit is spent once in an account day, like every step of the weights: while a move from one source to another is
under way, a day's weights are at most `turnover_limit` from those that the day began with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agents.bridge_sources import USABLE, Reading
from contract.schema.fields import Weights
from contract.schema.names import EQUAL_WEIGHT, STRATEGIES
from contract.schema.weights import Considered
from trading.simplex import limit_turnover, project

CHOSEN, RESERVE = "chosen", "in reserve"
EQUAL: Weights = (1.0 / len(STRATEGIES),) * len(STRATEGIES)


class Move(NamedTuple):
    """From which weights the bot is led to another source's, and on which account day that step was taken."""

    start: Weights
    day: int | None


class Told(NamedTuple):
    """What the bot was told last."""

    source: str
    weights: Weights
    move: Move | None = None
    """While it is under way."""


class Decision(NamedTuple):
    reading: Reading
    considered: tuple[Considered, ...]
    told: Told
    start: Weights | None
    """What the turnover was limited from, where it was."""


def decide(
    readings: Sequence[Reading], before: Told | None, day: int | None, floor: float, cap: float, limit: float
) -> Decision:
    """`day` is the account day, None before its first."""
    equal = Reading(EQUAL_WEIGHT, USABLE, "", None, EQUAL)
    everyone = (*readings, equal)
    chosen = next(reading for reading in everyone if reading.verdict == USABLE)
    start = _start(chosen.source, before, day)
    weights = derive(chosen.weights, start.start if start else None, floor, cap, limit)
    arrived = start is None or list(weights) == project(chosen.weights, floor, cap)
    told = Told(chosen.source, weights, None if arrived else start)
    considered = tuple(_considered(reading, chosen) for reading in everyone)
    return Decision(chosen, considered, told, start.start if start else None)


def derive(proposal: Weights, start: Weights | None, floor: float, cap: float, limit: float) -> Weights:
    """The published strategy weights from what was proposed."""
    if start is None:
        return tuple(project(proposal, floor, cap))
    return tuple(limit_turnover(start, proposal, limit, floor, cap))


def _start(source: str, before: Told | None, day: int | None) -> Move | None:
    if before is None:
        return None
    if before.source != source:
        return Move(before.weights, day)
    if before.move is not None and before.move.day != day:
        return Move(before.weights, day)
    return before.move


def _considered(reading: Reading, chosen: Reading) -> Considered:
    verdict = reading.verdict
    if verdict == USABLE:
        verdict = CHOSEN if reading is chosen else RESERVE
    return Considered(reading.source, verdict, reading.reason, reading.age_s)
