"""What a writer may rely on.

What stands in a file when its writer rests, and nothing went wrong meanwhile, is promised: no power cut may take it
back. What was there before that may go again with the power.
"""

from __future__ import annotations

from simulation.invariants import require


class Published:
    """A file that is replaced whole."""

    def __init__(self, name: str, content: bytes | None) -> None:
        self.name = name
        self.writer = ""
        """Of what stands there."""
        self._since: list[bytes | None] = [content]
        """What was promised, and all that took its place since then."""

    @property
    def content(self) -> bytes | None:
        return self._since[-1]

    def see(self, content: bytes | None, writer: str) -> None:
        require(content is not None, f"{self.name} has vanished")
        self._since.append(content)
        self.writer = writer

    def promise(self, writer: str) -> None:
        if writer == self.writer:
            del self._since[:-1]

    def after_a_power_cut(self, content: bytes | None) -> None:
        found = None if content is None else content[:300]
        require(content in self._since, f"{self.name} was promised otherwise than the power cut left it: {found!r}")
        self._since.append(content)


class Appended:
    """A file, with those that it was rotated to, that grows at its end."""

    def __init__(self, name: str, lines: tuple[bytes, ...]) -> None:
        self.name = name
        self._promised = self._lines = lines

    def see(self, lines: tuple[bytes, ...]) -> None:
        count = len(self._promised)
        held = lines[:count] == self._promised
        require(held, f"{self.name}: of {count} lines that were promised {self._first_lost(lines)!r} is lost")
        self._lines = lines

    def promise(self) -> None:
        self._promised = self._lines

    def _first_lost(self, lines: tuple[bytes, ...]) -> bytes:
        kept = set(lines)
        return next((line for line in self._promised if line not in kept), b"the order")[:200]
