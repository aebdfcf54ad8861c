"""How large files may become, and that the page of each directory says so too."""

from __future__ import annotations

from pathlib import Path

from console.file_bounds import KIB, Lived, beyond, lived, sizes
from contract.files import publish
from contract.log import LARGEST_LOG
from contract.schema.names import Root
from contract.system import OperatingSystem

YOUNG = Lived(days=2, publications=1, trainings=1)


def put(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_the_largest_files_come_first(tmp_path: Path) -> None:
    root = Root(tmp_path)
    for place, size in ((root.state, 30), (root.runtime, 50), (root.logs / "deep", 40), (root.path / "other", 99)):
        put(place / "file", size)
    assert sizes(root) == [(50, root.runtime / "file"), (40, root.logs / "deep/file"), (30, root.state / "file")]


def test_what_is_within_its_bounds_is_not_told_of(tmp_path: Path) -> None:
    root = Root(tmp_path)
    put(root.pnl_history, 80 * KIB)
    put(root.log("bridge"), LARGEST_LOG)
    put(root.journal("bridge"), 72 * KIB)
    put(root.training_log, 72 * KIB)
    assert list(beyond(root, sizes(root), YOUNG)) == []


def test_what_is_beyond_them_is(tmp_path: Path) -> None:
    root = Root(tmp_path)
    history = put(root.pnl_history, 80 * KIB + 1)
    log = put(root.logs / "bridge.log.4", LARGEST_LOG)
    left = put(root.runtime / ".allocations_override.json.0af3.tmp", 1)
    assert list(beyond(root, sizes(root), YOUNG)) == [
        f"{log} has {LARGEST_LOG:,} bytes, and may have 262,144",
        f"{history} has 81,921 bytes, and may have 81,920",
        f"{left} is left over",
    ]


def test_what_a_root_has_lived_through(tmp_path: Path) -> None:
    root = Root(tmp_path)
    assert lived(OperatingSystem(), root) == Lived(0, 0, 0)
    publish(OperatingSystem(), root.performance_metrics, b"date\n1\n2\n")
    put(root.allocations, 3)
    assert lived(OperatingSystem(), root) == Lived(3, 0, 0), "what cannot be read allows nothing"
