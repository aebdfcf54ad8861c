"""The status page on a terminal, in tables and colours. Needs rich."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from console.page import BAD, DOUBTFUL, GOOD, LABEL_CELLS, PLAIN, Line, facts, programs, weights
from console.snapshot import Snapshot
from contract.config import Config
from contract.errors import one_line
from contract.pulse import ABSENT

COLOURS = {GOOD: "green", PLAIN: "default", DOUBTFUL: "yellow", BAD: "bold red"}
BAR_CELLS = 40


class Screen:
    """The whole terminal while it is open; before it closes, the last page is left where it can be read."""

    def __init__(self) -> None:
        self._live = Live(console=Console(), screen=True, auto_refresh=False)
        self._last: Group | None = None

    def __enter__(self) -> Screen:
        self._live.__enter__()
        return self

    def show(self, snapshot: Snapshot, config: Config | str) -> None:
        self._last = drawn(snapshot, config)
        self._live.update(drawn(snapshot, config, self._live.console.height), refresh=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.__exit__(kind, error, at)
        if self._last is not None:
            Console().print(self._last)


def drawn(snapshot: Snapshot, config: Config | str, rows: int | None = None) -> Group:
    """On so many rows of a terminal: where all does not fit, what matters least is left out."""
    said, running = list(facts(snapshot, config)), list(programs(snapshot))
    if rows is None or len(said) + len(weights(snapshot)) + len(running) + 2 <= rows:
        return Group(_lines(said), Text(), _weights(snapshot), Text(), _lines(running))
    begun = {pulse.daemon for pulse in snapshot.pulses if pulse.state != ABSENT}
    running = [line for line in running if line.label in begun]
    return Group(_lines(said), _weights_in_pairs(snapshot), _lines(running))


def _lines(lines: Iterable[Line]) -> Table:
    """What is too long for the terminal ends in an ellipsis."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="bold", min_width=LABEL_CELLS)
    table.add_column()
    for line in lines:
        text = Text(one_line(line.text), style=COLOURS[line.manner], no_wrap=True, overflow="ellipsis")
        table.add_row(line.label, text)
    return table


def _weights(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=LABEL_CELLS)
    for name, weight in weights(snapshot):
        table.add_row("", name, f"{weight:7.2%}", Text("━" * round(weight * 2 * BAR_CELLS), style="cyan"))
    return table


def _weights_in_pairs(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=LABEL_CELLS)
    shares = [(name, f"{weight:7.2%}") for name, weight in weights(snapshot)]
    for left, right in zip(shares[::2], shares[1::2], strict=True):
        table.add_row("", *left, "", *right)
    return table
