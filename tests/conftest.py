"""What all tests share: their seed, what they print, the table of faults, and one thread each for matrices."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.figures import Fault, Figure, Record, Tell, fault_table, what_is_missing

MARKS = ("<!-- the table of faults: made by `make faults WRITE=docs/reliability.md` -->", "<!-- its end -->")

# Several tests run at once: threads of theirs that wait for each other, spinning, would only hold each other up.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=20260101, help="seed of the random tests")
    parser.addoption("--fault-table", action="store_true", help="print the table of faults at the end")
    parser.addoption("--write-fault-table", type=Path, help="and put it into this document, where all of it holds")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    chosen = int(request.config.getoption("--seed"))
    print(f"seed {chosen}: run again with --seed {chosen}")  # shown by pytest when the test fails
    return chosen


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Print figures past pytest's capture."""

    def past_capture(text: str) -> None:
        with capsys.disabled():
            print(text)

    return past_capture


@pytest.fixture
def record(record_property: Callable[[str, object], None], seed: int) -> Record:
    """Through pytest's own reports, which find their way from all processes to the one that prints the table."""
    since = time.monotonic()

    def enter(
        fault: Fault,
        subject: str,
        trials: int,
        found: Mapping[str, float],
        *,
        allowed: Mapping[str, float] | None = None,
        asked: int | None = None,
    ) -> None:
        nonlocal since
        now = time.monotonic()
        count = fault.asked if asked is None else asked
        figure = Figure(fault.name, subject, trials, count, dict(found), dict(allowed or {}), now - since, seed)
        record_property("figure", figure.as_dict())
        since = now

    return enter


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    document = config.getoption("--write-fault-table")
    if not (document or config.getoption("--fault-table")):
        return
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    properties = [each for report in reports if report.when == "call" for each in report.user_properties]
    figures = [Figure(**value) for name, value in properties if name == "figure"]
    skipped = sorted({f"{report.nodeid}: {report.longrepr[2]}" for report in reports if report.skipped})
    made = fault_table(figures, skipped)
    terminalreporter.write_line(f"\n{made}")
    if document:
        missing = "a test failed" if exitstatus else what_is_missing(figures, skipped)
        if not missing:
            _write_between(document, MARKS, made)
        terminalreporter.write_line(f"{document} was left as it is: {missing}" if missing else f"{document} renewed")


def _write_between(document: Path, marks: tuple[str, str], text: str) -> None:
    before, begins, rest = document.read_text(encoding="utf-8").partition(marks[0])
    _, ends, after = rest.partition(marks[1])
    assert begins and ends, f"{document} has no place for the table"
    document.write_text(f"{before}{begins}\n\n{text}\n\n{ends}{after}", encoding="utf-8")
