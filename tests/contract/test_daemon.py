import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from support.scripted_daemon import INTERVAL_S, ScriptedDaemon

from contract.daemon import CANDIDATE_REFUSED, DONE, FAILED, NOTHING_TO_DO, Context, Status
from contract.errors import BadInput, MustStop, RetryLater
from contract.schema.operations import DEGRADED, RUNNING, STOPPED
from contract.watch import POLL_S, RESCAN_S


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TILLER"):
            monkeypatch.delenv(name)


@pytest.fixture
def bridge(tmp_path: Path) -> ScriptedDaemon:
    return ScriptedDaemon(tmp_path)


# When it runs.


def test_it_runs_at_once_then_at_its_interval_until_it_is_told_to_end(bridge: ScriptedDaemon) -> None:
    bridge.ends_after(3)
    assert bridge.run() == DONE
    assert bridge.ran_at_s == [0.0, INTERVAL_S, 2 * INTERVAL_S]
    assert bridge.begun == 1
    assert bridge.said == [f"INFO started pid={os.getpid()} root={bridge.root.path}", "INFO stopped"]


def test_a_watched_file_that_changes_is_a_reason_to_run_at_once(bridge: ScriptedDaemon) -> None:
    def change() -> None:
        bridge.write(bridge.root.pnl_history, "timestamp,pnl\n")

    bridge.waits(change)
    assert bridge.run() == DONE
    assert bridge.ran_at_s == [0.0, RESCAN_S]  # the script's watches hear nothing


def test_a_run_may_choose_the_next_wait(bridge: ScriptedDaemon) -> None:
    bridge.outcomes = [Status("more to do", wait_s=0.0), Status("soon", wait_s=0.25)]
    bridge.ends_after(3)
    bridge.run()
    assert bridge.ran_at_s == [0.0, 0.0, 0.25]


def test_the_interval_is_asked_of_the_settings_in_force(bridge: ScriptedDaemon) -> None:
    bridge.daemon = replace(bridge.daemon, interval_s=lambda config: config.loop.backoff_s)
    bridge.write(bridge.root.config, "loop: {backoff_s: 7}")
    bridge.ends_after(2)
    bridge.run()
    assert bridge.ran_at_s == [0.0, 7.0]


def test_a_long_run_can_ask_whether_to_end_and_say_what_it_does(bridge: ScriptedDaemon) -> None:
    def long(context: Context) -> Status:
        assert not context.stopping()
        context.beat("epoch 1")
        first = bridge.heartbeat()
        context.beat("epoch 2")
        second = bridge.heartbeat()
        assert (first.message, second.message, second.state) == ("epoch 1", "epoch 2", RUNNING)
        assert second.sequence == first.sequence + 1
        bridge.signals.end()
        assert context.stopping()
        return Status("cut short")

    bridge.outcomes = [long]
    assert bridge.run() == DONE
    assert len(bridge.ran_at_s) == 1


# What becomes of an error.

ERRORS = [
    (RetryLater("disk full", hint="free some space"), "disk full (free some space)", "WARNING failed"),
    (BadInput("weights: the sum is 0"), "weights: the sum is 0", "WARNING failed"),
    (ZeroDivisionError("by\x1b[2J"), "unexpected ZeroDivisionError('by\\x1b[2J')", "ERROR unexpected error"),
]


@pytest.mark.parametrize(("error", "told", "said"), ERRORS, ids=["RetryLater", "BadInput", "unexpected"])
def test_an_error_degrades_the_daemon_and_the_next_run_mends_it(
    bridge: ScriptedDaemon, error: Exception, told: str, said: str
) -> None:
    bridge.outcomes = [error]
    bridge.waits(bridge.note_heartbeat, bridge.note_heartbeat)
    assert bridge.run() == DONE
    failed, mended = bridge.beats
    assert (failed.state, failed.message, failed.last_error) == (DEGRADED, "failed", told)
    assert (mended.state, mended.message, mended.last_error) == (RUNNING, "done", "")
    (line,) = [line for line in bridge.said if line.startswith(said)]
    assert line.isprintable()
    assert bridge.begun == 1


def test_the_back_off_doubles_up_to_its_limit_and_begins_anew_after_a_success(bridge: ScriptedDaemon) -> None:
    limits_s = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 40]
    bridge.outcomes = [*[RetryLater("full")] * len(limits_s), Status("done", wait_s=9.0), RetryLater("full")]
    bridge.ends_after(len(bridge.outcomes) + 1)
    bridge.run()
    waited_s = [after - before for before, after in pairwise(bridge.ran_at_s)]
    shares = [waited / limit for waited, limit in zip(waited_s, [*limits_s, 9.0, 1.0], strict=True)]
    assert shares[-2] == pytest.approx(1.0)
    assert all(0.499999 <= share <= 1.000001 for share in shares)
    assert len({round(share, 6) for share in shares}) > len(limits_s) // 2, "no jitter"


def test_trouble_that_a_run_lives_with_is_told(bridge: ScriptedDaemon) -> None:
    bridge.outcomes = [Status("published", wait_s=1.0, trouble="the optimizer is stale"), Status("published")]
    bridge.waits(bridge.note_heartbeat, bridge.note_heartbeat)
    bridge.run()
    told = [(beat.state, beat.message, beat.last_error) for beat in bridge.beats]
    assert told == [(DEGRADED, "published", "the optimizer is stale"), (RUNNING, "published", "")]


def test_what_only_an_operator_can_mend_ends_it(bridge: ScriptedDaemon) -> None:
    bridge.outcomes = [MustStop("a directory stands where a file belongs", hint="move it")]
    assert bridge.run() == FAILED
    assert bridge.said[1:] == ['ERROR cannot go on error="a directory stands where a file belongs (move it)"']
    last = bridge.heartbeat()
    assert (last.state, last.last_error) == (STOPPED, "a directory stands where a file belongs (move it)")
    assert bridge.is_unlocked()


def test_an_exit_passes_and_leaves_order(bridge: ScriptedDaemon) -> None:
    bridge.outcomes = [SystemExit(7)]
    with pytest.raises(SystemExit):
        bridge.run()
    assert bridge.heartbeat().state == STOPPED
    assert bridge.is_unlocked()


@pytest.mark.parametrize("error", [RetryLater("busy"), BadInput("torn"), ValueError("oops")])
def test_a_beginning_that_fails_is_tried_again(bridge: ScriptedDaemon, error: Exception) -> None:
    bridge.beginnings = [error, None]
    bridge.ends_after(1)
    assert bridge.run() == DONE
    assert bridge.begun == 2
    assert len(bridge.ran_at_s) == 1


def test_a_beginning_that_must_not_be_tried_again_ends_it(bridge: ScriptedDaemon) -> None:
    bridge.beginnings = [MustStop("no model")]
    assert bridge.run() == FAILED
    assert bridge.heartbeat().last_error == "no model"


# Once.


@pytest.mark.parametrize("code", [DONE, FAILED, NOTHING_TO_DO, CANDIDATE_REFUSED])
def test_once_ends_with_the_code_of_the_run(bridge: ScriptedDaemon, code: int) -> None:
    bridge.outcomes = [Status("done", exit_code=code)]
    assert bridge.run_once() == code
    assert len(bridge.ran_at_s) == 1
    assert bridge.heartbeat().state == STOPPED
    assert bridge.said == []


@pytest.mark.parametrize("error", [RetryLater("full"), BadInput("torn"), MustStop("wrong"), ValueError("oops")])
def test_once_fails_with_the_run(bridge: ScriptedDaemon, error: Exception) -> None:
    bridge.outcomes = [error]
    assert bridge.run_once() == FAILED
    assert len(bridge.said) == 1


def test_a_daemon_may_have_options_of_its_own_that_mean_once(bridge: ScriptedDaemon) -> None:
    bridge.daemon = replace(bridge.daemon, runs_once=lambda options: True)
    assert bridge.run() == DONE
    assert len(bridge.ran_at_s) == 1


# Settings.


def test_flags_beat_the_file(bridge: ScriptedDaemon) -> None:
    bridge.write(bridge.root.config, "bounds: {cap: 0.5, floor: 0.1}")
    bridge.daemon = replace(bridge.daemon, settings=lambda options: {"bounds.cap": 0.25})
    bridge.run_once()
    (context,) = bridge.contexts
    assert (context.config.bounds.cap, context.config.bounds.floor) == (0.25, 0.1)


def test_a_wrong_setting_at_the_start_is_refused(bridge: ScriptedDaemon) -> None:
    bridge.write(bridge.root.config, "bounds: {cup: 0.5}")
    with pytest.raises(BadInput, match=r"bounds\.cup is no setting"):
        bridge.run()
    assert bridge.begun == 0
    assert bridge.is_unlocked()


@pytest.mark.parametrize("way", ["the file changes", "SIGHUP"])
def test_settings_are_read_again(bridge: ScriptedDaemon, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def change() -> None:
        if way == "SIGHUP":
            monkeypatch.setenv("TILLER__BOUNDS__CAP", "0.5")
            bridge.signals.read_settings_again()
        else:
            bridge.write(bridge.root.config, "bounds: {cap: 0.5}")

    bridge.waits(change)
    bridge.run()
    assert [context.config.bounds.cap for context in bridge.contexts] == [0.35, 0.5]
    assert bridge.ran_at_s[1] == (0.0 if way == "SIGHUP" else RESCAN_S)
    assert "INFO settings changed" in bridge.said
    assert not bridge.signals.reload.is_set()


def test_settings_that_are_what_they_were_are_not_worth_a_word(bridge: ScriptedDaemon) -> None:
    bridge.waits(bridge.signals.read_settings_again)
    bridge.run()
    assert len(bridge.ran_at_s) == 2
    assert "INFO settings changed" not in bridge.said


def unknown(config: Path) -> None:
    config.write_text("bounds: {cup: 0.5}")


def torn(config: Path) -> None:
    config.write_text("bounds: {cap")


def its_own_link(config: Path) -> None:
    config.unlink()
    config.symlink_to(config)


def a_directory(config: Path) -> None:
    config.unlink()
    config.mkdir()


@pytest.mark.parametrize("breaks", [unknown, torn, its_own_link, a_directory])
def test_broken_settings_keep_those_in_force(bridge: ScriptedDaemon, breaks: Callable[[Path], None]) -> None:
    bridge.write(bridge.root.config, "bounds: {cap: 0.5}")
    bridge.waits(partial(breaks, bridge.root.config))
    assert bridge.run() == DONE
    assert [context.config.bounds.cap for context in bridge.contexts] == [0.5, 0.5]
    (line,) = [line for line in bridge.said if line.startswith("WARNING keeping the settings in force")]
    assert "config.yaml" in line


def test_polling_is_switched_with_the_settings(bridge: ScriptedDaemon) -> None:
    bridge.waits(lambda: bridge.write(bridge.root.config, "loop: {polling: true}"), lambda: None)
    bridge.run()
    assert bridge.system.waits_s == [RESCAN_S, POLL_S, POLL_S]
