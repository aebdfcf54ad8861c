"""Bad rows as lines of `state/quarantine.csv`, harmless in a terminal and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container, Iterable

from contract.rows import BadRow

_FORMULA = re.compile('((?:^|;)[ "]*)([=+@\uff1d\uff0b\uff0d\uff20-])')
"""What a spreadsheet computes, at the beginning of a cell; where commas are decimal points, a semicolon begins one too.
The wide forms are those of East Asian keyboards."""


def quarantine_line(file: str, bad: BadRow) -> str:
    """Without its newline, in the order of `QUARANTINE_HEADER`.

    The same bad row always makes the same line. `file` is therefore the live file's name also where the row was
    read from a rotated sibling: the name of that changes, the row's offset does not.
    """
    line = io.StringIO()
    row = bad.line.decode(errors="backslashreplace")
    csv.writer(line, lineterminator="").writerow([_harmless(file), bad.offset, bad.reason, _harmless(row)])
    return line.getvalue()


def unwritten_lines(file: str, bad_rows: Iterable[BadRow], written: Container[str]) -> list[str]:
    """The lines of those bad rows that are not quarantined yet, each once, in order."""
    lines = dict.fromkeys(quarantine_line(file, bad) for bad in bad_rows)
    return [line for line in lines if line not in written]


def _harmless(text: str) -> str:
    """No character that a terminal obeys, and no beginning that a spreadsheet computes."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return _FORMULA.sub(r"\1'\2", visible)
