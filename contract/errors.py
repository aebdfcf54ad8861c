"""Errors named by what the process that meets them should do.

The core raises, the loop of a daemon (or the command line) decides, once. Every error can carry the path it is
about and a hint that says what to do; its text is one line.
"""

from __future__ import annotations

from pathlib import Path


class TillerError(Exception):
    """What every expected failure derives from."""

    def __init__(self, message: str, *, path: Path | None = None, hint: str = "") -> None:
        self.message = message
        self.path = path
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        # A file may be called anything; an error is one line whatever it is called.
        where = f"{one_line(str(self.path))}: " if self.path is not None else ""
        hint = f" ({one_line(self.hint)})" if self.hint else ""
        return f"{where}{one_line(self.message)}{hint}"


class RetryLater(TillerError):
    """The world is in the way (disk full, file locked): keep what is good, wait, try again."""


class BadInput(TillerError):
    """What was read is wrong, and reading it again will not mend it: keep the last good, and say so."""


class MustStop(TillerError):
    """Only an operator can mend this: say how, and end."""


def one_line(text: str) -> str:
    """The text with every control character written out, so that it can neither break a line nor a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def told(error: Exception) -> str:
    """An expected error as an operator is told of it: one line and a hint, also where the system raised it."""
    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror} (tiller doctor says what stands in the way)")
    return one_line(str(error))
