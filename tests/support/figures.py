"""What a test counted, as a small table for people; and the table of faults, made of what all tests counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

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


@dataclass(frozen=True)
class Fault:
    """A row of the table of faults."""

    name: str
    asked: int
    """How many trials each subject is to have in the long run."""
    of_each: str
    """What a subject is."""
    subjects: int = 1
    """There are at least so many."""


KILLED_WRITER = Fault("`kill -9` of a writer", 150, "published file")
FAILED_CALL = Fault("kill, EIO, ENOSPC at each system call of a publication", 3, "system call")
READ_MEANWHILE = Fault("reads during publication", 50_000, "reader")
MODEL_READ_MEANWHILE = Fault("reads of checkpoint and manifest during publication", 10_000, "reader")
CSV_HISTORY = Fault("histories of a CSV: torn, rotated, truncated, rewritten, crashes", 3_000, "reader")
FLIPPED_BIT = Fault("bit flips in a checkpoint", 2_000, "file")
TRUNCATION = Fault("truncations of a checkpoint", 300, "file")
DEAD_WATCHER = Fault("death of the watcher", 20, "daemon")
OVERFLOW = Fault("overflow of the event queue", 20, "daemon")
TWO_INSTANCES = Fault("two instances that begin at once", 200, "daemon")
TOLD_TO_END = Fault("SIGTERM at any moment", 100, "daemon")
WRONG_CLOCK = Fault("clock +- 1 h, timestamps of the future, suspension", 100, "daemon")
FULL_DISK = Fault("a disk that fills up", 50, "daemon")
READ_ONLY_DISK = Fault("a disk that turns read-only", 50, "daemon")
POWER_CUT = Fault("power cuts", 100, "file system and kind of file")
ATTACK = Fault("what somebody has made to do harm", 1, "kind of file")
SCHEDULE = Fault("simulated schedules of the five programs", 1_000, "thousand", subjects=10)

FAULTS = (
    *(KILLED_WRITER, FAILED_CALL, READ_MEANWHILE, MODEL_READ_MEANWHILE, CSV_HISTORY, FLIPPED_BIT, TRUNCATION),
    *(DEAD_WATCHER, OVERFLOW, TWO_INSTANCES, TOLD_TO_END, WRONG_CLOCK, FULL_DISK, READ_ONLY_DISK, POWER_CUT),
    *(ATTACK, SCHEDULE),
)
"""In the order of the table."""


@dataclass(frozen=True)
class Figure:
    """What was found at one subject of one fault."""

    fault: str
    subject: str
    trials: int
    asked: int
    found: Mapping[str, float]
    allowed: Mapping[str, float]
    """Of what is found, the most; what does not stand here must not be found at all."""
    seconds: float
    seed: int

    @property
    def holds(self) -> bool:
        return all(value <= self.allowed.get(name, 0) for name, value in self.found.items())

    @property
    def is_whole(self) -> bool:
        return self.trials >= self.asked

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Record(Protocol):
    """Enter what was found into the table of faults: the fixture `record`. To be called before anything is asserted."""

    def __call__(
        self,
        fault: Fault,
        subject: str,
        trials: int,
        found: Mapping[str, float],
        *,
        allowed: Mapping[str, float] = ...,
        asked: int | None = None,
    ) -> None: ...


def fault_table(figures: Sequence[Figure], skipped: Iterable[str] = ()) -> str:
    """A line for each fault; below it one for each of its subjects, and what was left out and why."""
    rows = [_row(fault, [figure for figure in figures if figure.fault == fault.name]) for fault in FAULTS]
    order = [fault.name for fault in FAULTS]
    ordered = sorted(figures, key=lambda figure: (order.index(figure.fault), figure.subject))
    details = [
        (figure.fault, figure.subject, f"{figure.trials:,}", _counts(figure.found), f"{figure.seconds:,.0f}")
        for figure in ordered
    ]
    return "\n".join(
        [
            *_markdown(("fault", "trials", "found", "allowed", "holds"), rows),
            "",
            *_markdown(("fault", "of", "trials", "found", "seconds"), details),
            *(["", *(f"left out: {reason}" for reason in skipped)] if skipped else []),
        ]
    )


def what_is_missing(figures: Sequence[Figure], skipped: Sequence[str]) -> str:
    """Why this is not the whole table, all of which holds; empty where it is."""
    for fault in FAULTS:
        tried = sum(figure.fault == fault.name for figure in figures)
        if not tried:
            return f"nothing was tried of: {fault.name}"
        if tried < fault.subjects:
            return f"{tried} of {fault.subjects}, each a {fault.of_each}: {fault.name}"
    for figure in figures:
        if not figure.is_whole:
            return f"{figure.trials:,} trials of {figure.asked:,}: {figure.fault}, {figure.subject}"
        if not figure.holds:
            return f"does not hold: {figure.fault}, {figure.subject}"
    return f"left out: {skipped[0]}" if skipped else ""


def _row(fault: Fault, figures: Sequence[Figure]) -> tuple[str, ...]:
    if not figures:
        return (fault.name, "none", "", "", "not tried")
    found: dict[str, float] = {}
    allowed: dict[str, float] = {}
    for figure in figures:
        for name, value in figure.found.items():
            found[name] = max(found.get(name, 0), value) if name in figure.allowed else found.get(name, 0) + value
            allowed[name] = figure.allowed.get(name, 0)
    least = min(figure.trials for figure in figures)
    trials = f"{least:,}" if len(figures) == 1 else f"{least:,} or more of each {fault.of_each}, {len(figures)} of them"
    holds = "yes" if all(figure.holds for figure in figures) else "NO"
    if len(figures) < fault.subjects or not all(figure.is_whole for figure in figures):
        holds += ", a sample"
    return (fault.name, trials, _counts(found), _counts(allowed), holds)


def _counts(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{value:,.2f}".removesuffix(".00") + f" {name}" for name, value in counts.items())


def _markdown(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ("---",) * len(heads), *rows)]
