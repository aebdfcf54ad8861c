import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from support.only_on_linux import only_on_linux

from console import main as console
from console import show_config
from console.main import COMMANDS, main
from contract.daemon import BAD_USAGE, DONE, FAILED
from contract.errors import BadInput
from contract.schema.names import CHECKOUT, Root

TILLER = [sys.executable, "-c", "from console.main import main; raise SystemExit(main())"]


def tiller(
    *arguments: str | bytes, shell: str = 'exec "$@"', environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, as `"$@"` of a line of shell."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    return subprocess.run(
        ["sh", "-c", shell, "sh", *TILLER, *arguments],
        capture_output=True,
        cwd=CHECKOUT,
        env=inherited | (environment or {}),
        timeout=50,
    )


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], int]], None]:
    """Puts a function in the place of what `tiller show-config` does."""
    return lambda run: monkeypatch.setattr(show_config, "run", run)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == DONE
    assert capsys.readouterr().out.startswith("tiller ")


def test_the_version_is_the_installed_one_where_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "version", lambda name: "1.2.3")
    assert console._version() == "1.2.3"

    def missing(name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(console, "version", missing)
    assert "checkout" in console._version()


def test_without_a_command_it_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == BAD_USAGE
    told = capsys.readouterr().out
    assert all(name in told and module.SUMMARY.split()[0] in told for name, module in COMMANDS.items())


def test_an_unknown_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["stats"])
    assert caught.value.code == BAD_USAGE
    assert "'stats'" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == DONE
    told = " ".join(capsys.readouterr().out.split())
    assert COMMANDS[name].SUMMARY in told
    assert "--root" in told and "--json" in told and "--verbose" in told


def test_common_options_may_stand_before_and_behind_the_command(
    tmp_path: Path, command: Callable[[Callable[[argparse.Namespace], int]], None]
) -> None:
    seen = []
    command(lambda options: seen.append((options.root, options.json, options.verbose)) or 0)  # type: ignore[func-returns-value]
    main(["--root", str(tmp_path), "--json", "-vv", "show-config"])
    main(["show-config", "--root", str(tmp_path), "--json", "-vv"])
    assert seen == [(tmp_path, True, 2)] * 2


# Errors.


def fail(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize("error", [BadInput("weights: \x1b[2J\nwrong", hint="mend them"), PermissionError(13, "no")])
@pytest.mark.parametrize("flags", [[], ["-v"], ["-vv"]])
def test_an_error_is_one_line_and_a_traceback_only_if_asked_for(
    capsys: pytest.CaptureFixture[str],
    command: Callable[[Callable[[argparse.Namespace], int]], None],
    error: Exception,
    flags: list[str],
) -> None:
    command(fail(error))
    assert main([*flags, "show-config"]) == FAILED
    *before, last = capsys.readouterr().err.splitlines()
    assert last == f"tiller: {error}"
    assert last.isprintable()
    assert before[:1] == (["Traceback (most recent call last):"] if flags == ["-vv"] else [])


def test_an_interruption_leaves_quietly(
    capsys: pytest.CaptureFixture[str], command: Callable[[Callable[[argparse.Namespace], int]], None]
) -> None:
    command(fail(KeyboardInterrupt()))
    assert main(["show-config"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_broken_setting_is_one_line(tmp_path: Path) -> None:
    Root(tmp_path).config.write_text("bounds: {cup: 1}")
    run = tiller("--root", str(tmp_path), "show-config")
    assert (run.returncode, run.stdout) == (FAILED, b"")
    (line,) = run.stderr.decode().splitlines()
    assert line.startswith(f"tiller: {tmp_path}/config.yaml: bounds.cup is no setting")


# Where the output goes.


def test_who_has_read_enough_may_leave(tmp_path: Path) -> None:
    run = tiller("--root", str(tmp_path), "show-config", shell='"$@" | head -1')
    assert run.stdout.decode().split() == ["root", str(tmp_path)]
    assert run.stderr == b""


@pytest.mark.parametrize("arguments", [("show-config",), ("--help",), ("--version",), ()], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "from the start"])
def test_nobody_reads(arguments: tuple[str, ...], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        run = subprocess.run(
            [*TILLER, *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            timeout=50,
        )
    assert run.stderr == b""
    assert run.returncode == FAILED or unbuffered  # argparse, printing by itself, passes over what it cannot print


@only_on_linux
def test_the_disk_is_full(tmp_path: Path) -> None:
    run = tiller("--root", str(tmp_path), "show-config", shell='exec "$@" > /dev/full')
    assert (run.returncode, run.stderr) == (FAILED, b"tiller: [Errno 28] No space left on device\n")


def test_there_is_no_output_at_all(tmp_path: Path) -> None:
    run = tiller("--root", str(tmp_path), "show-config", shell='exec "$@" >&-')
    assert (run.returncode, run.stderr) == (DONE, b"")


@pytest.mark.parametrize("arguments", [("show-config",), ("status",), ("doctor",), ("status", "--json")], ids=" ".join)
def test_whatever_the_root_is_called_it_can_be_shown(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    root = os.fsencode(tmp_path) + b"/\xff\x1b[2J\xc3\xa9"
    Path(os.fsdecode(root)).mkdir()
    run = tiller("--root", root, *arguments, environment={"PYTHONIOENCODING": "ascii"})
    assert run.returncode == DONE
    assert run.stderr == b""
    assert all(line.isprintable() for line in run.stdout.decode("ascii").splitlines())
