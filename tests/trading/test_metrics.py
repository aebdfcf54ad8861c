"""The measures: published worked examples, what they do on odd series, and whether the bootstrap covers the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, isnan, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from trading import metrics
from trading.metrics import SharpeEstimate

Measure = Callable[[Any], Any]

OF_TWO_DAYS: list[Measure] = [metrics.sharpe, metrics.sortino, metrics.volatility]
OF_ONE_DAY: list[Measure] = [metrics.annual_return, metrics.win_rate, metrics.max_drawdown]


def max_drawdown_of_returns(returns: Any) -> Any:
    return metrics.max_drawdown(metrics.wealth_of(returns))


OF_RETURNS: list[Measure] = [*OF_TWO_DAYS, metrics.annual_return, metrics.win_rate, max_drawdown_of_returns]

derandomised = settings(derandomize=True, max_examples=150, deadline=None)

daily_returns = arrays(
    np.float64, st.integers(2, 60), elements=st.floats(-0.95, 2.0).map(lambda r: round(r, 9)), fill=st.nothing()
)
spread_returns = daily_returns.filter(lambda r: r.std() > 1e-6)


def test_the_measures_of_a_series_worked_out_by_hand() -> None:
    returns = [0.10, -0.10, 0.20, 0.0]
    # mean 0.05, squared deviations 0.0025 + 0.0225 + 0.0225 + 0.0025 = 0.05, downside sqrt(0.01 / 4) = 0.05
    sd = sqrt(0.05 / 3)
    assert metrics.sharpe(returns, 4) == pytest.approx(0.05 / sd * 2)
    assert metrics.volatility(returns, 4) == pytest.approx(sd * 2)
    assert metrics.sortino(returns, 4) == pytest.approx(0.05 / 0.05 * 2)
    assert metrics.wealth_of(returns) == pytest.approx([1.0, 1.1, 0.99, 1.188, 1.188])
    assert metrics.annual_return(returns, 4) == pytest.approx(0.188)
    assert metrics.annual_return(returns, 8) == pytest.approx(1.188**2 - 1)
    assert metrics.drawdown(metrics.wealth_of(returns)) == pytest.approx([0.0, 0.0, 0.1, 0.0, 0.0])
    assert metrics.max_drawdown(metrics.wealth_of(returns)) == pytest.approx(0.1)
    assert metrics.win_rate(returns) == pytest.approx(2 / 3)
    assert metrics.win_rate_standard_error(0.5, 100) == pytest.approx(0.05)


def test_a_loss_on_the_first_day_is_a_drawdown() -> None:
    assert metrics.max_drawdown(metrics.wealth_of([-0.3, 0.1])) == pytest.approx(0.3)


def test_weights_drift_with_their_returns_and_turnover_starts_from_there() -> None:
    weights = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    returns = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    drifted = metrics.drifted_weights(weights, returns)
    assert drifted[0] == pytest.approx([2 / 3, 1 / 3])
    assert metrics.turnover(drifted[:-1], weights[1:]) == pytest.approx([1 / 3, 1.0])
    assert metrics.turnover([1.0, 0.0], [0.0, 1.0]) == 2.0


def test_the_effective_number_runs_from_one_to_all() -> None:
    assert metrics.effective_number([[0.25] * 4, [1.0, 0.0, 0.0, 0.0], [3.0, 3.0, 0.0, 0.0]]).tolist() == [4, 1, 2]
    assert isnan(metrics.effective_number([0.0, 0.0]))


@pytest.mark.parametrize("measure", OF_RETURNS)
def test_leading_axes_pass_through(measure: Measure, seed: int) -> None:
    book = np.random.default_rng(seed).normal(0.0, 0.01, (3, 4, 50))
    together = measure(book)
    assert together.shape == (3, 4)
    assert together[1, 2] == pytest.approx(float(measure(book[1, 2])), rel=1e-12)


@pytest.mark.parametrize("measure", OF_RETURNS)
@pytest.mark.parametrize("unknown", [nan, inf, -inf])
def test_an_unknown_day_makes_its_series_unknown_and_no_other(measure: Measure, unknown: float) -> None:
    known = [0.01, 0.02, -0.01, 0.03]
    mixed = measure([known, [0.01, unknown, -0.01, 0.03]])
    assert isnan(mixed[1])
    assert mixed[0] == measure(known)


@pytest.mark.parametrize("measure", [*OF_ONE_DAY, *OF_TWO_DAYS])
def test_too_few_days_are_unknown(measure: Measure) -> None:
    assert isnan(measure([]))
    assert np.isnan(measure(np.empty((3, 0)))).tolist() == [True] * 3
    assert isnan(measure([0.01])) == (measure in OF_TWO_DAYS)


@pytest.mark.parametrize("constant", [0.0, 0.001, 0.1, -0.3, 1e-90])
def test_a_constant_series_has_a_sharpe_ratio_of_0(constant: float) -> None:
    assert metrics.sharpe(np.full(1000, constant)) == 0.0
    assert metrics.sharpe(np.diff(np.cumprod(np.full(300, 1.001))) / np.cumprod(np.full(299, 1.001))) == 0.0


def test_without_a_losing_day_the_sortino_ratio_is_unknown_or_0() -> None:
    assert isnan(metrics.sortino([0.01, 0.0, 0.02]))
    assert metrics.sortino([0.0, 0.0, 0.0]) == 0.0
    assert metrics.sortino([0.0, -0.01]) < 0.0


def test_ruin_is_final() -> None:
    wealth = metrics.wealth_of([0.5, -1.5, 3.0])
    assert wealth.tolist() == [1.0, 1.5, 0.0, 0.0]
    assert metrics.annual_return([0.5, -1.5, 3.0]) == -1.0
    assert metrics.max_drawdown(wealth) == 1.0
    assert np.isnan(metrics.drifted_weights([0.5, 0.5], [-1.0, -1.0])).all()


def test_growth_past_the_greatest_float_is_infinite() -> None:
    assert metrics.annual_return([50.0]) == inf
    assert metrics.wealth_of([1e100] * 4)[-1] == inf


def test_wealth_that_was_never_above_0_has_no_drawdown_and_debt_is_a_whole_one() -> None:
    assert isnan(metrics.max_drawdown([0.0, -1.0]))
    assert metrics.drawdown([100.0, -50.0, 50.0]).tolist() == [0.0, 1.0, 0.5]


def test_outcomes_of_0_are_neither_won_nor_lost() -> None:
    assert metrics.win_rate([0.0, 0.0, 5.0]) == 1.0
    assert isnan(metrics.win_rate([0.0, 0.0]))
    assert isnan(metrics.win_rate_standard_error(metrics.win_rate([0.0]), 0))


@derandomised
@given(spread_returns, st.floats(1e-3, 1e3))
def test_scale_changes_volatility_and_no_ratio(returns: NDArray[np.float64], scale: float) -> None:
    assert metrics.sharpe(returns * scale) == pytest.approx(metrics.sharpe(returns), rel=1e-9, abs=1e-9)
    assert metrics.sharpe(-returns) == pytest.approx(-metrics.sharpe(returns), rel=1e-9, abs=1e-9)
    assert metrics.volatility(returns * scale) == pytest.approx(metrics.volatility(returns) * scale)
    sortino = metrics.sortino(returns)
    assert metrics.sortino(returns * scale) == pytest.approx(sortino, rel=1e-9, nan_ok=True)


@derandomised
@given(daily_returns)
def test_every_series_of_finite_returns_has_finite_measures_and_drawdowns_between_0_and_1(
    returns: NDArray[np.float64],
) -> None:
    for measure in (metrics.sharpe, metrics.volatility):
        assert np.isfinite(measure(returns))
    assert np.isfinite(metrics.sortino(returns)) or returns.min() >= 0.0
    drawdown = metrics.drawdown(metrics.wealth_of(returns))
    assert 0.0 <= drawdown.min() <= drawdown.max() <= 1.0
    assert drawdown[0] == 0.0
    assert metrics.max_drawdown(metrics.wealth_of(returns)) == drawdown.max()


@derandomised
@given(daily_returns, st.floats(1e-6, 1e6))
def test_drawdown_does_not_depend_on_the_unit_of_wealth(returns: NDArray[np.float64], unit: float) -> None:
    wealth = metrics.wealth_of(returns)
    assert metrics.drawdown(wealth * unit) == pytest.approx(metrics.drawdown(wealth), abs=1e-9)


HEDGE_FUND = SharpeEstimate(0.458 * sqrt(12), 24, skewness=-2.448, kurtosis=10.164, periods_per_year=12)
"""Two years of months with a monthly ratio of 0.458: the example of Bailey & Lopez de Prado, The Sharpe Ratio
Efficient Frontier, Journal of Risk 15(2), 2012."""

BEST_OF_100 = SharpeEstimate(2.5, 1250, skewness=-3.0, kurtosis=10.0, periods_per_year=250)
"""Five years of days, the best of 100 trials whose annual ratios have a variance of 1/2: the example of Bailey & Lopez
de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), 2014."""


def test_the_probabilistic_sharpe_ratio_is_the_published_one() -> None:
    normal = HEDGE_FUND._replace(skewness=0.0, kurtosis=3.0)
    assert metrics.probabilistic_sharpe(normal) == pytest.approx(0.982, abs=5e-4)
    assert metrics.probabilistic_sharpe(HEDGE_FUND) == pytest.approx(0.913, abs=5e-4)
    # A third year takes it over 95%: the paper prints 0.953 for 0.9535.
    assert metrics.probabilistic_sharpe(HEDGE_FUND._replace(days=36)) == pytest.approx(0.953, abs=6e-4)


def test_the_deflated_sharpe_ratio_is_the_published_one() -> None:
    trial_sd = sqrt(0.5)
    assert metrics.expected_maximum_sharpe(100, trial_sd) / sqrt(250) == pytest.approx(0.1132, abs=5e-5)
    assert metrics.deflated_sharpe(BEST_OF_100, 100, trial_sd) == pytest.approx(0.9004, abs=5e-5)
    assert metrics.deflated_sharpe(BEST_OF_100, 46, trial_sd) == pytest.approx(0.9505, abs=5e-5)
    normal = BEST_OF_100._replace(skewness=0.0, kurtosis=3.0)
    assert metrics.deflated_sharpe(normal, 88, trial_sd) == pytest.approx(0.9505, abs=5e-5)


def test_the_expected_maximum_is_the_published_one_and_that_of_simulated_trials(seed: int) -> None:
    # Bailey, Borwein, Lopez de Prado & Zhu, Pseudo-Mathematics and Financial Charlatanism, Notices of the AMS 61(5),
    # 2014: 1.57 for 10 trials, and a ratio of 1 a year from 45 trials of 5 years.
    assert metrics.expected_maximum_sharpe(10, 1.0) == pytest.approx(1.57, abs=5e-3)
    assert metrics.expected_maximum_sharpe(45, sqrt(1 / 5)) == pytest.approx(1.0, abs=5e-3)
    rng = np.random.default_rng(seed)
    for trials in (5, 20, 200):
        simulated = rng.normal(size=(4_000, trials)).max(axis=1).mean()
        assert metrics.expected_maximum_sharpe(trials, 1.0) == pytest.approx(simulated, abs=0.06)


@pytest.mark.parametrize(("periods", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_minimum_track_record_is_the_published_one(periods: float, years: float) -> None:
    """An annual ratio of 2 shown to be above 1 with 95% confidence, from normal days, weeks and months (2012)."""
    estimate = SharpeEstimate(2.0, 0, periods_per_year=periods)
    assert metrics.minimum_track_record(estimate, 1.0) / periods == pytest.approx(years, abs=5e-3)


def test_the_minimum_track_record_of_skewed_months_is_the_published_one() -> None:
    hedge_fund_index = SharpeEstimate(2.0, 0, skewness=-0.72, kurtosis=5.78, periods_per_year=12)
    assert metrics.minimum_track_record(hedge_fund_index, 1.0) / 12 == pytest.approx(4.99, abs=5e-3)


def test_a_track_record_of_minimum_length_is_just_long_enough() -> None:
    enough = metrics.minimum_track_record(HEDGE_FUND, 0.5, confidence=0.9)
    at_length = HEDGE_FUND._replace(days=enough)  # type: ignore[arg-type]
    assert metrics.probabilistic_sharpe(at_length, 0.5) == pytest.approx(0.9)
    assert metrics.minimum_track_record(HEDGE_FUND, HEDGE_FUND.sharpe) == inf
    assert metrics.minimum_track_record(HEDGE_FUND, confidence=0.4) == 1.0


def test_more_trials_expect_more_of_the_best_and_one_expects_nothing() -> None:
    expected = [metrics.expected_maximum_sharpe(trials, 0.7) for trials in (1, 1.2, 2, 3, 10, 1e3, 1e20)]
    assert expected[0] == 0.0
    assert expected == sorted(expected)
    assert metrics.deflated_sharpe(HEDGE_FUND, 1, 0.7) == metrics.probabilistic_sharpe(HEDGE_FUND)
    with pytest.raises(ValueError, match=r"trials 0\.5: needs at least 1"):
        metrics.expected_maximum_sharpe(0.5, 1.0)


def test_an_unknown_or_certain_ratio_is_unknown_or_certain() -> None:
    assert isnan(metrics.probabilistic_sharpe(metrics.sharpe_estimate([0.01])))
    assert isnan(metrics.probabilistic_sharpe(metrics.sharpe_estimate([0.01, nan, 0.02])))
    assert isnan(metrics.minimum_track_record(metrics.sharpe_estimate([0.01])))
    two_points = SharpeEstimate(1.0, 10, skewness=2.0, kurtosis=5.0, periods_per_year=1)
    assert two_points.standard_error == 0.0
    assert [metrics.probabilistic_sharpe(two_points, benchmark) for benchmark in (0.5, 1.0, 1.5)] == [1.0, 0.5, 0.0]


def test_an_estimate_measures_what_its_distribution_has(seed: int) -> None:
    returns = np.random.default_rng(seed).exponential(size=200_000) * 0.01
    estimate = metrics.sharpe_estimate(returns, 252)
    assert estimate.sharpe == metrics.sharpe(returns, 252)
    assert estimate.days == 200_000
    assert estimate.skewness == pytest.approx(2.0, abs=0.1)
    assert estimate.kurtosis == pytest.approx(9.0, abs=1.5)
    assert metrics.sharpe_estimate([0.01] * 5) == SharpeEstimate(0.0, 5)


@pytest.mark.parametrize("skewed", [False, True])
def test_the_standard_error_is_the_spread_of_ratios_measured_again_and_again(skewed: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = 1.0 - rng.exponential(size=(4_000, 300)) if skewed else rng.normal(size=(4_000, 300))
    measured = metrics.sharpe(0.2 + noise)
    expected = SharpeEstimate(0.2 * sqrt(252), 300, *((-2.0, 9.0) if skewed else (0.0, 3.0)))
    assert measured.std() == pytest.approx(expected.standard_error, rel=0.06)


def test_resampled_days_come_in_blocks_of_the_mean_length_and_every_day_as_often(seed: int) -> None:
    days, draws, mean_block = 100, 20_000, 5.0
    indices = metrics.stationary_bootstrap_indices(days, draws, mean_block, np.random.default_rng(seed))
    assert indices.shape == (draws, days)
    assert indices.min() == 0
    assert indices.max() == days - 1
    goes_on = (np.diff(indices, axis=1) % days) == 1
    # A new block begins with chance 1/5, and by accident where the last one would have gone on with chance 1/100.
    assert goes_on.mean() == pytest.approx(1 - 1 / mean_block * (1 - 1 / days), abs=0.005)
    assert np.bincount(indices.ravel()) / draws == pytest.approx(np.ones(days), abs=0.12)
    # Blocks end independently of how long they are.
    assert goes_on[:, 1:][goes_on[:, :-1]].mean() == pytest.approx(goes_on.mean(), abs=0.005)


def test_resampling_is_reproduced_by_the_seed_and_changed_by_another() -> None:
    draw = partial(metrics.stationary_bootstrap_indices, 50, 20, 5.0)
    assert np.array_equal(draw(np.random.default_rng(1)), draw(np.random.default_rng(1)))
    assert not np.array_equal(draw(np.random.default_rng(1)), draw(np.random.default_rng(2)))


def test_extreme_blocks_are_single_days_and_whole_series(seed: int) -> None:
    rng = np.random.default_rng(seed)
    single = metrics.stationary_bootstrap_indices(1_000, 10, 1.0, rng)
    assert ((np.diff(single, axis=1) % 1_000) == 1).mean() < 0.01
    rotated = metrics.stationary_bootstrap_indices(7, 10, inf, rng)
    assert ((np.diff(rotated, axis=1) % 7) == 1).all()
    assert metrics.stationary_bootstrap_indices(1, 3, 5.0, rng).tolist() == [[0], [0], [0]]


@pytest.mark.parametrize(("days", "draws", "mean_block"), [(0, 10, 5.0), (10, 0, 5.0), (10, 10, 0.5), (10, 10, nan)])
def test_resampling_nothing_is_an_error(days: int, draws: int, mean_block: float) -> None:
    with pytest.raises(ValueError, match="each needs to be at least 1"):
        metrics.stationary_bootstrap_indices(days, draws, mean_block, np.random.default_rng(0))


def test_a_bootstrap_in_parts_holds_few_days_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    def mean(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
        held.append(resampled.size)
        return np.asarray(resampled.mean(axis=-1))

    monkeypatch.setattr(metrics, "CELLS_AT_ONCE", 1_000)
    figures = metrics.bootstrap(np.arange(100.0), mean, np.random.default_rng(0), draws=25)
    assert held == [1_000, 1_000, 500]
    assert len(np.unique(figures)) == 25


def test_the_bootstrap_knows_the_standard_error_of_a_mean_of_dependent_days(seed: int) -> None:
    """Days that follow each other for 10 days on average need blocks: single days see a third of the error."""
    rng = np.random.default_rng(seed)
    days, phi = 4_000, 0.8
    shocks = rng.normal(size=(days + 200, 40))
    path = np.zeros((days + 200, 40))
    for day in range(1, len(path)):
        path[day] = phi * path[day - 1] + shocks[day]
    truth = 1 / (1 - phi) / sqrt(days)

    def mean(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(resampled.mean(axis=-1))

    def seen(mean_block: float) -> float:
        errors = [
            metrics.bootstrap(one, mean, rng, draws=60, mean_block=mean_block).std() for one in path[200:].T
        ]
        return float(np.mean(errors)) / truth

    assert 0.85 <= seen(50.0) <= 1.05
    assert seen(1.0) <= 0.4


def test_the_bootstrapped_bound_on_a_sharpe_difference_covers_the_truth_as_often_as_it_says(seed: int) -> None:
    """Two correlated books of equal Sharpe ratio, 250 days: a 90% bound should be above the truth in 10% of worlds."""
    rng = np.random.default_rng(seed)
    worlds = 400
    common = rng.standard_t(5, (worlds, 250))
    pairs = 0.03 + np.stack([common + 0.6 * rng.standard_t(5, (worlds, 250)) for _ in range(2)], axis=1)
    bounds = [metrics.paired_sharpe_difference(one, other, rng, draws=200).lower_bound for one, other in pairs]
    missed = np.mean(np.asarray(bounds) > 0.0)
    print(f"a 90% lower bound missed in {missed:.1%} of {worlds} worlds")
    assert 0.05 <= missed <= 0.18


def test_a_percentile_interval_covers_the_truth_as_often_as_it_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worlds = rng.normal(0.001, 0.01, (300, 250))
    intervals = [
        metrics.percentile_interval(metrics.bootstrap(returns, metrics.sharpe, rng, draws=200), 0.9)
        for returns in worlds
    ]
    covered = np.mean([low <= 0.1 * sqrt(252) <= high for low, high in intervals])
    print(f"a 90% interval covered the Sharpe ratio in {covered:.1%} of 300 worlds")
    assert 0.8 <= covered <= 0.96


def test_a_percentile_interval_holds_the_middle() -> None:
    assert metrics.percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5.0, 95.0))
    assert all(isnan(end) for end in metrics.percentile_interval([1.0, nan, 2.0]))
    assert all(isnan(end) for end in metrics.percentile_interval([]))


def test_a_clearly_better_candidate_has_a_bound_above_0_and_a_book_is_no_better_than_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    incumbent = rng.normal(0.0, 0.01, 500)
    better = metrics.paired_sharpe_difference(incumbent + 0.002, incumbent, rng)
    assert 0.0 < better.lower_bound < better.difference
    assert better.difference == pytest.approx(float(metrics.sharpe(incumbent + 0.002) - metrics.sharpe(incumbent)))
    assert metrics.paired_sharpe_difference(incumbent, incumbent, rng) == (0.0, 0.0, 0.0)
    assert metrics.paired_sharpe_difference(np.zeros(300), np.zeros(300), rng) == (0.0, 0.0, 0.0)


def test_pairing_takes_out_what_two_books_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0, 0.01, 500)
    first, second = market + rng.normal(0.0, 0.001, 500), market + rng.normal(0.0, 0.001, 500)
    paired = metrics.paired_sharpe_difference(first, second, rng)
    alone = metrics.bootstrap(first, metrics.sharpe, rng).std()
    assert paired.standard_error < 0.25 * alone


@pytest.mark.parametrize("candidate", [[0.01, nan, 0.02], [0.01, inf, 0.02], [0.01]])
def test_no_bound_is_claimed_where_days_are_unknown_or_too_few(candidate: list[float]) -> None:
    incumbent = np.zeros(len(candidate))
    unknown = metrics.paired_sharpe_difference(candidate, incumbent, np.random.default_rng(0))
    assert all(isnan(figure) for figure in unknown)
    assert not unknown.lower_bound > 0.0


def test_series_of_different_days_are_not_paired() -> None:
    with pytest.raises(ValueError, match="same shape"):
        metrics.paired_sharpe_difference(np.zeros(10), np.zeros(11), np.random.default_rng(0))
