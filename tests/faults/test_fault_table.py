"""The table itself: what it adds up, and when it is not the whole of it."""

from __future__ import annotations

import pytest
from support.figures import FAULTS, TOLD_TO_END, Fault, Figure, fault_table, what_is_missing


def figure(
    fault: Fault, subject: str = "bridge", trials: int | None = None, torn: int = 0, slowest_s: float = 0.0
) -> Figure:
    count, found = fault.asked if trials is None else trials, {"torn": torn, "s at the most": slowest_s}
    return Figure(fault.name, subject, count, fault.asked, found, {"s at the most": 5.0}, 1.0, 7)


WHOLE = [figure(fault) for fault in FAULTS]


def row(made: str, fault: Fault) -> list[str]:
    (line,) = (line for line in made.split("\n\n")[0].splitlines() if line.startswith(f"| {fault.name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_all_subjects_of_a_fault_found_is_one_row() -> None:
    found = [
        figure(TOLD_TO_END, "bridge", torn=1, slowest_s=0.25),
        figure(TOLD_TO_END, "inference", torn=2, slowest_s=4.5),
    ]
    assert row(fault_table(found), TOLD_TO_END) == [
        *(TOLD_TO_END.name, "100 or more of each daemon, 2 of them", "3 torn, 4.50 s at the most"),
        *("0 torn, 5 s at the most", "NO"),
    ]
    assert row(fault_table([figure(TOLD_TO_END, slowest_s=5.5)]), TOLD_TO_END)[-1] == "NO"


def test_a_row_says_whether_it_was_tried_and_how_often() -> None:
    assert row(fault_table(WHOLE), TOLD_TO_END)[-1] == "yes"
    assert row(fault_table([figure(TOLD_TO_END, trials=99)]), TOLD_TO_END)[-1] == "yes, a sample"
    assert row(fault_table([]), TOLD_TO_END)[1:] == ["none", "", "", "not tried"]


@pytest.mark.parametrize(
    ("figures", "skipped", "missing"),
    [
        (WHOLE, [], ""),
        (WHOLE[1:], [], f"nothing was tried of: {FAULTS[0].name}"),
        ([*WHOLE, figure(TOLD_TO_END, "lab", trials=99)], [], f"99 trials of 100: {TOLD_TO_END.name}, lab"),
        ([*WHOLE, figure(TOLD_TO_END, "lab", torn=1)], [], f"does not hold: {TOLD_TO_END.name}, lab"),
        (WHOLE, ["a test: not root"], "left out: a test: not root"),
    ],
    ids=["whole", "not tried", "too few", "does not hold", "skipped"],
)
def test_only_the_whole_table_is_written(figures: list[Figure], skipped: list[str], missing: str) -> None:
    assert what_is_missing(figures, skipped) == missing
    assert all(reason in fault_table(figures, skipped) for reason in skipped)
