import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.schema.names import STRATEGIES
from trading.bars import Bars, BoolArray, FloatArray
from trading.indicators import atr
from trading.strategies import LOOKBACK_BARS, RULES, Rule, position_returns
from trading.strategies.pairs import PairsParameters, dickey_fuller, pairs_trading, select_pairs
from trading.strategies.positions import held_between, limit_gross
from trading.strategies.reversion import BandsParameters, RsiParameters, bollinger_bands, mean_reversion_rsi
from trading.strategies.trend import (
    BreakoutParameters,
    CrossoverParameters,
    MacdParameters,
    TurtleParameters,
    breakout_trading,
    macd_momentum,
    momentum_sma_crossover,
    turtle_trading,
)
from trading.strategies.volatility import VixParameters, vix_strategy

WARM_UP = {
    "turtle_trading": TurtleParameters().warm_up_bars,
    "mean_reversion_rsi": RsiParameters().warm_up_bars,
    "momentum_sma_crossover": CrossoverParameters().warm_up_bars,
    "breakout_trading": BreakoutParameters().warm_up_bars,
    "pairs_trading": PairsParameters().warm_up_bars,
    "macd_momentum": MacdParameters().warm_up_bars,
    "bollinger_bands": BandsParameters().warm_up_bars,
    "vix_strategy": VixParameters().warm_up_bars,
}

every_rule = pytest.mark.parametrize("name", RULES)
seeds = st.integers(0, 2**32)


def random_bars(seed: int, bars: int, symbols: int = 6, with_index: bool = True) -> Bars:
    """A market in which every rule finds something to do: symbols 0 and 1 are cointegrated, volume is erratic."""
    rng = np.random.default_rng(seed)
    moves = rng.standard_t(4, (bars, symbols)) * 0.01 + 0.002 * np.sin(np.arange(bars) / 25)[:, None]
    logs = np.cumsum(moves, axis=0) + np.log(50)
    logs[:, 1] = logs[:, 0] + rng.normal(0, 0.02, bars)
    close = np.exp(logs)
    open_ = close * np.exp(rng.normal(0, 0.005, close.shape))
    reach = np.exp(np.abs(rng.normal(0, 0.006, (2, *close.shape))))
    return Bars(
        times=np.datetime64("2019-03-01") + np.arange(bars),
        symbols=tuple(f"S{number}" for number in range(symbols)),
        open=open_,
        high=np.maximum(open_, close) * reach[0],
        low=np.minimum(open_, close) / reach[1],
        close=close,
        volume=np.rint(np.exp(rng.normal(10, 0.6, close.shape))),
        volatility_index=15 * np.exp(np.cumsum(rng.normal(0, 0.05, bars))) if with_index else None,
    )


def plain_bars(closes: Iterable[float] | FloatArray, **changes: Any) -> Bars:
    """Bars without range: every price of a bar is its close; one symbol, or `(bars, symbols)`."""
    close = np.asarray(closes, dtype=float)
    close = close.reshape(len(close), -1)
    arrays: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), close)
    arrays |= {
        "times": np.datetime64("2020-01-01") + np.arange(len(close)),
        "symbols": tuple(f"S{number}" for number in range(close.shape[1])),
        "volume": np.full(close.shape, 1000.0),
    }
    return Bars(**{**arrays, **changes})


def with_another_future(bars: Bars, cut: int, seed: int) -> Bars:
    """The same bars before `cut`; from there on those of a market that has nothing to do with it."""
    other = random_bars(seed, len(bars), len(bars.symbols), bars.volatility_index is not None)
    spliced: dict[str, Any] = {
        name: np.concatenate([getattr(bars, name)[:cut], getattr(other, name)[cut:]])
        for name in ("open", "high", "low", "close", "volume", "volatility_index")
        if getattr(bars, name) is not None
    }
    return replace(bars, **spliced)


def sees_the_future(rule: Rule, bars: Bars, cut: int) -> bool:
    honest = rule(bars)[:cut]
    return not (
        np.array_equal(rule(with_another_future(bars, cut, seed=99))[:cut], honest)
        and np.array_equal(rule(bars[:cut]), honest)
    )


def test_names_and_order_are_those_of_the_contract() -> None:
    assert tuple(RULES) == STRATEGIES


@settings(derandomize=True, max_examples=15, deadline=None)
@given(seed=seeds, cut=st.integers(1, 699), with_index=st.booleans())
def test_the_future_changes_no_past_position(seed: int, cut: int, with_index: bool) -> None:
    bars = random_bars(seed, 700, with_index=with_index)
    for name, rule in RULES.items():
        assert not sees_the_future(rule, bars, cut), name


@every_rule
def test_a_rule_that_peeks_one_bar_ahead_would_be_caught(name: str) -> None:
    def peeking(bars: Bars) -> FloatArray:
        return np.roll(RULES[name](bars), -1, axis=0)

    bars = random_bars(1, 700)
    changes = np.flatnonzero(np.abs(np.diff(RULES[name](bars), axis=0)).sum(axis=1))
    assert any(sees_the_future(peeking, bars, cut) for cut in (changes[-5:] + 1).tolist())


@settings(derandomize=True, max_examples=15, deadline=None)
@given(seed=seeds, bars=st.integers(0, 600), symbols=st.integers(2, 12), with_index=st.booleans())
def test_positions_are_finite_fractions_of_the_capital(seed: int, bars: int, symbols: int, with_index: bool) -> None:
    history = random_bars(seed, bars, symbols, with_index)
    for name, rule in RULES.items():
        positions = rule(history)
        assert positions.shape == (bars, symbols)
        assert np.isfinite(positions).all(), name
        assert (np.abs(positions).sum(axis=1) <= 1 + 1e-12).all(), name
        assert not positions[: WARM_UP[name]].any(), name


@every_rule
def test_every_rule_trades_and_rests(name: str) -> None:
    held = np.abs(RULES[name](random_bars(2, 900))).sum(axis=1) > 0
    assert 0.05 < held[WARM_UP[name] :].mean()
    assert len(np.unique(RULES[name](random_bars(2, 900))[:, 0])) > 1


@every_rule
def test_the_unit_of_prices_and_volumes_means_nothing(name: str) -> None:
    """Factors are powers of two, so that only logarithms round."""
    bars = random_bars(4, 800)
    factor = np.exp2(np.arange(len(bars.symbols)) * 3.0 - 7.0)
    scaled = {field: getattr(bars, field) * factor for field in ("open", "high", "low", "close", "volume")}
    np.testing.assert_allclose(RULES[name](replace(bars, **scaled)), RULES[name](bars), rtol=1e-9, atol=1e-12)


@every_rule
def test_the_order_of_the_symbols_means_nothing(name: str) -> None:
    bars = random_bars(4, 800)
    order = np.array([3, 0, 5, 1, 4, 2])
    columns = {field: getattr(bars, field)[:, order] for field in ("open", "high", "low", "close", "volume")}
    np.testing.assert_allclose(RULES[name](replace(bars, **columns)), RULES[name](bars)[:, order], rtol=1e-12)


@every_rule
def test_a_market_that_stands_still_is_no_error(name: str) -> None:
    still = plain_bars(np.full((400, 3), 64.0))
    assert np.isfinite(RULES[name](still)).all()


@every_rule
def test_the_lookback_is_enough_to_decide_as_with_the_whole_history(name: str) -> None:
    bars = random_bars(12, 2000)
    whole = RULES[name](bars)
    for end in range(LOOKBACK_BARS, 2001, 91):
        newest = RULES[name](bars[end - LOOKBACK_BARS : end])[-1]
        np.testing.assert_allclose(newest, whole[end - 1], rtol=1e-9, atol=1e-9)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(events=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), before=st.booleans())
def test_a_position_is_held_from_entry_to_exit(events: list[tuple[bool, bool]], before: bool) -> None:
    expected, held = [], before
    for enter, leave in events:
        held = not leave and (held or enter)
        expected.append([held])
    signals: BoolArray = np.array(events, dtype=bool).reshape(-1, 2)
    answer = held_between(signals[:, :1], signals[:, 1:], np.array([before]))
    assert answer.tolist() == expected


def test_only_rows_over_the_whole_capital_are_scaled() -> None:
    rows = np.array([[0.5, -0.25], [1.5, -0.5], [0.0, 0.0]])
    assert limit_gross(rows).tolist() == [[0.5, -0.25], [0.75, -0.25], [0.0, 0.0]]


def by_hand(enter: BoolArray, leave: BoolArray) -> list[bool]:
    """Whether a position is open after each bar, one bar at a time."""
    states, held = [], False
    for may_enter, must_leave in zip(enter.tolist(), leave.tolist(), strict=True):
        held = not must_leave and (held or may_enter)
        states.append(held)
    return states


def assert_sides(positions: FloatArray, long: list[bool], short: list[bool]) -> None:
    """Signs bar by bar, with enough of each to mean something."""
    expected = np.array(long, dtype=int) - np.array(short, dtype=int)
    assert (expected > 0).sum() > 5 and (not any(short) or (expected < 0).sum() > 5)
    np.testing.assert_array_equal(np.sign(positions), expected)


def test_indicator_rules_trade_as_talib_and_a_loop_would() -> None:
    bars = random_bars(21, 1500, symbols=3)
    both_ways = mean_reversion_rsi(bars, RsiParameters(oversold=40, overbought=60, allow_short=True))
    breakouts, turns, bands = breakout_trading(bars), macd_momentum(bars), bollinger_bands(bars)
    for column in range(3):
        high, low, close, volume = (
            getattr(bars, name)[:, column].copy() for name in ("high", "low", "close", "volume")
        )
        rsi = talib.RSI(close, 14)
        assert_sides(both_ways[:, column], by_hand(rsi < 40, rsi > 50), by_hand(rsi > 60, rsi < 50))
        line, signal, _ = talib.MACD(close, 12, 26, 9)
        long = by_hand((line > signal) & (line > 0), line < 0)
        assert_sides(turns[:, column], long, by_hand((line < signal) & (line < 0), line > 0))
        upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
        long = by_hand(close < lower, close > middle)
        assert_sides(bands[:, column], long, by_hand(close > upper, close < middle))
        new_high = close[1:] > talib.MAX(high, 55)[:-1]
        busy = volume[1:] >= 1.2 * talib.SMA(volume, 20)[:-1]
        held = by_hand(new_high & busy, close[1:] < talib.MIN(low, 20)[:-1])
        assert_sides(breakouts[1:, column], held, [False] * len(held))


def test_turtles_trade_as_one_symbol_at_a_time_by_hand_would() -> None:
    bars, p = random_bars(11, 500), TurtleParameters(risk=0.001)
    expected = np.zeros_like(bars.close)
    ranges = atr(bars.high, bars.low, bars.close, p.atr_bars)
    for column in range(len(bars.symbols)):
        high, low, close = (getattr(bars, name)[:, column].tolist() for name in ("high", "low", "close"))
        side, size, stop = 0, 0.0, 0.0
        for bar in range(p.warm_up_bars, len(bars)):
            price, distance = close[bar], p.stop_atr * ranges[bar, column]
            if side > 0 and (price < min(low[bar - p.exit_bars : bar]) or price < stop):
                side = 0
            elif side < 0 and (price > max(high[bar - p.exit_bars : bar]) or price > stop):
                side = 0
            elif side == 0:
                side = (price > max(high[bar - p.entry_bars : bar])) - (price < min(low[bar - p.entry_bars : bar]))
                stop, size = price - side * distance, p.risk * price / distance
            expected[bar, column] = side * size
    assert (np.abs(expected).sum(axis=1) < 1).all(), "risk is small enough here that nothing is scaled down"
    np.testing.assert_allclose(turtle_trading(bars, p), expected, rtol=1e-12, atol=1e-15)


def test_turtles_lose_their_risk_at_the_stop_and_never_bet_more_than_everything() -> None:
    wavy = 100 + np.tile([0.0, 1.0, 0.0, -1.0], 10)
    bars = plain_bars([*wavy, 103, 104, 99])
    p = TurtleParameters(risk=0.01, exit_bars=30)
    positions = turtle_trading(bars, p)[:, 0]
    distance = 2 * atr(bars.high, bars.low, bars.close, 20)[40, 0]
    assert positions[39] == 0 and positions[40] == positions[41] == pytest.approx(0.01 * 103 / distance)
    assert 99 < 103 - distance and positions[42] == 0
    nearly_still = plain_bars([*(100 + 1e-9 * wavy), 100.01])
    assert turtle_trading(nearly_still, p)[-1, 0] == 1.0
    assert turtle_trading(plain_bars(200 - bars.close), replace(p, allow_short=False))[40, 0] == 0


def test_rsi_buys_weakness_until_the_middle_and_shorts_only_when_asked() -> None:
    fall, rise = 100 - np.arange(30.0), 71 + np.arange(1, 30.0)
    bars = plain_bars([*fall, *rise])
    positions = mean_reversion_rsi(bars)[:, 0]
    assert positions[13] == 0 and (positions[14:30] == 0.2).all(), "one of five slots"
    assert set(positions[30:].tolist()) == {0.0, 0.2} and positions[-1] == 0
    assert (np.diff(positions[14:]) <= 0).all(), "out once, and not in again"
    both = mean_reversion_rsi(bars, RsiParameters(allow_short=True))[:, 0]
    assert both[-1] == -0.2


def test_crossover_is_long_above_and_short_below() -> None:
    hill = [*np.arange(50.0, 150.0), *np.arange(150.0, 50.0, -1)]
    bars = plain_bars(np.stack([hill, hill, hill, hill], axis=1))
    positions = momentum_sma_crossover(bars)
    assert not positions[:49].any()
    assert (positions[49:100] == 0.25).all() and (positions[-40:] == -0.25).all()
    assert (momentum_sma_crossover(bars, CrossoverParameters(allow_short=False))[-40:] == 0).all()


def test_a_breakout_needs_its_volume() -> None:
    closes = [*(100 + np.tile([0.0, 1.0], 30)), 102, 103, 103, 103]
    busy, quiet = np.full((64, 1), 1000.0), np.full((64, 1), 1000.0)
    busy[60], quiet[61] = 1200.0, 1199.0
    assert not breakout_trading(plain_bars(closes, volume=quiet)).any()
    positions = breakout_trading(plain_bars(closes, volume=busy))[:, 0]
    assert positions.tolist() == [0.0] * 60 + [0.1] * 4
    fallen = breakout_trading(plain_bars([*closes[:-1], 99], volume=busy))[:, 0]
    assert fallen.tolist() == [0.0] * 60 + [0.1] * 3 + [0.0]


def test_macd_follows_what_speeds_up_until_the_line_changes_sign() -> None:
    waves = 100 * np.exp(0.2 * np.sin(np.arange(300) / 20))
    positions = macd_momentum(plain_bars(waves))[:, 0]
    assert set(positions.tolist()) == {-1.0, 0.0, 1.0}
    gained = position_returns(plain_bars(waves), positions[:, None])
    assert np.prod(1 + gained) > 2
    assert (macd_momentum(plain_bars(waves), MacdParameters(allow_short=False)) >= 0).all()


def test_bands_buy_below_and_sell_above_until_the_average() -> None:
    quiet = np.tile([99.0, 101.0], 20)
    dip = bollinger_bands(plain_bars([*quiet, 90, 92, 95, 101]))[:, 0]
    assert dip.tolist() == [0.0] * 40 + [0.1] * 3 + [0.0]
    peak = plain_bars([*quiet, 110, 108, 105, 99])
    assert bollinger_bands(peak)[:, 0].tolist() == [0.0] * 40 + [-0.1] * 3 + [0.0]
    assert not bollinger_bands(peak, BandsParameters(allow_short=False)).any()


def test_vix_leaves_in_a_storm_and_comes_back_when_it_has_passed() -> None:
    fear = np.array([*(15 + np.tile([0.0, 1.0, -1.0], 100)), 40, 30, 14, 13])
    bars = plain_bars(np.full((304, 4), 50.0), volatility_index=fear)
    positions = vix_strategy(bars)
    assert not positions[:251].any()
    assert (positions[299] == 0.25).all() and not positions[300:302].any() and (positions[302:] == 0.25).all()


def test_vix_stays_as_it_is_between_its_two_ranks() -> None:
    bars = random_bars(5, 900, symbols=2)
    assert bars.volatility_index is not None
    index = bars.volatility_index.tolist()
    rank = np.array([np.nan] * 251 + [sum(x < index[t] for x in index[t - 251 : t]) / 251 for t in range(251, 900)])
    assert ((rank > 0.6) & (rank < 0.8)).sum() > 20
    assert_sides(vix_strategy(bars)[:, 0], by_hand(rank < 0.6, rank > 0.8), [False] * 900)


def test_vix_takes_the_realised_volatility_where_there_is_no_index() -> None:
    rng = np.random.default_rng(8)
    sds = np.repeat([0.01, 0.004, 0.04], [300, 60, 30])
    bars = plain_bars(100 * np.exp(np.cumsum(rng.normal(0, sds[:, None], (390, 2)), axis=0)))
    exposure = vix_strategy(bars).sum(axis=1)
    assert not exposure[:271].any(), "20 bars more of warm-up"
    assert exposure[340:360].all() and not exposure[370:].any()


def cointegrated(seed: int, bars: int) -> FloatArray:
    """(bars, 6) log prices; column 3 is 0.8 times column 1 plus a spread that closes, the others wander."""
    rng = np.random.default_rng(seed)
    logs = 4 + np.cumsum(rng.normal(0, 0.01, (bars, 6)), axis=0)
    spread = np.zeros(bars)
    for bar in range(1, bars):
        spread[bar] = 0.8 * spread[bar - 1] + rng.normal(0, 0.01)
    logs[:, 3] = 0.8 * logs[:, 1] + spread
    return logs


def test_the_pair_on_a_leash_is_found_with_its_hedge() -> None:
    for seed in range(8):
        pairs = select_pairs(cointegrated(seed, 252), PairsParameters())
        assert {int(pairs.first[0]), int(pairs.second[0])} == {1, 3}
        slope = pairs.hedge[0] if pairs.first[0] == 3 else 1 / pairs.hedge[0]
        assert slope == pytest.approx(0.8, abs=0.1)
        legs = np.concatenate([pairs.first, pairs.second]).tolist()
        assert len(set(legs)) == len(legs)


def test_the_unit_root_test_tells_a_leash_from_a_walk() -> None:
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.normal(0, 1, (252, 300)), axis=0)
    walks -= walks.mean(axis=0)
    noise = rng.normal(0, 1, (252, 300))
    assert (dickey_fuller(noise) < -10).all()
    assert (dickey_fuller(walks) < -3.9).mean() < 0.02
    assert dickey_fuller(np.zeros((10, 1))).tolist() == [0.0]


def test_pairs_bet_on_the_spread_closing_with_both_legs() -> None:
    logs = cointegrated(1, 900)
    p = PairsParameters(most_pairs=1)
    positions = pairs_trading(plain_bars(np.exp(logs)), p)
    assert not positions[:, [0, 2, 4, 5]].any()
    held = positions[:, 1] != 0
    assert held[300:].mean() > 0.1
    slopes = -positions[held, 1] / positions[held, 3]
    assert slopes.min() > 0.6 and slopes.max() < 1.0, "column 3 moves as 0.8 of column 1"
    np.testing.assert_allclose(np.abs(positions[held]).sum(axis=1), 1.0)
    returns = position_returns(plain_bars(np.exp(logs)), positions)
    assert returns.mean() / returns.std() * 252**0.5 > 1.5


def test_strangers_are_left_alone() -> None:
    walks = 4 + np.cumsum(np.random.default_rng(2).normal(0, 0.01, (900, 2)), axis=0)
    assert not pairs_trading(plain_bars(np.exp(walks))).any()
    assert pairs_trading(plain_bars(np.exp(walks)), PairsParameters(unit_root_t=0.0)).any()


def test_twins_are_no_pair() -> None:
    rng = np.random.default_rng(2)
    logs = 4 + np.cumsum(rng.normal(0, 0.01, (900, 1)), axis=0)
    twins = np.exp(np.hstack([logs, logs + 0.3 + rng.normal(0, 1e-4, (900, 1))]))
    assert not pairs_trading(plain_bars(twins)).any()
    assert pairs_trading(plain_bars(twins), PairsParameters(smallest_sd=0.0)).any(), "on a ten-thousandth"


@pytest.mark.parametrize("stop_z", [2.5, 20.0])
@pytest.mark.parametrize("closing", [0.0, 0.9])
def test_pairs_trade_as_one_bar_at_a_time_by_hand_would(closing: float, stop_z: float) -> None:
    """A spread of noise jumps across the mean; a slow one is held from one selection to the next."""
    rng = np.random.default_rng(3)
    logs = 4 + np.cumsum(rng.normal(0, 0.01, (2000, 2)), axis=0)
    spread = np.zeros(2000)
    for bar in range(1, 2000):
        spread[bar] = closing * spread[bar - 1] + rng.normal(0, 0.01)
    logs[:, 1] = logs[:, 0] + spread
    p = PairsParameters(most_pairs=1, enter_z=1.5, exit_z=0.2, stop_z=stop_z, unit_root_t=-1.0)
    bars = plain_bars(np.exp(logs))
    expected, side, carried = np.zeros((2000, 2)), 0, 0
    periods = bars.times.astype(int) // p.reselect_days
    for bar in range(1, 2000):
        if periods[bar] != periods[bar - 1] and bar >= p.formation_bars:
            pairs, selected = select_pairs(np.log(bars.close)[bar - p.formation_bars : bar], p), bar
            assert len(pairs.hedge) == 1
            a, hedge = int(pairs.first[0]), float(pairs.hedge[0])
        if bar < p.formation_bars or not periods[bar] > periods[p.formation_bars - 1]:
            continue
        z = float((np.log(bars.close[bar, a]) - hedge * np.log(bars.close[bar, 1 - a]) - pairs.mean[0]) / pairs.sd[0])
        leg = side if a == 0 else -side
        if abs(z) < p.exit_z or abs(z) > p.stop_z or z * leg > 0:
            leg = 0
        if leg == 0 and p.enter_z < abs(z) <= p.stop_z:
            leg = -1 if z > 0 else 1
        carried += bar == selected and side != 0 and leg != 0
        side = leg if a == 0 else -leg
        expected[bar, a], expected[bar, 1 - a] = leg / (1 + hedge), -leg * hedge / (1 + hedge)
    assert (expected != 0).any() and (carried > 0 or closing == 0)
    np.testing.assert_allclose(pairs_trading(bars, p), expected, rtol=1e-12, atol=1e-15)


def test_pairs_are_chosen_on_dates_that_do_not_move_with_the_history() -> None:
    """Between the same two selections, a later beginning of the history leaves the positions as they are."""
    bars = random_bars(6, 1200)
    whole = pairs_trading(bars)
    later = pairs_trading(bars[300:])
    settled = 252 + 2 * 91
    agree = (whole[300 + settled :] == later[settled:]).all(axis=1)
    assert agree.mean() > 0.95


def test_returns_are_those_of_the_opens_that_were_traded() -> None:
    bars = random_bars(3, 60, symbols=2)
    positions = np.zeros((60, 2))
    positions[10:20, 0] = 1.0
    growth = np.prod(1 + position_returns(bars, positions))
    assert growth == pytest.approx(bars.open[21, 0] / bars.open[11, 0], rel=1e-12)
    charged = np.prod(1 + position_returns(bars, positions, cost_bps=10))
    assert charged == pytest.approx(growth * 0.999**2, rel=1e-12)
    short = position_returns(bars, -positions)
    assert short[12] != 0 and short[10] == 0 and short[22] == 0


def test_twenty_symbols_over_twenty_years_take_less_than_two_seconds() -> None:
    bars = random_bars(0, 5000, symbols=20)
    best = float("inf")
    for _ in range(2):
        begin = time.perf_counter()
        for rule in RULES.values():
            rule(bars)
        best = min(best, time.perf_counter() - begin)
    assert best < 2.0
