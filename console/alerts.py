#!/usr/bin/env python3
"""The messenger: tells a webhook what an operator would want to know, as JSON.

    python3 console/alerts.py           whenever something changes, or an address does not answer
    python3 console/alerts.py --once    look once
    python3 console/alerts.py --try     send one message, to see that it arrives

It is a process of its own that reads what the others write: an address that fails or hangs holds up nobody. What has
not been taken waits in state/alerts.json, and is sent again with a wait that doubles; a message can arrive twice, and
none is lost before there are too many.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPException

from console.programs import ALERTS
from console.snapshot import Snapshot, take
from contract.config import Alerts
from contract.daemon import DONE, FAILED, Context, Daemon, RunOnce, Status, main
from contract.errors import BadInput, RetryLater, one_line
from contract.files import publish, read_record
from contract.schema.alerts import (
    BREAKER_CHANGED,
    DAEMON_STALE,
    MODEL_EXAMINED,
    QUARANTINE_GREW,
    SOURCE_CHANGED,
    Alert,
    AlertsState,
    Seen,
    alert_values,
    encode_alerts_state,
    parse_alerts_state,
)
from contract.schema.names import Root

LOOK_EVERY_S = 5.0
MOST_WAITING = 100
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0


def seen_in(snapshot: Snapshot, before: Seen) -> Seen:
    """What alerts can be about. What cannot be read now counts as it stood before."""
    told, log, model = snapshot.told.record, snapshot.trainings.record, snapshot.model
    generation = model.record.generation if model.record else before.generation if model.trouble else 0
    return Seen(
        source=told.source if told else before.source,
        risk=told.risk.state if told else before.risk,
        generation=generation,
        trainings=len(log.trainings) if log else before.trainings,
        unwell={name: state for name, state in snapshot.unwell.items() if name != ALERTS},
        quarantined=before.quarantined if snapshot.quarantined.trouble else snapshot.quarantined.record or 0,
    )


def alerts(before: Seen, after: Seen, snapshot: Snapshot) -> Iterator[Alert]:
    """What there is to tell. Where nobody looked before, there is nothing to compare with."""
    now = snapshot.now
    if after.source != before.source and before.source is not None:
        yield Alert(SOURCE_CHANGED, now, f"the bot is told by {after.source}, and was by {before.source}")
    if after.risk != before.risk and before.risk is not None:
        reason = snapshot.told.record.risk.reason if snapshot.told.record else ""
        said = f"the circuit breaker is {after.risk}, and was {before.risk}"
        yield Alert(BREAKER_CHANGED, now, f"{said}: {reason}" if reason else said)
    yield from _of_models(before, after, snapshot)
    yield from _of_programs(before, after, now)
    if after.quarantined > before.quarantined:
        more = after.quarantined - before.quarantined
        said = f"{more:,} more rows of the bot's files cannot be read, {after.quarantined:,} in all"
        yield Alert(QUARANTINE_GREW, now, f"{said}: see {snapshot.root.quarantine}")


def _of_models(before: Seen, after: Seen, snapshot: Snapshot) -> Iterator[Alert]:
    if after.generation != before.generation and before.generation is not None:
        said = f"generation {after.generation} is in service, in the place of {before.generation}"
        yield Alert(MODEL_EXAMINED, snapshot.now, said)
    log = snapshot.trainings.record
    for training in log.trainings[before.trainings :] if log and before != Seen() else ():
        if training.generation is None:
            yield Alert(MODEL_EXAMINED, snapshot.now, f"a training was {training.outcome}: {training.reason}")


def _of_programs(before: Seen, after: Seen, now: datetime) -> Iterator[Alert]:
    known, found = before.unwell, after.unwell or {}
    if known is None:
        return
    for name, state in found.items():
        if known.get(name) != state:
            yield Alert(DAEMON_STALE, now, f"{name} is {state}")
    for name in known:
        if name not in found:
            yield Alert(DAEMON_STALE, now, f"{name} is well again")


def post(settings: Alerts, alert: Alert, root: Root) -> None:
    """Raises `RetryLater` where it was not taken, whyever."""
    body = json.dumps({**alert_values(alert), "root": str(root.path)}).encode()
    request = urllib.request.Request(settings.url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=settings.timeout_s):
            pass
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RetryLater(f"the webhook does not take alerts: {reason}", hint="see alerts.url") from error


class Messenger:
    """`run_once` of the messenger."""

    def __init__(self, context: Context) -> None:
        self._state = _remembered(context)
        self._trouble = ""
        self._wait_s = 0.0
        self._due_s = context.system.monotonic()

    def __call__(self, context: Context) -> Status:
        if context.options.trial:
            return _try(context)
        self._look(context)
        if not context.config.alerts.url:
            self._trouble = "alerts.url is not set: nobody is told"
        elif context.system.monotonic() >= self._due_s:
            self._send(context)
        count, left_s = len(self._state.waiting), self._due_s - context.system.monotonic()
        wait_s = min(left_s, LOOK_EVERY_S) if self._trouble and left_s > 0 else None
        return Status(f"{count} alerts wait", wait_s, FAILED if self._trouble else DONE, self._trouble)

    def _look(self, context: Context) -> None:
        """What is found is remembered before it is told, so that it is told also after a crash."""
        snapshot, before = take(context.system, context.root), self._state
        after = seen_in(snapshot, before.seen)
        if after == before.seen:
            return
        found = alerts(before.seen, after, snapshot)
        waiting = (*before.waiting, *(alert for alert in found if getattr(context.config.alerts, alert.event)))
        if len(waiting) > MOST_WAITING:
            context.log.warning("dropped the oldest alerts", count=len(waiting) - MOST_WAITING)
        self._remember(context, AlertsState(after, waiting[-MOST_WAITING:]))

    def _send(self, context: Context) -> None:
        """All that wait, the oldest first, up to the first that is not taken."""
        self._trouble = ""
        while self._state.waiting and not context.stopping():
            first, *others = self._state.waiting
            try:
                post(context.config.alerts, first, context.root)
            except RetryLater as error:
                self._trouble = str(error)
                self._wait_s = min(LONGEST_WAIT_S, max(FIRST_WAIT_S, 2 * self._wait_s))
                self._due_s = context.system.monotonic() + self._wait_s
                context.log.warning("not taken", error=error, waiting=len(others) + 1, again_in_s=self._wait_s)
                return
            self._wait_s = 0.0
            context.log.info("told", what=first.message)
            self._remember(context, AlertsState(self._state.seen, tuple(others)))

    def _remember(self, context: Context, state: AlertsState) -> None:
        publish(context.system, context.root.alerts, encode_alerts_state(state))
        self._state = state


def _remembered(context: Context) -> AlertsState:
    """What cannot be read is begun anew: it is no reason to tell nothing from now on."""
    try:
        return read_record(context.system, context.root.alerts, parse_alerts_state) or AlertsState(Seen())
    except BadInput as error:
        context.log.warning("beginning anew", error=error)
        return AlertsState(Seen())


def _try(context: Context) -> Status:
    if not context.config.alerts.url:
        raise BadInput("alerts.url is not set", hint="set it in config.yaml, or as TILLER__ALERTS__URL")
    trial = Alert(SOURCE_CHANGED, context.system.now(), "a trial: nothing has changed")
    post(context.config.alerts, trial, context.root)
    print(one_line(f"{context.config.alerts.url} took it"))
    return Status("tried")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--try", dest="trial", action="store_true", help="send one message and end")


def begin(context: Context) -> RunOnce:
    return Messenger(context)


MESSENGER = Daemon(
    name=ALERTS,
    summary="Tells a webhook what an operator would want to know.",
    begin=begin,
    watches=lambda root: (root.training_log, root.manifest, root.quarantine, root.wanted),
    interval_s=lambda config: LOOK_EVERY_S,
    owns=lambda root: (root.alerts,),
    add_options=add_options,
    runs_once=lambda options: options.trial,
)

if __name__ == "__main__":
    sys.exit(main(MESSENGER))
