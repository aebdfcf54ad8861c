"""Policies and models that differ visibly, and the manifest that puts one into service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from ai.model_store import publish_model
from ai.policy import Policy, checkpoint_of, input_size, untrained
from contract.schema.model import Manifest
from contract.schema.names import Root
from contract.system import OperatingSystem

NOW = datetime(2026, 1, 30, tzinfo=UTC)


def policy(seed: int, groups: tuple[str, ...] = ("strategy", "regime")) -> Policy:
    """One whose network was never trained, and says something nevertheless."""
    rng = np.random.default_rng(seed)
    inputs, start = input_size("shared", groups), untrained()
    layers = ((rng.normal(size=(inputs, 6)), rng.normal(size=6)), (rng.normal(size=(6, 1)), np.zeros(1)))
    return replace(start, layers=layers, actor="shared", groups=groups)


def put_into_service(root: Root, chosen: Policy) -> Manifest:
    return publish_model(OperatingSystem(), root, checkpoint_of(chosen), {}, NOW, None)
