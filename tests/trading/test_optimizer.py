"""The optimizer's portfolios: against skfolio and PyPortfolioOpt, against their own conditions, and on any input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contract.config import OPTIMIZER_METHODS
from trading.allocators.risk_based import minimum_variance, shrunk_covariance
from trading.optimizer import (
    LEAST_DAYS,
    METHODS,
    RISK_AVERSION,
    are_usable,
    have_moved,
    maximum_sharpe,
    mean_variance,
    optimise,
    shrunk_means,
)

FloatArray = NDArray[np.float64]

YEAR = 252
SOLVERS_AGREE = 1e-4
"""Weights, against solvers that stop at about 1e-8 of their objective."""
SAME_FORMULA = 1e-12


class Problem(NamedTuple):
    """A history, its annual estimates, and days (days, 8) of which these are exactly the sample moments."""

    history: FloatArray
    means: FloatArray
    covariance: FloatArray
    days: FloatArray


def problem(seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(250, 2)) @ rng.normal(size=(2, 8)) / 2
    history = (factors + rng.normal(size=(250, 8))) * rng.uniform(0.003, 0.02, 8) + rng.normal(0, 0.001, 8)
    covariance = shrunk_covariance(history)
    means, covariance = YEAR * shrunk_means(history, covariance), YEAR * covariance
    noise = rng.normal(size=(250, 8))
    noise -= noise.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(noise.T)), noise.T).T
    return Problem(history, means, covariance, white @ np.linalg.cholesky(covariance).T + means)


PROBLEMS = [problem(seed) for seed in range(6)]
PROMISING = [one for one in PROBLEMS if one.means.max() > 0]


def by_skfolio(name: str, **options: Any) -> Callable[[Problem], FloatArray]:
    """Weights of an estimator of skfolio.optimization; `objective` by its name."""
    from skfolio import optimization

    if "objective" in options:
        options["objective_function"] = optimization.ObjectiveFunction[options.pop("objective")]
    return lambda one: np.asarray(getattr(optimization, name)(**options).fit(one.days).weights_)


def by_pypfopt(solve: str, **options: Any) -> Callable[[Problem], FloatArray]:
    """Weights of a method of PyPortfolioOpt's efficient frontier."""
    from pypfopt import EfficientFrontier

    def weights(one: Problem) -> FloatArray:
        frontier = EfficientFrontier(one.means, one.covariance)
        getattr(frontier, solve)(**options)
        return np.asarray(frontier.weights)

    return weights


def test_minimum_variance_is_that_of_the_libraries() -> None:
    for one in PROBLEMS:
        ours = minimum_variance(one.covariance)
        assert ours == pytest.approx(by_skfolio("MeanRisk")(one), abs=SOLVERS_AGREE)
        assert ours == pytest.approx(by_pypfopt("min_volatility")(one), abs=SOLVERS_AGREE)


def test_mean_variance_is_that_of_the_libraries() -> None:
    skfolio = by_skfolio("MeanRisk", objective="MAXIMIZE_UTILITY", risk_aversion=RISK_AVERSION / 2)
    pypfopt = by_pypfopt("max_quadratic_utility", risk_aversion=RISK_AVERSION)
    for one in PROBLEMS:
        ours = METHODS["mean_variance"](one.means, one.covariance)
        assert ours == pytest.approx(skfolio(one), abs=SOLVERS_AGREE)
        assert ours == pytest.approx(pypfopt(one), abs=SOLVERS_AGREE)


def test_maximum_sharpe_is_that_of_the_libraries() -> None:
    skfolio = by_skfolio("MeanRisk", objective="MAXIMIZE_RATIO")
    pypfopt = by_pypfopt("max_sharpe", risk_free_rate=0.0)
    assert len(PROMISING) >= 5
    for one in PROMISING:
        ours = METHODS["maximum_sharpe"](one.means, one.covariance)
        assert ours == pytest.approx(skfolio(one), abs=SOLVERS_AGREE)
        assert ours == pytest.approx(pypfopt(one), abs=SOLVERS_AGREE)


def test_risk_parity_is_that_of_skfolio() -> None:
    for one in PROBLEMS:
        ours = METHODS["risk_parity"](one.means, one.covariance)
        assert ours == pytest.approx(by_skfolio("RiskBudgeting")(one), abs=SOLVERS_AGREE)


def test_hierarchical_risk_parity_is_that_of_the_libraries() -> None:
    from pandas import DataFrame
    from pypfopt import HRPOpt
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.distance import PearsonDistance
    from skfolio.seriation import HierarchicalSeriation

    single = HierarchicalClustering(linkage_method=LinkageMethod.SINGLE)
    seriation = HierarchicalSeriation(hierarchical_clustering_estimator=single, optimal_ordering=False)
    skfolio = by_skfolio(
        "HierarchicalRiskParity", distance_estimator=PearsonDistance(), seriation_estimator=seriation
    )
    for one in PROBLEMS:
        ours = METHODS["hrp"](one.means, one.covariance)
        pypfopt = HRPOpt(cov_matrix=DataFrame(one.covariance)).optimize()
        assert ours == pytest.approx(skfolio(one), abs=SAME_FORMULA)
        assert ours == pytest.approx([pypfopt[column] for column in range(8)], abs=SAME_FORMULA)


def test_means_are_shrunk_as_by_skfolio() -> None:
    from skfolio.moments import ShrunkMu, ShrunkMuMethods

    bayes_stein = ShrunkMu(method=ShrunkMuMethods.BAYES_STEIN, vol_weighted_target=True)
    for one in PROBLEMS:
        ours = shrunk_means(one.days, one.covariance)
        assert ours == pytest.approx(bayes_stein.fit(one.days).mu_, abs=SAME_FORMULA)


def test_the_figures_are_those_of_the_portfolio() -> None:
    for one in PROBLEMS:
        for method in METHODS:
            found = optimise(one.history, method, YEAR)
            annual = one.means @ found.weights, np.sqrt(found.weights @ one.covariance @ found.weights)
            assert (found.expected_return, found.expected_volatility) == pytest.approx(annual)
            assert found.expected_sharpe == pytest.approx(annual[0] / annual[1])
            assert found.reason == "" or (method == "maximum_sharpe" and one.means.max() <= 0)


def test_each_method_is_the_best_at_what_it_is_for() -> None:
    for one in PROMISING:
        found = {method: optimise(one.history, method, YEAR) for method in METHODS}
        least = min(found.values(), key=lambda portfolio: portfolio.expected_volatility)
        best = max(found.values(), key=lambda portfolio: portfolio.expected_sharpe)
        assert least is found["minimum_variance"] and best is found["maximum_sharpe"]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_no_shift_of_weight_betters_mean_variance_or_maximum_sharpe(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-2, 0, n)
    covariance = mixing.T @ mixing + 1e-3 * np.diag((mixing**2).sum(axis=0))
    means = rng.normal(size=n) * 10.0 ** rng.uniform(-2, 1)
    means[rng.integers(n)] = abs(means).max()  # one is good

    def utility(weights: FloatArray) -> float:
        return float(means @ weights - RISK_AVERSION / 2 * weights @ covariance @ weights)

    def ratio(weights: FloatArray) -> float:
        return float(means @ weights / np.sqrt(weights @ covariance @ weights))

    for weights, worth in ((mean_variance(means, covariance), utility), (maximum_sharpe(means, covariance), ratio)):
        moved = [0.999 * weights + 0.001 * corner for corner in np.eye(n)]
        assert max(map(worth, moved)) <= worth(weights) + 1e-9 * max(abs(worth(weights)), 1.0)


def test_the_configuration_offers_every_method() -> None:
    assert set(OPTIMIZER_METHODS) == set(METHODS)


ODD_RETURNS = st.one_of(
    st.floats(-0.05, 0.05),
    st.sampled_from([0.0, 0.01, -1.0, 1e-300, 1e-13, 99.0, -99.0, 1e308, np.nan, np.inf, -np.inf]),
)


@st.composite
def histories(draw: st.DrawFn) -> FloatArray:
    """Returns of any size and shape that a broken book could hold, with more good days than odd ones."""
    days, n = draw(st.integers(0, 60)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    history = rng.normal(0.0, 0.01, (days, n))
    for column in range(n):
        match draw(st.integers(0, 6)):
            case 0:
                history[:, column] = draw(st.sampled_from([0.0, 0.001, -0.5, 30.0]))
            case 1:
                history[:, column] = history[:, draw(st.integers(0, n - 1))]
            case 2:
                history[:, column] *= 10.0 ** draw(st.integers(-14, 3))
            case 3:
                history[:, column] += draw(st.floats(-20, 20))
    for _ in range(draw(st.integers(0, 3)) if days else 0):
        history[draw(st.integers(0, days - 1)), draw(st.integers(0, n - 1))] = draw(ODD_RETURNS)
    return history


@settings(derandomize=True, deadline=None, max_examples=250)
@given(histories(), st.sampled_from(sorted(METHODS)))
def test_any_history_gives_a_valid_answer(history: FloatArray, method: str) -> None:
    found = optimise(history, method, YEAR)
    assert found.weights.shape == history.shape[1:]
    assert (found.weights >= 0).all() and found.weights.sum() == pytest.approx(1, abs=1e-9)
    assert np.isfinite([found.expected_return, found.expected_volatility, found.expected_sharpe]).all()
    days = history[are_usable(history)]
    left_out = len(days) < len(history)
    blind = len(days) < LEAST_DAYS or not have_moved(days).all()
    assert found.reason or not (left_out or blind)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_series_that_move_together_share_what_one_would_have(method: str) -> None:
    day = problem(0).history[:, :1]
    found = optimise(np.tile(day, 4), method, YEAR)
    assert found.reason in ("", "minimum variance: no mean return is positive")
    assert found.weights == pytest.approx(np.full(4, 0.25), abs=1e-9)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (np.zeros((250, 8)), "equal weight: nothing moved"),
        (np.full((250, 8), 0.01), "equal weight: nothing moved"),
        (np.zeros((0, 8)), "equal weight: 0 days of 20 that are needed"),
        (PROBLEMS[0].history[:7], "equal weight: 7 days of 20 that are needed"),
    ],
    ids=["flat", "constant", "no days", "fewer days than strategies"],
)
def test_nothing_known_is_equal_weight_and_says_so(history: FloatArray, reason: str) -> None:
    for method in METHODS:
        found = optimise(history, method, YEAR)
        assert found.reason == reason and (found.weights == 1 / 8).all()
        assert found.expected_return == found.expected_volatility == found.expected_sharpe == 0.0


def test_a_day_without_a_figure_is_left_out_and_counted() -> None:
    history = PROBLEMS[0].history.copy()
    history[[3, 200], [1, 5]] = np.nan, 1e9
    found = optimise(history, "hrp", YEAR)
    assert found.reason == "2 days are left out: a return is missing or beyond belief"
    assert (found.weights == optimise(np.delete(history, [3, 200], axis=0), "hrp", YEAR).weights).all()


def test_a_strategy_that_never_traded_gets_a_median_risk() -> None:
    history = PROBLEMS[0].history.copy()
    history[:, 2] = 0.0
    found = optimise(history, "risk_parity", YEAR)
    assert found.reason == "1 of 8 did not move: each is given the median risk of the others"
    assert 0.05 < found.weights[2] < 0.5


def test_maximum_sharpe_without_a_promising_mean_is_minimum_variance() -> None:
    history = PROBLEMS[0].history - 0.01
    found = optimise(history, "maximum_sharpe", YEAR)
    assert found.reason == "minimum variance: no mean return is positive"
    assert (found.weights == optimise(history, "minimum_variance", YEAR).weights).all()
