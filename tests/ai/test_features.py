"""The features: two implementations against each other and against formulas; what they may know; what they survive."""

from __future__ import annotations

import json
import subprocess
import sys
from math import log, sqrt, tanh
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ai.feature_table import LIMIT, SHARED
from ai.features import START, State, advance, shared_features
from ai.smoothing import FloatArray
from contract.schema.names import STRATEGIES
from market.prices import simulate
from trading.ledger import Ledger
from trading.paper_day import Session, Terms, trade_day
from trading.strategies import RULES

derandomised = settings(derandomize=True, max_examples=60, deadline=None)


class History(NamedTuple):
    """Each (days, 8)."""

    returns: FloatArray
    trades: FloatArray
    wins: FloatArray

    def permuted(self, order: NDArray[np.intp]) -> History:
        return History(*(part[:, order] for part in self))

    def until(self, day: int) -> History:
        return History(*(part[:day] for part in self))


def of_returns(returns: object) -> History:
    days = np.asarray(returns, dtype=np.float64)
    return History(days, (days != 0.0).astype(np.float64), (days > 0.0).astype(np.float64))


def noise(days: int, seed: int) -> History:
    rng = np.random.default_rng(seed)
    trades = rng.poisson(1.0, (days, 8))
    wins = rng.binomial(trades, 0.5)
    return History(0.01 * rng.standard_t(5, (days, 8)), trades.astype(np.float64), wins.astype(np.float64))


def day_by_day(history: History, state: State = START) -> FloatArray:
    """What `advance` says on the mornings after the days (days, 28)."""
    rows = np.empty((len(history.returns), len(SHARED)))
    for day, inputs in enumerate(zip(*history, strict=True)):
        state, rows[day] = advance(state, *inputs)
    return rows


def column(rows: FloatArray, name: str) -> FloatArray:
    return rows[..., SHARED.index(name)]


ordinary = st.floats(-0.1, 0.1)
extreme = st.sampled_from(
    [0.0, 1e12, -1e12, -1.0, -1.5, 1e-12, 1e-6, 1e-160, 5e-324, 1e308, -1e308, np.nan, np.inf, -np.inf]
)
counts = st.one_of(st.integers(0, 20), st.sampled_from([-3, 10**9, np.nan, np.inf]))


@st.composite
def histories(draw: st.DrawFn) -> History:
    shape = (draw(st.integers(0, 30)), 8)
    elements = draw(st.sampled_from([ordinary, extreme, ordinary | extreme]))
    fill = draw(st.sampled_from([st.nothing(), st.just(0.0)]))
    returns, trades, wins = (
        draw(arrays(np.float64, shape, elements=element, fill=fill)) for element in (elements, counts, counts)
    )
    return History(returns, trades, wins)


def repeated(*days: float, times: int) -> History:
    return of_returns(np.tile(np.repeat([[day] for day in days], 8, axis=1), (times, 1)))


EDGES = {
    "nothing happened yet": of_returns(np.empty((0, 8))),
    "one day": repeated(0.01, times=1),
    "never a trade": repeated(0.0, times=400),
    "one trade": of_returns(np.pad(np.full((1, 8), 0.02), ((50, 400), (0, 0)))),
    "one trade of one strategy": of_returns(np.pad([[0.02]], ((50, 400), (3, 4)))),
    "constant gains": repeated(0.001, times=400),
    "constant losses": repeated(-0.001, times=400),
    "huge gains": repeated(1e12, times=400),
    "everything lost each day": repeated(-1.0, times=400),
    "to and fro": repeated(0.03, -0.03, times=200),
    "hugely to and fro": repeated(1e12, -1e12, times=200),
    "a huge day among small ones": of_returns(
        np.vstack([noise(99, 1).returns, np.full((1, 8), 1e12), noise(99, 2).returns])
    ),
    "tiny": repeated(1e-300, 1e-7, -1e-9, times=100),
    "a silence of ten years": of_returns(np.vstack([noise(50, 3).returns, np.zeros((2500, 8)), noise(50, 4).returns])),
}


@pytest.mark.parametrize("history", EDGES.values(), ids=list(EDGES))
def test_any_history_gives_finite_features_and_one_row_more_than_days(history: History) -> None:
    rows = shared_features(*history)
    assert rows.shape == (len(history.returns) + 1, 28)
    assert np.isfinite(rows).all() and np.abs(rows).max() <= LIMIT
    np.testing.assert_allclose(day_by_day(history), rows[1:], atol=1e-6)


@derandomised
@given(histories())
def test_day_by_day_is_the_whole_history_at_once_whatever_it_holds(history: History) -> None:
    rows = shared_features(*history)
    assert np.isfinite(rows).all() and np.abs(rows).max() <= LIMIT
    np.testing.assert_allclose(day_by_day(history), rows[1:], atol=1e-6)


def test_day_by_day_is_the_whole_history_at_once_for_years(seed: int) -> None:
    history = noise(1_500, seed)
    np.testing.assert_allclose(day_by_day(history), shared_features(*history)[1:], atol=1e-9)


def test_before_the_first_day_nothing_is_known() -> None:
    assert not shared_features(*of_returns(np.empty((0, 8)))).any()


@settings(derandomised, max_examples=25)
@given(histories(), histories(), st.integers(0, 30))
@example(noise(40, 5), noise(40, 6), 17)
def test_the_future_changes_no_row(history: History, other: History, today: int) -> None:
    today = min(today, len(history.returns))
    future = History(*(np.vstack((part[:today], replaced)) for part, replaced in zip(history, other, strict=True)))
    known = shared_features(*history)[: today + 1]
    np.testing.assert_allclose(shared_features(*future)[: today + 1], known, atol=1e-9)
    np.testing.assert_array_equal(day_by_day(future)[:today], day_by_day(history)[:today])


def test_today_changes_tomorrow() -> None:
    history = noise(40, 7)
    returns = history.returns.copy()
    returns[20] *= -2
    changed = np.abs(shared_features(*history._replace(returns=returns)) - shared_features(*history)).max(axis=1) > 0
    assert not changed[:21].any() and changed[21:].all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_counts_as_nothing(wrong: float) -> None:
    history, day = noise(60, 8), (30, slice(2, 5))
    broken, zero = (History(*(part.copy() for part in history)) for _ in range(2))
    for part, replaced in zip(broken, zero, strict=True):
        part[day], replaced[day] = wrong, 0.0
    np.testing.assert_array_equal(shared_features(*broken), shared_features(*zero))
    np.testing.assert_array_equal(day_by_day(broken), day_by_day(zero))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_return_beyond_the_whole_capital_counts_as_the_whole_capital(sign: float) -> None:
    whole, beyond = noise(60, 9), noise(60, 9)
    whole.returns[30], beyond.returns[30] = sign, sign * 1e12
    np.testing.assert_array_equal(shared_features(*beyond), shared_features(*whole))


def test_more_wins_than_trades_are_as_many() -> None:
    history = noise(30, 9)
    np.testing.assert_array_equal(
        shared_features(*history._replace(wins=history.trades + 7)),
        shared_features(*history._replace(wins=history.trades)),
    )


@pytest.mark.parametrize(
    "shapes",
    [((4, 7), (4, 7), (4, 7)), ((4, 8), (8,), (4, 8)), ((4, 8), (4, 8), (3, 8)), ((8,), (8,), (8,)), ((), (), ())],
)
def test_a_history_of_another_shape_is_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"needs three of \(days, 8\)"):
        shared_features(*(np.zeros(shape) for shape in shapes))


def test_a_day_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"returns \(1, 8\).*needs three of \(8,\)"):
        advance(START, *np.zeros((3, 1, 8)))


def test_a_state_can_be_written_down_as_json() -> None:
    history = noise(80, 10)
    state = START
    for inputs in zip(*history.until(50), strict=True):
        state, _ = advance(state, *inputs)
    read = State(*(np.array(part) for part in json.loads(json.dumps([part.tolist() for part in state]))))
    rest = History(*(part[50:] for part in history))
    np.testing.assert_array_equal(day_by_day(rest, read), day_by_day(rest, state))


def test_advancing_leaves_the_state_before_as_it_was() -> None:
    before = State(*(part.copy() for part in START))
    advance(START, *(part[0] for part in noise(1, 11)))
    for part, was in zip(START, before, strict=True):
        np.testing.assert_array_equal(part, was)


def decay(half_life: float) -> float:
    return float(0.5 ** (1 / half_life))


def weighted(values: FloatArray, half_life: float) -> float:
    """The sum of values (days,) that halves with every half-life of age; the newest has age 0."""
    return float(sum(value * 0.5 ** (age / half_life) for age, value in enumerate(values[::-1])))


def winsorised(returns: FloatArray) -> FloatArray:
    """One strategy's (days,)."""
    variance, limited = 0.01**2, []
    for value in returns:
        limited.append(float(np.clip(value, -5 * sqrt(variance), 5 * sqrt(variance))))
        variance = decay(60) * variance + (1 - decay(60)) * value * value
    return np.array(limited)


class Formulas:
    """What the table of features says, for one series of winsorised returns (days,)."""

    def __init__(self, returns: FloatArray) -> None:
        self.returns = returns

    def mean(self, half_life: float) -> float:
        return (1 - decay(half_life)) * weighted(self.returns, half_life)

    def variance(self, half_life: float) -> float:
        return weighted(self.returns**2, half_life) / weighted(np.ones(len(self.returns)), half_life)

    def in_errors(self, half_life: float) -> float:
        variance = (self.variance(20) + self.variance(250)) / 2
        return self.mean(half_life) / sqrt(variance * (1 - decay(half_life)) / (1 + decay(half_life)))

    def sharpe(self, half_life: float, deviation_half_life: float) -> float:
        return sqrt(252) * self.mean(half_life) / sqrt((self.variance(deviation_half_life) + self.variance(250)) / 2)

    def drawdown(self) -> float:
        days = len(self.returns)
        wealth = [weighted(self.returns[:day], 250) for day in range(days + 1)]
        peak = max(decay(250) ** (days - day) * wealth[day] for day in range(days + 1))
        return (peak - wealth[-1]) / sqrt(60 * self.variance(250))

    @property
    def blended_sharpe(self) -> float:
        return (2 * self.sharpe(20, 20) + self.sharpe(60, 60)) / 3


def test_the_features_are_what_the_table_says() -> None:
    days = 45
    history = noise(days, 12)
    history.returns[20, 3] = 0.5
    each = np.stack([winsorised(strategy) for strategy in history.returns.T])
    account, strategies = Formulas(each.mean(axis=0)), [Formulas(returns) for returns in each]
    trades, wins = history.trades.sum(axis=1), history.wins.sum(axis=1)
    pace = [weighted(trades, half_life) / weighted(np.ones(days), half_life) for half_life in (20, 250)]
    ratios = np.array([of.blended_sharpe for of in strategies])
    expected = {
        "market_volatility": 4 * log(sqrt(account.variance(20) / account.variance(250))),
        "market_trend": account.in_errors(7),
        "market_momentum": account.in_errors(1.7),
        "market_volume": 3 * log((pace[0] + 0.1) / (pace[1] + 0.1)),
        "market_drawdown": account.drawdown(),
        "market_sharpe": account.sharpe(60, 20) / 3,
        "market_win_rate": 10 * ((weighted(wins, 20) + 5) / (weighted(trades, 20) + 10) - 0.5),
        "market_avg_pnl": account.in_errors(250),
        "regime_bull_bear": tanh(account.in_errors(20)),
        "regime_volatility_regime": 2 * log(np.mean([of.variance(20) / of.variance(250) for of in strategies])),
        "regime_trend_strength": ratios.std(),
        **{f"sharpe_{name}": of.blended_sharpe / 3 for name, of in zip(STRATEGIES, strategies, strict=True)},
        **{f"drawdown_{name}": of.drawdown() for name, of in zip(STRATEGIES, strategies, strict=True)},
    }
    rows = shared_features(*history)
    found = dict(zip(SHARED, rows[-1].tolist(), strict=True))
    stability = found.pop("regime_stability")
    assert found == pytest.approx(expected, abs=1e-6)
    assert stability == pytest.approx(gain_of_following(each, history.returns), abs=1e-6)


def gain_of_following(each: FloatArray, raw: FloatArray) -> float:
    """`regime_stability` of winsorised returns (8, days) and those that they come from (days, 8)."""
    gains = []
    for day in range(len(raw)):
        ratios = np.array([Formulas(returns[:day]).blended_sharpe if day else 0.0 for returns in each])
        before = np.array([weighted(strategy[:day] ** 2, 60) for strategy in raw.T]) * (1 - decay(60))
        deviation = np.sqrt(before + 0.01**2 * decay(60) ** day)
        gains.append(float(((ratios - ratios.mean()) * each[:, day] / deviation).mean()))
    gain = Formulas(np.array(gains))
    return gain.mean(60) / sqrt((gain.variance(60) + 0.01) * (1 - decay(60)) / (1 + decay(60)))


def test_a_strategy_that_never_moved_has_nothing() -> None:
    history = noise(300, 13)
    history.returns[:, 4] = 0.0
    rows = shared_features(*history)
    assert not column(rows, f"sharpe_{STRATEGIES[4]}").any()
    assert not column(rows, f"drawdown_{STRATEGIES[4]}").any()


def test_steady_gains_have_a_large_ratio_and_steady_losses_its_opposite() -> None:
    gains, losses = (shared_features(*repeated(day, times=400)) for day in (0.001, -0.001))
    name = f"sharpe_{STRATEGIES[0]}"
    assert column(gains, name)[-1] == pytest.approx(LIMIT) == pytest.approx(-column(losses, name)[-1])
    assert (np.diff(column(gains, name)) >= 0).all()
    assert column(gains, f"drawdown_{STRATEGIES[0]}")[-1] == 0.0
    assert column(losses, f"drawdown_{STRATEGIES[0]}")[-1] == LIMIT


def test_how_large_the_stakes_are_makes_no_difference() -> None:
    returns = noise(1_500, 14).returns
    one, other = (shared_features(*of_returns(returns * stakes))[1_400:] for stakes in (1.0, 0.2))
    np.testing.assert_allclose(one, other, atol=0.05)


def test_strategies_are_treated_alike(seed: int) -> None:
    history, order = noise(200, seed), np.random.default_rng(seed).permutation(8)
    rows, permuted = shared_features(*history), shared_features(*history.permuted(order))
    expected = rows.copy()
    expected[:, 8:24] = rows[:, 8:24].reshape(-1, 8, 2)[:, order].reshape(-1, 16)
    np.testing.assert_allclose(permuted, expected, atol=1e-9)


def test_one_mad_day_does_not_outweigh_the_others() -> None:
    calm = of_returns(np.abs(noise(200, 15).returns))
    mad = of_returns(calm.returns.copy())
    mad.returns[190] = -1e12
    sharpe = column(shared_features(*mad), f"sharpe_{STRATEGIES[0]}")
    assert sharpe[-1] > 0.3 * column(shared_features(*calm), f"sharpe_{STRATEGIES[0]}")[-1]


def test_busy_days_and_lucky_days_show() -> None:
    history = noise(300, 16)
    later = np.arange(300)[:, np.newaxis] >= 270
    busy = shared_features(*history._replace(trades=np.where(later, 4 * history.trades, history.trades)))
    assert column(busy, "market_volume")[-1] > 1.0
    won, lost = (shared_features(*history._replace(wins=wins)) for wins in (history.trades, 0 * history.trades))
    assert column(won, "market_win_rate")[-1] > 4.0
    assert column(lost, "market_win_rate")[-1] < -4.0


def planted(days: int, rng: np.random.Generator) -> History:
    """Of four regimes of 60 days on average, each favours a pair: annual Sharpe ratios of 2.5 against -1."""
    favour = np.full((4, 8), -1.0)
    for regime in range(4):
        favour[regime, 2 * regime : 2 * regime + 2] = 2.5
    changes = np.cumsum(rng.random(days) < 1 / 60)
    regime_of = rng.integers(4, size=changes[-1] + 1)
    return of_returns(0.01 * (favour[regime_of[changes]] / sqrt(252) + rng.standard_normal((days, 8))))


def test_a_softmax_of_the_sharpe_features_is_a_good_policy_where_performance_lasts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(3):
        history = planted(2_000, rng)
        sharpe = shared_features(*history)[:-1, 8:24:2]
        targets = np.exp(3.6 * sharpe) / np.exp(3.6 * sharpe).sum(axis=1, keepdims=True)
        weights, earned = np.full(8, 1 / 8), []
        for target, returns in zip(targets, history.returns, strict=True):
            weights = 0.7 * weights + 0.3 * target
            earned.append((weights @ returns, returns.mean()))
        both = np.array(earned)
        ratios.append(sqrt(252) * both.mean(axis=0) / both.std(axis=0))
    policy, equal = np.mean(ratios, axis=0)
    assert policy > equal + 0.5


def test_stability_tells_whether_performance_lasts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lasting, fleeting = (
        np.mean([column(shared_features(*history), "regime_stability")[250:].mean() for history in several])
        for several in ([planted(2_000, rng) for _ in range(4)], [noise(2_000, seed + k) for k in range(4)])
    )
    assert lasting > fleeting + 0.5


@pytest.fixture(scope="module")
def simulated() -> History:
    """What the eight rules earned in a simulated market, traded with fees and slippage at equal weights."""
    bars = simulate(1_300, np.random.default_rng(7)).bars
    positions = np.stack([RULES[name](bars) for name in STRATEGIES])
    ledger, terms = Ledger.open(10_000.0), Terms(fee_bps=1.0, slippage_bps=2.0, largest_gross=1.0, band=0.2)
    history = History(*np.zeros((3, 1_000, 8)))
    for day, bar in enumerate(range(300, 1_300)):
        session = Session(bars.symbols, bars.close[bar - 1], bars.open[bar], bars.close[bar])
        done = trade_day(ledger, session, positions[:, bar - 1], [1 / 8] * 8, str(bars.times[bar]), terms)
        history.returns[day] = [mark.pnl / mark.capital for mark in done.marks]
        for fill in done.fills:
            if fill.pnl:
                history.trades[day, STRATEGIES.index(fill.strategy)] += 1
                history.wins[day, STRATEGIES.index(fill.strategy)] += fill.pnl > 0
    return history


def test_on_a_simulated_market_every_feature_is_about_one_in_size(simulated: History) -> None:
    rows = shared_features(*simulated)[100:]
    deviations = dict(zip(SHARED, rows.std(axis=0).tolist(), strict=True))
    assert min(deviations.values()) > 0.2, deviations
    assert max(deviations.values()) < 3.0, deviations
    assert np.abs(rows.mean(axis=0)).max() < 3.0
    assert (np.abs(rows) >= LIMIT).mean() < 0.02


def test_neither_torch_nor_pandas_nor_scipy_is_imported() -> None:
    code = "import sys, ai.features, ai.account, ai.reward; print({'torch', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
