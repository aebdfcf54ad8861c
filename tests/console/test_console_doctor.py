import importlib.util
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

import pytest

from console import doctor
from console.doctor import NEEDED, OK, WARNING, WRONG, Finding, examine
from console.main import main
from contract.daemon import DONE, FAILED
from contract.files import publish
from contract.pulse import ALIVE, DEAD, Pulse
from contract.schema.fields import by_name
from contract.schema.names import STRATEGIES, Root
from contract.schema.risk import ResumeRequest, encode_resume_request
from contract.schema.weights import ACTIVE, HALTED, Allocations, Risk, encode_allocations
from contract.system import OperatingSystem


@pytest.fixture(autouse=True)
def whole_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which everything is installed, whatever this one has."""
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)
    installed(monkeypatch, *NEEDED, "torch")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "it's a root")


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    found = ModuleSpec("any", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found if name in names else None)


def findings(root: Root) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(OperatingSystem(), root)}


def test_a_new_root_is_healthy(root: Root) -> None:
    found = findings(root)
    assert {finding.verdict for finding in found.values()} == {OK}
    assert not any(finding.remedy for finding in found.values())
    for name in ("state", "runtime", "locks", "logs"):
        assert found[name].detail.endswith("will be made when it is needed")


def test_a_root_in_use_is_healthy(root: Root) -> None:
    for directory in (root.state, root.locks, root.logs):
        directory.mkdir(parents=True)
    root.config.write_text("bounds: {cap: 0.5}")
    found = findings(root)
    assert {finding.verdict for finding in found.values()} == {OK}
    assert found["state"].detail == f"{root.state} is writable"
    assert "1 of them not the default" in found["settings"].detail


# What can be wrong, each with what mends it.


def test_a_missing_package_is_named(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *(name for name in NEEDED if name != "watchdog"), "torch")
    found = findings(root)["packages"]
    assert (found.verdict, found.detail) == (WRONG, "missing: watchdog")
    assert "scripts/start_rl_system.sh" in found.remedy


def test_everything_works_without_torch(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *NEEDED)
    found = findings(root)["torch"]
    assert found.verdict == WARNING
    assert "TILLER_NO_TORCH" in found.remedy


def unknown_key(root: Root) -> None:
    root.path.mkdir()
    root.config.write_text("bounds: {cup: 1}")


def its_own_link(root: Root) -> None:
    root.path.mkdir()
    root.config.symlink_to(root.config)


def a_directory(root: Root) -> None:
    root.config.mkdir(parents=True)


@pytest.mark.parametrize("breaks", [unknown_key, its_own_link, a_directory])
def test_broken_settings_are_a_finding_and_not_the_end(root: Root, breaks: Callable[[Root], None]) -> None:
    breaks(root)
    found = findings(root)
    assert found["settings"].verdict == WRONG
    assert str(root.config) in found["settings"].detail
    assert found["settings"].remedy
    assert found["disk"].verdict == OK


def test_a_broken_variable_is_named(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLER__BOUNDS__CAP", "7")
    found = findings(root)["settings"]
    assert found == Finding(
        "settings", WRONG, "TILLER__BOUNDS__CAP: bounds.cap is 7.0", "a number from 1/8 to 1 was expected"
    )


def test_a_directory_open_to_all_is_mended_by_its_remedy(root: Root) -> None:
    root.state.mkdir(parents=True)
    root.state.chmod(0o777)
    found = findings(root)["state"]
    assert (found.verdict, found.detail) == (WRONG, f"anyone may write to {root.state}")
    subprocess.run(["sh", "-c", found.remedy], check=True)
    assert findings(root)["state"].verdict == OK


def test_a_directory_that_is_not_ours_is_mended_by_its_remedy(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.logs.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != root.logs)
    found = findings(root)["logs"]
    assert (found.verdict, found.detail) == (WRONG, f"{root.logs} is not writable")
    assert found.remedy.startswith("chown -R $(id -un) ")
    subprocess.run(["sh", "-c", found.remedy], check=True)


def test_a_place_where_nothing_can_be_made(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.path.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != root.path)
    found = findings(root)["state"]
    assert (found.verdict, found.detail) == (WRONG, f"{root.path} is not writable")


def a_file(path: Path) -> None:
    path.write_text("")


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [a_file, a_dangling_link])
@pytest.mark.parametrize("where", ["state", "root"])
def test_something_else_in_the_place_of_a_directory(root: Root, make: Callable[[Path], None], where: str) -> None:
    place = root.path if where == "root" else root.state
    place.parent.mkdir(exist_ok=True)
    make(place)
    found = findings(root)["state"]
    assert (found.verdict, found.detail) == (WRONG, f"{place} is not a directory")
    assert found.remedy.startswith("move ")


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(("free", "verdict"), [(199 << 20, WRONG), (200 << 20, OK)])
def test_a_disk_that_is_nearly_full(root: Root, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    found = findings(root)["disk"]
    assert (found.verdict, found.detail) == (verdict, f"{free >> 20} MiB are free")
    assert bool(found.remedy) == (verdict == WRONG)


@pytest.mark.parametrize(
    ("text", "verdict", "detail"),
    [
        ("99\n", WARNING, "inotify allows 99"),
        ("8192\n", OK, "inotify allows 8,192"),
        ("many\n", OK, "no inotify here: files are looked at by the clock"),
        (None, OK, "no inotify here: files are looked at by the clock"),
    ],
)
def test_how_many_watches_there_may_be(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, verdict: str, detail: str
) -> None:
    limit = tmp_path / "max_user_watches"
    if text is not None:
        limit.write_text(text)
    monkeypatch.setattr(doctor, "Path", lambda path: limit)
    found = findings(root)["watches"]
    assert (found.verdict, found.detail) == (verdict, detail)
    assert bool(found.remedy) == (verdict == WARNING)


def test_a_file_that_the_bot_prefers_to_ours(root: Root) -> None:
    root.runtime.mkdir(parents=True)
    root.allocations_symbols.write_text("{}")
    found = findings(root)["rivals"]
    assert found.verdict == WARNING
    assert "allocations_symbols.json beats allocations_override.json" in found.detail
    assert str(root.allocations_symbols).replace("'", "'\"'\"'") in found.remedy


def tell(root: Root, state: str, reason: str) -> None:
    equal = (1 / len(STRATEGIES),) * len(STRATEGIES)
    now = datetime.now(UTC)
    told = Allocations(by_name(equal), "equal_weight", now, None, Risk(state, 0.0, reason), equal)
    publish(OperatingSystem(), root.allocations, encode_allocations(told))


def test_a_halt_stops_no_bot_of_the_ancestors(root: Root) -> None:
    tell(root, HALTED, "drawdown")
    found = findings(root)["egress"]
    assert (found.verdict, found.detail) == (WARNING, "HALTED: drawdown")
    assert found.remedy.startswith("stop the ancestor's bot") and "tiller resume" in found.remedy
    root.halt.write_text("lunch")
    assert f"rm {shlex.quote(str(root.halt))}" in findings(root)["egress"].remedy
    tell(root, ACTIVE, "")
    assert findings(root)["egress"] == Finding("egress", OK, "equal_weight, ACTIVE")


def test_what_another_writes_to_the_bot_is_a_finding(root: Root) -> None:
    root.runtime.mkdir(parents=True)
    root.allocations.write_text('{"allocations": {"SPY": 1}}')
    found = findings(root)["egress"]
    assert found.verdict == WARNING and "risk is missing" in found.detail


@pytest.mark.parametrize(("alive", "said"), [(True, "waits for the cooldown"), (False, "no bridge is there")])
def test_a_request_that_nobody_took(root: Root, monkeypatch: pytest.MonkeyPatch, alive: bool, said: str) -> None:
    request = ResumeRequest(datetime.now(UTC), "looked at it")
    publish(OperatingSystem(), root.resume, encode_resume_request(request))
    monkeypatch.setattr(doctor, "feel", lambda system, root, name: Pulse(name, ALIVE if alive else DEAD))
    found = findings(root)["resume"]
    assert found.verdict == WARNING and said in found.detail and found.remedy


def test_a_request_that_cannot_be_read(root: Root) -> None:
    root.runtime.mkdir(parents=True)
    root.resume.write_text("please")
    found = findings(root)["resume"]
    assert found.verdict == WARNING and "resume.json" in found.remedy


# What the command makes of it.


def test_warnings_are_no_failure(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *NEEDED)
    assert main(["doctor", "--root", str(root.path)]) == DONE


def test_what_is_wrong_is_a_failure_with_its_remedy_below_it(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root.state.mkdir(parents=True)
    root.state.chmod(0o777)
    assert main(["doctor", "--root", str(root.path)]) == FAILED
    lines = capsys.readouterr().out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("wrong")]
    assert lines[at].split(maxsplit=2) == ["wrong", "state", f"anyone may write to {root.state}"]
    assert lines[at + 1].split(maxsplit=2)[:2] == ["->", "chmod"]
    assert sum(line.startswith(("ok", "warning")) for line in lines) == len(lines) - 2


def test_the_same_for_machines(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    unknown_key(root)
    assert main(["doctor", "--json", "--root", str(root.path)]) == FAILED
    told = {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert told["settings"] == {
        "subject": "settings",
        "verdict": "wrong",
        "detail": f"{root.config}: bounds.cup is no setting",
        "remedy": "did you mean bounds.cap?",
    }
    assert told["python"]["verdict"] == "ok"


def test_nothing_in_a_file_can_reach_the_terminal(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root.path.mkdir()
    root.config.write_text('"\\e[2J\\n": {}')
    assert main(["doctor", "--root", str(root.path)]) == FAILED
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert r"\x1b[2J\n is no setting" in out
