"""The page that `tiller status` shows, as text and as values: pure, from a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from ai.schedule import Due, Traded, when_due
from console.snapshot import Snapshot
from contract.config import Config, Trainer
from contract.errors import one_line
from contract.pulse import ALIVE, STALE, Pulse
from contract.schema.fields import by_name, format_time
from contract.schema.model import PROMOTED, TrainingLog
from contract.schema.weights import ACTIVE, HALTED

GOOD, PLAIN, DOUBTFUL, BAD = "good", "plain", "doubtful", "bad"
LABEL_CELLS = 12


class Line(NamedTuple):
    """A label and what is said of it; `manner` is how good that is."""

    label: str
    text: str
    manner: str = PLAIN


def plain(snapshot: Snapshot, config: Config | str) -> Iterator[str]:
    """The page in lines; nothing that stands in a file can break one, or a terminal."""
    lines = [*facts(snapshot, config)]
    if snapshot.told.record:
        lines += [Line("", ""), *(Line("", f"{name:<24} {weight:7.2%}") for name, weight in weights(snapshot))]
    lines += [Line("", ""), *programs(snapshot)]
    return (one_line(_aligned(line)) for line in lines)


def _aligned(line: Line) -> str:
    return f"{line.label:<{LABEL_CELLS}} {line.text}".rstrip()


def facts(snapshot: Snapshot, config: Config | str) -> Iterator[Line]:
    """`config` is why there are no settings, where there are none."""
    yield Line("root", str(snapshot.root.path))
    if snapshot.disk_is_full:
        yield Line("disk", "FULL: nothing new is said; free some space, and all goes on by itself", BAD)
    yield from _told(snapshot)
    yield _breaker(snapshot)
    yield _model(snapshot)
    yield _trust(snapshot)
    yield from _training(snapshot, config)
    yield _book(snapshot)


def _told(snapshot: Snapshot) -> Iterator[Line]:
    told = snapshot.told.record
    if told is None:
        yield Line("bot", snapshot.told.trouble, BAD)
        return
    age = _ago(snapshot.now, told.timestamp)
    lives = any(pulse.daemon == "bridge" and pulse.state in (ALIVE, STALE) for pulse in snapshot.pulses)
    why = "its writer does not renew it" if lives else "its writer is gone"
    stale = f", STALE: {why}" if snapshot.is_stale else ""
    yield Line("bot", f"is told by {told.source}, {age}{stale}", BAD if stale else GOOD)
    manner = {ACTIVE: GOOD, HALTED: BAD}.get(told.risk.state, DOUBTFUL)
    yield Line("risk", f"{told.risk.state} at scale {told.risk.scale:g} {told.risk.reason}".rstrip(), manner)
    for considered in told.considered:
        yield Line("", f"{considered.source:<20} {considered.verdict:<10} {considered.reason}")


def _breaker(snapshot: Snapshot) -> Line:
    state, trouble = snapshot.risk.record, snapshot.risk.trouble
    if state is None:
        return Line("breaker", trouble or "has seen nothing of the account yet", BAD if trouble else PLAIN)
    breaker = state.breaker
    account = breaker.account
    if breaker.trip:
        resume = "tiller resume ends it"
        return Line("breaker", f"tripped {_ago(snapshot.now, breaker.trip.at)}: {breaker.trip.reason}; {resume}", BAD)
    if breaker.halt is not None:
        return Line("breaker", f"halted by {snapshot.root.halt}: remove it to go on", BAD)
    fallen = 1 - account.equity / account.peak if account.peak > 0 else 0.0
    said = f"closed; equity {account.equity:,.2f}, {fallen:.1%} below its peak"
    noticed = (f"alert: {alert.replace('_', ' ')}" for alert in breaker.alerts)
    return Line("breaker", "; ".join((said, *noticed)), DOUBTFUL if breaker.alerts else GOOD)


def _model(snapshot: Snapshot) -> Line:
    manifest, trouble = snapshot.model.record, snapshot.model.trouble
    if trouble:
        return Line("model", trouble, BAD)
    if manifest is None or manifest.generation == 0:
        return Line("model", "generation 0, the prior that ships", GOOD)
    said = f"generation {manifest.generation}, trained {_ago(snapshot.now, manifest.trained_at)}"
    return Line("model", said if manifest.replaces is None else f"{said}, in the place of {manifest.replaces}", GOOD)


def _trust(snapshot: Snapshot) -> Line:
    trust, trouble = snapshot.trust.record, snapshot.trust.trouble
    if trust is None:
        return Line("trust", trouble or "not begun", BAD if trouble else PLAIN)
    evidence = float(np.exp(min(trust.log_evidence, 700.0)))
    said = f"{trust.trust:.1%} in the policy after {trust.live_days:,} live days"
    return Line("trust", f"{said}; e-value against the base {evidence:.3g}")


def _training(snapshot: Snapshot, config: Config | str) -> Iterator[Line]:
    log, trouble = snapshot.trainings.record, snapshot.trainings.trouble
    if trouble:
        yield Line("training", trouble, BAD)
        return
    if log and log.trainings:
        last = log.trainings[-1]
        said = f"the last, {_ago(snapshot.now, last.timestamp)}: {last.outcome}: {last.reason}"
        yield Line("training", said, GOOD if last.outcome == PROMOTED else PLAIN)
    if isinstance(config, str):
        yield Line("settings", config, BAD)
        return
    due = next_training(snapshot, config.trainer)
    if due:
        yield Line("next", f"training {'is' if due.due else 'is not'} due: {due.reason}")


def next_training(snapshot: Snapshot, settings: Trainer) -> Due | None:
    """By the trades that the bridge has counted; None where nothing can be known."""
    trades = _trades(snapshot)
    log = snapshot.trainings.record
    if trades is None or snapshot.trainings.trouble:
        return None
    today = np.array([snapshot.now.date()], dtype="datetime64[D]")
    return when_due(log or TrainingLog(), Traded(today, np.array([trades])), snapshot.now, settings)


def _trades(snapshot: Snapshot) -> int | None:
    state = snapshot.risk.record
    return state.breaker.account.results.trades if state else None


def _book(snapshot: Snapshot) -> Line:
    trades, said = _trades(snapshot), snapshot.rl.record.metadata if snapshot.rl.record else {}
    parts = ["no trades seen yet" if trades is None else f"{trades:,} trades"]
    read = said.get("input")
    if isinstance(read, dict):
        rows = read.get("rows")
        counted = f"{rows:,}" if isinstance(rows, int) else rows
        parts.append(f"{counted} rows up to {read.get('last_timestamp')}")
    if "book" in said:
        parts.append(f"by {said['book']}")
    count, trouble = snapshot.quarantined.record or 0, snapshot.quarantined.trouble
    parts.append(trouble or f"{count:,} quarantined")
    return Line("book", ", ".join(parts), DOUBTFUL if count or trouble else PLAIN)


def weights(snapshot: Snapshot) -> list[tuple[str, float]]:
    told = snapshot.told.record
    return list(by_name(told.strategy_allocations).items()) if told else []


def programs(snapshot: Snapshot) -> Iterator[Line]:
    for pulse in snapshot.pulses:
        age = "" if pulse.age_s is None else f"{duration(pulse.age_s)} ago"
        said = pulse.trouble or (pulse.heartbeat.message if pulse.heartbeat else "")
        lives = _lives(snapshot, pulse.daemon)
        yield Line(pulse.daemon, f"{pulse.state:<10} {age:<12} {said}{lives}".rstrip(), _manner(snapshot, pulse))


def _lives(snapshot: Snapshot, name: str) -> str:
    child = snapshot.processes.children.get(name) if snapshot.processes else None
    return f" [started {child.starts} times; {child.ended}]" if child and child.starts > 1 else ""


def _manner(snapshot: Snapshot, pulse: Pulse) -> str:
    if pulse.daemon in snapshot.unwell:
        return BAD
    if pulse.state == ALIVE:
        return DOUBTFUL if pulse.trouble else GOOD
    return PLAIN


def as_values(snapshot: Snapshot, config: Config | str) -> dict[str, Any]:
    told, manifest, log = snapshot.told.record, snapshot.model.record, snapshot.trainings.record
    trust, state = snapshot.trust.record, snapshot.risk.record
    last = log.trainings[-1] if log and log.trainings else None
    due = None if isinstance(config, str) else next_training(snapshot, config.trainer)
    return {
        "root": str(snapshot.root.path),
        "now": format_time(snapshot.now),
        "trouble": snapshot.told.trouble,
        "disk": {"free_bytes": snapshot.free_bytes, "full": snapshot.disk_is_full},
        "allocations": told
        and {
            "source": told.source,
            "generation": told.generation,
            "timestamp": format_time(told.timestamp),
            "valid_until": told.valid_until and format_time(told.valid_until),
            "stale": snapshot.is_stale,
            "risk": vars(told.risk),
            "strategy_allocations": by_name(told.strategy_allocations),
            "considered": [vars(considered) for considered in told.considered],
        },
        "model": {
            "generation": manifest.generation if manifest else 0,
            "trained_at": manifest and format_time(manifest.trained_at),
            "trouble": snapshot.model.trouble,
        },
        "training": {
            "last": last
            and {"timestamp": format_time(last.timestamp), "outcome": last.outcome, "reason": last.reason},
            "due": due and due.due,
            "next": due and due.reason,
            "trouble": snapshot.trainings.trouble,
        },
        "trust": trust and {"trust": trust.trust, "live_days": trust.live_days, "log_evidence": trust.log_evidence},
        "breaker": state
        and {
            "tripped": state.breaker.trip and state.breaker.trip.reason,
            "halt": state.breaker.halt,
            "equity": state.breaker.account.equity,
        },
        "book": {
            "trades": _trades(snapshot),
            "kind": snapshot.rl.record.metadata.get("book") if snapshot.rl.record else None,
            "quarantined": snapshot.quarantined.record,
        },
        "daemons": {pulse.daemon: _pulse_values(snapshot, pulse) for pulse in snapshot.pulses},
    }


def _pulse_values(snapshot: Snapshot, pulse: Pulse) -> dict[str, Any]:
    child = snapshot.processes.children.get(pulse.daemon) if snapshot.processes else None
    return {
        "state": pulse.state,
        "age_s": pulse.age_s,
        "trouble": pulse.trouble,
        "pid": pulse.heartbeat and pulse.heartbeat.pid,
        "starts": child and child.starts,
    }


def _ago(now: datetime, moment: datetime) -> str:
    return f"{duration((now - moment).total_seconds())} ago"


def duration(seconds: float) -> str:
    """In the largest unit that fits: 42 s, 7 min, 3 h, 12 days."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{sign}{seconds / unit:.0f} {name}"
    return f"{sign}{seconds:.0f} s"
