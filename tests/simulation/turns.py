"""Work that goes on only when it is told to, and pauses wherever it asks, so that others can go on meanwhile.

Each piece has a thread, and one of them runs at a time: who is next is decided by whoever tells them to, and the whole
is as repeatable as that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Turns:
    """The turns of one piece of work. `error` is what ended it, once it is `over`."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.over = False
        self.error: BaseException | None = None
        self._work = work
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self) -> None:
        """Let it run until it pauses or is over."""
        self._go.release()
        self._back.acquire()
        if self.over:
            self._thread.join()

    def pause(self) -> None:
        """From within: give the turn back, and wait for the next."""
        self._back.release()
        self._go.acquire()

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.over = True
            self._back.release()
