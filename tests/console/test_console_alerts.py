"""Alerts: what there is to tell, and a webhook that fails, hangs and recovers."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.processes import END_S, Running
from support.scripted_waits import START, ScriptedWaits
from support.webhook import HANGS, REFUSES, TAKES, Webhook

from console.alerts import LONGEST_WAIT_S, MOST_WAITING, Messenger, alerts, seen_in
from console.snapshot import take
from contract.config import Alerts, Config
from contract.daemon import Context
from contract.files import publish, read_record
from contract.log import open_log
from contract.schema.alerts import EVENTS, Seen, encode_alerts_state, parse_alerts_state
from contract.schema.alerts import AlertsState as State
from contract.schema.model import PROMOTED, REFUSED, Training, TrainingLog, encode_training_log
from contract.schema.names import CHECKOUT, EQUAL_WEIGHT, RL_INFERENCE, STRATEGIES, Root
from contract.schema.operations import RUNNING, Heartbeat, encode_heartbeat
from contract.schema.supervision import Wanted, encode_wanted
from contract.schema.weights import ACTIVE, HALTED, Allocations, Risk, encode_allocations
from contract.system import OperatingSystem

EQUAL = (1 / len(STRATEGIES),) * len(STRATEGIES)
TOLD = Allocations(
    allocations=dict(zip(STRATEGIES, EQUAL, strict=True)),
    source=RL_INFERENCE,
    timestamp=START,
    valid_until=START + timedelta(minutes=10),
    risk=Risk(ACTIVE, 1.0, ""),
    strategy_allocations=EQUAL,
)
TRAINED = Training(START, REFUSED, None, 10, 1.0, 0, 1.0, 50, 500, reason="not shown to be better")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


class Bench:
    """A messenger that looks when it is told to, on a clock that stands still."""

    def __init__(self, root: Root, settings: Alerts) -> None:
        self.root, self.system = root, ScriptedWaits()
        log = open_log("alerts", None)
        options = argparse.Namespace(trial=False)
        self.context = Context(root, Config(alerts=settings), self.system, log, options)
        self.messenger = Messenger(self.context)

    def look(self) -> str:
        return self.messenger(self.context).trouble

    def tell(self, told: Allocations) -> None:
        publish(self.system, self.root.allocations, encode_allocations(told))

    @property
    def waiting(self) -> list[str]:
        state = read_record(self.system, self.root.alerts, parse_alerts_state)
        return [alert.message for alert in state.waiting] if state else []


def found(root: Root, before: Seen) -> list[tuple[str, str]]:
    snapshot = take(ScriptedWaits(), root)
    return [(alert.event, alert.message) for alert in alerts(before, seen_in(snapshot, before), snapshot)]


# What there is to tell.


def test_whoever_looks_for_the_first_time_tells_nothing(root: Root) -> None:
    publish(OperatingSystem(), root.allocations, encode_allocations(replace(TOLD, risk=Risk(HALTED, 0.0, "x"))))
    publish(OperatingSystem(), root.training_log, encode_training_log(TrainingLog((TRAINED,))))
    assert found(root, Seen()) == []


def test_another_source_and_another_state_of_the_breaker(root: Root) -> None:
    before = seen_in(take(ScriptedWaits(), root), Seen(source=RL_INFERENCE, risk=ACTIVE))
    told = replace(TOLD, source=EQUAL_WEIGHT, risk=Risk(HALTED, 0.0, "daily loss 6%"))
    publish(OperatingSystem(), root.allocations, encode_allocations(told))
    assert found(root, before) == [
        ("source_changed", "the bot is told by equal_weight, and was by rl_inference"),
        ("breaker_changed", "the circuit breaker is HALTED, and was ACTIVE: daily loss 6%"),
    ]


def test_a_model_that_was_refused_and_one_that_was_promoted(root: Root) -> None:
    promoted = replace(TRAINED, outcome=PROMOTED, generation=1)
    publish(OperatingSystem(), root.training_log, encode_training_log(TrainingLog((TRAINED, TRAINED, promoted))))
    before = Seen(source=RL_INFERENCE, generation=3, trainings=1, unwell={})
    assert found(root, before) == [
        ("model_examined", "generation 0 is in service, in the place of 3"),
        ("model_examined", "a training was refused: not shown to be better"),
    ]


def test_a_program_that_is_gone_and_comes_back(root: Root) -> None:
    system = ScriptedWaits()
    beat = Heartbeat("bridge", system.process_id(), system.boot_id(), 1, START, RUNNING, 30.0)
    publish(system, root.heartbeat("bridge"), encode_heartbeat(replace(beat, boot_id="another boot")))
    publish(system, root.wanted, encode_wanted(Wanted(("bridge",))))
    assert found(root, Seen(unwell={})) == [("daemon_stale", "bridge is dead")]
    assert found(root, Seen(unwell={"bridge": "dead"})) == []
    publish(system, root.heartbeat("bridge"), encode_heartbeat(beat))
    assert found(root, Seen(unwell={"bridge": "dead"})) == [("daemon_stale", "bridge is well again")]


def test_rows_that_cannot_be_read(root: Root) -> None:
    root.state.mkdir()
    root.quarantine.write_text("file,offset,reason,row\na,1,b,c\na,2,b,c\n")
    ((event, said),) = found(root, Seen(quarantined=1, unwell={}))
    assert event == "quarantine_grew"
    assert said == f"1 more rows of the bot's files cannot be read, 2 in all: see {root.quarantine}"


def test_what_cannot_be_read_now_is_no_news(root: Root) -> None:
    before = Seen(RL_INFERENCE, ACTIVE, 3, 4, {}, 5)
    for path in (root.allocations, root.training_log, root.manifest, root.quarantine):
        path.mkdir(parents=True)
    assert found(root, before) == []


# Telling it.


def test_it_tells_once_what_has_changed(root: Root, webhook: Webhook) -> None:
    bench = Bench(root, Alerts(webhook.url))
    bench.tell(TOLD)
    assert bench.look() == ""
    bench.tell(replace(TOLD, source=EQUAL_WEIGHT))
    assert bench.look() == bench.look() == ""
    assert webhook.hears() == {
        "schema": 1,
        "event": "source_changed",
        "timestamp": "2026-01-31T08:00:00Z",
        "text": "the bot is told by equal_weight, and was by rl_inference",
        "root": str(root.path),
    }
    assert webhook.heard.empty()


@pytest.mark.parametrize("manner", [REFUSES, HANGS])
def test_what_is_not_taken_is_told_again_with_a_wait_that_doubles(root: Root, webhook: Webhook, manner: str) -> None:
    bench = Bench(root, Alerts(webhook.url, timeout_s=0.3))
    bench.tell(TOLD)
    bench.look()
    webhook.manner = manner
    bench.tell(replace(TOLD, source=EQUAL_WEIGHT))
    tried = []
    for second in range(32):
        bench.system.elapsed_s = float(second)
        assert "the webhook does not take alerts" in bench.look()
        if not webhook.heard.empty():
            webhook.hears()
            tried.append(second)
    assert tried == [0, 2, 6, 14, 30]
    bench.tell(TOLD)
    webhook.manner = TAKES
    bench.system.elapsed_s = 62.0
    assert bench.look() == ""
    assert [webhook.hears()["text"].split()[5] for _ in range(2)] == ["equal_weight,", "rl_inference,"]
    assert bench.waiting == []


def test_the_wait_has_an_end_and_so_has_the_queue(root: Root) -> None:
    bench = Bench(root, Alerts("http://127.0.0.1:1/", timeout_s=0.1))
    bench.tell(TOLD)
    bench.look()
    sources = (EQUAL_WEIGHT, RL_INFERENCE)
    for change in range(MOST_WAITING + 5):
        bench.tell(replace(TOLD, source=sources[change % 2]))
        bench.system.elapsed_s += LONGEST_WAIT_S  # never longer than that
        assert "Connection refused" in bench.look()
    assert len(bench.waiting) == MOST_WAITING


def test_what_waits_survives_a_restart(root: Root, webhook: Webhook) -> None:
    bench = Bench(root, Alerts(webhook.url))
    webhook.manner = REFUSES
    bench.tell(TOLD)
    bench.look()
    bench.tell(replace(TOLD, source=EQUAL_WEIGHT))
    bench.look()
    first = webhook.hears()
    webhook.manner = TAKES
    assert Bench(root, Alerts(webhook.url)).look() == ""
    assert webhook.hears() == first


def test_a_memory_that_cannot_be_read_is_begun_anew(root: Root, webhook: Webhook) -> None:
    root.state.mkdir()
    root.alerts.write_text("{")
    bench = Bench(root, Alerts(webhook.url))
    bench.tell(TOLD)
    assert bench.look() == ""
    assert webhook.heard.empty()


def events_told(root: Root, **switched: Any) -> list[str]:
    """Of a world in which everything has changed since somebody looked."""
    before = State(Seen(EQUAL_WEIGHT, HALTED, 3, 0, {"lab": "dead"}))
    publish(OperatingSystem(), root.alerts, encode_alerts_state(before))
    publish(OperatingSystem(), root.quarantine, b"file,offset,reason,row\na,1,b,c\n")
    bench = Bench(root, replace(Alerts("http://127.0.0.1:1/"), **switched))
    bench.tell(TOLD)
    bench.look()
    state = read_record(bench.system, root.alerts, parse_alerts_state)
    return [alert.event for alert in state.waiting] if state else []


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_can_be_switched_off(root: Root, event: str) -> None:
    assert events_told(Root(root.path / "on")) == list(EVENTS)
    assert events_told(Root(root.path / "off"), **{event: False}) == [name for name in EVENTS if name != event]


def test_without_an_address_it_says_so(root: Root) -> None:
    assert Bench(root, Alerts()).look() == "alerts.url is not set: nobody is told"


# The process.


def messenger(root: Root, webhook: Webhook, *arguments: str) -> Running:
    environment = {"TILLER__ALERTS__URL": webhook.url}
    script = CHECKOUT / "console/alerts.py"
    return Running([sys.executable, script, "--root", root.path, *arguments], environment=environment)


def test_an_operator_tries_the_address(root: Root, webhook: Webhook) -> None:
    with messenger(root, webhook, "--try") as trial:
        trial.says(f"{webhook.url} took it")
        assert trial.ended() == 0
    assert webhook.hears()["text"] == "a trial: nothing has changed"


def test_it_ends_in_time_also_while_nobody_answers(root: Root, webhook: Webhook) -> None:
    webhook.manner = HANGS
    before = State(Seen(EQUAL_WEIGHT, ACTIVE, 0, 0, {}))
    publish(OperatingSystem(), root.alerts, encode_alerts_state(before))
    publish(OperatingSystem(), root.allocations, encode_allocations(TOLD))
    with messenger(root, webhook) as running:
        webhook.hears()
        code, took_s = running.ends(signal.SIGTERM)
    assert (code, took_s < END_S) == (0, True)
