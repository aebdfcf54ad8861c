"""The small network against the same one as torch computes it by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ai.tanh_net import TanhNet

SIZES = (5, 7, 6, 3)


def net(sizes: tuple[int, ...] = SIZES) -> TanhNet:
    generator = torch.Generator().manual_seed(1)
    made = TanhNet(sizes, generator).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def as_torch_has_it(ours: TanhNet) -> nn.Sequential:
    *inner, last = ours.linear()
    return nn.Sequential(*(module for layer in inner for module in (layer, nn.Tanh())), last)


@pytest.mark.parametrize("sizes", [SIZES, (5, 3), (5, 4, 1)], ids=str)
@pytest.mark.parametrize("shape", [(11,), (2, 3), ()], ids=str)
def test_what_it_says_and_its_gradients_are_those_of_torch(sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    ours = net(sizes)
    inputs = 3.0 * torch.randn(*shape, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    gradients = []
    for network in (ours, as_torch_has_it(ours)):
        said = network(inputs)
        ours.zero_grad()
        said.square().sum().backward()
        gradients.append([said.detach(), *(parameter.grad.clone() for parameter in ours.parameters())])
    for own, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-9)


def test_far_from_0_it_saturates_and_stays_finite() -> None:
    ours = net()
    inputs = torch.full((2, 5), 1e4, dtype=torch.float64) * torch.tensor([[1.0], [-1.0]])
    ours(inputs).sum().backward()
    torch.testing.assert_close(ours(inputs), as_torch_has_it(ours)(inputs))
    assert all(torch.isfinite(parameter.grad).all() for parameter in ours.parameters())


def test_it_says_nothing_at_first() -> None:
    fresh = TanhNet(SIZES, torch.Generator().manual_seed(1))
    assert not fresh(torch.randn(4, 5)).any()
    assert fresh.layers[0].weight.any()


def test_it_takes_what_fits_it_and_nothing_else() -> None:
    ours = net()
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape) for shape in ((5, 7), (7,), (7, 6), (6,), (6, 3), (3,))]
    ours.take(arrays)
    for layer, weight in zip(ours.linear(), arrays[::2], strict=True):
        np.testing.assert_array_equal(layer.weight.T.detach().numpy(), weight)
    ours.take([array[:1] for array in arrays])
    np.testing.assert_array_equal(next(ours.linear()).weight.T.detach().numpy(), arrays[0])
