"""What must have come about when the misfortunes are over: all are well, and all have counted the same."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from contract.book.reader import HistoryReader
from contract.pulse import ALIVE, feel
from contract.rows import Attribution
from contract.schema.judgement import parse_report
from contract.schema.model import PROMOTED, parse_training_log
from contract.schema.names import RL_INFERENCE
from contract.schema.operations import RUNNING
from contract.schema.risk import parse_risk_state
from contract.schema.weights import parse_rl_weights, parse_weight_history
from contract.system import System
from simulation import invariants
from simulation.invariants import readable, require, rows_of
from simulation.stage import PROGRAMS, ROOT
from simulation.witness import Witness

LONGEST_INTERVAL_S = 55.0
"""Within so much time every program has looked, and said again what it knows."""


def troubles(system: System, witness: Witness, now: datetime) -> list[str]:
    """What is not well yet."""
    found = []
    for program in PROGRAMS:
        pulse = feel(system, ROOT, program.name)
        well = pulse.state == ALIVE and pulse.heartbeat is not None and pulse.heartbeat.state == RUNNING
        if not well:
            state = pulse.heartbeat and (pulse.heartbeat.state, pulse.heartbeat.message)
            found.append(f"{program.name} is {pulse.state} {state} {pulse.trouble}")
    state, told = witness.read_as_the_bot_does(now), witness.told
    if told is None or told.source != RL_INFERENCE or state != told.risk.state:
        found.append(f"the bot is told {state} by {told and told.source}")
    return found


def all_counted_the_same(system: System, witness: Witness) -> Counter[str]:
    """Each trade that the bot wrote, once, by everybody. Returns what there was to count."""
    rows = witness.rows
    reader = HistoryReader(system, ROOT, Attribution())
    reader.poll()
    book, book_input = reader.daily(10_000.0), reader.input()
    require(book_input.rows == len(rows.fills), f"a reader counts {book_input.rows} of {len(rows.fills)} fills")

    said = readable(witness.view.visible(ROOT.rl_weights) or b"", ROOT.rl_weights, parse_rl_weights)
    counted = said.metadata["input"]
    same = (counted["rows"], counted["sha256"]) == (book_input.rows, book_input.sha256)
    require(same, f"inference counts {counted['rows']} rows, and there are {book_input.rows}; {counted['sha256'][:8]}")

    risk = readable(witness.view.visible(ROOT.risk_state) or b"", ROOT.risk_state, parse_risk_state)
    results = risk.breaker.account.results
    require(results.trades == len(rows.pnls), f"the breaker counts {results.trades} of {len(rows.pnls)} trades")
    require(abs(results.won - results.lost - sum(rows.pnls)) < 1e-6, "the breaker has other profits and losses")

    report = readable(witness.view.visible(ROOT.report) or b"", ROOT.report, parse_report).body["book"]
    expected = {"days": len(book.dates), "trades": len(rows.pnls)}
    tracked = {name: report[name] for name in expected}
    require(tracked == expected, f"the tracker counts {tracked}, and there are {expected}")

    _quarantined(witness)
    _remembered(witness, [str(day) for day in book.dates])
    return Counter(fills=len(rows.fills), trades=len(rows.pnls), promotions=_promotions(witness))


def _quarantined(witness: Witness) -> None:
    """Every bad row that is there now, once."""
    lines = invariants.lines_once(witness.view.visible(ROOT.quarantine) or b"", "the quarantine")
    places = {tuple(line.split(b",")[:2]) for line in lines}
    for content in (content for _, content in witness.view.files_of_the_history()):
        offset = 0
        for line in content.split(b"\n")[:-1]:
            place = ROOT.pnl_history.name.encode(), b"%d" % offset
            if rows_of(line + b"\n").bad:
                require(place in places, f"the bad row {line[:60]!r} at {offset} is not in quarantine")
            offset += len(line) + 1


def _remembered(witness: Witness, days: list[str]) -> None:
    """The tracker knows every generation that was told and noted, and each account day since the first that it knew."""
    path = ROOT.weight_history
    history = readable(witness.view.visible(path) or b"", path, parse_weight_history).history
    known = {entry.metadata.get("generation") for entry in history}
    told = witness.generations_told & witness.generations_noted()
    missed = {number for number in told if number >= min(known)} - known
    require(not missed, f"the tracker has not recorded generations {sorted(missed)}")
    lines = invariants.lines_once(witness.view.visible(ROOT.live_days) or b"", "the live days", lambda line: line[:10])
    live = [line.decode() for line in lines if line[:1].isdigit()]
    expected = [day for day in days if live and day >= live[0]]
    require(live == expected, f"the live days are {live[-5:]}, and those of the book {expected[-5:]}")


def _promotions(witness: Witness) -> int:
    content = witness.view.visible(ROOT.training_log)
    if content is None:
        return 0
    log = readable(content, ROOT.training_log, parse_training_log)
    return sum(training.outcome == PROMOTED for training in log.trainings)
