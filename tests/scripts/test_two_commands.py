"""The two commands as somebody types them, on a machine with little beside Python."""

from __future__ import annotations

import subprocess
import time

import pytest
from support.bare_machine import BareMachine


def test_the_first_run_installs_and_the_second_only_runs(machine: BareMachine) -> None:
    first = machine.demo("--root", "a b")
    assert first.returncode == 0
    assert first.stdout == f"tiller demo --root a b from {machine.home}\n", "and nothing of the set-up"
    assert [call.split()[-1] for call in machine.notes] == ["setuptools", "checkout[torch,report]"]
    before = time.monotonic()
    second = machine.demo()
    assert time.monotonic() - before < 2
    assert (second.returncode, second.stdout, second.stderr) == (0, f"tiller demo from {machine.home}\n", "")
    assert len(machine.notes) == 2, "pip was not asked again"


def test_the_command_that_needs_more_adds_it_and_the_other_keeps_it(machine: BareMachine) -> None:
    machine.demo()
    machine.run("scripts/test.sh")
    assert any("[dev,torch,report]" in call for call in machine.notes)
    asked = len(machine.notes)
    machine.demo()
    assert len(machine.notes) == asked
    (machine.environment / "kept").touch()
    with (machine.checkout / "constraints.txt").open("a") as constraints:
        constraints.write("another==1.0\n")
    machine.demo()
    assert any("[torch,report,dev]" in call for call in machine.notes[asked:])
    assert (machine.environment / "kept").exists(), "brought up to date, not made anew"


def test_a_relative_path_means_the_same_under_a_cdpath(machine: BareMachine) -> None:
    machine.extra["CDPATH"] = f".:{machine.home}"
    done = subprocess.run(
        ["bash", "a checkout/scripts/start_rl_system.sh", "demo"],
        cwd=machine.home,
        env=machine.variables,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == f"tiller demo from {machine.home}\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], "start"),
        (["--root", "a b"], "start --root a b"),
        (["--with", "optimizer,lab"], "start --with optimizer,lab"),
        (["stop", "--root", "x"], "stop --root x"),
        (["restart"], "restart"),
        (["status", "--once"], "status --once"),
        (["logs", "trainer", "-f"], "logs trainer -f"),
        (["doctor"], "doctor"),
    ],
)
def test_every_command_is_handed_on(machine: BareMachine, arguments: list[str], asked: str) -> None:
    done = machine.run("scripts/start_rl_system.sh", *arguments)
    assert (done.returncode, done.stdout) == (0, f"tiller {asked} from {machine.home}\n")


@pytest.mark.parametrize(("arguments", "status"), [(["dmeo"], 2), (["--help"], 0)])
def test_usage(machine: BareMachine, arguments: list[str], status: int) -> None:
    done = machine.run("scripts/start_rl_system.sh", *arguments)
    assert done.returncode == status
    assert (done.stderr if status else done.stdout).startswith("usage: ")
    assert not machine.environment.exists()


@pytest.mark.parametrize("script", ["scripts/test.sh", ".ci/run"])
def test_the_checks_run_in_order_in_the_checkout_and_end_with_pytest(machine: BareMachine, script: str) -> None:
    machine.extra["CI"] = "true"
    arguments = ["-k", "a or b"] if script.endswith(".sh") else []
    done = machine.run(script, *arguments)
    assert done.returncode == 0
    *checks, tests = machine.notes[-4:]
    assert checks == ["ruff check", "mypy", "importlinter"]
    covered = "--cov=contract --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100"
    assert tests == f"pytest -n 2 {' '.join(arguments) or covered}"
    *steps, summary = done.stdout.splitlines()
    assert [line.split()[:2] for line in steps] == [["lint", "passed"], ["types", "passed"], ["layers", "passed"]]
    assert summary == f"pytest has spoken in {machine.checkout}"


def test_the_first_check_that_fails_is_the_last(machine: BareMachine) -> None:
    (machine.home / "mypy_fails").touch()
    done = machine.run("scripts/test.sh")
    assert done.returncode == 1
    assert machine.notes[-1] == "mypy"
    assert f"mypy has spoken in {machine.checkout}" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("test.sh: types failed after ")


def test_the_status_of_pytest_is_the_status_of_all(machine: BareMachine) -> None:
    (machine.home / "pytest_fails").touch()
    assert machine.run("scripts/test.sh").returncode == 3


def test_a_closed_stdin(machine: BareMachine) -> None:
    closed = machine.home / "closed.sh"
    closed.write_text(f'exec bash "{machine.checkout}/scripts/test.sh" <&-\n')
    assert machine.run("../closed.sh").returncode == 0
