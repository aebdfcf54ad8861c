"""How .venv is made, brought up to date and mended, and what is said when that fails."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from support.bare_machine import PYTHON, BareMachine


def last_line(text: str) -> str:
    return text.splitlines()[-1]


def python_in_which(statements: str) -> str:
    """A python3 for questions (`-c`), which it answers after these statements."""
    return f'#!/bin/sh\nexec "{sys.executable}" -c "{statements}\n$2"\n'


def test_every_package_is_installed_under_the_constraints(machine: BareMachine) -> None:
    machine.extra["PIP_USER"] = "1"
    machine.run("scripts/test.sh")
    calls = [call for call in machine.notes if call.startswith("pip")]
    assert all(f"--constraint {machine.checkout}/constraints.txt" in call for call in calls)
    assert [call.split("constraints.txt ")[1] for call in calls] == [
        "setuptools",
        f"--no-build-isolation --editable {machine.checkout}[dev,torch,report]",
        "--no-deps universal-portfolios",
    ]


@pytest.mark.parametrize("broken", ["python", "pip"])
def test_a_broken_environment_is_made_anew(machine: BareMachine, broken: str) -> None:
    machine.demo()
    (machine.environment / "stale").touch()
    if broken == "python":
        (machine.environment / "bin/python").unlink()
    else:
        next(machine.environment.glob("lib/*/site-packages/pip-*.dist-info/INSTALLER")).unlink()
        (machine.environment / "tiller-setup").unlink()
    assert machine.demo().returncode == 0
    assert not (machine.environment / "stale").exists()


def test_without_the_python_that_made_it_an_environment_is_still_brought_up_to_date(machine: BareMachine) -> None:
    machine.demo()
    (machine.home / "bin/python3").unlink()
    (machine.checkout / "constraints.txt").write_text("")
    assert machine.demo().returncode == 0
    assert len(machine.notes) == 4


def test_a_checkout_that_moved_is_installed_again(machine: BareMachine) -> None:
    machine.demo()
    moved = machine.checkout.rename(machine.home / "elsewhere")
    machine.checkout.symlink_to(moved)
    assert machine.demo().returncode == 0
    assert machine.notes[-1].endswith("elsewhere[torch,report]")


def test_a_python_that_is_too_old(machine: BareMachine) -> None:
    machine.put("bin/python3", python_in_which("import sys; sys.version_info = (3, 9, 18)"))
    done = machine.demo()
    assert done.returncode == 1
    assert done.stderr == (
        "start_rl_system.sh: python3 is Python 3.9: install 3.11 or newer, or name one in TILLER_PYTHON\n"
    )
    machine.put("bin/python3.12", PYTHON)
    assert machine.demo().returncode == 0, "a newer one under its full name is found"


def test_a_python_without_its_venv_module(machine: BareMachine) -> None:
    statements = "import sys; sys.version_info = (3, 12, 1); sys.modules['ensurepip'] = None"
    machine.put("bin/python3", python_in_which(statements))
    done = machine.demo()
    assert done.returncode == 1
    assert done.stderr == (
        "start_rl_system.sh: python3 has no module to make environments with: "
        "install it (Debian, Ubuntu: apt install python3.12-venv)\n"
    )


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("", "there is no Python: install 3.11 or newer, or name one in TILLER_PYTHON"),
        ("/no/such", "/no/such is no Python: name one of 3.11 or newer in TILLER_PYTHON, or none"),
    ],
)
def test_no_python_at_all(machine: BareMachine, named: str, told: str) -> None:
    (machine.home / "bin/python3").unlink()
    machine.extra["TILLER_PYTHON"] = named
    done = machine.demo()
    assert (done.returncode, done.stderr) == (1, f"start_rl_system.sh: {told}\n")


def test_the_python_that_is_named_makes_the_environment(machine: BareMachine) -> None:
    (machine.home / "bin/python3").rename(machine.home / "my python")
    machine.extra["TILLER_PYTHON"] = "./my python"
    assert machine.demo().returncode == 0


@pytest.mark.parametrize(
    ("pip_says", "told"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device\n", "the disk is full: free some space"),
        (
            "    The user requested torch\n    The user requested (constraint) torch==2.13.0\n\nERROR: Impossible\n",
            "pip finds no torch==2.13.0 for this Python: name another one in TILLER_PYTHON",
        ),
        ("ERROR: first\nERROR: the reason\nhint: read\n", "the reason: mend that"),
        ("Killed", "the last step failed (Killed): mend that"),
    ],
)
def test_a_failure_of_pip_is_told_in_one_line(machine: BareMachine, pip_says: str, told: str) -> None:
    machine.put("pip_fails", pip_says)
    done = machine.demo()
    log = machine.checkout / "logs/setup.log"
    assert done.returncode == 1
    assert last_line(done.stderr) == (
        f"start_rl_system.sh: {told}, then run this again (everything that was said: {log})"
    )
    assert pip_says in log.read_text()
    (machine.home / "pip_fails").unlink()
    assert machine.demo().returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to stand for a full disk")
def test_a_disk_too_full_for_the_reason_in_the_log(machine: BareMachine) -> None:
    (machine.home / "pip_fails").touch()
    (machine.checkout / "logs").mkdir()
    (machine.checkout / "logs/setup.log.probe").symlink_to("/dev/full")
    assert "start_rl_system.sh: the disk is full: free some space, then run this again" in machine.demo().stderr


def test_an_update_that_failed_is_not_forgotten_when_its_reason_goes(machine: BareMachine) -> None:
    machine.demo()
    constraints = machine.checkout / "constraints.txt"
    before = constraints.read_bytes()
    constraints.write_bytes(b"another==1.0\n")
    (machine.home / "pip_fails").touch()
    assert machine.demo().returncode == 1
    constraints.write_bytes(before)
    (machine.home / "pip_fails").unlink()
    asked = len(machine.notes)
    assert machine.demo().returncode == 0
    assert len(machine.notes) > asked, "some packages may be those of the update"


def test_pip_itself_without_a_network(machine: BareMachine) -> None:
    pip = importlib.util.find_spec("pip")
    assert pip is not None
    assert pip.origin is not None
    shutil.rmtree(machine.home / "pip")
    shutil.copytree(Path(pip.origin).parent, machine.home / "pip", copy_function=os.symlink)
    machine.extra |= {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    done = machine.demo()
    assert done.returncode == 1
    assert "pip cannot reach its package index: connect to the network, then run this again" in last_line(done.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_installation_ends_at_once_and_is_mended(machine: BareMachine, number: signal.Signals) -> None:
    machine.hold_pip()
    interrupted = machine.start_demo()
    pip = machine.wait_for_pip()
    interrupted.send_signal(number)
    stdout, stderr = interrupted.communicate(timeout=10)
    assert (interrupted.returncode, stdout) == (-number, "")
    assert last_line(stderr) == "start_rl_system.sh: interrupted: the next run takes it up again"
    with pytest.raises(ProcessLookupError):
        os.kill(pip, 0)
    machine.hold_pip_no_more()
    assert machine.demo().returncode == 0
    half_installed = machine.environment.glob("lib/*/site-packages/half-1.dist-info")
    assert not list(half_installed), "pip would have taken it for whole"


def test_a_killed_installation_is_waited_for_and_mended(machine: BareMachine) -> None:
    machine.hold_pip()
    killed = machine.start_demo()
    pip = machine.wait_for_pip()
    killed.kill()
    killed.wait()
    machine.hold_pip_no_more()
    following = machine.start_demo()
    assert following.stderr is not None
    assert "another set-up is at work in this checkout" in following.stderr.readline()
    os.kill(pip, signal.SIGKILL)
    stdout, _ = following.communicate(timeout=30)
    assert (following.returncode, stdout) == (0, f"tiller demo from {machine.home}\n")


def test_of_two_at_once_one_installs_and_both_run(machine: BareMachine) -> None:
    machine.hold_pip()
    first = machine.start_demo("1")
    machine.wait_for_pip()
    second = machine.start_demo("2")
    assert second.stderr is not None
    assert "another set-up is at work in this checkout" in second.stderr.readline()
    machine.let_pip_go_on()
    assert first.communicate(timeout=30)[0] == f"tiller demo 1 from {machine.home}\n"
    assert second.communicate(timeout=30) == (f"tiller demo 2 from {machine.home}\n", "")
    assert len(machine.notes) == 2, "pip was asked once for each of its two steps"


def test_a_terminal_shows_how_long_it_takes_and_what_is_being_done(machine: BareMachine) -> None:
    machine.hold_pip()
    here, there = os.openpty()
    process = machine.start("scripts/start_rl_system.sh", "demo", stderr=there)
    os.close(there)
    machine.wait_for_pip()
    seen = b""
    while not re.search(rb"\rinstalling build tools, \d+ s: Collecting everything +$", seen):
        seen += os.read(here, 1000)
    machine.let_pip_go_on()
    process.communicate(timeout=30)
    os.close(here)
    assert process.returncode == 0


def test_torch_announces_its_size_where_that_is_large(machine: BareMachine) -> None:
    assert "about 2.7 GB" in machine.demo().stderr
    with (machine.checkout / "setup.cfg").open("a") as settings:
        settings.write("\n")
    assert "GB" not in machine.demo().stderr, "it is installed by now"
    shutil.rmtree(machine.environment)
    machine.put("bin/uname", "#!/bin/sh\necho Darwin arm64\n")
    assert "GB" not in machine.demo().stderr


def test_torch_alone_comes_from_the_index_that_is_named_for_it(machine: BareMachine) -> None:
    machine.extra["TILLER_TORCH_INDEX"] = "https://torch.example/cpu"
    assert "GB" not in machine.demo().stderr
    assert [("--index-url" in call, call.split()[-1]) for call in machine.notes] == [
        (False, "setuptools"),
        (True, "torch"),
        (False, "checkout[torch,report]"),
    ]
    assert "--no-deps --index-url https://torch.example/cpu torch" in machine.notes[1]


def test_torch_is_left_out_on_request(machine: BareMachine) -> None:
    machine.extra["TILLER_NO_TORCH"] = "1"
    assert "GB" not in machine.demo().stderr
    assert machine.notes[-1].endswith("[report]")
    machine.extra["TILLER_NO_TORCH"] = "0"
    machine.demo()
    assert machine.notes[-1].endswith("[torch,report]")
