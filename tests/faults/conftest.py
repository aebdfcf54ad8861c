"""What the tests of the table of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.forked import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery
