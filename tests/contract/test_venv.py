"""Entry scripts of a small checkout, started as real processes by a Python that is not the one of its `.venv`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

import contract.venv

ENTRY = """\
import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter
    reenter()

import json
import os
import subprocess

if "and-a-child" in sys.argv:
    child = [sys.argv[sys.argv.index("and-a-child") + 1], __file__]
    sys.exit(subprocess.run(child).returncode)
print(json.dumps({
    "prefix": sys.prefix,
    "arguments": sys.argv[1:],
    "utf8_mode": sys.flags.utf8_mode,
    "mark": "TILLER_REENTERED" in os.environ,
}))
"""


class Checkout(NamedTuple):
    root: Path
    system_python: Path

    @property
    def environment(self) -> Path:
        return self.root / ".venv"

    def run(self, *arguments: str, python: Path | None = None, cwd: Path | None = None) -> dict[str, object]:
        """What the entry script says about the process that it ended up in."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
        done = subprocess.run(
            [str(python or self.system_python), *arguments],
            cwd=cwd or self.root,
            env=variables,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert isinstance(said, dict)
        return said


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"
    (root / "contract").mkdir(parents=True)
    (root / "ai").mkdir()
    for package in ("contract", "ai"):
        (root / package / "__init__.py").touch()
    shutil.copy(contract.venv.__file__, root / "contract")
    (root / "ai" / "entry.py").write_text(ENTRY)
    for environment in (root / ".venv", tmp_path / "system"):
        venv.create(environment, symlinks=True)
    return Checkout(root, tmp_path / "system" / "bin" / "python")


@pytest.mark.parametrize(
    "command",
    ["ai/entry.py", "./ai/entry.py", "-m ai.entry", "-X utf8=1 -m ai.entry", "-Xutf8 ai/entry.py"],
)
def test_a_script_ends_up_in_the_environment_of_its_checkout(checkout: Checkout, command: str) -> None:
    said = checkout.run(*command.split(), "--root", "a b", "", "*")
    assert said["prefix"] == str(checkout.environment)
    assert said["arguments"] == ["--root", "a b", "", "*"]
    assert said["utf8_mode"] == int("utf8" in command)
    assert not said["mark"]


def test_the_working_directory_does_not_matter(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.run(str(checkout.root / "ai" / "entry.py"), cwd=tmp_path)["prefix"] == str(checkout.environment)
    assert checkout.run("../a checkout/ai/entry.py", cwd=tmp_path / "system")["prefix"] == str(checkout.environment)


def test_a_script_started_in_the_environment_stays_the_same_process(checkout: Checkout) -> None:
    with (checkout.root / "contract" / "venv.py").open("a") as source:
        source.write("os.execv = lambda *_: sys.exit('started over')\n")
    inside = checkout.environment / "bin" / "python"
    assert checkout.run("ai/entry.py", python=inside)["prefix"] == str(checkout.environment)
    with pytest.raises(AssertionError, match="started over"):
        checkout.run("ai/entry.py")


def test_a_script_stays_where_it_is_without_an_environment(checkout: Checkout, tmp_path: Path) -> None:
    shutil.rmtree(checkout.environment)
    assert checkout.run("ai/entry.py")["prefix"] == str(tmp_path / "system")
    checkout.environment.joinpath("bin").mkdir(parents=True)
    checkout.environment.joinpath("bin", "python").symlink_to("/does/not/exist")
    assert checkout.run("ai/entry.py")["prefix"] == str(tmp_path / "system")


def test_an_environment_that_is_none_is_tried_once(checkout: Checkout) -> None:
    (checkout.environment / "pyvenv.cfg").unlink()
    assert checkout.run("ai/entry.py")["prefix"] != str(checkout.environment)


def test_the_system_python_of_a_child_starts_over_too(checkout: Checkout) -> None:
    said = checkout.run("ai/entry.py", "and-a-child", str(checkout.system_python))
    assert said["prefix"] == str(checkout.environment)


def test_a_python_that_forgets_its_own_options_starts_the_file(checkout: Checkout) -> None:
    entry = checkout.root / "ai" / "entry.py"
    entry.write_text(ENTRY.replace("    reenter()", "    vars(sys).pop('orig_argv', None)\n    reenter()"))
    assert checkout.run("-m", "ai.entry", "--once")["arguments"] == ["--once"]


def test_the_command_line_goes_to_the_python_of_the_environment(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(contract.venv, "__file__", str(checkout.root / "contract" / "venv.py"))
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "ai.entry", "--once"])
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    monkeypatch.delenv("TILLER_REENTERED", raising=False)
    contract.venv.reenter()
    assert commands == [[str(checkout.environment / "bin" / "python"), "-m", "ai.entry", "--once"]]
    contract.venv.reenter()
    assert len(commands) == 1, "the same process has tried already"
    assert "TILLER_REENTERED" not in os.environ
