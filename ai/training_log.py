"""The log of every training ever tried: what has been learnt about learning, and what luck is measured by."""

from __future__ import annotations

from dataclasses import replace

from ai.feature_table import FEATURES
from contract.config import Trainer
from contract.errors import BadInput
from contract.files import publish, read_record
from contract.schema.model import (
    FAILED,
    Manifest,
    Training,
    TrainingLog,
    encode_training_log,
    parse_training_log,
    training_of,
)
from contract.schema.names import STRATEGIES, Root
from contract.system import System


def read_log(system: System, root: Root) -> TrainingLog:
    """The log; an empty one where there is none. One that cannot be read is `BadInput`, and never written over."""
    try:
        return read_record(system, root.training_log, parse_training_log) or TrainingLog()
    except BadInput as error:
        hint = f"mend it, or move it away to begin another; {error.hint}"
        raise BadInput(error.message, path=error.path, hint=hint) from None


def write_log(system: System, root: Root, log: TrainingLog, settings: Trainer) -> None:
    described = {
        "state_size": len(FEATURES),
        "action_size": len(STRATEGIES),
        "min_trades": settings.min_trades,
        "retrain_interval_hours": settings.retrain_hours,
        "retrain_trades": settings.retrain_trades,
    }
    publish(system, root.training_log, encode_training_log(replace(log, config=described)))


def with_trainings(log: TrainingLog, *trainings: Training) -> TrainingLog:
    """What stands in it already (because a disk took it, and then would not promise to keep it) is not doubled."""
    new = tuple(training for training in trainings if training not in log.trainings)
    return replace(log, trainings=(*log.trainings, *new))


def with_promotion(log: TrainingLog, manifest: Manifest) -> TrainingLog:
    """The log with the training that the model in service came of, should the trainer have died before it wrote it."""
    try:
        training = training_of(manifest)
    except BadInput:
        return log  # somebody edited what no reader decides by
    return with_trainings(log, training) if training else log


def last_failure(log: TrainingLog) -> str:
    """Why the last training failed, if it did. The ancestor's fail too, by our reckoning, but say nothing."""
    last = log.trainings[-1] if log.trainings else None
    return f"the last training failed: {last.reason}" if last and last.outcome == FAILED and last.reason else ""
