"""The first command in a fresh clone: what git knows is all that there is, and only installing is taken as done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from contract.schema.names import CHECKOUT, Root

TILLER = """\
#!/bin/sh
exec "{clone}/.venv/bin/python" -c "from console.main import main; exit(main())" "$@"
"""
LITTLE = ("--headless", "--years", "1", "--bar-seconds", "0.2", "--minutes", "0.05")


def git(place: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", place, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """With an environment in which pip has done its work: this one's packages, and the clone's own modules."""
    clone = tmp_path / "a clone"
    for name in git(CHECKOUT, "ls-files", "-z").split("\0")[:-1]:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, clone / name, follow_symlinks=False)
    git(clone, "init", "--quiet")
    git(clone, "add", "--all")
    venv.create(clone / ".venv", symlinks=True)
    site = next((clone / ".venv").glob("lib/python3*/site-packages"))
    (site / "installed.pth").write_text(f"{clone}\n{sysconfig.get_path('purelib')}\n")
    tiller = clone / ".venv/bin/tiller"
    tiller.write_text(TILLER.format(clone=clone))
    tiller.chmod(0o755)
    inputs = subprocess.check_output(["bash", "-c", 'source "$1"; installation_inputs', "", clone / "scripts/setup.sh"])
    (clone / ".venv/tiller-setup").write_bytes(b"torch report\n" + inputs)
    return clone


@pytest.mark.timeout(180)
def test_the_demo_runs_in_it_and_leaves_nothing_that_git_would_see(clone: Path, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    hardly_any_training = {"TILLER__AGENT__EPISODES": "1", "TILLER__AGENT__WARM_START_STEPS": "0"}
    done = subprocess.run(
        ["bash", clone / "scripts/start_rl_system.sh", "demo", *LITTLE],
        cwd=tmp_path,
        env=inherited | hardly_any_training,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"all of it stands below {clone}/.demo\n" in done.stdout
    assert "== No errors in the logs" in done.stdout
    assert Root(clone / ".demo").report_page.exists()
    seen = git(clone, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert [line for line in seen if not line.startswith("A  ")] == []
