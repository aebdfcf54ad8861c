"""The machine that the two commands are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bare_machine import BareMachine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[BareMachine]:
    machine = BareMachine(tmp_path)
    yield machine
    machine.end()
