"""A process of the simulation, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from support.fake_system import FakeSystem

from contract.daemon import Signals
from simulation.stage import Program
from simulation.turns import Turns
from simulation.witness import Who


@dataclass(eq=False)
class Life:
    name: str
    system: FakeSystem
    turns: Turns
    signals: Signals
    program: Program | None = None
    """None for one that does one thing and ends."""
    enough: Callable[[], bool] | None = None
    """While it waits: what ends that before its time."""
    until_s: float = 0.0
    """It does nothing before, unless something ends its wait."""
    frozen_until_s: float = 0.0
    failed_at: int = -1
    """The number of its last call that failed."""
    exit_code: int | None = None

    @property
    def who(self) -> Who:
        return Who(self.name, self.system.process_id())

    def is_ready(self, now_s: float) -> bool:
        if now_s < self.frozen_until_s:
            return False
        return self.enough is None or now_s >= self.until_s or self.enough()

    def due_s(self) -> float:
        return max(self.until_s if self.enough else 0.0, self.frozen_until_s)
