"""The real seam: what it adds to the calls of the operating system that the fake is not held against."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC
from pathlib import Path

import pytest

from contract.system import OperatingSystem

HOLD_A_LOCK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from contract.system import OperatingSystem
lock = OperatingSystem().lock(Path(sys.argv[2]))
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""
CHECKOUT = Path(__file__).resolve().parents[2]


def lock_elsewhere(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD_A_LOCK, str(CHECKOUT), str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_lock_is_held_until_its_process_dies(tmp_path: Path) -> None:
    path, system = tmp_path / "a.lock", OperatingSystem()
    with lock_elsewhere(path) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        assert system.lock(path) is None
        with lock_elsewhere(path) as second:
            assert second.stdout and second.stdout.readline() == "refused\n"
        holder.kill()
    lock = system.lock(path)
    assert lock is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert system.lock(path) is None
    lock.release()
    assert path.exists()  # a lock file that were deleted would let a second holder in
    again = system.lock(path)
    assert again is not None
    again.release()


def test_no_descriptor_is_left_to_a_child(tmp_path: Path) -> None:
    descriptor = OperatingSystem().open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        OperatingSystem().mkdir(tmp_path / "file")


def test_the_clocks() -> None:
    system = OperatingSystem()
    assert system.now().tzinfo is UTC
    assert system.monotonic() <= system.monotonic()
    event = threading.Event()
    assert not system.wait(event, 0.001)
    event.set()
    assert system.wait(event, 60.0)


def test_it_is_the_effective_user_whose_files_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert OperatingSystem().user_id() == 4321


def test_which_processes_run(monkeypatch: pytest.MonkeyPatch) -> None:
    system = OperatingSystem()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert system.is_running(child.pid)
        child.kill()
    assert not system.is_running(child.pid)
    assert system.is_running(system.process_id())
    assert not system.is_running(10**30)

    def another_user(process_id: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", another_user)
    assert system.is_running(1)


def test_the_boot_is_named_by_the_kernel_or_by_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    system = OperatingSystem()
    assert system.boot_id() == system.boot_id() != ""

    def not_here(path: Path, encoding: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", not_here)
    monkeypatch.setattr(time, "time", lambda: 1_000_000.25)
    monkeypatch.setattr(time, "monotonic", lambda: 400.0)
    assert system.boot_id() == "boot-999600"


def test_no_word_comes_twice() -> None:
    assert len({OperatingSystem().unique() for _ in range(1000)}) == 1000
