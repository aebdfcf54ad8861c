"""The policy and its critic in torch, to be trained: `ai.policy` says what they compute.

Both agree with the numpy policy, and both are made from a checkpoint and become one again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ai.checkpoint import Array, Checkpoint, Plain
from ai.feature_table import FEATURES, STRATEGY_DRAWDOWN, STRATEGY_SHARPE
from ai.identity import Identity
from ai.policy import GROUPS, SHARED_ACTOR, Policy, checkpoint_of, input_size, output_size, policy_of
from ai.smoothing import FloatArray
from ai.tanh_net import TanhNet
from contract.config import Agent


class Known(NamedTuple):
    """What each of several accounts knows of its strategies by name: see `ai.identity.Identity`."""

    standing: Tensor
    """(accounts, 8)"""
    kinship: Tensor
    """(accounts, 8, 8)"""

    @classmethod
    def of(cls, identities: Sequence[Identity]) -> Known:
        return cls(*(_tensor(np.stack(parts)) for parts in zip(*identities, strict=True)))


class Prepared(NamedTuple):
    """Features (..., 34), as the two nets take them."""

    residual: Tensor
    """(..., 8, 3): what the strengths multiply."""
    actor: Tensor
    """(..., 8, inputs) for a shared actor, (..., inputs) for a whole one."""
    critic: Tensor
    """(..., 34)"""

    def at(self, rows: Tensor) -> Prepared:
        return Prepared(*(part.index_select(0, rows) for part in self))


class Network(nn.Module):
    """Logits (..., 8) and values (...)."""

    standing: Tensor
    kinship: Tensor
    center: Tensor
    scale: Tensor

    def __init__(self, policy: Policy, actor: TanhNet, critic: TanhNet, deviation: float) -> None:
        super().__init__()
        self.actor_kind, self.groups = policy.actor, policy.groups
        self.actor, self.critic = actor, critic
        self.residual = nn.Parameter(_tensor(policy.residual))
        self.log_deviation = nn.Parameter(torch.tensor(float(np.log(deviation))))
        for name in ("standing", "kinship", "center", "scale"):
            self.register_buffer(name, _tensor(getattr(policy, name)))

    def prepare(self, features: Tensor, known: Known | None = None) -> Prepared:
        """What both nets are given. It does not change while they learn, so it is made once for all their updates.

        known: where the accounts (..., accounts, 34) do not know the same.
        """
        scaled = (features - self.center) * self.scale
        sharpe = features[..., STRATEGY_SHARPE]
        if known is None:
            standing, kin = self.standing, sharpe @ self.kinship
        else:
            standing, kin = known.standing, torch.einsum("...ai,aij->...aj", sharpe, known.kinship)
        # Beside each other, so that all three strengths are one product.
        residual = torch.stack((sharpe, kin, standing.expand_as(sharpe)), dim=-1)
        return Prepared(residual, self._actor_inputs(scaled, kin), scaled)

    def logits(self, prepared: Prepared) -> Tensor:
        said: Tensor = self.actor(prepared.actor)
        residual = prepared.residual @ self.residual
        return residual + said.reshape(residual.shape)

    def values(self, prepared: Prepared) -> Tensor:
        found: Tensor = self.critic(prepared.critic)
        return found[..., 0]

    def _actor_inputs(self, scaled: Tensor, kin: Tensor) -> Tensor:
        others = [scaled[..., GROUPS[group]] for group in self.groups if group != "strategy"]
        if self.actor_kind != SHARED_ACTOR:
            own = [scaled[..., GROUPS["strategy"]]] if "strategy" in self.groups else []
            return torch.cat(own + others, dim=-1)
        sharpe, drawdown = scaled[..., STRATEGY_SHARPE], scaled[..., STRATEGY_DRAWDOWN]
        mean = sharpe.mean(dim=-1, keepdim=True).expand_as(sharpe)
        own = [part.unsqueeze(-1) for part in (sharpe, drawdown, kin, mean)]
        shared = [part.unsqueeze(-2).expand(*sharpe.shape, part.shape[-1]) for part in others]
        return torch.cat(own + shared, dim=-1)

    def policy(self) -> Policy:
        """What it decides with, as numpy has it."""
        return Policy(
            residual=_double(self.residual),
            standing=_double(self.standing),
            kinship=_double(self.kinship),
            center=_double(self.center),
            scale=_double(self.scale),
            layers=tuple((_double(layer.weight.T), _double(layer.bias)) for layer in self.actor.linear()),
            actor=self.actor_kind,
            groups=self.groups,
        )


def network_of(start: Checkpoint, settings: Agent, known: Identity, generator: torch.Generator) -> Network:
    """The network that a training begins with: that of the checkpoint where it is built as the settings say.

    What the checkpoint lacks begins at random, with last layers of 0, so that it says nothing yet.
    """
    policy = policy_of(start)
    sizes = (input_size(settings.actor, settings.groups), settings.hidden, settings.hidden, output_size(settings.actor))
    actor = TanhNet(sizes, generator)
    critic = TanhNet((len(FEATURES), settings.critic_hidden, settings.critic_hidden, 1), generator)
    deviation = start.settings.get("deviation")
    built = Policy(policy.residual, *known, policy.center, policy.scale, (), settings.actor, settings.groups)
    network = Network(built, actor, critic, deviation if isinstance(deviation, float) else settings.deviation)
    if (policy.actor, policy.groups) == (settings.actor, settings.groups):
        actor.take([array for layer in policy.layers for array in layer])
    names = [f"critic_{number}_{part}" for number in range(len(critic.layers)) for part in ("weight", "bias")]
    if all(name in start.arrays for name in names):
        critic.take([start.arrays[name] for name in names])
    return network


def checkpoint_from(
    network: Network, arrays: Mapping[str, Array] | None = None, settings: Mapping[str, Plain] | None = None
) -> Checkpoint:
    """The network as a checkpoint, the critic with it."""
    critic: dict[str, Array] = {}
    for number, layer in enumerate(network.critic.linear()):
        critic |= {f"critic_{number}_weight": _array(layer.weight.T), f"critic_{number}_bias": _array(layer.bias)}
    built: dict[str, Plain] = {"deviation": math.exp(network.log_deviation.item())}
    return checkpoint_of(network.policy(), {**critic, **(arrays or {})}, {**built, **(settings or {})})


def _tensor(array: Array) -> Tensor:
    return torch.tensor(np.asarray(array), dtype=torch.get_default_dtype())


def _double(tensor: Tensor) -> FloatArray:
    return np.asarray(_array(tensor), dtype=np.float64)


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().numpy(), order="C").copy()
