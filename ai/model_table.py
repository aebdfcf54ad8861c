"""The models that are kept, as a table for people and as values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai.model_store import Generation
from contract.errors import BadInput
from contract.schema.fields import format_time
from contract.schema.model import VALIDATION_SHARPE, Training, training_of

_COLUMNS = ("generation", "published", "days", "episodes", "seed", "held out", "test", "against service", "")
_NOTHING = "-"


def history_table(generations: Sequence[Generation]) -> str:
    """One line each, the oldest first; the one in service has a star."""
    lines = [_COLUMNS, *map(_line, generations)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS) - 1)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def history_values(generations: Sequence[Generation]) -> list[dict[str, Any]]:
    return [
        {
            "generation": number,
            "in_service": in_service,
            "trouble": trouble,
            "published": format_time(manifest.trained_at) if manifest else None,
            "parent": manifest.parent if manifest else None,
            "replaces": manifest.replaces if manifest else None,
            "sha256": manifest.sha256 if manifest else None,
            "details": manifest.details if manifest else {},
        }
        for number, manifest, in_service, trouble in generations
    ]


def _line(generation: Generation) -> tuple[str, ...]:
    number, manifest, in_service, trouble = generation
    name = f"{'* ' if in_service else ''}{number}"
    if manifest is None:
        return (name, *[_NOTHING] * 7, trouble)
    published = f"{manifest.trained_at:%Y-%m-%d %H:%M}"
    training = _training_of(generation)
    if training is None:
        return (name, published, *[_NOTHING] * 6, str(manifest.details.get("note", "")))
    return (
        *(name, published, f"{training.days:,}", f"{training.episodes:,}", f"{training.seed}"),
        *(_figure(training, VALIDATION_SHARPE), _figure(training, "test_sharpe")),
        *(_figure(training, "service_difference"), training.reason),
    )


def _training_of(generation: Generation) -> Training | None:
    try:
        return training_of(generation.manifest) if generation.manifest else None
    except BadInput:
        return None  # somebody edited what no reader decides by


def _figure(training: Training, name: str) -> str:
    value = training.figures.get(name)
    return f"{value:+.2f}" if isinstance(value, int | float) else _NOTHING
