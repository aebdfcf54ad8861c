"""The policy: 34 features of a morning -> what share of the account each strategy should have.

    logit_i = a sharpe_i + b sum_j kinship_ij sharpe_j + c standing_i + network_i(features)

All but the network is there from the start: more for what has done well of late, for what does well in such company,
and for what does well in the long run. So a policy that was never trained is already sensible. The network adds what
that misses. It is one small network that looks at each strategy in turn, through the same weights, and so learns from
all eight at once; one that knows which strategy it looks at (`WHOLE_ACTOR`) learns their names by heart on any history
that a user will have.

The weights then follow from the softmax by `trading.rebalancing`. This is numpy alone: `ai.network` trains the same
policy in torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ai.checkpoint import Array, Checkpoint, Plain
from ai.feature_table import FEATURES, MARKET, PORTFOLIO, REGIME, STRATEGY, STRATEGY_DRAWDOWN, STRATEGY_SHARPE
from ai.identity import NOTHING_KNOWN, Identity
from ai.smoothing import FloatArray
from contract.config import ACTORS
from contract.errors import BadInput
from contract.schema.names import STRATEGIES
from trading.simplex_array import softmax

SHARED_ACTOR, WHOLE_ACTOR = ACTORS
GROUPS: Mapping[str, slice] = {"market": MARKET, "portfolio": PORTFOLIO, "strategy": STRATEGY, "regime": REGIME}
RESIDUALS = ("lately", "in_company", "in_the_long_run")
DEFAULT_GROUPS = ("strategy", "regime")

_COUNT = len(STRATEGIES)
_PARTS: Mapping[str, tuple[int, ...]] = {
    "residual": (3,),
    "standing": (_COUNT,),
    "kinship": (_COUNT, _COUNT),
    "center": (len(FEATURES),),
    "scale": (len(FEATURES),),
}
_LARGEST = 1e6
"""No training leads anywhere near. Far beyond, products overflow, and what is wanted is no number any more."""
_EIGHTHS = np.full(_COUNT, 1.0 / _COUNT)


@dataclass(frozen=True)
class Policy:
    """What a checkpoint decides with. Arrays are as the network was trained, and are computed with in double."""

    residual: FloatArray
    """(3,): a, b and c."""
    standing: FloatArray
    """(8,): see `ai.identity`, like the next."""
    kinship: FloatArray
    """(8, 8)"""
    center: FloatArray
    """(34,): what the network subtracts from the features."""
    scale: FloatArray
    """(34,): and what it multiplies them with then."""
    layers: tuple[tuple[FloatArray, FloatArray], ...] = ()
    """Weight (inputs, outputs) and bias (outputs,) of each layer, tanh between them. Without any, the network is 0."""
    actor: str = SHARED_ACTOR
    groups: tuple[str, ...] = DEFAULT_GROUPS

    def __post_init__(self) -> None:
        sizes = [input_size(self.actor, self.groups)]
        for weight, bias in self.layers:
            if weight.ndim != 2 or weight.shape[0] != sizes[-1] or bias.shape != weight.shape[1:]:
                raise BadInput(f"a layer of {weight.shape} and {bias.shape} does not fit {sizes[-1]} inputs")
            sizes.append(weight.shape[1])
        if self.layers and sizes[-1] != output_size(self.actor):
            raise BadInput(f"the network has {sizes[-1]} outputs, not {output_size(self.actor)}")
        for name, shape in _PARTS.items():
            if getattr(self, name).shape != shape:
                raise BadInput(f"{name} has the shape {getattr(self, name).shape}, not {shape}")

    @property
    def sees_account(self) -> bool:
        """Whether it looks at the account's own path, so that its weights of one day need those of the day before."""
        return "portfolio" in self.groups

    def logits(self, features: FloatArray) -> FloatArray:
        """(..., 8) from features (..., 34)."""
        sharpe = features[..., STRATEGY_SHARPE]
        kin = sharpe @ self.kinship
        lately, in_company, in_the_long_run = self.residual
        logits = lately * sharpe + in_company * kin + in_the_long_run * self.standing
        if self.layers:
            hidden = self._inputs(features, kin)
            for weight, bias in self.layers[:-1]:
                hidden = np.tanh(hidden @ weight + bias)
            weight, bias = self.layers[-1]
            logits = logits + (hidden @ weight + bias).reshape(logits.shape)
        return np.asarray(logits)

    def wanted(self, features: FloatArray) -> FloatArray:
        """The softmax of the logits: weights (..., 8) before bounds and inertia."""
        return softmax(self.logits(features))

    def _inputs(self, features: FloatArray, kin: FloatArray) -> FloatArray:
        scaled = (features - self.center) * self.scale
        others = [scaled[..., GROUPS[group]] for group in self.groups if group != "strategy"]
        if self.actor == WHOLE_ACTOR:
            return np.concatenate([scaled[..., STRATEGY], *others] if "strategy" in self.groups else others, axis=-1)
        sharpe = scaled[..., STRATEGY_SHARPE]
        inputs = np.empty((*sharpe.shape, input_size(self.actor, self.groups)))
        inputs[..., 0], inputs[..., 1], inputs[..., 2] = sharpe, scaled[..., STRATEGY_DRAWDOWN], kin
        inputs[..., 3] = (sharpe @ _EIGHTHS)[..., np.newaxis]
        column = _OWN
        for part in others:
            width = part.shape[-1]
            inputs[..., column : column + width] = part[..., np.newaxis, :]
            column += width
        return inputs


_OWN = 4
"""Inputs of a shared network beside the groups: a strategy's Sharpe feature, drawdown and kin, and the mean Sharpe."""


def input_size(actor: str, groups: tuple[str, ...]) -> int:
    """How many numbers the network is given: for each strategy, or for all at once."""
    if actor not in ACTORS or not set(groups) <= set(GROUPS) or len(set(groups)) != len(groups):
        said = f"actor {actor[:40]!r} with groups {str(groups)[:120]}"
        raise BadInput(said, hint=f"one of {ACTORS}; of {tuple(GROUPS)}, each once")
    widths = {group: len(FEATURES[GROUPS[group]]) for group in groups}
    if actor == WHOLE_ACTOR:
        return sum(widths.values())
    if "strategy" not in widths:
        raise BadInput("a shared actor without the strategy group has nothing to tell strategies apart by")
    return _OWN + sum(widths.values()) - widths["strategy"]


def output_size(actor: str) -> int:
    return _COUNT if actor == WHOLE_ACTOR else 1


def untrained(known: Identity = NOTHING_KNOWN) -> Policy:
    """The policy before any training, with what is known of the strategies by name."""
    return Policy(
        residual=np.array([3.6, 10.0, 3.0]),
        standing=known.standing,
        kinship=known.kinship,
        center=np.zeros(len(FEATURES)),
        scale=np.ones(len(FEATURES)),
    )


def policy_of(checkpoint: Checkpoint) -> Policy:
    """The policy in a checkpoint; `BadInput` where it was made for other features or does not hold together."""
    if checkpoint.features != FEATURES:
        missing = [name for name in FEATURES if name not in checkpoint.features]
        what = f"lacks {missing[0]}" if missing else f"has {len(checkpoint.features)} in another order"
        raise BadInput(f"is a model for other features: it {what}", hint="train a new model")
    actor, groups = checkpoint.settings.get("actor"), checkpoint.settings.get("groups")
    if not isinstance(actor, str) or not isinstance(groups, list) or not all(isinstance(g, str) for g in groups):
        raise BadInput("does not say how its network is built", hint="roll back to another generation")
    arrays = checkpoint.arrays
    try:
        layers = tuple(
            (_double(arrays[f"actor_{i}_weight"]), _double(arrays[f"actor_{i}_bias"]))
            for i in range(sum(name.startswith("actor_") for name in arrays) // 2)
        )
        residual, standing, kinship, center, scale = (_double(arrays[name]) for name in _PARTS)
    except KeyError as error:
        raise BadInput(f"lacks the array {error}", hint="roll back to another generation") from None
    return Policy(residual, standing, kinship, center, scale, layers, actor, tuple(str(group) for group in groups))


def checkpoint_of(
    policy: Policy, arrays: Mapping[str, Array] | None = None, settings: Mapping[str, Plain] | None = None
) -> Checkpoint:
    """A checkpoint that decides as the policy does, with whatever else training wants to find there again."""
    layers: dict[str, Array] = {}
    for number, (weight, bias) in enumerate(policy.layers):
        layers |= {f"actor_{number}_weight": weight, f"actor_{number}_bias": bias}
    parts = {name: getattr(policy, name) for name in _PARTS}
    built: dict[str, Plain] = {"actor": policy.actor, "groups": list(policy.groups)}
    return Checkpoint(FEATURES, {**parts, **layers, **(arrays or {})}, {**built, **(settings or {})})


def knowing(checkpoint: Checkpoint, known: Identity) -> Checkpoint:
    """The same model with other knowledge of the strategies by name."""
    return replace(checkpoint, arrays={**checkpoint.arrays, **known._asdict()})


def _double(array: Array) -> FloatArray:
    values = array.astype(np.float64)
    if np.abs(values).max(initial=0.0) > _LARGEST:
        raise BadInput(f"holds numbers beyond {_LARGEST:,.0f}", hint="roll back to another generation")
    return values
