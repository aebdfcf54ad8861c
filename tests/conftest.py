"""What all tests share: the seed of every random one."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=20260101, help="seed of the random tests")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    chosen = int(request.config.getoption("--seed"))
    print(f"seed {chosen}: run again with --seed {chosen}")  # shown by pytest when the test fails
    return chosen
