"""The projection, the turnover limit and the effective number: what they promise, and that both versions keep it."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from math import fsum, inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trading import metrics, simplex, simplex_array
from trading.simplex import InfeasibleBounds, UnusableWeights

FLOOR, CAP = 0.02, 0.35
"""The bounds in service, for eight strategies."""

BOUNDS = [
    pytest.param(8, FLOOR, CAP, id="in-service"),
    pytest.param(8, 0.0, 1.0, id="unbounded"),
    pytest.param(8, 0.0, 0.35, id="no-floor"),
    pytest.param(8, 0.1, 1.0, id="no-cap"),
    pytest.param(8, 0.125, 0.5, id="floor-leaves-one-point"),
    pytest.param(8, 0.0, 0.125, id="cap-leaves-one-point"),
    pytest.param(3, 0.1, 0.34, id="narrow"),
    pytest.param(10, 0.0, 0.1, id="ten-tenths-round-below-1"),
    pytest.param(1, 0.0, 1.0, id="alone"),
]

derandomised = settings(derandomize=True, max_examples=150, deadline=None)


def random_weights(rows: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Weights (rows, n) of every ugly kind: peaked, one-hot, huge ratios, zeros, denormals, an ulp off a bound."""
    huge = 10.0 ** rng.uniform(-307, 307, (rows, n))
    edges = [0.0, 1e-13, 1e-12, FLOOR, CAP, np.nextafter(FLOOR, 0), np.nextafter(CAP, 1), 1e308]
    kinds = np.stack(
        [
            rng.dirichlet(np.full(n, 0.1), rows),
            rng.dirichlet(np.full(n, 20.0), rows),
            np.eye(n)[rng.integers(n, size=rows)] * huge,
            huge,
            10.0 ** rng.uniform(-16, 2, (rows, n)),
            rng.random((rows, n)) * (rng.random((rows, n)) < 0.4),
            rng.integers(0, 50, (rows, n)) * 5e-324,
            rng.choice(edges, (rows, n)),
        ]
    )
    return np.asarray(kinds[rng.integers(len(kinds), size=rows), np.arange(rows)])


def random_feasible(rows: int, n: int, floor: float, cap: float, rng: np.random.Generator) -> NDArray[np.float64]:
    return simplex_array.project(rng.dirichlet(np.full(n, 0.5), rows), floor, cap)


@st.composite
def weights_and_bounds(draw: st.DrawFn) -> tuple[list[float], float, float]:
    weights = draw(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=12))
    equal = 1.0 / len(weights)
    floor = equal * draw(st.floats(0.0, 1.0))
    cap = equal + (1.0 - equal) * draw(st.floats(0.0, 1.0))
    return weights, floor, cap


@pytest.mark.parametrize(("n", "floor", "cap"), BOUNDS)
def test_10_000_random_vectors_are_projected_into_the_bounds_and_both_versions_agree_to_the_last_bit(
    n: int, floor: float, cap: float, seed: int
) -> None:
    weights = random_weights(10_000, n, np.random.default_rng(seed))
    projected = simplex_array.project(weights, floor, cap)
    assert projected.min() >= floor
    assert projected.max() <= cap
    assert max(abs(fsum(row) - 1.0) for row in projected.tolist()) <= 2e-15
    assert np.array_equal(projected, [simplex.project(row, floor, cap) for row in weights.tolist()])


@pytest.mark.parametrize(("n", "floor", "cap"), BOUNDS)
def test_10_000_projections_satisfy_the_conditions_of_least_relative_entropy(
    n: int, floor: float, cap: float, seed: int
) -> None:
    """One multiplier k serves all weights: w = k p inside, w >= k p at the floor, w <= k p at the cap."""
    weights = random_weights(10_000, n, np.random.default_rng(seed))
    weights[~weights.any(axis=1)] = 1.0
    share = weights / weights.max(axis=1, keepdims=True)
    share = np.maximum(share, 1e-12 * share.sum(axis=1, keepdims=True))
    projected = simplex_array.project(weights, floor, cap)
    already = (projected == weights).all(axis=1)
    ratio = projected / share
    at_least = np.where(projected > floor, ratio, 0.0).max(axis=1)
    at_most = np.where(projected < cap, ratio, np.inf).min(axis=1)
    assert np.all((at_least <= at_most * (1 + 1e-12)) | already)


def exact_projection(weights: list[float], floor: float, cap: float) -> list[Fraction]:
    """The projection in rational arithmetic, by trying every number of weights at the floor and at the cap."""
    low, high, total = Fraction(floor), Fraction(cap), sum(map(Fraction, weights), Fraction(0))
    wanted = [max(Fraction(w), total / 10**12) for w in weights]
    ordered = sorted(wanted)
    for floored in range(len(ordered) + 1):
        for capped in range(len(ordered) + 1 - floored):
            free = sum(ordered[floored : len(ordered) - capped], Fraction(0))
            if free > 0:
                k = (1 - floored * low - capped * high) / free
                answer = [min(max(k * w, low), high) for w in wanted]
                if sum(answer) == 1:
                    return answer
    raise AssertionError(f"no projection of {weights}")


def test_the_projection_is_the_exact_one_rounded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.concatenate([rng.dirichlet(np.full(8, alpha), 60) for alpha in (0.05, 0.3, 1.0, 5.0)])
    weights = np.where(rng.random(weights.shape) < 0.1, 0.0, weights)
    for row in weights.tolist():
        exact = exact_projection(row, FLOOR, CAP)
        assert max(abs(Fraction(w) - x) for w, x in zip(simplex.project(row, FLOOR, CAP), exact, strict=True)) <= 5e-16


@pytest.mark.parametrize(("n", "floor", "cap"), BOUNDS)
def test_feasible_weights_come_back_as_the_same_floats(n: int, floor: float, cap: float, seed: int) -> None:
    feasible = random_feasible(1_000, n, floor, cap, np.random.default_rng(seed))
    assert np.array_equal(simplex_array.project(feasible, floor, cap), feasible)
    assert [simplex.project(row, floor, cap) for row in feasible.tolist()] == feasible.tolist()


def test_ratios_are_kept_where_no_bound_forbids_it() -> None:
    projected = simplex.project([0.8, 0.1, 0.05, 0.05, 0.0, 0.0, 0.0, 0.0], 0.02, 0.35)
    assert projected[0] == 0.35
    assert projected[4:] == [0.02] * 4
    assert projected[1] / projected[2] == pytest.approx(2.0)


def test_a_one_hot_leaves_the_rest_in_equal_parts() -> None:
    assert simplex.project([0.0] * 7 + [1.0], 0.02, 0.35) == pytest.approx([0.65 / 7] * 7 + [0.35])


def test_no_preference_at_all_is_equal_weights() -> None:
    assert simplex.project([0.0] * 8, 0.02, 0.35) == pytest.approx([0.125] * 8)


@derandomised
@given(weights_and_bounds(), st.data())
def test_no_other_feasible_weights_are_nearer_in_relative_entropy(
    case: tuple[list[float], float, float], data: st.DataObject
) -> None:
    weights, floor, cap = case
    positive = [w + 1e-3 for w in weights]
    other = data.draw(st.lists(st.floats(0.0, 1.0), min_size=len(weights), max_size=len(weights)))
    nearest, elsewhere = simplex.project(positive, floor, cap), simplex.project(other, floor, cap)

    def distance(w: list[float]) -> float:
        return fsum(x * np.log(x / p) for x, p in zip(w, positive, strict=True) if x > 0.0)

    assert distance(nearest) <= distance(elsewhere) + 1e-9


@derandomised
@given(weights_and_bounds())
def test_the_order_of_the_weights_is_kept(case: tuple[list[float], float, float]) -> None:
    weights, floor, cap = case
    ranked = [w for _, w in sorted(zip(weights, simplex.project(weights, floor, cap), strict=True))]
    assert ranked == sorted(ranked)


@derandomised
@given(weights_and_bounds())
def test_any_weights_and_bounds_give_the_same_feasible_floats_in_both_versions(
    case: tuple[list[float], float, float],
) -> None:
    weights, floor, cap = case
    projected = simplex.project(weights, floor, cap)
    assert all(floor <= w <= cap for w in projected)
    assert abs(fsum(projected) - 1.0) <= 1e-12
    assert simplex_array.project(weights, floor, cap).tolist() == projected


@pytest.mark.parametrize(
    ("floor", "cap", "complaint"),
    [
        pytest.param(0.13, 0.35, r"floor 0\.13 x 8 weights is above 1: needs a floor of at most 1/8", id="floor"),
        pytest.param(0.02, 0.12, r"cap 0\.12 x 8 weights is below 1: needs a cap of at least 1/8", id="cap"),
        pytest.param(0.4, 0.3, r"floor 0\.4, cap 0\.3: needs 0 <= floor <= cap <= 1", id="crossed"),
        pytest.param(-0.1, 0.35, r"floor -0\.1, cap 0\.35", id="negative"),
        pytest.param(0.02, 35.0, r"cap 35\.0", id="percent"),
        pytest.param(nan, 0.35, "floor nan", id="nan-floor"),
        pytest.param(0.02, nan, "cap nan", id="nan-cap"),
        pytest.param(0.02, inf, "cap inf", id="inf-cap"),
    ],
)
def test_bounds_that_nothing_can_satisfy_are_an_error(floor: float, cap: float, complaint: str) -> None:
    for project in (simplex.project, simplex_array.project):
        with pytest.raises(InfeasibleBounds, match=complaint):
            project([0.125] * 8, floor, cap)


@pytest.mark.parametrize("bad", [nan, inf, -inf, -1e-300])
def test_what_is_not_a_weight_is_an_error_that_says_where(bad: float) -> None:
    for project in (simplex.project, simplex_array.project):
        with pytest.raises(UnusableWeights, match=rf"weight {bad!r} at place .?1.*needs a finite number of at least 0"):
            project([0.5, bad, 0.5], 0.0, 1.0)


def test_no_weights_at_all_are_an_error() -> None:
    with pytest.raises(UnusableWeights, match="needs at least one"):
        simplex.project([], 0.0, 1.0)
    for shape in ((), (0,), (3, 0)):
        with pytest.raises(UnusableWeights, match="needs at least one a row"):
            simplex_array.project(np.ones(shape), 0.0, 1.0)


def test_arrays_of_any_shape_order_and_precision_are_projected_row_by_row_and_left_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 2 * simplex_array.ROWS_AT_ONCE + 3
    weights = rng.dirichlet(np.full(8, 0.3), (2, rows))
    for array in (weights, np.asfortranarray(weights), weights[:, ::-2], weights.astype(np.float32), weights[:, :0]):
        before = array.copy()
        projected = simplex_array.project(array, FLOOR, CAP)
        assert projected.dtype == np.float64
        assert np.array_equal(array, before)
        expected = [simplex.project(row, FLOOR, CAP) for row in array.reshape(-1, 8).tolist()]
        assert np.array_equal(projected, np.reshape(expected, array.shape))


@pytest.mark.parametrize(("n", "floor", "cap"), BOUNDS)
def test_a_limited_step_between_feasible_weights_is_feasible_and_short_enough(
    n: int, floor: float, cap: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    previous = random_feasible(500, n, floor, cap, rng)
    target = random_weights(500, n, rng)
    goal = simplex_array.project(target, floor, cap)
    for limit in (0.0, 0.01, 0.3, 2.0):
        limited = simplex_array.limit_turnover(previous, target, limit, floor, cap)
        assert limited.min() >= floor
        assert limited.max() <= cap
        assert np.abs(limited.sum(axis=1) - 1.0).max() <= 1e-12
        moved, distance = metrics.turnover(previous, limited), metrics.turnover(previous, goal)
        assert moved.max() <= limit + 1e-12
        assert moved == pytest.approx(np.minimum(distance, limit), abs=1e-12)
        # On the straight line: what is moved and what is left to move add up to the whole distance.
        assert moved + metrics.turnover(limited, goal) == pytest.approx(distance, abs=1e-12)
        pure = [
            simplex.limit_turnover(p, t, limit, floor, cap)
            for p, t in zip(previous.tolist(), target.tolist(), strict=True)
        ]
        assert np.array_equal(limited, pure)


def test_a_limit_of_nothing_stays_and_no_limit_arrives() -> None:
    previous, target = [0.35, 0.35, *[0.05] * 6], [0.05] * 6 + [0.35, 0.35]
    assert simplex.limit_turnover(previous, target, 0.0, FLOOR, CAP) == previous
    assert simplex.limit_turnover(previous, target, 1.19, FLOOR, CAP) != target
    assert simplex.limit_turnover(previous, target, 1.2 + 1e-12, FLOOR, CAP) == target
    assert simplex.limit_turnover(previous, target, inf, FLOOR, CAP) == target
    assert simplex_array.limit_turnover(previous, target, inf, FLOOR, CAP).tolist() == target


@derandomised
@given(weights_and_bounds(), st.floats(0.0, 3.0), st.data())
def test_bounds_win_over_the_limit_where_the_previous_weights_break_them(
    case: tuple[list[float], float, float], limit: float, data: st.DataObject
) -> None:
    previous, floor, cap = case
    target = data.draw(st.lists(st.floats(0.0, 1.0), min_size=len(previous), max_size=len(previous)))
    limited = simplex.limit_turnover(previous, target, limit, floor, cap)
    assert all(floor <= w <= cap for w in limited)
    assert abs(fsum(limited) - 1.0) <= 1e-12
    assert simplex_array.limit_turnover(previous, target, limit, floor, cap).tolist() == limited


def test_with_no_room_to_move_weights_out_of_bounds_are_projected() -> None:
    for previous in ([0.93, *[0.01] * 7], [1e308, 1e308, *[1e307] * 6]):
        projected = simplex.project(previous, FLOOR, CAP)
        assert simplex.limit_turnover(previous, [0.125] * 8, 0.0, FLOOR, CAP) == projected
        assert simplex_array.limit_turnover(previous, [0.125] * 8, 0.0, FLOOR, CAP).tolist() == projected


def test_limits_and_lengths_that_make_no_sense_are_errors() -> None:
    equal = [0.125] * 8
    for limit_turnover in (simplex.limit_turnover, simplex_array.limit_turnover):
        for limit in (-0.1, nan):
            with pytest.raises(ValueError, match=f"max_turnover {limit!r}: needs a number of at least 0"):
                limit_turnover(equal, equal, limit, FLOOR, CAP)
        with pytest.raises(UnusableWeights, match="previous weights"):
            limit_turnover(equal[1:], equal, 0.1, FLOOR, CAP)
        with pytest.raises(UnusableWeights, match="weight nan"):
            limit_turnover([nan, *equal[1:]], equal, 0.1, FLOOR, CAP)


def test_the_effective_number_counts_from_one_hot_to_equal_whatever_the_scale() -> None:
    assert simplex.effective_number([0.125] * 8) == 8.0
    assert simplex.effective_number([1e308] * 8) == 8.0
    assert simplex.effective_number([0.0] * 7 + [5e-324]) == 1.0
    assert simplex.effective_number([0.5, 0.5, 0.0]) == 2.0
    with pytest.raises(UnusableWeights, match="all 8 weights are 0: needs at least one above 0"):
        simplex.effective_number([0.0] * 8)


def test_both_effective_numbers_are_one_definition(seed: int) -> None:
    weights = random_weights(1_000, 8, np.random.default_rng(seed))
    weights = weights[weights.any(axis=1)]
    pure = [simplex.effective_number(row) for row in weights.tolist()]
    assert metrics.effective_number(weights) == pytest.approx(pure, rel=1e-14)
    assert min(pure) >= 1.0
    assert max(pure) <= 8.0 + 1e-14


def test_the_pure_version_imports_no_numpy() -> None:
    code = "import sys, trading.simplex; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
