"""The account's own path and the six features of it, against the measures that the reports use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ai.account import LARGEST_LOSS, AccountState, Wealth, counted, portfolio_features
from ai.feature_table import FEATURES, LIMIT, PORTFOLIO
from ai.smoothing import FloatArray
from trading import metrics

derandomised = settings(derandomize=True, max_examples=60, deadline=None)

FLOOR = 0.02
EQUAL = np.full(8, 1 / 8)

paths = st.tuples(st.integers(0, 40), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-0.9, 2.0))
)
any_returns = arrays(
    np.float64,
    st.tuples(st.integers(0, 20), st.just(3)),
    elements=st.one_of(st.floats(), st.sampled_from([-1.0, -1e12, 1e12, np.nan, np.inf, -np.inf, 1e-300])),
)


def after(returns: FloatArray, weights: FloatArray = EQUAL) -> AccountState:
    """Accounts (n,) after returns (days, n), with the same weights every day."""
    state = AccountState.opened(returns.shape[1])
    for day in returns:
        state = state.after(np.tile(weights, (len(day), 1)), day)
    return state


def flat(state: AccountState) -> tuple[FloatArray, ...]:
    return (*state.wealth, state.weights, state.gains, state.variance)


def named(state: AccountState, exposures: FloatArray | None = None) -> dict[str, float]:
    """The features of a single account."""
    (row,) = portfolio_features(state, FLOOR, exposures).tolist()
    return dict(zip((name.removeprefix("portfolio_") for name in FEATURES[PORTFOLIO]), row, strict=True))


@derandomised
@given(paths)
def test_wealth_and_drawdown_are_those_of_the_reports(returns: FloatArray) -> None:
    wealth = Wealth.at_start(returns.shape[1]).along(counted(returns))
    expected = metrics.wealth_of(returns.T)
    np.testing.assert_allclose(np.exp(wealth.log), expected[:, 1:].T, rtol=1e-9)
    np.testing.assert_allclose(wealth.drawdown(), metrics.drawdown(expected)[:, 1:].T, atol=1e-9)


@derandomised
@given(any_returns, st.integers(0, 20), st.integers(0, 99))
def test_days_at_once_are_the_same_days_one_by_one(returns: FloatArray, earlier: int, number: int) -> None:
    weights = np.random.default_rng(number).dirichlet(np.ones(8), returns.shape)
    one_by_one = AccountState.opened(3)
    for day in range(min(earlier, len(returns))):
        one_by_one = one_by_one.after(weights[day], returns[day])
    states = one_by_one.along(weights[earlier:], returns[earlier:])
    features = portfolio_features(states, FLOOR)
    assert features.shape == (max(len(returns) - earlier, 0), 3, 6)
    for day in range(len(features)):
        one_by_one = one_by_one.after(weights[earlier + day], returns[earlier + day])
        for part, own in zip(flat(states.on(day)), flat(one_by_one), strict=True):
            np.testing.assert_allclose(part, own, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(features[day], portfolio_features(one_by_one, FLOOR), rtol=0, atol=1e-6)


@derandomised
@given(any_returns)
def test_no_return_breaks_an_account(returns: FloatArray) -> None:
    state = after(returns)
    features = portfolio_features(state, FLOOR)
    assert np.isfinite(features).all() and np.abs(features).max() <= LIMIT
    assert ((state.wealth.drawdown() >= 0.0) & (state.wealth.drawdown() <= 1.0)).all()


@derandomised
@given(paths)
def test_an_account_among_others_is_as_it_is_alone(returns: FloatArray) -> None:
    together = portfolio_features(after(returns), FLOOR)
    alone = [portfolio_features(after(returns[:, [account]]), FLOOR)[0] for account in range(returns.shape[1])]
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-12)


def test_what_counts_of_a_return() -> None:
    np.testing.assert_array_equal(
        counted([0.01, -3.0, 1e12, np.nan, np.inf, -np.inf]), [0.01, -LARGEST_LOSS, 1e6, 0.0, 0.0, 0.0]
    )


def test_a_new_account_is_even_diverse_and_invested() -> None:
    assert named(AccountState.opened(1)) == {
        "equity": 0.0,
        "cash_ratio": pytest.approx(0.0),
        "position_count": 1.0,
        "drawdown": 0.0,
        "total_pnl": 0.0,
        "diversity": pytest.approx(1.0),
    }


def test_each_feature_says_what_the_table_says() -> None:
    weights = np.array([0.35, 0.35, 0.18, 0.04, 0.02, 0.02, 0.02, 0.02])
    state = after(np.array([[0.10], [-0.20]]), weights)
    found = named(state, exposures=np.array([1.0, 0.5, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    decay, slow = 0.5 ** (1 / 20), 0.5 ** (1 / 60)
    variance = slow * (slow * 0.005**2 + (1 - slow) * 0.10**2) + (1 - slow) * 0.20**2
    error = np.sqrt(variance * (1 - decay) / (1 + decay))
    assert found == pytest.approx(
        {
            "equity": np.log(1.1 * 0.8) / 0.2,
            "cash_ratio": 1 - (0.35 + 0.175 + 0.04 + 0.08),
            "position_count": 4 / 8,
            "drawdown": 0.2 / 0.2,
            "total_pnl": (1 - decay) * (decay * 0.10 - 0.20) / error,
            "diversity": float(metrics.effective_number(weights)) / 8,
        },
        rel=1e-6,
    )


def test_exposures_may_differ_between_accounts() -> None:
    state = AccountState.opened(2)
    exposures = np.stack([np.zeros(8), np.full(8, 2.0)])
    np.testing.assert_allclose(portfolio_features(state, FLOOR, exposures)[:, 1], [1.0, -1.0])


def test_a_day_later_the_state_before_is_as_it_was() -> None:
    state = after(np.full((3, 2), 0.01))
    before = portfolio_features(state, FLOOR)
    state.after(np.tile(EQUAL, (2, 1)), [0.5, -0.5])
    np.testing.assert_array_equal(portfolio_features(state, FLOOR), before)


def test_ordinary_accounts_have_features_about_one_in_size(seed: int) -> None:
    state = after(0.005 * np.random.default_rng(seed).standard_normal((250, 400)))
    features = portfolio_features(state, FLOOR)
    moving = features[:, [0, 3, 4]]
    assert (moving.std(axis=0) > 0.2).all() and (moving.std(axis=0) < 3.0).all()
