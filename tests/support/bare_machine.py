"""A small machine with a copy of the checkout: bash, a few tools, a Python, and a pip that only takes notes.

The Python is a wrapper around the one of the tests. The environments that it makes hold a stand-in instead of pip, and
what that installs are stand-ins too: for `tiller` and for the tools that scripts/test.sh runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = (".ci", "scripts", "constraints.txt", "pyproject.toml", "setup.cfg")
TOOLS = ("bash", "cat", "dirname", "mkdir", "mv", "rm", "sleep", "tail")

UNAME = """\
#!/bin/sh
echo Linux x86_64
"""

PYTHON = f"""\
#!/bin/sh
case "$1$2" in -Imvenv) exec "{sys.executable}" "$MACHINE/make_venv.py" "$4" ;; esac
exec "{sys.executable}" "$@"
"""

MAKE_VENV = """\
import os, shutil, sys, venv
from pathlib import Path

venv.create(sys.argv[1], clear=True, symlinks=True)
site = next(Path(sys.argv[1]).glob("lib/python3*/site-packages"))
shutil.copytree(Path(os.environ["MACHINE"], "pip"), site / "pip", symlinks=True)
(site / "pip-1.dist-info").mkdir()
(site / "pip-1.dist-info" / "INSTALLER").touch()
"""

PIP = """\
import os, shutil, sys
from pathlib import Path

machine, wanted = Path(os.environ["MACHINE"]), sys.argv[1:]
site, programs = Path(__file__).parents[1], Path(sys.prefix) / "bin"
with (machine / "notes").open("a") as notes:
    print("pip", *wanted, file=notes)
print("Collecting everything", flush=True)
if os.environ.get("PIP_USER", "0") != "0":
    sys.exit("ERROR: Can not perform a '--user' install.")
if (machine / "pip_fails").exists():
    sys.exit((machine / "pip_fails").read_text())
if (machine / "pip_starts").exists():
    (site / "half-1.dist-info").mkdir(exist_ok=True)
    with (machine / "pip_starts").open("w") as starts:
        print(os.getpid(), file=starts)
    (machine / "pip_goes_on").read_text()
    (site / "half-1.dist-info" / "INSTALLER").touch()
if "--editable" in wanted:
    shutil.copy(machine / "tiller", programs)
if "torch" in wanted[-1]:
    (site / "torch-2.dist-info").mkdir(exist_ok=True)
    (site / "torch-2.dist-info" / "INSTALLER").touch()
if "dev" in wanted[-1]:
    (site / "importlinter").mkdir(exist_ok=True)
    for module in ("ruff", "mypy", "importlinter/cli", "pytest"):
        shutil.copy(machine / "tool.py", site / f"{module}.py")
"""

TILLER = """\
#!/bin/sh
echo tiller "$@" from "$PWD"
if { true >&9; } 2>/dev/null; then echo and keeps the lock; fi
"""

TOOL = """\
import os, sys
from pathlib import Path

def lint_imports_command():
    machine, name = Path(os.environ["MACHINE"]), Path(__file__).stem.replace("cli", "importlinter")
    with (machine / "notes").open("a") as notes:
        print(name, *sys.argv[1:], file=notes)
    print(name, "has spoken in", os.getcwd())
    sys.exit(4 if sys.stdin is None else 3 if (machine / f"{name}_fails").exists() else 0)

if __name__ == "__main__":
    lint_imports_command()
"""

# Where the tests run with a signal ignored (in the background, under nohup), bash would inherit that for good.
LAUNCH = """\
import os, sys
from signal import SIG_DFL, SIGHUP, SIGINT, signal

signal(SIGINT, SIG_DFL)
signal(SIGHUP, SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass
class BareMachine:
    home: Path
    extra: dict[str, str] = field(default_factory=dict)
    """Environment variables beside those that every machine has."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in COPIED:
            source, target = CHECKOUT / name, self.checkout / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        for directory in ("bin", "pip"):
            (self.home / directory).mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.home / "bin" / tool).symlink_to(found)
        self.put("make_venv.py", MAKE_VENV)
        self.put("pip/__init__.py", "")
        self.put("pip/__main__.py", PIP)
        self.put("tool.py", TOOL)
        for program, text in (("tiller", TILLER), ("bin/uname", UNAME), ("bin/python3", PYTHON)):
            self.put(program, text)

    def put(self, name: str, text: str) -> None:
        path = self.home / name
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)

    @property
    def checkout(self) -> Path:
        return self.home / "a checkout"

    @property
    def environment(self) -> Path:
        return self.checkout / ".venv"

    @property
    def notes(self) -> list[str]:
        """What pip and the tools were asked to do, in order."""
        notes = self.home / "notes"
        return notes.read_text().splitlines() if notes.exists() else []

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": str(self.home / "bin"), "HOME": str(self.home), "MACHINE": str(self.home), **self.extra}

    def start(self, script: str, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(self.home / "bin/bash"), str(self.checkout / script), *arguments],
            cwd=self.home,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def start_demo(self, *arguments: str) -> subprocess.Popen[str]:
        return self.start("scripts/start_rl_system.sh", "demo", *arguments)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments)
        stdout, stderr = process.communicate(timeout=30)
        assert "Traceback" not in stderr
        return subprocess.CompletedProcess(script, process.returncode, stdout, stderr)

    def demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("scripts/start_rl_system.sh", "demo", *arguments)

    def end(self) -> None:
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what outlived it
            process.communicate()

    def hold_pip(self) -> None:
        """From now on pip stops in the middle of its work, until `let_pip_go_on`."""
        os.mkfifo(self.home / "pip_starts")
        os.mkfifo(self.home / "pip_goes_on")

    def wait_for_pip(self) -> int:
        """Its process id, as soon as it is in the middle of its work."""
        return int((self.home / "pip_starts").read_text())

    def hold_pip_no_more(self) -> None:
        """Only the next pip: one that is held already stays so."""
        (self.home / "pip_starts").unlink()

    def let_pip_go_on(self) -> None:
        self.hold_pip_no_more()
        (self.home / "pip_goes_on").write_text("")
