"""What all tests share: their seed, what they print, the table of faults, and one thread each for matrices."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import fault_run
from support.figures import Fault, Figure, Record, Tell

# Several tests run at once: threads of theirs that wait for each other, spinning, would only hold each other up.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    add = parser.addoption
    add("--seed", type=int, default=20260101, help="seed of the random tests")
    add("--fault-table", action="store_true", help="print the table of faults at the end")
    add("--keep-faults", type=Path, help="keep what each test found, and leave out what is there already")
    add("--write-fault-table", type=Path, help="put the table into this document, and what is missing")


def pytest_configure(config: pytest.Config) -> None:
    if fault_run.wanted(config):
        config.pluginmanager.register(fault_run.FaultRun(config))


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
