"""`tiller resume`: what it asks for, and what the operator is told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.bridge_world import bridge, told, trade

from console.main import main
from contract.daemon import BAD_USAGE, DONE, FAILED, NOTHING_TO_DO
from contract.files import publish
from contract.schema.names import Root
from contract.schema.risk import Breaker, RiskState, Trip, encode_risk_state, parse_resume_request, parse_risk_event
from contract.system import OperatingSystem
from trading.risk import open_account


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    root.runtime.mkdir()
    return root


def trip(root: Root, at: datetime) -> None:
    tripped = Breaker(open_account(1000.0), Trip("drawdown", 0.3, 0.25, "drawdown 30% of 25%", at))
    publish(OperatingSystem(), root.risk_state, encode_risk_state(RiskState(tripped, None)))


def resume(root: Root, reason: str, *flags: str) -> int:
    return main(["resume", "--root", str(root.path), "--reason", reason, *flags])


def test_it_asks_and_says_when_it_takes_effect(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    trip(root, datetime.now(UTC))
    assert resume(root, " the feed was wrong ") == DONE
    asked, cooldown, running = capsys.readouterr().out.splitlines()
    assert asked == "asked the bridge to resume after: drawdown 30% of 25%"
    assert cooldown.startswith("the cooldown ends at 20")
    assert running == "no bridge is running: it takes effect when one does"
    assert parse_resume_request(root.resume.read_bytes(), root.resume).reason == "the feed was wrong"


def test_after_the_cooldown_it_takes_effect_at_once(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    trip(root, datetime.now(UTC) - timedelta(hours=1))
    assert resume(root, "looked at it") == DONE
    assert "cooldown" not in capsys.readouterr().out


def test_without_a_trip_there_is_nothing_to_ask_for(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root.halt.symlink_to("nowhere")
    assert resume(root, "just so", "--json") == NOTHING_TO_DO
    found = json.loads(capsys.readouterr().out)
    assert found["asked"] is False and len(found["said"]) == 2
    assert found["said"][1].endswith("halts as long as it exists: remove it")
    assert not root.resume.exists()


def test_a_lost_memory_can_be_resumed(root: Root) -> None:
    root.state.mkdir()
    root.risk_state.write_text("{")
    assert resume(root, "it was the disk") == DONE
    assert root.resume.exists()


def test_nothing_is_asked_for_of_which_not_all_can_be_told(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    trip(root, datetime.now(UTC))
    root.config.write_text("risk: {cooldown_s: never}")
    assert resume(root, "looked at it") == FAILED
    assert "risk.cooldown_s is 'never'" in capsys.readouterr().err
    assert not root.resume.exists()


def test_a_reason_is_needed(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    trip(root, datetime.now(UTC))
    for flags in (["--reason", " "], []):
        with pytest.raises(SystemExit) as caught:
            main(["resume", "--root", str(root.path), *flags])
        assert caught.value.code == BAD_USAGE
    assert not root.resume.exists()


def test_the_bridge_takes_it(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    with bridge(root, bridge__interval_s=0.1, risk__cooldown_s=0) as process:
        process.complains("bridge told .*risk=ACTIVE")
        trade(root, "2026-01-05T12:00:00Z", -600.0)
        process.complains("bridge told .*risk=HALTED")
        assert resume(root, "the feed was wrong") == DONE
        process.complains("bridge told .*risk=ACTIVE")
    assert told(root).risk.state == "ACTIVE" and not root.resume.exists()
    events = [parse_risk_event(line, root.risk_events) for line in root.risk_events.read_bytes().splitlines()]
    assert [(event.kind, event.rule) for event in events] == [("trip", "daily_loss"), ("resume", "daily_loss")]
    assert events[1].reason == "the feed was wrong"
