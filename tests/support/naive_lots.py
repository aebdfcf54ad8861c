"""First in, first out, with a queue for each instrument and whole thousandths: slow, exact and plain to see."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import NamedTuple


class Closed(NamedTuple):
    """What became of one fill: the shares of it that closed what was opened on each day, and whether it opened more."""

    shares: dict[int, float]
    opens: bool


class NaiveLots:
    def __init__(self) -> None:
        self._lots: dict[object, deque[list[int]]] = defaultdict(deque)  # signed thousandths, day

    def take(self, instrument: object, quantity: float, only_closes: bool, may_open: bool, day: int) -> Closed:
        lots, left = self._lots[instrument], round(quantity * 1000)
        found_any = bool(lots)
        if only_closes and lots:
            left = -abs(left) if lots[0][0] > 0 else abs(left)
        closed: dict[int, int] = defaultdict(int)
        while left and lots and (left > 0) != (lots[0][0] > 0):
            part = min(abs(left), abs(lots[0][0]))
            closed[lots[0][1]] += part
            lots[0][0] += part if left > 0 else -part
            left += -part if left > 0 else part
            if not lots[0][0]:
                lots.popleft()
        opens = left != 0 and not only_closes and (found_any or may_open)
        if opens:
            lots.append([left, day])
        total = sum(closed.values())
        return Closed({entry: part / total for entry, part in closed.items()}, opens)
