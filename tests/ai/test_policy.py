"""The policy: against a plain loop over strategies, through a file and back, and what it refuses to be."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ai.checkpoint import Array, Checkpoint, Plain, decode_checkpoint, encode_checkpoint
from ai.feature_table import FEATURES, LIMIT, MARKET, PORTFOLIO, REGIME, STRATEGY, STRATEGY_DRAWDOWN, STRATEGY_SHARPE
from ai.identity import Identity
from ai.policy import (
    DEFAULT_GROUPS,
    GROUPS,
    SHARED_ACTOR,
    WHOLE_ACTOR,
    Policy,
    checkpoint_of,
    input_size,
    output_size,
    policy_of,
    untrained,
)
from ai.smoothing import FloatArray
from contract.errors import BadInput

derandomised = settings(derandomize=True, max_examples=60, deadline=None)

EVERY_GROUP = ("regime", "portfolio", "strategy", "market")
rows = arrays(np.float64, (3, len(FEATURES)), elements=st.floats(-LIMIT, LIMIT))


def policy(seed: int, actor: str = SHARED_ACTOR, groups: tuple[str, ...] = DEFAULT_GROUPS, hidden: int = 6) -> Policy:
    """One with something in each of its parts, as if it had been trained."""
    rng = np.random.default_rng(seed)
    kinship = rng.normal(0.0, 0.1, (8, 8))
    sizes = (input_size(actor, groups), hidden, hidden, output_size(actor))
    layers = tuple((rng.normal(0.0, 0.5, shape), rng.normal(0.0, 0.5, shape[1])) for shape in pairwise(sizes))
    known = Identity(rng.normal(0.0, 0.3, 8), (kinship + kinship.T) * ~np.eye(8, dtype=bool))
    center, scale = rng.normal(0.0, 0.5, len(FEATURES)), rng.uniform(0.5, 2.0, len(FEATURES))
    return replace(untrained(known), center=center, scale=scale, layers=layers, actor=actor, groups=groups)


def mornings(count: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).uniform(-2.0, 2.0, (count, len(FEATURES)))


def a_network(layers: tuple[tuple[FloatArray, FloatArray], ...], inputs: FloatArray) -> FloatArray:
    """Of one strategy, or of all, from inputs (n,)."""
    for weight, bias in layers[:-1]:
        inputs = np.tanh(weight.T @ inputs + bias)
    weight, bias = layers[-1]
    return np.asarray(weight.T @ inputs + bias)


def by_hand(of: Policy, features: FloatArray) -> FloatArray:
    """The logits (8,) of features (34,), a strategy after the other."""
    sharpe, scaled = features[STRATEGY_SHARPE], (features - of.center) * of.scale
    kin = of.kinship @ sharpe
    a, b, c = of.residual
    residual = a * sharpe + b * kin + c * of.standing
    parts = {name: scaled[place] for name, place in GROUPS.items()}
    if of.actor == WHOLE_ACTOR:
        order = [name for name in of.groups if name == "strategy"] + [name for name in of.groups if name != "strategy"]
        return np.asarray(residual + a_network(of.layers, np.concatenate([parts[name] for name in order])))
    own, drawdown = scaled[STRATEGY_SHARPE], scaled[STRATEGY_DRAWDOWN]
    others = [parts[name] for name in of.groups if name != "strategy"]
    looks = [np.concatenate([[own[i], drawdown[i], kin[i], own.mean()], *others]) for i in range(8)]
    return np.asarray(residual + np.array([a_network(of.layers, look)[0] for look in looks]))


@pytest.mark.parametrize(
    ("actor", "groups"),
    [
        (SHARED_ACTOR, DEFAULT_GROUPS),
        (SHARED_ACTOR, ("strategy",)),
        (SHARED_ACTOR, EVERY_GROUP),
        (WHOLE_ACTOR, DEFAULT_GROUPS),
        (WHOLE_ACTOR, EVERY_GROUP),
        (WHOLE_ACTOR, ("market",)),
    ],
)
def test_the_logits_are_those_of_a_plain_loop(actor: str, groups: tuple[str, ...], seed: int) -> None:
    chosen, features = policy(seed, actor, groups), mornings(20, seed)
    expected = [by_hand(chosen, row) for row in features]
    np.testing.assert_allclose(chosen.logits(features), expected, rtol=0, atol=1e-12)
    # One morning, many, and many of many accounts.
    np.testing.assert_allclose(chosen.logits(features[7]), expected[7], rtol=0, atol=1e-12)
    together = chosen.logits(features.reshape(4, 5, len(FEATURES)))
    np.testing.assert_allclose(together.reshape(20, 8), expected, rtol=0, atol=1e-12)


def renamed(of: Policy, features: FloatArray, order: NDArray[np.intp]) -> tuple[Policy, FloatArray]:
    """The same policy and mornings, where the strategies stand in another order."""
    moved = features.copy()
    moved[..., STRATEGY_SHARPE] = features[..., STRATEGY_SHARPE][..., order]
    moved[..., STRATEGY_DRAWDOWN] = features[..., STRATEGY_DRAWDOWN][..., order]
    return replace(of, standing=of.standing[order], kinship=of.kinship[np.ix_(order, order)]), moved


def evenly_scaled(of: Policy) -> Policy:
    """With one center and scale for the Sharpe features and one for the drawdowns, as the shared actor is trained."""
    center, scale = of.center.copy(), of.scale.copy()
    for column in (STRATEGY_SHARPE, STRATEGY_DRAWDOWN):
        center[column], scale[column] = center[column][0], scale[column][0]
    return replace(of, center=center, scale=scale)


@derandomised
@given(rows, st.permutations(range(8)))
def test_a_shared_actor_knows_nobody_by_name(features: FloatArray, order: list[int]) -> None:
    chosen, places = evenly_scaled(policy(1)), np.array(order)
    other, moved = renamed(chosen, features, places)
    np.testing.assert_allclose(other.logits(moved), chosen.logits(features)[:, places], rtol=0, atol=1e-9)


def test_a_whole_actor_tells_them_apart_by_place(seed: int) -> None:
    chosen, features, order = evenly_scaled(policy(seed, WHOLE_ACTOR)), mornings(5, seed), np.roll(np.arange(8), 1)
    other, moved = renamed(chosen, features, order)
    assert np.abs(other.logits(moved) - chosen.logits(features)[:, order]).max() > 0.01


@derandomised
@given(rows, st.sampled_from([1.0, 1e3, 1e12]))
def test_what_is_wanted_are_shares_of_one_however_sure_the_policy_is(features: FloatArray, surer: float) -> None:
    chosen = policy(1)
    wanted = replace(chosen, residual=chosen.residual * surer).wanted(features)
    assert (wanted >= 0.0).all()
    np.testing.assert_allclose(wanted.sum(axis=-1), 1.0, rtol=0, atol=1e-12)


def test_what_is_wanted_is_the_softmax(seed: int) -> None:
    chosen, features = policy(seed), mornings(6, seed)
    powers = np.exp(chosen.logits(features))
    np.testing.assert_allclose(chosen.wanted(features), powers / powers.sum(axis=1, keepdims=True), rtol=1e-12)


def test_before_any_training_what_did_well_gets_more_and_nothing_known_is_even() -> None:
    morning = np.zeros(len(FEATURES))
    np.testing.assert_allclose(untrained().wanted(morning), np.full(8, 1 / 8))
    morning[STRATEGY_SHARPE] = np.linspace(-1.0, 1.0, 8)
    assert (np.diff(untrained().wanted(morning)) > 0).all()


def test_kin_of_what_does_well_and_who_stands_high_get_more() -> None:
    kinship = np.zeros((8, 8))
    kinship[0, 1] = kinship[1, 0] = 0.3
    morning = np.zeros(len(FEATURES))
    morning[STRATEGY_SHARPE] = np.eye(8)[0]
    in_company = untrained(Identity(np.zeros(8), kinship)).wanted(morning)
    assert in_company[0] > in_company[1] > in_company[2]
    assert in_company[2:] == pytest.approx(np.full(6, in_company[2]))
    in_the_long_run = untrained(Identity(np.linspace(-0.5, 0.5, 8), np.zeros((8, 8)))).wanted(np.zeros(len(FEATURES)))
    assert (np.diff(in_the_long_run) > 0).all()


@pytest.mark.parametrize(("group", "place"), [("market", MARKET), ("portfolio", PORTFOLIO), ("regime", REGIME)])
def test_an_actor_sees_its_groups_and_no_other(group: str, place: slice, seed: int) -> None:
    features = mornings(1, seed)
    changed = features.copy()
    changed[:, place] += 1.0
    blind = policy(seed, groups=tuple(name for name in EVERY_GROUP if name != group))
    np.testing.assert_array_equal(blind.logits(changed), blind.logits(features))
    seeing = policy(seed, groups=EVERY_GROUP)
    assert np.abs(seeing.logits(changed) - seeing.logits(features)).max() > 1e-3
    assert blind.sees_account == (group != "portfolio") and seeing.sees_account


@pytest.mark.parametrize("actor", [SHARED_ACTOR, WHOLE_ACTOR])
@pytest.mark.parametrize("groups", [DEFAULT_GROUPS, EVERY_GROUP])
def test_a_policy_comes_back_from_a_file_as_it_was(actor: str, groups: tuple[str, ...], seed: int) -> None:
    chosen, features = policy(seed, actor, groups), mornings(5, seed)
    content = encode_checkpoint(checkpoint_of(chosen, {"critic": np.ones(3)}, {"seed": 7}))
    checkpoint = decode_checkpoint(content, Path("checkpoint_latest.pkl"))
    again = policy_of(checkpoint)
    np.testing.assert_array_equal(again.logits(features), chosen.logits(features))
    assert (again.actor, again.groups, len(again.layers)) == (actor, groups, 3)
    assert checkpoint.settings["seed"] == 7 and checkpoint.arrays["critic"].sum() == 3.0
    assert encode_checkpoint(checkpoint_of(again, {"critic": np.ones(3)}, {"seed": 7})) == content


def test_what_was_trained_in_single_precision_decides_in_double(seed: int) -> None:
    chosen = policy(seed)
    checkpoint = checkpoint_of(chosen)
    single = {name: array.astype(np.float32) for name, array in checkpoint.arrays.items()}
    again = policy_of(replace(checkpoint, arrays=single))
    assert {array.dtype for layer in again.layers for array in layer} == {np.dtype(np.float64)}
    np.testing.assert_allclose(again.logits(mornings(5, seed)), chosen.logits(mornings(5, seed)), atol=1e-4)


def test_the_policy_before_any_training_goes_through_a_file_too() -> None:
    again = policy_of(decode_checkpoint(encode_checkpoint(checkpoint_of(untrained())), Path("prior.pkl")))
    assert again.layers == ()
    np.testing.assert_array_equal(again.residual, untrained().residual)


def altered(
    *,
    arrays: dict[str, Array | None] | None = None,
    settings: dict[str, Plain] | None = None,
    features: tuple[str, ...] = FEATURES,
) -> Checkpoint:
    """A good checkpoint but for this; an array that is None is left out."""
    good = checkpoint_of(policy(1))
    changed = {**good.arrays, **(arrays or {})}
    present = {name: array for name, array in changed.items() if array is not None}
    return Checkpoint(features, present, {**good.settings, **(settings or {})})


def renamed_feature() -> tuple[str, ...]:
    return (*FEATURES[:20], "sharpe_of_the_moon", *FEATURES[21:])


SWAPPED = (FEATURES[1], FEATURES[0], *FEATURES[2:])
REFUSED = {
    "another feature": (altered(features=renamed_feature()), f"lacks {FEATURES[20]}"),
    "a feature less": (altered(features=FEATURES[:-1]), f"lacks {FEATURES[-1]}"),
    "another order": (altered(features=SWAPPED), "34 in another order"),
    "a feature more": (altered(features=(*FEATURES, "more")), "35 in another order"),
    "no residual": (altered(arrays={"residual": None}), "lacks the array 'residual'"),
    "no kinship": (altered(arrays={"kinship": None}), "lacks the array 'kinship'"),
    "no bias": (altered(arrays={"actor_2_bias": None, "actor_2_more": np.ones(1)}), "lacks the array 'actor_2_bias'"),
    "no first layer": (altered(arrays={"actor_0_weight": None, "actor_0_bias": None}), "lacks the array 'actor_0"),
    "no last layer": (altered(arrays={"actor_2_weight": None, "actor_2_bias": None}), "has 6 outputs, not 1"),
    "a residual of two": (altered(arrays={"residual": np.ones(2)}), r"residual has the shape \(2,\), not \(3,\)"),
    "a flat kinship": (altered(arrays={"kinship": np.ones(64)}), r"kinship has the shape \(64,\), not \(8, 8\)"),
    "a center of nine": (altered(arrays={"center": np.ones(9)}), r"center has the shape \(9,\), not \(34,\)"),
    "inputs of others": (altered(arrays={"actor_0_weight": np.ones((30, 6))}), "does not fit 8 inputs"),
    "a flat layer": (altered(arrays={"actor_1_weight": np.ones(36)}), "does not fit 6 inputs"),
    "a bias of others": (altered(arrays={"actor_1_bias": np.ones(7)}), "does not fit 6 inputs"),
    "no actor": (altered(settings={"actor": None}), "does not say how its network is built"),
    "no groups": (altered(settings={"groups": "strategy"}), "does not say how its network is built"),
    "numbered groups": (altered(settings={"groups": [1, 2]}), "does not say how its network is built"),
    "an unknown actor": (altered(settings={"actor": "oracle"}), "actor 'oracle' with groups"),
    "an unknown group": (altered(settings={"groups": ["strategy", "weather"]}), "weather"),
    "a group twice": (altered(settings={"groups": ["strategy", "strategy"]}), "with groups"),
    "too many groups": (altered(settings={"groups": list(EVERY_GROUP)}), "does not fit 22 inputs"),
    "nothing of strategies": (altered(settings={"groups": ["market"]}), "nothing to tell strategies apart by"),
    "numbers that overflow": (altered(arrays={"actor_1_weight": np.full((6, 6), 1e300)}), "holds numbers beyond 1,000"),
    "numbers of the other sign": (altered(arrays={"standing": np.full(8, -1e7)}), "holds numbers beyond 1,000,000"),
    "an actor without end": (altered(settings={"actor": "x" * 10_000}), "actor 'x{40}' with groups"),
    "the other actor": (altered(settings={"actor": WHOLE_ACTOR}), "does not fit 20 inputs"),
}


@pytest.mark.parametrize(("checkpoint", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_a_checkpoint_that_is_no_policy_of_ours_is_refused_by_name(checkpoint: Checkpoint, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        policy_of(checkpoint)


def test_a_whole_actor_may_do_without_the_strategies_features() -> None:
    assert input_size(WHOLE_ACTOR, ("market", "regime")) == 12
    assert input_size(SHARED_ACTOR, EVERY_GROUP) == 4 + 8 + 6 + 4
    assert (output_size(SHARED_ACTOR), output_size(WHOLE_ACTOR)) == (1, 8)


def test_the_groups_are_all_the_features() -> None:
    assert [MARKET, PORTFOLIO, STRATEGY, REGIME] == list(GROUPS.values())
    assert sum((FEATURES[place] for place in GROUPS.values()), ()) == FEATURES


def test_whoever_decides_imports_neither_torch_nor_pandas() -> None:
    code = "import sys, ai.policy, ai.features, ai.course; print({'torch', 'pandas', 'gymnasium'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
