from pathlib import Path

import pytest

from console.logs import _since, last_entries, merged
from console.main import main
from contract.daemon import DONE, NOTHING_TO_DO
from contract.system import OperatingSystem

TRAINER = """\
2026-01-31T08:00:00Z INFO trainer started
2026-01-31T08:00:02Z ERROR trainer unexpected error
Traceback (most recent call last):
RuntimeError: a mistake of ours
"""
BRIDGE = "2026-01-31T08:00:01Z INFO bridge started\n2026-01-31T08:00:03Z INFO bridge \x1b[2Jstopped\n"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    place = tmp_path / "logs"
    place.mkdir()
    (place / "trainer.log").write_text(TRAINER)
    (place / "bridge.log").write_text(BRIDGE)
    return place


def test_lines_stand_in_the_order_in_which_they_were_said(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(logs.parent), "logs"]) == DONE
    said = capsys.readouterr().out.splitlines()
    last_words = [line.rpartition(" ")[2] for line in said]
    assert last_words == ["started", "started", "error", "last):", "ours", r"\x1b[2Jstopped"]


def test_of_one_program_the_last_lines(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(logs.parent), "logs", "bridge", "-n", "1"])
    assert capsys.readouterr().out == "2026-01-31T08:00:03Z INFO bridge \\x1b[2Jstopped\n"


def test_of_what_there_is_no_log_it_says_of_what_there_is(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(logs.parent), "logs", "../logs/bridge"]) == NOTHING_TO_DO
    said = capsys.readouterr().out
    assert said.endswith(f"there is no log of ../logs/bridge below {logs}, but of bridge, trainer\n")


def test_a_beginning_without_a_time_stays_with_its_file() -> None:
    assert list(merged([["  the rest", "2026-01-31T08:00:00Z a"], ["2026-01-31T07:00:00Z b"]])) == [
        "  the rest",
        "2026-01-31T07:00:00Z b",
        "2026-01-31T08:00:00Z a",
    ]


def test_no_lines_are_none(logs: Path) -> None:
    assert last_entries(OperatingSystem(), logs / "bridge.log", 0) == []


def test_what_is_added_is_followed_also_after_a_rotation(logs: Path) -> None:
    system, file = OperatingSystem(), logs / "bridge.log"
    end = file.stat().st_size
    assert _since(system, file, end) == ("", end)
    with file.open("a") as log:
        log.write("more\n")
    assert _since(system, file, end) == ("more\n", end + 5)
    file.write_text("anew\n")
    assert _since(system, file, end + 5) == ("anew\n", 5)
    file.unlink()
    assert _since(system, file, 5) == ("", 5)
