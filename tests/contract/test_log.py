import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.only_on_linux import only_on_linux

from contract import log as log_module
from contract.log import KEPT_LOGS, LARGEST_LOG, Log, open_log

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


Opener = Callable[..., Log]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """`open_log`, and in the end everything is closed."""
    logs: list[Log] = []

    def open_another(name: str, file: Path | None, *, verbose: bool = False) -> Log:
        logs.append(open_log(name, file, verbose=verbose))
        return logs[-1]

    yield open_another
    for log in logs:
        log.close()


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_an_event_is_one_line_in_both_places(
    opened: Opener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "logs" / "bridge.log"
    log = opened("bridge", file)
    log.info("published", generation=7, cap=0.35000000001, source="rl", why="it is time", nothing="")
    (line,) = said(capsys)
    fields = 'published generation=7 cap=0.35 source=rl why="it is time" nothing=""'
    assert re.fullmatch(rf"{STAMP} INFO bridge {re.escape(fields)}", line)
    assert file.read_text() == f"{line}\n"


def test_each_level_says_its_name(opened: Opener, capsys: pytest.CaptureFixture[str]) -> None:
    log = opened("tracker", None, verbose=True)
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line.split()[1:] for line in said(capsys)] == [
        ["DEBUG", "tracker", "a"],
        ["INFO", "tracker", "b"],
        ["WARNING", "tracker", "c"],
        ["ERROR", "tracker", "d"],
    ]


def test_details_are_kept_for_who_asks(opened: Opener, capsys: pytest.CaptureFixture[str]) -> None:
    opened("tracker", None).debug("a")
    assert said(capsys) == []


def test_times_are_utc(
    opened: Opener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.time, "time", lambda: 1_769_846_400.0)  # type: ignore[attr-defined]
    opened("tracker", None).info("a")
    assert said(capsys) == ["2026-01-31T08:00:00Z INFO tracker a"]


def test_a_per_cent_sign_is_only_that(opened: Opener, capsys: pytest.CaptureFixture[str]) -> None:
    opened("tracker", None).info("at 5%s %d", share="100%")
    assert said(capsys)[0].endswith("at 5%s %d share=100%")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.characters()))
def test_whatever_a_field_holds_it_is_one_printable_line(text: str) -> None:
    records: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    logger = logging.Logger("any")
    logger.addHandler(Collect())
    Log(logger).info("read", row=text)
    (line,) = records
    assert line.isprintable()
    assert line.startswith("read row=")
    line.encode()


def test_a_crash_keeps_its_traceback_and_nothing_else_of_its_lines(
    opened: Opener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened("trainer", tmp_path / "trainer.log")
    try:
        raise ValueError("\x1b[2J forged\r2026-01-31 INFO all is well")
    except ValueError as error:
        log.crash(error)
    lines = said(capsys)
    assert lines[0].partition("ERROR trainer unexpected error error=")[2].startswith('"ValueError(')
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1].startswith(r"ValueError: \x1b[2J forged\r2026")
    assert all(line.isprintable() for line in lines)
    assert (tmp_path / "trainer.log").read_text().splitlines() == lines


def test_the_log_rotates_and_only_so_many_are_kept(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST_LOG == 5 << 20
    monkeypatch.setattr(log_module, "LARGEST_LOG", 2000)
    log = opened("lab", tmp_path / "lab.log")
    for i in range(200):
        log.info("run", number=i)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["lab.log", *(f"lab.log.{i}" for i in range(1, KEPT_LOGS + 1))]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    newest_last = [tmp_path / "lab.log.2", tmp_path / "lab.log.1", tmp_path / "lab.log"]
    numbers = [int(line.rpartition("=")[2]) for path in newest_last for line in path.read_text().splitlines()]
    assert numbers == list(range(numbers[0], 200))


def test_nothing_is_opened_before_there_is_something_to_say(opened: Opener, tmp_path: Path) -> None:
    opened("lab", tmp_path / "logs" / "lab.log")
    assert list(tmp_path.iterdir()) == []


def disk_full(file: Path) -> None:
    file.parent.mkdir()
    file.symlink_to("/dev/full")


def directory_is_a_file(file: Path) -> None:
    file.parent.write_text("")


def log_is_a_directory(file: Path) -> None:
    file.mkdir(parents=True)


def read_only(file: Path) -> None:
    file.parent.symlink_to("/proc/self")  # where nobody, not even root, can make a file


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(disk_full, marks=only_on_linux),
        pytest.param(read_only, marks=only_on_linux),
        directory_is_a_file,
        log_is_a_directory,
    ],
)
def test_a_log_that_cannot_be_written_does_not_stop_the_work(
    opened: Opener, tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: Callable[[Path], None]
) -> None:
    file = tmp_path / "logs" / "lab.log"
    trouble(file)
    log = opened("lab", file)
    log.info("first")
    log.info("second")
    assert [line.split()[-1] for line in said(capsys)] == ["first", "second"]


def test_a_log_is_written_again_when_it_can_be(opened: Opener, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "lab.log"
    directory_is_a_file(file)
    log = opened("lab", file)
    log.info("lost")
    file.parent.unlink()
    log.info("kept")
    assert [line.split()[-1] for line in file.read_text().splitlines()] == ["kept"]


def test_without_standard_error_the_file_still_gets_its_line(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    opened("lab", tmp_path / "lab.log").info("kept")
    assert (tmp_path / "lab.log").read_text().endswith("INFO lab kept\n")


def test_two_logs_do_not_speak_into_each_other(opened: Opener, tmp_path: Path) -> None:
    opened("lab", tmp_path / "lab.log").info("mine")
    opened("lab", tmp_path / "other.log").info("yours")
    assert "yours" not in (tmp_path / "lab.log").read_text()
