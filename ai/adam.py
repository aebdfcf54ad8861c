"""What Adam remembers, as arrays of a checkpoint: so that a training can go on where another one ended."""

from __future__ import annotations

import numpy as np
import torch

from ai.checkpoint import Array, Checkpoint

_MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq", "steps": "step"}


def moments_in(optimizer: torch.optim.Optimizer) -> dict[str, Array]:
    """Nothing before its first step."""
    return {
        f"adam_{number}_{name}": np.array(state[key].numpy())
        for number, state in enumerate(_states(optimizer))
        for name, key in _MOMENTS.items()
        if key in state
    }


def take_moments(optimizer: torch.optim.Optimizer, start: Checkpoint) -> None:
    """Where the checkpoint has them all, for networks of the same shapes; otherwise the optimizer begins anew."""
    parameters = _parameters(optimizer)
    found = []
    for number, parameter in enumerate(parameters):
        moments = {key: start.arrays.get(f"adam_{number}_{name}") for name, key in _MOMENTS.items()}
        shapes = {key: () if key == "step" else tuple(parameter.shape) for key in moments}
        if any(moment is None or moment.shape != shapes[key] for key, moment in moments.items()):
            return
        found.append({key: torch.tensor(moment) for key, moment in moments.items()})
    optimizer.state.update(zip(parameters, found, strict=True))


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _states(optimizer: torch.optim.Optimizer) -> list[dict[str, torch.Tensor]]:
    return [optimizer.state.get(parameter, {}) for parameter in _parameters(optimizer)]
