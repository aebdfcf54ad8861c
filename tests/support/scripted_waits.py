"""The real file system under a clock that moves only where the program waits, and a script of what happens then."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.system import OperatingSystem, Watch

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


class ScriptedWatch:
    """A watch that hears what the script tells it, and nothing else."""

    def __init__(self, directory: Path, wake: Callable[[], None]) -> None:
        self.directory = directory
        self.wake = wake
        self.alive = True
        self.closed = False

    def is_alive(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.closed = True


class ScriptedWaits(OperatingSystem):
    """Each wait plays the next step of the script; if that sets no event, the whole wait passes at once."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self.steps = list(steps)
        self.otherwise: Callable[[], object] | None = None
        """The step of every wait behind the script; without it such a wait is a mistake of the test."""
        self.waits_s: list[float] = []
        self.watches: list[ScriptedWatch] = []
        self.watches_left = 1000
        self.elapsed_s = 0.0

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        step = self.steps.pop(0) if self.steps else self.otherwise
        assert step, f"the script is over; waited {self.waits_s}"
        self.waits_s.append(timeout_s)
        step()
        if event.is_set():
            return True
        self.elapsed_s += timeout_s
        return False

    def watch(self, directory: Path, wake: Callable[[], None]) -> Watch:
        if self.watches_left == 0:
            raise OSError(28, "inotify watch limit reached")
        self.watches_left -= 1
        watch = ScriptedWatch(directory, wake)
        self.watches.append(watch)
        return watch

    def monotonic(self) -> float:
        return self.elapsed_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)
