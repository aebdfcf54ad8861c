"""Price bars of several symbols on one clock: what the market hands over and the rules read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Times = NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close")


class BadBars(ValueError):
    """Bars that no rule may see; the message says where, which value, and what would be right."""


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars in time order; row t holds only what is known when bar t closes.

    A `Bars` that exists is valid: times increase, every number is finite, prices are positive, low <= open and
    close <= high, volume is not negative. Its arrays are read-only, so it stays valid.
    """

    times: Times
    """(bars,) a day (`datetime64[D]`) or the instant at which a shorter bar begins, UTC."""
    symbols: tuple[str, ...]
    open: FloatArray
    """(bars, symbols), like the next four; prices in the quote currency."""
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    """Units traded during the bar."""
    volatility_index: FloatArray | None = None
    """(bars,) expected volatility of the market, in percent a year, or None where the market has no index."""

    def __post_init__(self) -> None:
        for name in (*PRICES, "volume"):
            object.__setattr__(self, name, _read_only(getattr(self, name), np.float64))
        object.__setattr__(self, "times", _read_only(self.times, None))
        if self.volatility_index is not None:
            object.__setattr__(self, "volatility_index", _read_only(self.volatility_index, np.float64))
        self._check_shapes()
        self._check_times()
        self._check_values()

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, part: slice) -> "Bars":
        """The bars of a slice: `bars[:-1]` is the history as it stood one bar ago."""
        index = self.volatility_index
        return Bars(
            times=self.times[part],
            symbols=self.symbols,
            open=self.open[part],
            high=self.high[part],
            low=self.low[part],
            close=self.close[part],
            volume=self.volume[part],
            volatility_index=None if index is None else index[part],
        )

    def _check_shapes(self) -> None:
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise BadBars(f"symbols {self.symbols!r}: give at least one, each once")
        if self.times.ndim != 1 or self.times.dtype.kind != "M":
            raise BadBars(f"times {self.times.dtype} {self.times.shape}: needs one datetime64 per bar")
        shape = (len(self.times), len(self.symbols))
        for name in (*PRICES, "volume"):
            if getattr(self, name).shape != shape:
                raise BadBars(f"{name} has shape {getattr(self, name).shape}; (bars, symbols) is {shape}")
        index = self.volatility_index
        if index is not None and index.shape != shape[:1]:
            raise BadBars(f"volatility_index has shape {index.shape}; (bars,) is {shape[:1]}")

    def _check_times(self) -> None:
        if np.isnat(self.times).any():
            raise BadBars(f"bar {int(np.argmax(np.isnat(self.times)))} has no time")
        backwards = np.flatnonzero(self.times[1:] <= self.times[:-1])
        if backwards.size:
            before, after = self.times[backwards[0] : backwards[0] + 2]
            raise BadBars(f"bar {after} follows bar {before}: times must increase, each once")

    def _check_values(self) -> None:
        for name in PRICES:
            values = getattr(self, name)
            self._refuse(~((values > 0) & np.isfinite(values)), name, "a price is a positive number")
        self._refuse(~((self.volume >= 0) & np.isfinite(self.volume)), "volume", "a volume is 0 or more")
        for name in PRICES:
            values = getattr(self, name)
            self._refuse(values > self.high, name, "no price of a bar is above its high")
            self._refuse(values < self.low, name, "no price of a bar is below its low")
        index = self.volatility_index
        if index is not None and not ((index > 0) & np.isfinite(index)).all():
            bar = int(np.argmin((index > 0) & np.isfinite(index)))
            raise BadBars(f"volatility_index {index[bar]} at {self.times[bar]}: it is a positive number")

    def _refuse(self, wrong: BoolArray, name: str, rule: str) -> None:
        if not wrong.any():
            return
        bar, column = np.argwhere(wrong)[0]
        prices = ", ".join(f"{each} {getattr(self, each)[bar, column]}" for each in PRICES)
        value = getattr(self, name)[bar, column]
        raise BadBars(f"{self.symbols[column]} {self.times[bar]}: {name} {value}: {rule} (the bar: {prices})")


def _read_only(values: Any, dtype: type[np.float64] | None) -> NDArray[Any]:
    """A view that cannot be written through; the caller's own array keeps its permissions."""
    view = np.asarray(values, dtype=dtype).view()
    view.flags.writeable = False
    return view
