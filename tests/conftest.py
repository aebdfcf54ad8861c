"""What all tests share: their seed, what they print, and one thread each for whatever multiplies matrices."""

from __future__ import annotations

import os

import pytest
from support.figures import Tell

# Several tests run at once: threads of theirs that wait for each other, spinning, would only hold each other up.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=20260101, help="seed of the random tests")


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
