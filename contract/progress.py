"""How far a long run has come: a bar that renews itself on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import TextIO

TERMINAL_EVERY_S = 0.1
LOG_EVERY_S = 5.0
_BAR_CELLS = 24


class Progress:
    """`update` may be called as often as one likes: it speaks only when it is time to."""

    def __init__(
        self, label: str, total: int, monotonic: Callable[[], float], stream: TextIO | None = None
    ) -> None:
        self._label = label
        self._total = max(total, 1)
        self._monotonic = monotonic
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._start = self._spoken = monotonic()

    def update(self, done: int, **figures: object) -> None:
        now = self._monotonic()
        every_s = TERMINAL_EVERY_S if self._terminal else LOG_EVERY_S
        if now - self._spoken >= every_s:
            self._spoken = now
            self._say(done, now, figures, end="")

    def finish(self, done: int, **figures: object) -> None:
        self._say(done, self._monotonic(), figures, end="\n")

    def _say(self, done: int, now: float, figures: dict[str, object], end: str) -> None:
        line = self._line(done, now - self._start, figures)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{line[:width]:<{width}}{end}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _line(self, done: int, elapsed_s: float, figures: dict[str, object]) -> str:
        share = min(done / self._total, 1.0)
        cells = int(share * _BAR_CELLS)
        said = "".join(f"  {name.replace('_', ' ')} {_figure(value)}" for name, value in figures.items())
        bar = f"[{'#' * cells}{'.' * (_BAR_CELLS - cells)}] {share:4.0%}"
        return f"{self._label} {bar}  {_clock(share, elapsed_s)}{said}"


def _clock(share: float, elapsed_s: float) -> str:
    """Before anything is done, nobody knows what is left."""
    if share >= 1:
        return f"in {elapsed_s:.1f} s"
    return f"{elapsed_s * (1 - share) / share:.0f} s left" if share > 0 else f"{elapsed_s:.0f} s so far"


def _figure(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
