"""What a test counted, as a small table for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Tell = Callable[[str], None]
"""Prints past pytest's capture: the fixture `tell`."""


def table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    """The title, the names of the columns, and a line for each row."""
    columns = list(next(iter(rows.values())))
    lines = [["", *columns], *([name, *(f"{row[column]:,}" for column in columns)] for name, row in rows.items())]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns) + 1)]
    return "\n".join(
        ["", title, *("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)]
    )
