"""Trust: the theorem of `ai.trust`, against paths that were made to break it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ai.trust import LEAST_FACTOR, Evidence, Terms, advantage, blend
from trading.simplex_array import project

TERMS = Terms()
BEHIND = st.floats(-0.0949, 0.0949)
PATHS = st.lists(st.tuples(BEHIND, st.floats(-0.05, 0.05)), min_size=1, max_size=200)


def wealth_ratios(advantages: list[float], terms: Terms = TERMS) -> list[float]:
    """What the blend has over what the base has, after each day and before the first."""
    evidence, ratios = Evidence.before_any(terms), [1.0]
    for ahead in advantages:
        ratios.append(ratios[-1] * (1.0 + evidence.trust(terms) * ahead))
        evidence = evidence.after(ahead, terms)
    return ratios


def worst_from_any_day(ratios: list[float]) -> float:
    highest = np.maximum.accumulate(ratios)
    return float(np.min(np.array(ratios) / highest))


@given(PATHS)
@example([(0.09, 0.0)] * 60 + [(-0.09, 0.0)] * 100)
@example([(-0.0949, 0.0)] * 200)
@settings(derandomize=True, max_examples=200)
def test_the_blend_never_has_much_less_than_the_base(path: list[tuple[float, float]]) -> None:
    ahead = [advantage((1.0 + base) * (1.0 + a) - 1.0, base) for a, base in path]
    ratios = wealth_ratios(ahead)
    assert min(ratios) >= 0.5**0.1 - 1e-12
    assert worst_from_any_day(ratios) >= 0.1**0.1 - 1e-12


@given(PATHS, st.floats(0.05, 0.95), st.floats(0.0, 1.0), st.floats(1.0, 10.0))
@settings(derandomize=True, max_examples=200)
def test_so_it_is_for_any_terms(path: list[tuple[float, float]], cap: float, share: float, eta: float) -> None:
    terms = Terms(start=max(cap * share, 1e-3), cap=cap, eta=eta)
    ratios = wealth_ratios([a for a, _ in path], terms)
    assert min(ratios) >= (1.0 - terms.start) ** (1.0 / eta) - 1e-12
    assert worst_from_any_day(ratios) >= (1.0 - cap) ** (1.0 / eta) - 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_a_greedy_adversary_comes_near_to_the_floor_and_not_below(seed: int) -> None:
    """It builds trust up with small gains, and betrays it when it is highest."""
    rng = np.random.default_rng(seed)
    advantages: list[float] = []
    for _ in range(10):
        advantages += [float(rng.uniform(0.0, 0.0949))] * int(rng.integers(1, 60))
        advantages += [-float(rng.uniform(0.01, 0.0949))] * int(rng.integers(1, 60))
    ratios = wealth_ratios(advantages)
    assert min(ratios) >= 0.933
    assert 0.794 <= worst_from_any_day(ratios) < 0.9


def test_without_the_cut_at_the_cap_a_late_betrayal_would_cost_more() -> None:
    """Odds that went on growing would have to be lost again first: that is why they stop."""
    odds, wealth, highest, worst = 1.0, 1.0, 1.0, 1.0
    for ahead in [0.05] * 100 + [-0.09] * 40:
        trust = min(odds / (1.0 + odds), TERMS.cap)
        wealth *= 1.0 + trust * ahead
        odds *= 1.0 + TERMS.eta * ahead
        highest = max(highest, wealth)
        worst = min(worst, wealth / highest)
    assert worst < 0.6
    assert worst_from_any_day(wealth_ratios([0.05] * 100 + [-0.09] * 40)) >= 0.794


def test_the_odds_are_those_of_the_formula() -> None:
    evidence = Evidence.before_any(TERMS)
    assert evidence.trust(TERMS) == 0.5 and evidence.e_value == 1.0
    evidence = evidence.after(0.02, TERMS).after(-0.01, TERMS)
    assert math.exp(evidence.log_odds) == pytest.approx(1.2 * 0.9)
    assert evidence.e_value == pytest.approx(1.2 * 0.9)
    assert evidence.trust(TERMS) == pytest.approx(1.08 / 2.08)


def test_the_evidence_goes_on_where_trust_stops() -> None:
    evidence = Evidence.before_any(TERMS)
    for _ in range(100):
        evidence = evidence.after(0.05, TERMS)
    assert evidence.trust(TERMS) == pytest.approx(0.9)
    assert evidence.log_evidence == pytest.approx(100 * math.log(1.5))
    after = evidence.after(-0.05, TERMS)
    assert after.trust(TERMS) == pytest.approx(4.5 / 5.5), "a bad day counts at once"


@given(st.lists(st.floats(-0.99, 1e9), max_size=300))
@settings(derandomize=True)
def test_whatever_happens_trust_stays_a_share_and_can_come_back(advantages: list[float]) -> None:
    evidence = Evidence.before_any(TERMS)
    for ahead in advantages:
        evidence = evidence.after(ahead, TERMS)
    assert 0.0 < evidence.trust(TERMS) <= TERMS.cap
    assert 0.0 < evidence.e_value < math.inf
    before = evidence.log_odds
    if before < -1.0:
        assert evidence.after(0.05, TERMS).log_odds > before


def test_a_day_beyond_the_theorem_counts_as_its_edge() -> None:
    evidence = Evidence.before_any(TERMS)
    edge = evidence.after(-0.095, TERMS)
    for ahead in (-0.0951, -0.1, -0.5, -0.99):
        assert evidence.after(ahead, TERMS).log_odds == pytest.approx(edge.log_odds)
    assert math.exp(edge.log_odds) == pytest.approx(LEAST_FACTOR)


def test_a_cap_that_was_lowered_holds_at_once() -> None:
    assert Evidence(log_odds=3.0).trust(Terms(cap=0.4, start=0.3)) == 0.4


WEIGHTS = st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8)


@given(st.floats(0.0, 1.0), WEIGHTS, WEIGHTS)
@settings(derandomize=True)
def test_a_blend_of_weights_within_the_bounds_is_within_them(trust: float, one: list[float], two: list[float]) -> None:
    policy, base = project(one, 0.02, 0.35), project(two, 0.02, 0.35)
    found = blend(trust, policy, base, 0.02, 0.35)
    assert found.min() >= 0.02 and found.max() <= 0.35
    assert abs(found.sum() - 1.0) <= 1e-12
    np.testing.assert_allclose(found, trust * policy + (1.0 - trust) * base, rtol=0, atol=1e-15)
