"""The network in torch decides as the policy in numpy, and comes back from a checkpoint as it went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.lessons import SMALL

from ai.adam import moments_in, take_moments
from ai.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from ai.feature_table import FEATURES
from ai.identity import NOTHING_KNOWN, Identity
from ai.network import Known, Network, checkpoint_from, network_of
from ai.policy import GROUPS, checkpoint_of, untrained
from ai.rl_agent import optimizer_of
from ai.smoothing import FloatArray
from contract.config import Agent

ACTORS = [
    pytest.param(SMALL, id="as it is used"),
    pytest.param(replace(SMALL, actor="whole"), id="whole"),
    pytest.param(replace(SMALL, actor="whole", actor_groups="market"), id="whole, of the market alone"),
    pytest.param(replace(SMALL, actor_groups=", ".join(GROUPS)), id="shared, of everything"),
]


def features(days: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(days, len(FEATURES)))


def known(seed: int = 2) -> Identity:
    rng = np.random.default_rng(seed)
    kin = rng.normal(size=(8, 8)) / 10.0
    return Identity(rng.normal(size=8) / 10.0, kin + kin.T)


def talkative(settings: Agent, seed: int = 1) -> Network:
    """A network whose every weight is at random, so that everything in it counts."""
    network = network_of(checkpoint_of(untrained()), settings, known(), torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in [*network.actor.parameters(), *network.critic.parameters()]:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3.0)
        network.center.copy_(torch.randn(network.center.shape, generator=generator) / 3.0)
        network.scale.copy_(1.0 + torch.rand(network.scale.shape, generator=generator))
    return network


def logits_of(network: Network, rows: FloatArray) -> FloatArray:
    with torch.no_grad():
        prepared = network.prepare(torch.tensor(rows, dtype=network.center.dtype))
        return np.asarray(network.logits(prepared).double().numpy())


@pytest.mark.parametrize("settings", ACTORS)
def test_torch_and_numpy_agree(settings: Agent) -> None:
    network = talkative(settings)
    policy, rows = network.policy(), features(200)
    ours = policy.wanted(rows)
    theirs = torch.softmax(torch.tensor(logits_of(network, rows)), dim=-1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(policy.logits(rows), logits_of(network.double(), rows), atol=1e-10)


@pytest.mark.parametrize("settings", ACTORS)
def test_it_comes_back_from_a_checkpoint_as_it_went(settings: Agent) -> None:
    network = talkative(settings)
    content = encode_checkpoint(checkpoint_from(network))
    stored = decode_checkpoint(content, Path("checkpoint.pkl"))
    again = network_of(stored, settings, known(), torch.Generator().manual_seed(9))
    np.testing.assert_array_equal(logits_of(again, features(20)), logits_of(network, features(20)))
    rows = torch.tensor(features(20), dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(again.values(again.prepare(rows)), network.values(network.prepare(rows)))
    assert again.log_deviation.item() == pytest.approx(network.log_deviation.item())


def test_a_new_network_says_nothing_beside_the_residual() -> None:
    start = untrained(known())
    network = network_of(checkpoint_of(start), SMALL, known(), torch.Generator().manual_seed(1))
    np.testing.assert_allclose(logits_of(network, features(20)), start.logits(features(20)), atol=1e-5)
    with torch.no_grad():
        rows = torch.tensor(features(20), dtype=torch.float32)
        assert network.values(network.prepare(rows)).abs().max() == 0.0


def test_a_checkpoint_of_another_shape_lends_what_fits() -> None:
    stored = checkpoint_from(talkative(SMALL))
    other = network_of(stored, replace(SMALL, hidden=5), NOTHING_KNOWN, torch.Generator().manual_seed(1))
    rows = features(5)
    lent = replace(network_of(stored, SMALL, NOTHING_KNOWN, torch.Generator()).policy(), layers=())
    np.testing.assert_allclose(logits_of(other, rows), lent.logits(rows), atol=1e-5)


def test_each_account_can_know_its_own_world() -> None:
    network = talkative(SMALL)
    rows = torch.tensor(features(12).reshape(4, 3, -1), dtype=torch.float32)
    theirs = [known(seed) for seed in (5, 6, 7)]
    parts = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*theirs, strict=True))
    with torch.no_grad():
        together = network.logits(network.prepare(rows, Known(*parts)))
    for account, own in enumerate(theirs):
        policy = replace(network.policy(), **own._asdict())
        expected = policy.logits(rows[:, account].double().numpy())
        np.testing.assert_allclose(together[:, account].numpy(), expected, atol=1e-4)


def stepped(network: Network) -> torch.optim.Optimizer:
    """An optimizer that has taken a step."""
    optimizer = optimizer_of(network, SMALL)
    rows = torch.tensor(features(9), dtype=torch.float32)
    prepared = network.prepare(rows)
    loss = network.logits(prepared).square().mean() + network.values(prepared).square().mean()
    (loss + network.log_deviation).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return optimizer


def test_what_the_optimizer_remembers_survives() -> None:
    network = talkative(SMALL)
    optimizer = stepped(network)
    stored = checkpoint_from(network, moments_in(optimizer))
    again = optimizer_of(network, SMALL)
    assert moments_in(again) == {}
    take_moments(again, stored)
    before, after = moments_in(optimizer), moments_in(again)
    assert before.keys() == after.keys()
    for name, moment in before.items():
        np.testing.assert_array_equal(after[name], moment)


@pytest.mark.parametrize("lost", ["adam_0_first", "adam_3_second", "adam_1_steps"])
def test_an_optimizer_takes_all_or_nothing(lost: str) -> None:
    network = talkative(SMALL)
    arrays = {name: moment for name, moment in moments_in(stepped(network)).items() if name != lost}
    optimizer = optimizer_of(network, SMALL)
    take_moments(optimizer, Checkpoint(FEATURES, arrays, {}))
    assert moments_in(optimizer) == {}
