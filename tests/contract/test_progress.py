"""What a long run says of itself, on a terminal and in a log."""

from __future__ import annotations

import io
import re

from contract.progress import LOG_EVERY_S, TERMINAL_EVERY_S, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress("training", 200, clock, stream)
    for done in range(1, 101):
        clock.now += LOG_EVERY_S / 25
        progress.update(done, net_sharpe=0.51234, steps=10_000 * done, note="x")
    progress.finish(200, net_sharpe=0.6)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5
    assert re.fullmatch(r"training \[#+\.+\]  12%  35 s left  net sharpe 0\.5123  steps 250,000  note x", lines[0])
    assert re.fullmatch(r"training \[#+\] 100%  in 20\.0 s  net sharpe 0\.6", lines[-1])


def test_a_terminal_gets_one_line_that_renews_itself() -> None:
    clock, stream = Clock(), Terminal()
    progress = Progress("training", 10, clock, stream)
    for done in range(1, 11):
        clock.now += TERMINAL_EVERY_S
        progress.update(done)
    progress.finish(10)
    said = stream.getvalue()
    assert said.count("\n") == 1 and said.endswith("\n")
    shown = said.split("\r")
    assert len({len(line.rstrip("\n")) for line in shown[1:]}) == 1, "each covers the one before"


def test_nothing_done_yet_and_nothing_to_do() -> None:
    clock, stream = Clock(), io.StringIO()
    Progress("empty", 0, clock, stream).finish(0)
    assert stream.getvalue() == f"empty [{'.' * 24}]   0%  0 s so far\n"
