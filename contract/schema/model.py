"""The model in service and how it came about: the manifest beside the checkpoint, and the log of every training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from contract.errors import BadInput
from contract.schema.fields import Fields, encode, format_time
from contract.schema.names import SCHEMA_VERSION, STRATEGIES

PROMOTED, REFUSED, PASSED_OVER, FAILED = "promoted", "refused", "passed over", "failed"
"""In service from then on; not good enough; never offered, because another seed of the same training did better where
candidates are chosen; ended by an error."""
VALIDATION_SHARPE = "validation_sharpe"
OUTCOMES = (PROMOTED, REFUSED, PASSED_OVER, FAILED)


@dataclass(frozen=True)
class Manifest:
    """state/rl_model/config.json: written last, so that it names the one checkpoint that belongs to it.

    `parent` is the generation that training began with, `replaces` the one that was in service before. `details` holds
    what a person wants to know and no reader decides by: shape, seed, data range, metrics.
    """

    generation: int
    checkpoint: str
    sha256: str
    size: int
    features: tuple[str, ...]
    trained_at: datetime
    parent: int | None
    details: Mapping[str, Any] = field(default_factory=dict)
    replaces: int | None = None


def parse_manifest(text: bytes, path: Path) -> Manifest:
    fields = Fields.parse(text, path)
    name = fields.text("checkpoint")
    if not name or "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
        raise BadInput(f"checkpoint is {name!r}", path=path, hint="a file name in the same directory was expected")
    digest = fields.text("sha256")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise BadInput(f"sha256 is {digest[:80]!r}", path=path, hint="64 hexadecimal digits were expected")
    return Manifest(
        generation=fields.whole("generation"),
        checkpoint=name,
        sha256=digest,
        size=fields.whole("size", at_least=1),
        features=fields.texts("features"),
        trained_at=fields.time("timestamp"),
        parent=fields.maybe_whole("parent"),
        details=fields.maybe_section("details").as_it_is(),
        replaces=fields.maybe_whole("replaces"),
    )


def is_the_ancestors(text: bytes, path: Path) -> bool:
    """Whether this is the ancestor's config.json, which stands in the same place and names no checkpoint."""
    fields = Fields.parse(text, path)
    return "use_torch" in fields and "sha256" not in fields


def encode_manifest(record: Manifest) -> bytes:
    """`state_size`, `action_size` and `timestamp` are where the ancestor's readers look for them."""
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "generation": record.generation,
            "checkpoint": record.checkpoint,
            "sha256": record.sha256,
            "size": record.size,
            "state_size": len(record.features),
            "action_size": len(STRATEGIES),
            "timestamp": format_time(record.trained_at),
            "parent": record.parent,
            "replaces": record.replaces,
            "features": list(record.features),
            "details": record.details,
        }
    )


@dataclass(frozen=True)
class Training:
    """One training that was tried, whatever became of it.

    `days` were learnt from, of a history with so many `trades` (None where the log does not say). `final_metrics` are
    the last of the learning itself, `figures` what it was worth: `validation_sharpe`, by which candidates are chosen,
    and of an offered one all that its examination found out.
    """

    timestamp: datetime
    outcome: str
    generation: int | None
    episodes: int
    total_reward: float
    seed: int
    duration_s: float
    trades: int | None
    days: int
    final_metrics: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def average_reward(self) -> float:
        """Per episode that was really run."""
        return self.total_reward / self.episodes if self.episodes else 0.0


@dataclass(frozen=True)
class TrainingLog:
    """state/rl_training_log.json: every training ever tried, oldest first."""

    trainings: tuple[Training, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trials(self) -> tuple[float, ...]:
        """The annual Sharpe ratio of every candidate there was, on the days by which it was chosen: for deflation."""
        found = (training.figures.get(VALIDATION_SHARPE) for training in self.trainings)
        return tuple(float(figure) for figure in found if isinstance(figure, int | float))

    @property
    def last_training(self) -> datetime | None:
        return self.trainings[-1].timestamp if self.trainings else None


def parse_training_log(text: bytes, path: Path) -> TrainingLog:
    """Also the ancestor's, whose entries know neither outcome nor seed: they promoted nothing of ours."""
    fields = Fields.parse(text, path)
    return TrainingLog(
        trainings=tuple(_parse_training(entry) for entry in fields.sections("training_history")),
        config=fields.maybe_section("config").as_it_is(),
    )


def _parse_training(entry: Fields) -> Training:
    return Training(
        timestamp=entry.time("timestamp"),
        outcome=entry.choice("outcome", OUTCOMES) if "outcome" in entry else FAILED,
        generation=entry.maybe_whole("generation"),
        episodes=entry.whole("episodes"),
        total_reward=entry.number("total_reward"),
        seed=entry.maybe_whole("seed") or 0,
        duration_s=entry.maybe_number("duration_s") or 0.0,
        trades=entry.maybe_whole("trades"),
        days=entry.maybe_whole("training_data_size") or 0,
        final_metrics=entry.maybe_section("final_metrics").numbers(),
        figures=entry.maybe_section("figures").as_it_is(),
        reason=entry.maybe_text("reason"),
    )


def training_of(manifest: Manifest) -> Training | None:
    """The training from which a model came, as its manifest describes it; None where it does not."""
    described = manifest.details.get("training")
    if not isinstance(described, dict):
        return None
    training = _parse_training(Fields(described, Path(manifest.checkpoint), "details.training."))
    return replace(training, outcome=PROMOTED, generation=manifest.generation)


def training_values(training: Training) -> dict[str, Any]:
    """As it stands in the log, and in the manifest of a model that came of it."""
    return {
        "timestamp": format_time(training.timestamp),
        "outcome": training.outcome,
        "generation": training.generation,
        "episodes": training.episodes,
        "total_reward": training.total_reward,
        "avg_reward": training.average_reward,
        "final_metrics": dict(training.final_metrics),
        "training_data_size": training.days,
        "trades": training.trades,
        "seed": training.seed,
        "duration_s": training.duration_s,
        "figures": dict(training.figures),
        "reason": training.reason,
    }


def encode_training_log(record: TrainingLog) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "training_history": [training_values(training) for training in record.trainings],
            "last_training": None if record.last_training is None else format_time(record.last_training),
            "config": record.config,
        }
    )
