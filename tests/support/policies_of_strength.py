"""Policies that are told apart by one number."""

from __future__ import annotations

from dataclasses import replace

from ai.checkpoint import Checkpoint
from ai.policy import Policy, checkpoint_of, policy_of, untrained


def policy_with(strength: float) -> Policy:
    """The untrained policy, so many times as sure of itself. A negative one flees what did well."""
    start = untrained()
    return replace(start, residual=start.residual * strength)


def model_with(strength: float) -> Checkpoint:
    return checkpoint_of(policy_with(strength))


def strength_of(checkpoint: Checkpoint) -> float:
    return round(float(policy_of(checkpoint).residual[0] / untrained().residual[0]), 9)
