"""A small network, layers with tanh between them, that passes forward and back in little more time than its products.

torch would do as well by itself, in half as much time again: it keeps a new array for the result of each operation, and
its tanh takes six times as long as its sigmoid. Here each pass writes over what it needs no more, and
tanh x = 2 sigmoid(2 x) - 1, which is the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ai.checkpoint import Array


class TanhNet(nn.Module):
    """Of sizes (inputs, hidden, ..., outputs), which begins at random with a last layer of 0."""

    def __init__(self, sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        for layer in self.linear():
            nn.init.zeros_(layer.bias)
            nn.init.orthogonal_(layer.weight, gain=2.0**0.5, generator=generator)
        nn.init.zeros_(layer.weight)

    def linear(self) -> Iterator[nn.Linear]:
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            yield layer

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., outputs) from (..., inputs), which have no gradient."""
        parameters = [part for layer in self.linear() for part in (layer.weight, layer.bias)]
        said: Tensor = _Passes.apply(inputs.reshape(-1, inputs.shape[-1]), *parameters)  # type: ignore[no-untyped-call]
        return said.reshape(*inputs.shape[:-1], -1)

    def take(self, arrays: Sequence[Array]) -> None:
        """Weights (inputs, outputs) and biases in turn, where they have these shapes."""
        places = [place for layer in self.linear() for place in (layer.weight.T, layer.bias)]
        if [tuple(place.shape) for place in places] == [array.shape for array in arrays]:
            with torch.no_grad():
                for place, array in zip(places, arrays, strict=True):
                    place.copy_(torch.tensor(array))


class _Passes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, *parameters: Tensor) -> Tensor:
        """Of inputs (rows, inputs); parameters are the weight (outputs, inputs) and bias of each layer in turn."""
        *inner, last = zip(parameters[::2], parameters[1::2], strict=True)
        hidden = [inputs]
        for weight, bias in inner:
            hidden.append(torch.addmm(bias, hidden[-1], weight.T).mul_(2.0).sigmoid_().mul_(2.0).sub_(1.0))
        ctx.save_for_backward(*hidden, *parameters[::2])
        weight, bias = last
        return torch.addmm(bias, hidden[-1], weight.T)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        count = len(ctx.saved_tensors) // 2
        hidden, weights = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        found: list[Tensor] = []
        for layer in reversed(range(count)):
            found[:0] = [gradient.T @ hidden[layer], gradient.sum(dim=0)]
            if layer:
                gradient = gradient @ weights[layer]
                gradient.addcmul_(gradient * hidden[layer], hidden[layer], value=-1.0)  # tanh' = 1 - tanh^2
        return None, *found
