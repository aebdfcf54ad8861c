import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NamedTuple

import pytest
from support.policies_of_strength import model_with

from ai.model_store import publish_model
from console import doctor, machine
from console.doctor import examine
from console.findings import OK, WARNING, WRONG, Finding
from console.machine import NEEDED
from console.main import main
from contract import journal
from contract.daemon import DONE, FAILED
from contract.files import publish
from contract.pulse import ALIVE, DEAD, ENDED, Pulse
from contract.schema.fields import by_name
from contract.schema.names import STRATEGIES, Root
from contract.schema.operations import RUNNING, Heartbeat, JournalEntry, encode_heartbeat
from contract.schema.risk import ResumeRequest, encode_resume_request
from contract.schema.weights import (
    ACTIVE,
    HALTED,
    Allocations,
    Risk,
    RlWeights,
    encode_allocations,
    encode_rl_weights,
)
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
    for name in ("state", "rl_model", "runtime", "locks", "logs"):
        assert found[name].detail.endswith("will be made when it is needed")


def test_a_root_in_use_is_healthy(root: Root) -> None:
    for directory in (root.model, root.locks, root.logs):
        directory.mkdir(parents=True)
    root.locks.chmod(0o700)
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


@pytest.mark.parametrize(
    ("found", "verdict"), [("3.19.9", WRONG), ("3.20.3", OK), ("4.0", OK), ("3.20.3rc1", OK), (None, OK)]
)
def test_a_package_that_is_too_old_is_named(
    root: Root, monkeypatch: pytest.MonkeyPatch, found: str | None, verdict: str
) -> None:
    def version(package: str) -> str:
        if package != "filelock":
            return "9.9"
        if found is None:
            raise PackageNotFoundError
        return found

    monkeypatch.setattr(machine, "version", version)
    packages = findings(root)["packages"]
    assert packages.verdict == verdict
    assert f"filelock {found or 'of unknown version'}" in packages.detail
    assert bool(packages.remedy) == (verdict == WRONG)


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


def test_locks_that_others_may_look_into_are_mended_by_the_remedy(root: Root) -> None:
    root.locks.mkdir(parents=True, mode=0o755)
    found = findings(root)["locks"]
    assert (found.verdict, found.detail) == (WARNING, f"others may look into {root.locks}")
    subprocess.run(["sh", "-c", found.remedy], check=True)
    assert findings(root)["locks"].verdict == OK


def test_a_file_system_that_is_read_only_needs_another_remedy(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.state.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != root.state)
    monkeypatch.setattr(os, "statvfs", lambda path: FileSystem(os.ST_RDONLY, 10_000, 5_000))
    found = findings(root)["state"]
    assert (found.verdict, found.detail) == (WRONG, f"{root.state} is on a file system that is read-only")
    assert found.remedy.startswith("mount ")


@pytest.mark.parametrize(("mode", "who"), [(0o775, "a group"), (0o777, "anyone")])
def test_the_directory_of_the_models_is_closed_to_a_group_as_well(root: Root, mode: int, who: str) -> None:
    root.model.mkdir(parents=True)
    assert findings(root)["rl_model"].verdict == OK
    root.model.chmod(mode)
    found = findings(root)["rl_model"]
    assert (found.verdict, found.detail) == (WRONG, f"{who} may write to {root.model}")
    subprocess.run(["sh", "-c", found.remedy], check=True)
    assert findings(root)["rl_model"].verdict == OK


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


class FileSystem(NamedTuple):
    f_flag: int
    f_files: int
    f_favail: int
    f_frsize: int = 4096
    f_blocks: int = 1 << 20
    f_bfree: int = 1 << 20
    f_bavail: int = 1 << 20


@pytest.mark.parametrize(("free", "verdict"), [(199 << 20, WRONG), (200 << 20, OK)])
def test_a_disk_that_is_nearly_full(root: Root, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    found = findings(root)["disk"]
    assert (found.verdict, found.detail) == (verdict, f"{free >> 20} MiB are free")
    assert bool(found.remedy) == (verdict == WRONG)


@pytest.mark.parametrize(("files", "free", "verdict"), [(10_000, 999, WRONG), (10_000, 1000, OK), (0, 0, OK)])
def test_a_disk_that_takes_no_more_files(
    root: Root, monkeypatch: pytest.MonkeyPatch, files: int, free: int, verdict: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: FileSystem(0, files, free))
    found = findings(root)["disk"]
    assert found.verdict == verdict
    assert ("room for 999 further files" in found.detail) == (verdict == WRONG)


@pytest.mark.parametrize(
    ("watches", "instances", "verdict", "detail"),
    [
        ("99\n", "128\n", WARNING, "max_user_watches 99, max_user_instances 128"),
        ("8192\n", "15\n", WARNING, "max_user_watches 8,192, max_user_instances 15"),
        ("8192\n", "16\n", OK, "inotify allows max_user_watches 8,192, max_user_instances 16"),
        ("many\n", "128\n", OK, "inotify allows max_user_instances 128"),
        (None, None, OK, "no inotify here: files are looked at by the clock"),
    ],
)
def test_how_many_watches_there_may_be(
    root: Root,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    watches: str | None,
    instances: str | None,
    verdict: str,
    detail: str,
) -> None:
    for name, text in (("max_user_watches", watches), ("max_user_instances", instances)):
        if text is not None:
            (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "INOTIFY", tmp_path)
    found = findings(root)["watches"]
    assert found.verdict == verdict and detail in found.detail
    assert found.remedy.startswith("sysctl fs.inotify.") == (verdict == WARNING)


@pytest.mark.parametrize(("ahead_s", "verdict"), [(3600, WRONG), (30, OK), (-3600, OK)])
def test_a_clock_that_stands_behind_what_was_written(root: Root, ahead_s: int, verdict: str) -> None:
    root.state.mkdir(parents=True)
    root.pnl_history.write_text("")
    written = time.time() + ahead_s
    os.utime(root.pnl_history, (written, written))
    found = findings(root)["clock"]
    assert (found.verdict, "pnl_history.csv was written at" in found.detail) == (verdict, verdict == WRONG)
    assert ("timedatectl" in found.remedy) == (verdict == WRONG)


def test_a_heartbeat_from_the_future_is_the_clocks_fault_too(root: Root) -> None:
    beat = Heartbeat("bridge", os.getpid(), "boot", 1, datetime.now(UTC) + timedelta(hours=1), RUNNING, 30.0)
    publish(OperatingSystem(), root.heartbeat("bridge"), encode_heartbeat(beat))
    os.utime(root.heartbeat("bridge"))
    found = findings(root)["clock"]
    assert found.verdict == WRONG and "bridge.json was written at" in found.detail


def test_a_file_that_the_bot_prefers_to_ours(root: Root) -> None:
    root.runtime.mkdir(parents=True)
    root.allocations_symbols.write_text("{}")
    found = findings(root)["rivals"]
    assert found.verdict == WARNING
    assert "allocations_symbols.json beats allocations_override.json" in found.detail
    assert str(root.allocations_symbols).replace("'", "'\"'\"'") in found.remedy


EQUAL = (1 / len(STRATEGIES),) * len(STRATEGIES)


def tell(root: Root, state: str, reason: str, *, valid_s: float | None = None, generation: int = 1) -> None:
    now = datetime.now(UTC)
    until = None if valid_s is None else now + timedelta(seconds=valid_s)
    risk = Risk(state, 0.0, reason)
    told = Allocations(by_name(EQUAL), "equal_weight", now, until, risk, EQUAL, generation=generation)
    publish(OperatingSystem(), root.allocations, encode_allocations(told))


def decide(root: Root, weights: tuple[float, ...], generation: int = 1) -> None:
    """What the bridge notes before it tells the bot."""
    body = {"weights": by_name(weights)}
    journal.write(OperatingSystem(), root, JournalEntry("bridge", generation, datetime.now(UTC), body))


def test_what_the_bridge_did_not_decide_is_another_writers(root: Root) -> None:
    decide(root, EQUAL)
    tell(root, ACTIVE, "")
    assert findings(root)["rivals"].verdict == OK
    tell(root, ACTIVE, "", generation=2)
    assert findings(root)["rivals"].verdict == OK, "a journal that could not be written knows nothing of it"
    decide(root, (0.3, *EQUAL[1:-1], EQUAL[-1] - 0.3 + EQUAL[0]), generation=2)
    found = findings(root)["rivals"]
    assert found.verdict == WRONG and "somebody else writes it" in found.detail and found.remedy


@pytest.mark.parametrize(("alive", "verdict"), [(True, WRONG), (False, OK)])
def test_an_inference_that_is_not_ours(root: Root, monkeypatch: pytest.MonkeyPatch, alive: bool, verdict: str) -> None:
    """The ancestor's alone is a source like others; beside ours it undoes what ours says."""
    ancestors = RlWeights(EQUAL, datetime.now(UTC), None, True)
    publish(OperatingSystem(), root.rl_weights, encode_rl_weights(ancestors))
    monkeypatch.setattr(doctor, "feel", lambda system, root, name: Pulse(name, ALIVE if alive else DEAD))
    assert findings(root)["rivals"].verdict == verdict


@pytest.mark.parametrize(("state", "verdict"), [(DEAD, WRONG), (ENDED, WARNING)])
def test_what_nobody_renews(root: Root, monkeypatch: pytest.MonkeyPatch, state: str, verdict: str) -> None:
    tell(root, ACTIVE, "", valid_s=-1.0)
    monkeypatch.setattr(doctor, "feel", lambda system, root, name: Pulse(name, state))
    found = findings(root)["egress"]
    assert found.verdict == verdict and "nobody renews it" in found.detail and "tiller start" in found.remedy


def test_a_model_that_is_damaged_is_mended_by_its_remedy(root: Root) -> None:
    system = OperatingSystem()
    for strength in (1.25, 1.5, 1.75):
        publish_model(system, root, model_with(strength), {}, system.now(), 0)
    assert findings(root)["model"] == Finding("model", OK, "generation 3 is whole")
    root.generation(3).write_bytes(b"damaged")
    root.generation(2).unlink()
    found = findings(root)["model"]
    assert found.verdict == WRONG and "is not the checkpoint that its manifest names" in found.detail
    assert found.remedy.startswith("tiller rollback 1 --root ")
    tillers = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", found.remedy], check=True, env=os.environ | tillers, stdout=subprocess.DEVNULL)
    assert findings(root)["model"].detail == "generation 1 is whole"


def test_no_rollback_mends_a_directory_that_others_may_write_to(root: Root) -> None:
    publish_model(OperatingSystem(), root, model_with(1.5), {}, datetime.now(UTC), 0)
    root.model.chmod(0o777)
    found = findings(root)
    assert found["model"].verdict == WRONG and "tiller rollback" not in found["model"].remedy
    assert found["rl_model"].remedy.startswith("chmod go-w ")


@pytest.mark.parametrize(
    ("name", "path", "remedy"),
    [
        ("trust", Root.trust, "begins anew, at one half"),
        ("trainings", Root.training_log, "the next training is then the first"),
        ("published", Root.weight_history, "the live days go on"),
        ("breaker", Root.risk_state, "tiller resume --reason"),
    ],
)
def test_a_memory_that_cannot_be_read(root: Root, name: str, path: property, remedy: str) -> None:
    assert path.fget is not None
    place: Path = path.fget(root)
    place.parent.mkdir(parents=True)
    place.write_text("half of it")
    found = findings(root)[name]
    assert found.verdict == WRONG and str(place) in found.detail and remedy in found.remedy


def test_a_memory_that_is_only_out_of_reach_is_not_to_be_given_up(root: Root) -> None:
    root.trust.parent.mkdir(parents=True)
    root.trust.symlink_to(root.trust)
    found = findings(root)["trust"]
    assert found.verdict == WRONG and "Too many levels" in found.detail
    assert "away" not in found.remedy and "backup" not in found.remedy and found.remedy


def test_rows_that_could_not_be_read_are_counted(root: Root) -> None:
    root.state.mkdir(parents=True)
    root.quarantine.write_text("file,offset,reason,row\npnl_history.csv,99,pnl is no number,x\n")
    found = findings(root)["rows"]
    assert found.verdict == WARNING and found.detail.endswith("count for nothing: 1")
    assert "quarantine.csv" in found.remedy


def test_a_history_that_may_not_be_read(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.state.mkdir(parents=True)
    root.pnl_history.write_text("date,pnl\n")
    assert findings(root)["history"] == Finding("history", OK, "pnl_history.csv 9 bytes")
    monkeypatch.setattr(os, "access", lambda path, mode: path != root.pnl_history)
    found = findings(root)["history"]
    assert found.verdict == WRONG and "chmod o+r" in found.remedy


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
