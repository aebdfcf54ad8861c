import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.only_on_linux import only_on_linux

from console import vitals
from console.vitals import Vitals, errors, largest_files, memory_mib, slope
from contract.schema.names import Root

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def test_the_slope_is_that_of_the_line() -> None:
    x = np.arange(20.0)
    assert slope(x, 3.0 * x - 7.0) == pytest.approx(3.0)


@only_on_linux
def test_memory_is_that_of_the_process() -> None:
    mine = memory_mib(os.getpid())
    assert mine is not None and 10 < mine < 4000
    assert memory_mib(2**31 - 1) is None


def test_growth_is_told_of_the_later_half(monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter([*range(20, 30), *[30.0 + i for i in range(10)]])
    monkeypatch.setattr(vitals, "memory_mib", lambda pid: next(held))
    seen = Vitals()
    for look in range(20):
        seen.look(360.0 * look, {"bridge": 7})
    (line,) = seen.lines()
    assert line.split() == "bridge pid 7 20.0 MiB at first, 39.0 at last, +10.0 MiB/h in the later half".split()


def test_errors_are_those_of_this_run(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.logs.mkdir()
    (root.logs / "bridge.log").write_text(
        "2026-01-31T11:59:59Z ERROR bridge before\n2026-01-31T12:00:00Z ERROR bridge now\n"
        "2026-01-31T12:00:01Z INFO bridge ERROR in words\nTraceback ERROR \n"
    )
    (root.logs / "lab.log.1").write_text("2026-01-31T12:00:02Z ERROR lab rotated\n")
    assert errors(root, NOON) == ["2026-01-31T12:00:00Z ERROR bridge now", "2026-01-31T12:00:02Z ERROR lab rotated"]


def test_the_largest_files_come_first(tmp_path: Path) -> None:
    root = Root(tmp_path)
    for place, size in ((root.state, 30), (root.runtime, 50), (root.logs, 40), (root.path / "other", 99)):
        place.mkdir()
        (place / "file").write_bytes(b"x" * size)
    assert largest_files(root, 2) == [(50, root.runtime / "file"), (40, root.logs / "file")]
