"""A real daemon on disks that are full or read-only, and behind events that are lost."""

import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.only_on_linux import only_on_linux
from support.processes import Running, left_behind, order, product, tiny
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


@pytest.fixture
def small_disk(tmp_path: Path, trouble: str) -> Iterator[Root]:
    """A disk of 1 MB, which only root can make."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tiller-test", place], capture_output=True)
    if not made or made.returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    root = Root(place)
    root.state.mkdir()
    root.runtime.mkdir()
    if trouble == "read-only":
        for kept_open in (root.logs, root.locks):  # a disk with files open for writing cannot be made read-only
            (tmp_path / kept_open.name).mkdir()
            kept_open.symlink_to(tmp_path / kept_open.name)
    yield root
    subprocess.run(["umount", place], check=True)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_in_trouble_50_times(small_disk: Root, trouble: str) -> None:
    root = small_disk
    root.config.write_text("loop: {backoff_s: 0.02, longest_backoff_s: 0.05}")
    ballast = root.path / "ballast"
    with tiny(root.path) as running:
        for cycle in range(50):
            order(root, f"good {cycle}")
            running.says(f"did .*good {cycle}$")
            before = product(root)
            assert before.endswith(f"good {cycle}\n")
            if trouble == "full":
                with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 4096)
            else:
                subprocess.run(["mount", "-o", "remount,ro", root.path], check=True)
            running.process.send_signal(signal.SIGHUP)
            running.complains("failed error=.*cannot publish")
            assert product(root) == before
            if trouble == "full":
                ballast.unlink()
            else:
                subprocess.run(["mount", "-o", "remount,rw", root.path], check=True)
        order(root, "last")
        running.says("did .*last$")
        assert running.ends(signal.SIGTERM)[0] == 0
    assert product(root).endswith("last\n")
    assert left_behind(root) == []
    print(f"50 times {trouble}: the last good product stood each time, and the daemon recovered by itself")


# Events that are lost.


def overflow(running: Running, root: Root, text: str) -> None:
    """More changes than the kernel keeps for a process that sleeps."""
    events = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    running.process.send_signal(signal.SIGSTOP)
    other = root.state / "other"
    for i in range(events // 2):
        other.with_name(f"new{i % 2}").touch()
        other.with_name(f"new{i % 2}").rename(other)
    order(root, text)
    running.process.send_signal(signal.SIGCONT)


@only_on_linux
@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_change_behind_an_overflow_is_seen_20_times(root: Root) -> None:
    with tiny(root.path, "--rescan-s", "1") as running:
        running.says("ran 1 ")
        for trial in range(20):
            overflow(running, root, f"after overflow {trial}")
            running.says(f"after overflow {trial}$")
            running.complains("queue overflowed")  # watchdog's own word that events were lost
        assert running.ends(signal.SIGTERM)[0] == 0
    print("20 queue overflows: 0 updates missed")
