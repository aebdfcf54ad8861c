import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.prices import REGIMES, MarketParameters, SimulatedMarket, simulate
from trading.bars import Bars, FloatArray
from trading.strategies import RULES, position_returns
from trading.strategies.pairs import dickey_fuller

FIELDS = ("times", "open", "high", "low", "close", "volume", "volatility_index")
TREND, RANGE, CRISIS = range(len(REGIMES))
STANDARD = MarketParameters()

seeds = st.integers(0, 2**32)


def world(seed: int, days: int, parameters: MarketParameters = STANDARD) -> SimulatedMarket:
    return simulate(days, np.random.default_rng(seed), parameters)


def log_returns(bars: Bars) -> FloatArray:
    returns: FloatArray = np.diff(np.log(bars.close), axis=0)
    return returns


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    seed=seeds,
    days=st.integers(0, 260),
    symbols=st.integers(1, 9),
    pairs=st.integers(0, 4),
    tails=st.floats(2.1, 30),
    nights=st.floats(0.01, 0.9),
)
def test_every_world_has_valid_bars(
    seed: int, days: int, symbols: int, pairs: int, tails: float, nights: float
) -> None:
    """A `Bars` that exists is valid; what is left to see is that it has the size asked for."""
    names = tuple(f"S{number}" for number in range(symbols))
    parameters = MarketParameters(names, min(pairs, symbols // 2), tail_degrees=tails, night_share=nights)
    market = world(seed, days, parameters)
    assert market.bars.close.shape == (days, symbols) and market.regimes.shape == (days,)
    assert (market.bars.volume == np.rint(market.bars.volume)).all() and (market.bars.volume >= 1).all()


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=seeds, days=st.integers(1, 200), more=st.integers(1, 60))
def test_a_longer_world_begins_with_the_same_days_bit_for_bit(seed: int, days: int, more: int) -> None:
    short, long = world(seed, days), world(seed, days + more)
    np.testing.assert_array_equal(short.regimes, long.regimes[:days])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(short.bars, name), getattr(long.bars, name)[:days])


def test_worlds_of_other_seeds_are_other_worlds() -> None:
    assert not np.isin(world(1, 50).bars.close, world(2, 50).bars.close).any()


DIGEST = """
import hashlib, sys
import numpy as np
from market.prices import simulate
bars = simulate(700, np.random.default_rng(7)).bars
heavy = {"pandas", "scipy", "torch"} & set(sys.modules)
assert not heavy, heavy
print(hashlib.sha256(bars.close.tobytes() + bars.low.tobytes() + bars.volatility_index.tobytes()).hexdigest())
"""


def test_prices_do_not_depend_on_the_number_of_threads_and_need_numpy_alone() -> None:
    bars = world(7, 700).bars
    assert bars.volatility_index is not None
    here = hashlib.sha256(bars.close.tobytes() + bars.low.tobytes() + bars.volatility_index.tobytes()).hexdigest()
    for threads in ("1", "4"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True, timeout=50
        )
        assert run.stdout.strip() == here


def test_days_are_weekdays_from_the_first_one_on() -> None:
    times = world(0, 400).bars.times
    assert str(times[0]) == "2005-01-03" and np.is_busday(times).all()
    assert (np.diff(times).astype(int) <= 3).all()


def test_regimes_last_and_follow_each_other_as_the_parameters_say() -> None:
    parameters = MarketParameters(symbols=("ONE",), cointegrated_pairs=0)
    regimes = world(5, 40_000, parameters).regimes
    change = np.flatnonzero(np.diff(regimes))
    kinds, lengths = regimes[change], np.diff(change, prepend=-1)
    followers = regimes[change + 1]
    for number, name in enumerate(REGIMES):
        regime = getattr(parameters, name)
        stays = regime.next_regimes[number]
        assert lengths[kinds == number].mean() == pytest.approx(regime.mean_days / (1 - stays), rel=0.15)
        for other in set(range(len(REGIMES))) - {number}:
            share = (followers[kinds == number] == other).mean()
            assert share == pytest.approx(regime.next_regimes[other] / (1 - stays), abs=0.08)


def test_a_range_pulls_back_to_where_it_began_and_no_further() -> None:
    """What happened before is no debt: a quiet range after wild trends stays where they left the price."""
    quiet = replace(STANDARD.range, market_drift=0.0, market_volatility=1e-6, own_volatility=1e-6, pull_per_day=0.5)
    wild = replace(quiet, own_volatility=1.0, pull_per_day=0.0)
    parameters = replace(STANDARD, cointegrated_pairs=0, trend=wild, range=quiet, crisis=wild)
    market = world(1, 600, parameters)
    moves = np.abs(log_returns(market.bars))
    assert moves[market.regimes[1:] == RANGE].max() < 1e-5 and moves[market.regimes[1:] != RANGE].mean() > 0.01


@pytest.fixture(scope="module")
def long_worlds() -> list[SimulatedMarket]:
    return [world(seed, 4000) for seed in (10, 11, 12)]


def autocorrelation(series: FloatArray, lag: int) -> float:
    return float(np.corrcoef(series[lag:], series[:-lag])[0, 1])


def test_returns_have_fat_tails_clusters_and_no_memory_of_sign(long_worlds: list[SimulatedMarket]) -> None:
    for market in long_worlds:
        returns = log_returns(market.bars)
        centred = returns - returns.mean(axis=0)
        assert ((centred**4).mean(axis=0) / centred.var(axis=0) ** 2 > 4.5).all()
        whole = returns.mean(axis=1)
        assert abs(autocorrelation(whole, 1)) < 0.06
        assert autocorrelation(np.abs(whole), 1) > 0.12 and autocorrelation(np.abs(whole), 10) > 0.08


def test_a_crisis_falls_moves_together_and_frightens(long_worlds: list[SimulatedMarket]) -> None:
    for market in long_worlds:
        returns, index = log_returns(market.bars), market.bars.volatility_index
        assert index is not None
        regimes = market.regimes[1:]
        calm, crisis = returns[regimes != CRISIS], returns[regimes == CRISIS]
        assert crisis.mean() < 0 < calm.mean()
        assert crisis.mean(axis=1).std() > 1.6 * calm.mean(axis=1).std()

        def together(rows: FloatArray) -> float:
            return float(np.corrcoef(rows.T).mean())

        assert together(crisis) > together(calm) + 0.2
        assert np.median(index[1:][regimes == CRISIS]) > 1.7 * np.median(index[1:][regimes != CRISIS])
        assert 5 < index.min() and index.max() < 150
        assert np.corrcoef(np.diff(index), returns.mean(axis=1))[0, 1] < -0.5


def test_the_opening_gap_and_the_range_share_the_days_variance(long_worlds: list[SimulatedMarket]) -> None:
    bars = long_worlds[0].bars
    day = np.log(bars.close / bars.open)[1:]
    night = np.log(bars.open[1:] / bars.close[:-1])
    assert night.var() / (night.var() + day.var()) == pytest.approx(STANDARD.night_share, abs=0.03)
    parkinson = (np.log(bars.high / bars.low) ** 2).mean() / (4 * np.log(2))
    assert parkinson == pytest.approx(day.var(), rel=0.1)


def test_volume_rises_with_the_size_of_the_move(long_worlds: list[SimulatedMarket]) -> None:
    bars = long_worlds[0].bars
    moves = np.abs(log_returns(bars))
    for column in range(len(bars.symbols)):
        assert np.corrcoef(moves[:, column], np.log(bars.volume[1:, column]))[0, 1] > 0.3


def test_planted_pairs_hang_together_and_strangers_do_not(long_worlds: list[SimulatedMarket]) -> None:
    def unit_root(logs: FloatArray, first: int, second: int) -> float:
        a, b = (logs[:, column] - logs[:, column].mean() for column in (first, second))
        return float(dickey_fuller((b - a * (a @ b) / (a @ a))[:, None])[0])

    for market in long_worlds:
        logs = np.log(market.bars.close)
        pairs = STANDARD.cointegrated_pairs
        assert all(unit_root(logs, 2 * number, 2 * number + 1) < -6 for number in range(pairs))
        gaps = np.log(market.bars.open[1:]) - logs[:-1]
        assert all(np.corrcoef(gaps[:, 2 * n], gaps[:, 2 * n + 1])[0, 1] > 0.8 for n in range(pairs))
        strangers = [unit_root(logs, column, column + 1) for column in range(2 * pairs, 19)]
        assert np.median(strangers) > -3.4


def test_each_family_of_rules_has_the_regime_it_was_made_for() -> None:
    """Annual Sharpe ratios by hidden regime, net of 5 bps; the market exists so that allocation matters."""
    returns: dict[str, list[FloatArray]] = {name: [] for name in RULES}
    exposures, regimes = [], []
    for seed in range(20, 26):
        market = world(seed, 3000)
        regimes.append(market.regimes[300:])
        for name, rule in RULES.items():
            positions = rule(market.bars)
            returns[name].append(position_returns(market.bars, positions, cost_bps=5)[300:])
            if name == "vix_strategy":
                exposures.append(positions.sum(axis=1)[300:])
    where = np.concatenate(regimes)
    table = {
        name: [sharpe(np.concatenate(parts)[where == regime]) for regime in (TREND, RANGE, CRISIS)]
        for name, parts in returns.items()
    }
    for name in ("turtle_trading", "momentum_sma_crossover", "breakout_trading", "macd_momentum"):
        assert table[name][TREND] > 1.0 and table[name][RANGE] < -0.3, (name, table[name])
    for name in ("mean_reversion_rsi", "bollinger_bands"):
        assert table[name][RANGE] > 1.0 and table[name][TREND] < 0, (name, table[name])
    assert table["pairs_trading"][RANGE] > 1.0 > table["pairs_trading"][CRISIS]
    assert table["vix_strategy"][TREND] > 0.3 and table["vix_strategy"][RANGE] > 0.3
    exposure = np.concatenate(exposures)
    assert exposure[where == CRISIS].mean() < 0.4 * exposure[where != CRISIS].mean()


def sharpe(returns: FloatArray) -> float:
    return float(returns.mean() / returns.std() * np.sqrt(252))


def test_twenty_symbols_over_twenty_years_take_less_than_a_second() -> None:
    best = float("inf")
    for seed in range(3):
        begin = time.perf_counter()
        world(seed, 20 * 252)
        best = min(best, time.perf_counter() - begin)
    assert best < 1.0


CALM = STANDARD.trend


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cointegrated_pairs": 11}, "11 pairs need twice as many symbols, not 20"),
        ({"trend": replace(CALM, mean_days=0.5)}, "trend: mean_days is at least 1"),
        ({"range": replace(CALM, next_regimes=(0.5, 0.2, 0.2))}, "range: .*sum to 1"),
        ({"range": replace(CALM, next_regimes=(1.5, -0.5, 0.0))}, "range: .*chances"),
        ({"crisis": replace(CALM, own_volatility=0.0)}, "crisis: every volatility is above 0"),
        ({"crisis": replace(CALM, pull_per_day=1.0)}, "crisis: a pull undoes a share"),
        ({"tail_degrees": 2.0}, "tail_degrees 2.0"),
        ({"night_share": 1.0}, "night_share 1.0"),
    ],
)
def test_parameters_that_make_no_market_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(STANDARD, **changes)  # type: ignore[arg-type]
