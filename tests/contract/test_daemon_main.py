import argparse
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract import daemon as daemon_module
from contract.daemon import (
    BAD_USAGE,
    DONE,
    FAILED,
    NOTHING_TO_DO,
    Context,
    Daemon,
    Signals,
    Status,
    add_common_options,
    catch_signals,
    main,
)
from contract.schema.names import Root


@pytest.fixture
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests share their process with the test runner, whose signals are its own."""
    monkeypatch.setattr(daemon_module, "catch_signals", lambda signals: None)


class Lab:
    """A small daemon, and what it was asked."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []
        self.status = Status("nothing new", exit_code=NOTHING_TO_DO)

    def run_once(self, context: Context) -> Status:
        self.contexts.append(context)
        context.log.info("looked")
        context.log.debug("closely")
        return self.status

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cap", type=float, default=0.3)

    def main(self, *arguments: str) -> int:
        return main(
            Daemon(
                name="lab",
                summary="Looks.",
                begin=lambda context: self.run_once,
                watches=lambda root: (),
                interval_s=lambda config: 60.0,
                add_options=self.add_options,
                settings=lambda options: {"bounds.cap": options.cap},
            ),
            arguments,
        )


@pytest.fixture
def lab(no_signals: None) -> Lab:
    return Lab()


def test_the_command_line_reaches_the_run(lab: Lab, tmp_path: Path) -> None:
    assert lab.main("--root", str(tmp_path), "--once", "--cap", "0.5", "--json") == NOTHING_TO_DO
    (context,) = lab.contexts
    assert context.root == Root(tmp_path)
    assert context.config.bounds.cap == 0.5
    assert context.options.json is True


def test_the_root_may_come_from_the_environment(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLER_ROOT", str(tmp_path))
    lab.main("--once")
    assert lab.contexts[0].root == Root(tmp_path)


@pytest.mark.parametrize(("flags", "said"), [((), ["looked"]), (("-v",), ["looked", "closely"])])
def test_the_log_is_kept_below_the_root(lab: Lab, tmp_path: Path, flags: tuple[str, ...], said: list[str]) -> None:
    lab.main("--root", str(tmp_path), "--once", *flags)
    assert [line.split()[-1] for line in Root(tmp_path).log("lab").read_text().splitlines()] == said


def test_bad_usage_is_bad_usage(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        lab.main("--no-such-flag")
    assert caught.value.code == BAD_USAGE
    assert "--no-such-flag" in capsys.readouterr().err


def test_help_names_every_flag(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        lab.main("--help")
    assert caught.value.code == DONE
    told = capsys.readouterr().out
    assert all(flag in told for flag in ("Looks.", "--root", "--json", "--verbose", "--once", "--cap"))


def wrong_setting(root: Root) -> None:
    root.config.write_text("bounds: {cup: 1}")


def no_place(root: Root) -> None:
    root.runtime.write_text("")


@pytest.mark.parametrize("trouble", [wrong_setting, no_place])
@pytest.mark.parametrize("flags", [(), ("-v",), ("-vv",)])
def test_what_keeps_it_from_starting_is_one_line_and_a_traceback_only_if_asked_for(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: Any, flags: tuple[str, ...]
) -> None:
    trouble(Root(tmp_path))
    assert lab.main("--root", str(tmp_path), "--once", *flags) == FAILED
    *before, last = capsys.readouterr().err.splitlines()
    assert last.startswith("lab: ")
    assert (before[:1] == ["Traceback (most recent call last):"]) == (flags == ("-vv",))
    assert bool(before) == (flags == ("-vv",))
    assert lab.contexts == []


# Signals.


@pytest.fixture
def caught() -> Iterator[Signals]:
    """This process catches them as a daemon does, and afterwards as before."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    signals = Signals()
    catch_signals(signals)
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)
    os.close(signal.set_wakeup_fd(-1))  # the listening thread hears the end of the pipe, and ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_two_signals_end_it(caught: Signals, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert caught.wake.wait(timeout=10)
    assert caught.stop.is_set() and not caught.reload.is_set()


def test_one_signal_makes_it_read_its_settings_again(caught: Signals) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    assert caught.wake.wait(timeout=10)
    assert caught.reload.is_set() and not caught.stop.is_set()


def test_a_signal_after_another_is_heard(caught: Signals) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    assert caught.reload.wait(timeout=10)
    os.kill(os.getpid(), signal.SIGTERM)
    assert caught.stop.wait(timeout=10)


def test_a_signal_that_another_thread_is_given_is_heard(caught: Signals) -> None:
    """As where numpy has started threads before us: the system picks any thread that does not refuse."""
    resting = threading.Event()
    thread = threading.Thread(target=resting.wait)
    thread.start()
    try:
        assert thread.ident is not None
        signal.pthread_kill(thread.ident, signal.SIGTERM)
        assert caught.stop.wait(timeout=10)
    finally:
        resting.set()
        thread.join()


class Witness(threading.Event):
    """Notes whether another event was set before it."""

    def __init__(self, others: Iterator[threading.Event]) -> None:
        super().__init__()
        self.others = others
        self.order: list[bool] = []

    def set(self) -> None:
        self.order.append(next(self.others).is_set())
        super().set()


def test_the_wake_comes_last() -> None:
    signals = Signals()
    signals.wake = Witness(iter([signals.reload, signals.stop]))
    signals.read_settings_again()
    signals.end()
    assert signals.wake.order == [True, True]


# Options that every command takes.


def test_a_subcommand_does_not_forget_what_came_before_it() -> None:
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    add_common_options(parser.add_subparsers().add_parser("status"), again=True)
    assert vars(parser.parse_args(["status"])) == {"root": None, "json": False, "verbose": 0}
    before = vars(parser.parse_args(["--root", "x", "--json", "-vv", "status"]))
    after = vars(parser.parse_args(["status", "--root", "x", "--json", "-vv"]))
    assert before == after == {"root": Path("x"), "json": True, "verbose": 2}
