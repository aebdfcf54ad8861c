"""A real daemon whose files cannot grow."""

import resource
import signal
from pathlib import Path

import pytest
from support.only_on_linux import only_on_linux
from support.processes import left_behind, order, product, tiny
from support.tiny_daemon import NAME

from contract.schema.names import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "state").mkdir()
    return Root(tmp_path)


# Disks that are full.


@only_on_linux
def test_a_log_that_cannot_be_written_does_not_stop_the_work(root: Root) -> None:
    root.logs.mkdir()
    root.log(NAME).symlink_to("/dev/full")
    with tiny(root.path) as running:
        running.says("ran 1 ")
        order(root, "more")
        running.says("ran 2 ")
        assert running.ends(signal.SIGTERM)[0] == 0
    assert len(running.errors) == 2


@only_on_linux
def test_a_full_disk_is_waited_out(root: Root) -> None:
    root.config.write_text("loop: {backoff_s: 0.02, longest_backoff_s: 0.02}")
    with tiny(root.path) as running:
        running.says("ran 1 ")
        _, hard = limits = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
        for cycle in range(3):
            order(root, f"good {cycle}")
            running.says(f"did .*good {cycle}")
            before = product(root)
            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, hard))
            order(root, f"better {cycle}")
            running.complains("failed error=.*cannot publish")
            assert product(root) == before
            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, limits)
            running.says(f"did .*better {cycle}")
        assert running.ends(signal.SIGTERM)[0] == 0
    assert left_behind(root) == []
