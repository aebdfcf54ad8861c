"""What `deploy/` holds, as far as it can be held without a machine of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from console.programs import CHOICES, PROGRAMS, USUAL
from contract.schema.names import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
README = (DEPLOY / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units of a user whose checkout is in ~/tiller."""
    home = tmp_path / "home"
    tiller = home / "tiller/.venv/bin/tiller"
    tiller.parent.mkdir(parents=True)
    for program in (tiller, tiller.with_name("python")):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    place = tmp_path / "units"
    place.mkdir()
    for unit in DEPLOY.glob("tiller*"):
        (place / unit.name).write_text(unit.read_text().replace("%h", str(home)))
    return place


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    for name in CHOICES:
        shutil.copy(units / "tiller@.service", units / f"tiller@{name}.service")
    names = sorted(str(path) for path in units.iterdir() if "@." not in path.name)
    command = ["systemd-analyze", "verify", "--user", "--recursive-errors=no", *names]
    environment = os.environ | {"XDG_RUNTIME_DIR": str(units)}
    checked = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    broken = units / "tiller-broken.service"
    broken.write_text("[Service]\nExecStart=/no/such/program\n")
    checked = subprocess.run([*command[:4], broken], capture_output=True, text=True, env=environment, timeout=50)
    assert checked.returncode != 0, "and would, were something wrong"


def test_the_instances_that_the_page_enables_are_programs() -> None:
    (enabled,) = re.findall(r"enable tiller.target tiller@\{([a-z,]+)\}\.service", README)
    assert set(enabled.split(",")) == set(USUAL)
    named = set(re.findall(r"tiller@([a-z]+)", README))
    assert named - set(enabled.split(",")) and named <= set(PROGRAMS)


def test_the_line_of_cron_mails_what_failed_and_nothing_else(tmp_path: Path) -> None:
    line = next(line for line in (DEPLOY / "crontab").read_text().splitlines() if line.startswith("17 3 * * 0"))
    command = line.split(maxsplit=5)[5]
    python = tmp_path / "tiller/.venv/bin/python"
    python.parent.mkdir(parents=True)
    (tmp_path / "tiller/logs").mkdir()
    for code in range(5):
        python.write_text(f"#!/bin/sh\necho ended with {code}\nexit {code}\n")
        python.chmod(0o755)
        home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        ran = subprocess.run(["sh", "-c", command], env=home, capture_output=True)
        assert (b"ended with" in ran.stdout) is (code in (1, 2)), f"status {code}"


def test_what_cron_starts_at_boot_are_programs() -> None:
    line = next(line for line in (DEPLOY / "crontab").read_text().splitlines() if line.startswith("@reboot"))
    words = shlex.split(line)
    assert set(words[words.index("--only") + 1].split(",")) <= set(CHOICES)


def test_the_history_is_rotated_as_its_readers_can_bear() -> None:
    logs, history = (DEPLOY / "logrotate").read_text().split("\n/home/you/tiller/")[1:]
    assert {"compress", "delaycompress"} <= set(logs.split())
    assert {"nocompress", "nocopytruncate"} <= set(history.split())
    assert not {"compress", "copytruncate", "create"} & set(history.split())


def test_each_file_is_explained() -> None:
    for path in DEPLOY.iterdir():
        assert path.name in README or path.name.startswith(("README", "tiller")), path.name
