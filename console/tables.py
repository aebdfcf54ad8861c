"""The status page on a terminal, in tables and colours. Needs rich."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from console.page import BAD, DOUBTFUL, GOOD, PLAIN, Line, facts, programs, weights
from console.snapshot import Snapshot
from contract.config import Config
from contract.errors import one_line

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
        self._live.update(self._last, refresh=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.__exit__(kind, error, at)
        if self._last is not None:
            Console().print(self._last)


def drawn(snapshot: Snapshot, config: Config | str) -> Group:
    said, running = _lines(facts(snapshot, config)), _lines(programs(snapshot))
    return Group(said, Text(), _weights(snapshot), Text(), running)


def _lines(lines: Iterable[Line]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="bold", min_width=12)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(line.label, Text(one_line(line.text), style=COLOURS[line.manner]))
    return table


def _weights(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=12)
    for name, weight in weights(snapshot):
        table.add_row("", name, f"{weight:7.2%}", Text("━" * round(weight * 2 * BAR_CELLS), style="cyan"))
    return table
