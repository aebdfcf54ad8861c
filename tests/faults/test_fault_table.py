"""The table itself: what it adds up, and when it is not the whole of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fault_run import MARK
from support.figures import FAULTS, SCHEDULE, TOLD_TO_END, Fault, Figure, fault_table, what_is_missing


def figure(
    fault: Fault, subject: str = "bridge", trials: int | None = None, torn: int = 0, slowest_s: float = 0.0
) -> Figure:
    count, found = fault.asked if trials is None else trials, {"torn": torn, "s at the most": slowest_s}
    return Figure(fault.name, subject, count, fault.asked, found, {"s at the most": 5.0}, 1.0, 7)


WHOLE = [figure(fault, f"subject {number}") for fault in FAULTS for number in range(fault.subjects)]


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
        (WHOLE[:-1], [], f"9 of 10, each a thousand: {SCHEDULE.name}"),
        ([*WHOLE, figure(TOLD_TO_END, "lab", trials=99)], [], f"99 trials of 100: {TOLD_TO_END.name}, lab"),
        ([*WHOLE, figure(TOLD_TO_END, "lab", torn=1)], [], f"does not hold: {TOLD_TO_END.name}, lab"),
        (WHOLE, ["a test: not root"], "left out: a test: not root"),
    ],
    ids=["whole", "not tried", "too few subjects", "too few trials", "does not hold", "skipped"],
)
def test_the_table_says_what_is_missing(figures: list[Figure], skipped: list[str], missing: str) -> None:
    assert what_is_missing(figures, skipped) == missing
    assert all(reason in fault_table(figures, skipped) for reason in skipped)


TESTS = """
import pathlib
import pytest
from support.figures import TOLD_TO_END

@pytest.mark.parametrize("subject", ["bridge", "tracker"])
def test_it_ends(subject, record):
    with pathlib.Path("tried").open("a") as tried:
        tried.write(subject + "\\n")
    record(TOLD_TO_END, subject, 100, {"torn": 0})
    assert subject == "bridge" or pathlib.Path("mended").exists()
"""


def run(directory: Path, *options: str) -> str:
    """What a run of those tests shows."""
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-c", os.devnull, "--rootdir", ".", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tests), str(tests.parent)))},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}\nended with {done.returncode}\n"


@pytest.mark.timeout(180)
def test_a_run_goes_on_with_what_has_not_passed(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "page").write_text(f"<!-- {MARK} -->\n<!-- end of {MARK} -->\n")
    shown = run(tmp_path, "--keep-faults", "found", "-n", "2")  # as the long runs are spread
    assert "1 failed, 1 passed" in shown and "100 or more of each daemon, 2 of them" in shown, shown
    (tmp_path / "mended").touch()
    shown = run(tmp_path, "--keep-faults", "found", "--write-fault-table", "page")
    assert "1 passed" in shown and "100 or more of each daemon, 2 of them" in shown, shown
    assert "page renewed, not whole: nothing was tried of: " in shown
    assert "\n\nNOT WHOLE, nothing was tried of: " in (tmp_path / "page").read_text()
    assert sorted((tmp_path / "tried").read_text().split()) == ["bridge", "tracker", "tracker"]
    assert run(tmp_path, "--keep-faults", "found").endswith("\nended with 0\n"), "nothing is left to try"
    assert "2 passed" in run(tmp_path, "--keep-faults", "found", "--seed", "8"), "another seed tries other moments"
