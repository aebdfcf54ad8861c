"""What `tiller status` shows, taken from the files at one moment. What cannot be read is said; the rest stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from console.programs import ALERTS, BOT, SUPERVISOR
from console.session import read_processes
from contract.errors import TillerError
from contract.files import read_bytes, read_record
from contract.pulse import ABSENT, DEAD, ENDED, STALE, UNREADABLE, Pulse, feel, feel_all
from contract.schema.judgement import Trust, parse_trust
from contract.schema.model import Manifest, TrainingLog, parse_manifest, parse_training_log
from contract.schema.names import Root
from contract.schema.risk import RiskState, parse_risk_state
from contract.schema.supervision import Processes, Wanted, parse_wanted
from contract.schema.weights import Allocations, RlWeights, parse_allocations, parse_rl_weights
from contract.system import System

Record = TypeVar("Record")

FULL_BELOW_BYTES = 1 << 20
"""What one publication needs, and a little more."""


@dataclass(frozen=True)
class Found(Generic[Record]):
    """A record, or why there is none; neither where there is no such file."""

    record: Record | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Snapshot:
    root: Root
    now: datetime
    told: Found[Allocations]
    rl: Found[RlWeights]
    model: Found[Manifest]
    """Nothing where the prior is in service."""
    trainings: Found[TrainingLog]
    trust: Found[Trust]
    risk: Found[RiskState]
    quarantined: Found[int]
    wanted: Found[Wanted]
    processes: Processes | None
    pulses: tuple[Pulse, ...]
    free_bytes: int | None
    """On the disk below the root; None where that cannot be told."""

    @property
    def disk_is_full(self) -> bool:
        return self.free_bytes is not None and self.free_bytes < FULL_BELOW_BYTES

    @property
    def is_stale(self) -> bool:
        """Whether what the bot is told has not been renewed in time."""
        told = self.told.record
        return told is not None and told.valid_until is not None and self.now > told.valid_until

    @property
    def should_run(self) -> tuple[str, ...]:
        return self.wanted.record.programs if self.wanted.record else ()

    @property
    def unwell(self) -> dict[str, str]:
        """The programs that hang, or are gone although nobody ended them: name to what is wrong."""
        return {
            pulse.daemon: pulse.state
            for pulse in self.pulses
            if pulse.state in (STALE, DEAD, UNREADABLE) or (pulse.state == ENDED and pulse.daemon in self.should_run)
        }


def take(system: System, root: Root) -> Snapshot:
    def read(path: Path, parse: Callable[[bytes, Path], Record]) -> Found[Record]:
        try:
            return Found(read_record(system, path, parse))
        except TillerError as error:
            return Found(trouble=str(error))

    told = read(root.allocations, parse_allocations)
    if told == Found():
        told = Found(trouble=f"nothing has been published: {root.allocations} does not exist")
    others = (feel(system, root, name) for name in (SUPERVISOR, ALERTS, BOT))
    return Snapshot(
        root=root,
        now=system.now(),
        told=told,
        rl=read(root.rl_weights, parse_rl_weights),
        model=read(root.manifest, parse_manifest),
        trainings=read(root.training_log, parse_training_log),
        trust=read(root.trust, parse_trust),
        risk=read(root.risk_state, parse_risk_state),
        quarantined=_quarantined(system, root),
        wanted=read(root.wanted, parse_wanted),
        processes=read_processes(system, root),
        pulses=(*feel_all(system, root), *(pulse for pulse in others if pulse.state != ABSENT)),
        free_bytes=_free_bytes(root),
    )


def _free_bytes(root: Root) -> int | None:
    try:
        return shutil.disk_usage(root.path).free
    except OSError:
        return None


def _quarantined(system: System, root: Root) -> Found[int]:
    """The rows of the file, which begins with a header. What a row holds is shown without its line breaks."""
    try:
        content = read_bytes(system, root.quarantine)
    except TillerError as error:
        return Found(trouble=str(error))
    return Found(None if content is None else max(0, content.count(b"\n") - 1))
