"""The model in service, as a process keeps it: a good one stays until there is another good one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ai.course import rules_of
from ai.experts import Settings
from ai.model_store import read_model
from ai.policy import Policy
from ai.publication import base_of
from ai.trust import Terms
from contract.config import Config
from contract.errors import TillerError
from contract.schema.model import Manifest
from contract.schema.names import Root
from contract.system import Stat, System


class Model(NamedTuple):
    policy: Policy
    manifest: Manifest


def read(system: System, root: Root) -> Model:
    stored = read_model(system, root)
    return Model(stored.policy, stored.manifest)


def settings_of(config: Config, model: Model) -> Settings:
    """By what weights are decided, with this model and these settings."""
    trust = config.trust
    return Settings(
        policy=model.policy,
        model=model.manifest.sha256,
        base=np.array(base_of(config)),
        rules=rules_of(config),
        terms=Terms(trust.start, trust.cap, trust.eta),
    )


class Serving:
    """Reads the model again when its manifest has changed, and while there is something wrong with it."""

    def __init__(self) -> None:
        self.model: Model | None = None
        self.trouble = ""
        """What is wrong with the model that should serve, and which one serves meanwhile."""
        self._looked_at: tuple[Stat | None] | None = None

    def is_out_of_date(self, system: System, root: Root) -> bool:
        return bool(self.trouble) or self._looked_at != (_manifest(system, root),)

    def look(self, system: System, root: Root) -> None:
        found = _manifest(system, root)
        try:
            self.model, self.trouble = read(system, root), ""
        except TillerError as error:
            instead = f"generation {self.model.manifest.generation}" if self.model else "the base alone"
            self.trouble = f"{error}; {instead} serves instead"
        self._looked_at = (found,)


def _manifest(system: System, root: Root) -> Stat | None:
    """What tells one manifest from the next."""
    try:
        return system.stat(root.manifest)
    except OSError:
        return None  # there is none, so the prior serves; or it cannot be reached, which reading it will tell
