"""Pairs trading: two prices on one leash."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trading.bars import Bars, FloatArray, Times
from trading.strategies.positions import held_between


@dataclass(frozen=True)
class PairsParameters:
    formation_bars: int = 252
    """Bars before a selection that it learns from."""
    reselect_days: int = 91
    """Calendar days between selections, counted from 1970: where a history begins does not move them."""
    most_pairs: int = 4
    unit_root_t: float = -3.9
    """Dickey-Fuller statistic that a pair must fall below: about the 1% point of the Engle-Granger test."""
    smallest_sd: float = 0.001
    """Of the spread, in log prices: what moves less cannot pay for its trades."""
    smallest_hedge: float = 0.3
    largest_hedge: float = 3.0
    enter_z: float = 2.0
    exit_z: float = 0.5
    stop_z: float = 4.0

    @property
    def warm_up_bars(self) -> int:
        return self.formation_bars


def pairs_trading(bars: Bars, parameters: PairsParameters = PairsParameters()) -> FloatArray:
    """The spread of cointegrated pairs, `log a - hedge log b`, measured in its own standard deviations.

    Selection: on the first bar of every `reselect_days`, from the `formation_bars` before it alone: the
    `most_pairs` spreads that are most clearly stationary, no symbol in two of them. Hedge, mean and standard
    deviation stay as they were then until the next selection.
    Entry: short the spread when it is more than `enter_z` above its mean, long when as far below.
    Exit: it is within `exit_z` of the mean, or beyond `stop_z`, where the leash has probably snapped, or its pair
    is not selected again.
    Sizing: 1 / `most_pairs` of the capital each, divided between the legs as 1 : hedge.
    """
    p = parameters
    logs = np.log(bars.close)
    positions = np.zeros_like(logs)
    open_sides: dict[tuple[int, int], int] = {}
    starts = [bar for bar in _selection_bars(bars.times, p.reselect_days) if bar >= p.formation_bars]
    for start, stop in pairwise([*starts, len(bars)]):
        pairs = select_pairs(logs[start - p.formation_bars : start], p)
        spread = logs[start:stop, pairs.first] - pairs.hedge * logs[start:stop, pairs.second]
        z = (spread - pairs.mean) / pairs.sd
        names = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        before = np.array([open_sides.get((a, b), 0) - open_sides.get((b, a), 0) for a, b in names], dtype=int)
        leave = (np.abs(z) < p.exit_z) | (np.abs(z) > p.stop_z)
        long = held_between(z < -p.enter_z, leave | (z > 0), before > 0)
        short = held_between(z > p.enter_z, leave | (z < 0), before < 0)
        side = long * 1 - short
        open_sides = dict(zip(names, side[-1].tolist(), strict=True))
        size = side / (p.most_pairs * (1 + pairs.hedge))
        positions[start:stop, pairs.first] = size
        positions[start:stop, pairs.second] = -size * pairs.hedge
    return positions


class Pairs(NamedTuple):
    """Each (pairs,): the columns of both legs, and the spread as its formation window showed it."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    hedge: FloatArray
    mean: FloatArray
    sd: FloatArray


def select_pairs(log_prices: FloatArray, parameters: PairsParameters) -> Pairs:
    """The best pairs of a formation window `(bars, symbols)`, the most stationary first.

    Each pair is tried both ways round: least squares finds the hedge that is too small when it is the second price
    that carries the spread's noise.
    """
    p = parameters
    first, second = np.nonzero(~np.eye(log_prices.shape[1], dtype=bool))
    means = log_prices.mean(axis=0)
    centred = log_prices - means
    variance = (centred**2).mean(axis=0)
    covariance = np.einsum("ti,tj->ij", centred, centred) / len(centred)
    hedge = covariance[first, second] / np.where(variance > 0, variance, np.inf)[second]
    usable = (hedge >= p.smallest_hedge) & (hedge <= p.largest_hedge)
    first, second, hedge = first[usable], second[usable], hedge[usable]
    spread = centred[:, first] - hedge * centred[:, second]
    sd = spread.std(axis=0)
    statistic = np.where(sd >= p.smallest_sd, dickey_fuller(spread), 0.0)

    chosen: list[int] = []
    taken: set[int] = set()
    for pair in np.argsort(statistic, kind="stable").tolist():
        legs = {int(first[pair]), int(second[pair])}
        if statistic[pair] >= p.unit_root_t or len(chosen) == p.most_pairs:
            break
        if not legs & taken:
            chosen.append(pair)
            taken |= legs
    first, second, hedge = first[chosen], second[chosen], hedge[chosen]
    mean = means[first] - hedge * means[second]
    return Pairs(first, second, hedge, mean, sd[chosen])


def dickey_fuller(series: FloatArray) -> FloatArray:
    """(columns,) t-statistic of the pull towards zero in centred series `(bars, columns)`; 0 for a constant."""
    last, change = series[:-1], np.diff(series, axis=0)
    energy = (last**2).sum(axis=0)
    pull = (last * change).sum(axis=0) / np.where(energy > 0, energy, 1.0)
    noise = ((change - pull * last) ** 2).sum(axis=0) / (len(change) - 1)
    t = pull * np.sqrt(energy / np.where(noise > 0, noise, 1.0))
    return np.where(noise > 0, t, 0.0)


def _selection_bars(times: Times, every_days: int) -> list[int]:
    """Bars on which a new period of `every_days` calendar days begins."""
    period = times.astype("datetime64[D]").astype(np.int64) // every_days
    return (np.flatnonzero(np.diff(period)) + 1).tolist()
