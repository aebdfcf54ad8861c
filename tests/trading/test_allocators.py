"""Every allocator on any history, each against what defines it, and six against the literature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from benchmarks import published_wealth
from trading.allocators import ALLOCATORS, hindsight, online, risk_based, windowed
from trading.allocators.hierarchical import hierarchical_risk_parity, single_linkage_order
from trading.allocators.quadratic import minimise_on_simplex
from trading.backtest import backtest

FloatArray = NDArray[np.float64]
Rule = Callable[[FloatArray], FloatArray]

EVERY = pytest.mark.parametrize("name", ALLOCATORS)
CAUSAL = pytest.mark.parametrize("name", [name for name, entry in ALLOCATORS.items() if not entry.hindsight])
COVARIANCE_RULES = pytest.mark.parametrize(
    "rule",
    [
        risk_based.inverse_volatility,
        risk_based.minimum_variance,
        risk_based.risk_parity,
        hierarchical_risk_parity,
    ],
)

quick = settings(derandomize=True, deadline=None, max_examples=60)


def histories(days: tuple[int, int] = (1, 60), assets: tuple[int, int] = (1, 8)) -> st.SearchStrategy[FloatArray]:
    """Returns between -50% and +50% a day, with days, assets and whole columns that repeat."""
    cells = st.floats(-0.5, 0.5) | st.sampled_from([0.0, 0.01, -0.01])
    return arrays.arrays(np.float64, st.tuples(st.integers(*days), st.integers(*assets)), elements=cells)


def covariances(assets: tuple[int, int] = (1, 8)) -> st.SearchStrategy[FloatArray]:
    """Positive definite matrices of assets whose volatilities differ by up to a factor of 100."""

    def build(size: int, seed: int) -> FloatArray:
        rng = np.random.default_rng(seed)
        mixing = rng.normal(size=(size, size)) + rng.normal(size=(size, 1))
        volatility = 10.0 ** rng.uniform(-3, -1, size)
        correlated = mixing @ mixing.T + 0.1 * np.eye(size)
        scale = volatility / np.sqrt(correlated.diagonal())
        return np.asarray(correlated * np.outer(scale, scale))

    return st.builds(build, st.integers(*assets), st.integers(0, 2**32 - 1))


def market(days: int, assets: int = 8, seed: int = 1) -> FloatArray:
    rng = np.random.default_rng(seed)
    common = 0.005 * rng.standard_normal((days, 1))
    return np.asarray(0.0004 + common + rng.uniform(0.004, 0.02, assets) * rng.standard_normal((days, assets)))


# What all of them promise.


@EVERY
@given(returns=histories())
@settings(quick, max_examples=25)
def test_weights_are_a_long_only_whole_on_every_day_and_for_tomorrow(name: str, returns: FloatArray) -> None:
    weights = ALLOCATORS[name].allocate(returns)
    assert weights.shape == (len(returns) + 1, returns.shape[1])
    assert (weights >= 0.0).all()
    assert np.abs(weights.sum(axis=1) - 1.0).max() <= 1e-12


@EVERY
@pytest.mark.parametrize(
    "returns",
    [
        np.zeros((60, 4)),
        np.full((60, 4), 0.001),
        np.repeat(market(60, 1), 4, axis=1),
        market(60, 4) * np.array([1.0, 0.0, 0.0, 1e-9]),
        np.where(market(60, 4) > 0.0, 5.0, -0.999),
        market(30, 40),
    ],
    ids=["nothing moves", "constant", "copies", "some do not move", "violent", "fewer days than assets"],
)
def test_degenerate_histories_still_give_weights(name: str, returns: FloatArray) -> None:
    weights = ALLOCATORS[name].allocate(returns)
    assert (weights >= 0.0).all()
    assert np.abs(weights.sum(axis=1) - 1.0).max() <= 1e-12


@CAUSAL
def test_the_future_changes_no_past_weight(name: str) -> None:
    returns = market(150)
    known = 90
    other = np.vstack([returns[:known], 0.1 * np.random.default_rng(2).standard_normal((60, 8))])
    weights, otherwise = ALLOCATORS[name].allocate(returns), ALLOCATORS[name].allocate(other)
    assert np.array_equal(weights[: known + 1], otherwise[: known + 1])
    assert np.array_equal(weights[0], np.full(8, 0.125)), "nothing is known on the first day"


# Hierarchical risk parity is left out: it halves a list, and which branch comes first follows the columns.
@pytest.mark.parametrize("name", [name for name in ALLOCATORS if name != "hrp"])
def test_the_order_of_the_assets_does_not_matter(name: str) -> None:
    returns, order = market(200), np.random.default_rng(3).permutation(8)
    shuffled = ALLOCATORS[name].allocate(returns[:, order])
    assert shuffled == pytest.approx(ALLOCATORS[name].allocate(returns)[:, order], abs=1e-9)


def test_those_that_should_differ_do() -> None:
    returns = market(300)
    paths = [entry.allocate(returns) for entry in ALLOCATORS.values() if not entry.hindsight]
    closest = min(np.abs(a - b).max() for i, a in enumerate(paths) for b in paths[:i])
    assert closest > 1e-3


# Identities that hold whatever the returns.


@given(returns=histories())
@quick
def test_hedge_with_rate_1_is_buy_and_hold(returns: FloatArray) -> None:
    assert np.abs(online.hedge(returns, rate=1.0) - online.buy_and_hold(returns)).max() <= 1e-12


@given(returns=histories())
@quick
def test_exponentiated_gradient_with_rate_0_is_equal_weight(returns: FloatArray) -> None:
    weights = online.exponentiated_gradient(returns, rate=0.0)
    assert np.abs(weights - online.equal_weight(returns)).max() <= 1e-12


@given(returns=histories(), rate=st.floats(0.0, 20.0))
@quick
def test_fixed_share_that_shares_nothing_is_hedge(returns: FloatArray, rate: float) -> None:
    shared = online.fixed_share(returns, rate=rate, share=0.0)
    assert np.abs(shared - online.hedge(returns, rate=rate)).max() <= 1e-12


def test_the_identities_survive_twenty_years() -> None:
    returns = market(5000)
    hedged = online.hedge(returns, rate=1.0)
    assert np.abs(hedged - online.buy_and_hold(returns)).max() <= 1e-12
    assert np.abs(online.fixed_share(returns, rate=1.0, share=0.0) - hedged).max() <= 1e-12


def test_exponentiated_gradient_by_hand() -> None:
    # Relatives 1.2 and 0.8 from equal weights: parts 1.2 and 0.8 of a portfolio relative of 1.
    first, second = online.exponentiated_gradient(np.array([[0.2, -0.2]]), rate=2.0)[1]
    assert first / second == pytest.approx(np.exp(2.0 * (1.2 - 0.8)))


def test_fixed_share_by_hand() -> None:
    weights = online.fixed_share(np.array([[0.2, -0.2, 0.0]]), rate=2.0, share=0.3)[1]
    grown = np.array([1.2, 0.8, 1.0]) ** 2.0
    assert weights == pytest.approx(0.7 * grown / grown.sum() + 0.1)


@given(returns=histories(assets=(2, 5)), beta=st.floats(0.2, 2.0))
@quick
def test_the_newton_step_projects_in_the_norm_of_its_curvature(returns: FloatArray, beta: float) -> None:
    weights = online.online_newton_step(returns, beta=beta, delta=0.3)
    relatives = 1.0 + returns
    parts = relatives / (weights[:-1] * relatives).sum(axis=1, keepdims=True)
    curvature = np.eye(returns.shape[1]) + parts.T @ parts
    aim = 0.3 * np.linalg.solve(curvature, (1.0 + 1.0 / beta) * parts.sum(axis=0))
    away = curvature @ (weights[-1] - aim)
    assert weights[-1] @ away - away.min() <= 1e-9 * max(1.0, np.abs(away).max()), "nothing feasible is nearer"


@given(returns=histories(), share=st.floats(0.001, 0.5))
@quick
def test_fixed_share_keeps_every_asset_alive(returns: FloatArray, share: float) -> None:
    weights = online.fixed_share(returns, rate=20.0, share=share)
    assert weights.min() >= share / returns.shape[1] * (1.0 - 1e-12)


@given(returns=histories(), eta=st.floats(0.01, 1.0))
@quick
def test_the_newton_step_mixes_in_eta_of_equal_weight(returns: FloatArray, eta: float) -> None:
    weights = online.online_newton_step(returns, eta=eta)
    assert weights.min() >= eta / returns.shape[1] * (1.0 - 1e-12)


# The quadratic programme that three of them stand on.


@given(covariance=covariances((1, 25)), seed=st.integers(0, 2**32 - 1), cornered=st.booleans())
@quick
def test_the_quadratic_minimum_satisfies_kuhn_and_tucker(covariance: FloatArray, seed: int, cornered: bool) -> None:
    size = len(covariance)
    quadratic = covariance / covariance.diagonal().mean()
    linear = np.random.default_rng(seed).normal(size=size)
    start = np.eye(size)[0] if cornered else np.full(size, 1.0 / size)
    weights = minimise_on_simplex(quadratic, linear, start)
    gradient = quadratic @ weights - linear
    assert (weights >= 0.0).all() and weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights @ gradient - gradient.min() <= 1e-9 * max(1.0, np.abs(gradient).max())


# Each against its definition.


@given(returns=histories(days=(2, 60)), seed=st.integers(0, 2**32 - 1))
@quick
def test_the_best_constant_weights_satisfy_kuhn_and_tucker(returns: FloatArray, seed: int) -> None:
    weights = hindsight.growth_optimal(returns)
    relatives = 1.0 + returns
    slope = (relatives / (relatives @ weights)[:, None]).mean(axis=0)
    assert slope.max() <= 1.0 + 1e-8
    assert slope[weights > 1e-6] == pytest.approx(1.0, abs=1e-6)
    others = np.random.default_rng(seed).dirichlet(np.ones(returns.shape[1]), size=20)
    growth = np.log(relatives @ weights).mean()
    assert (np.log(relatives @ others.T).mean(axis=0) <= growth + 1e-8).all()


@given(returns=histories())
@quick
def test_no_single_asset_ends_richer_than_the_best(returns: FloatArray) -> None:
    wealth = backtest(returns, hindsight.best_asset).wealth[-1]
    assert wealth == pytest.approx(np.prod(1.0 + returns, axis=0).max(), rel=1e-9)


@given(covariance=covariances())
@quick
def test_minimum_variance_satisfies_kuhn_and_tucker(covariance: FloatArray) -> None:
    weights = risk_based.minimum_variance(covariance)
    variance = weights @ covariance @ weights
    slope = covariance @ weights / variance
    assert slope.min() >= 1.0 - 1e-8, "no asset would lower the variance"
    assert slope[weights > 1e-9] == pytest.approx(1.0, abs=1e-8)


@given(covariance=covariances())
@quick
def test_risk_parity_spreads_the_risk_equally(covariance: FloatArray) -> None:
    weights = risk_based.risk_parity(covariance)
    contributions = weights * (covariance @ weights) / (weights @ covariance @ weights)
    assert contributions == pytest.approx(1.0 / len(weights), abs=1e-10)


@COVARIANCE_RULES
@given(covariance=covariances(), scale=st.floats(1e-6, 1e6))
@settings(quick, max_examples=25)
def test_the_unit_of_risk_does_not_matter(rule: Rule, covariance: FloatArray, scale: float) -> None:
    assert rule(scale * covariance) == pytest.approx(rule(covariance), abs=1e-9)


@COVARIANCE_RULES
def test_of_two_uncorrelated_assets_the_calmer_one_gets_more(rule: Rule) -> None:
    calm, wild = rule(np.diag([0.01**2, 0.02**2]))
    by_volatility = rule in (risk_based.inverse_volatility, risk_based.risk_parity)
    assert calm / wild == pytest.approx(2.0 if by_volatility else 4.0)


def test_hierarchical_risk_parity_by_hand() -> None:
    # 0 and 2 move alike; 1 moves alone. The tree is (1, (0, 2)), so the halves are {1} and {0, 2}.
    covariance = np.array([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0], [0.5, 0.0, 1.0]])
    assert single_linkage_order(1.0 - covariance) == [1, 0, 2]
    pair_variance = 0.25 * (1.0 + 1.0 + 2 * 0.5)
    alone = pair_variance / (pair_variance + 2.0)
    expected = [(1.0 - alone) / 2, alone, (1.0 - alone) / 2]
    assert hierarchical_risk_parity(covariance) == pytest.approx(expected)


@given(covariance=covariances((2, 12)))
@quick
def test_the_tree_is_the_one_that_scipy_builds(covariance: FloatArray) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    squareform = pytest.importorskip("scipy.spatial.distance").squareform
    volatility = np.sqrt(covariance.diagonal())
    distance = np.sqrt(np.clip((1.0 - covariance / np.outer(volatility, volatility)) / 2.0, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "single")
    assert single_linkage_order(distance) == list(hierarchy.leaves_list(tree))


def test_covariance_of_what_did_not_move_is_that_of_the_median_asset() -> None:
    history = market(100, 4)
    history[:, 1] = 0.003
    covariance = risk_based.shrunk_covariance(history)
    moved = np.delete(history, 1, axis=1)
    assert covariance[1] == pytest.approx([0.0, np.median(moved.var(axis=0, ddof=1)), 0.0, 0.0])
    kept = np.delete(np.delete(covariance, 1, axis=0), 1, axis=1)
    sample = np.cov(moved.T)
    assert kept == pytest.approx(0.9 * sample + 0.1 * np.diag(sample.diagonal()))


@COVARIANCE_RULES
def test_without_any_movement_all_are_alike(rule: Rule) -> None:
    constant = np.full((50, 4), [0.0, 0.001, 0.003, -0.1])
    assert rule(risk_based.shrunk_covariance(constant)) == pytest.approx(0.25)


def test_sharpe_momentum_prefers_by_the_exponential_of_sharpe() -> None:
    returns = market(100, 3)
    last = returns[-40:]
    ratio = np.exp(0.5 * np.sqrt(252.0) * last.mean(axis=0) / last.std(axis=0, ddof=1))
    tomorrow = windowed.sharpe_momentum(returns, window=40, strength=0.5)[-1]
    assert tomorrow == pytest.approx(ratio / ratio.sum())


def test_a_rolling_portfolio_sees_its_window_and_is_held_in_between() -> None:
    seen = []

    def portfolio(history: FloatArray) -> FloatArray:
        seen.append((float(history[0, 0]), float(history[-1, 0])))
        return np.array([[1.0, 0.0], [0.0, 1.0]][len(seen) % 2])

    days = np.arange(20.0)[:, None] * np.ones(2)
    weights = windowed.rolling(days, portfolio, window=6, every=5, burn_in=4)
    assert seen == [(0.0, 3.0), (3.0, 8.0), (8.0, 13.0), (13.0, 18.0)]
    chosen = [0.5] * 4 + [0.0] * 5 + [1.0] * 5 + [0.0] * 5 + [1.0] * 2
    assert list(weights[:, 0]) == chosen


# The literature.


@pytest.mark.parametrize("column", range(6), ids=list(published_wealth.FILES))
def test_published_wealth_is_reproduced_to_the_printed_digits(column: int) -> None:
    folder = published_wealth.data_folder()
    if folder is None:
        pytest.skip("needs the data files of universal-portfolios: pip install --no-deps universal-portfolios")
    file = list(published_wealth.FILES.values())[column]
    returns = published_wealth.load_returns(folder / file)
    for allocator, printed in published_wealth.PUBLISHED.items():
        ours = published_wealth.final_wealth(allocator, returns)
        assert published_wealth.agrees(ours, printed[column]), f"{allocator}: {ours}, printed {printed[column]}"
