"""The check that an operator runs on an installed system."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai import test_rl_system as check
from contract.daemon import DONE, FAILED
from contract.schema.names import Root


def test_a_step_that_fails_says_so_and_ends_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked: list[Root] = []

    def look(root: Root) -> str:
        looked.append(root)
        return "it is not there"

    program = ("-c", "pass")
    steps = (check.Step("first", program, (DONE,), look), check.Step("second", program, (DONE,), look))
    monkeypatch.setattr(check, "STEPS", steps)
    assert check.main([]) == FAILED
    said = capsys.readouterr().out
    assert said.startswith("FAILED  first") and "it is not there" in said and "second" not in said
    assert len(looked) == 1 and not looked[0].path.exists()


def test_an_exit_status_that_is_not_allowed_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step = check.Step("first", ("-c", "import sys; sys.exit('no disk')"), (DONE,), lambda root: "")
    assert not check.passes(step, Root(tmp_path))
    assert "exit status 1" in (said := capsys.readouterr().out) and "no disk" in said


@pytest.mark.timeout(300)
def test_the_installed_system_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([]) == DONE, capsys.readouterr().out
    assert capsys.readouterr().out.count("ok ") == len(check.STEPS)
