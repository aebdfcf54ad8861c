"""Who looks at the disk after every call of every process, and holds what stands there against the invariants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from support.fake_disk import FakeDisk

from ai.checkpoint import encode_checkpoint
from ai.model_store import read_prior
from contract import read_allocations
from contract.schema.account import parse_portfolio
from contract.schema.fields import Weights
from contract.schema.judgement import Trust, parse_report, parse_trust
from contract.schema.model import Manifest, parse_manifest, parse_training_log
from contract.schema.operations import RUNNING, parse_heartbeat, parse_journal_entry
from contract.schema.risk import parse_risk_state
from contract.schema.weights import (
    Allocations,
    RlWeights,
    parse_allocations,
    parse_rl_weights,
    parse_weight_history,
)
from simulation import invariants, stage
from simulation.disk_view import DiskView, OnDisk
from simulation.invariants import Rows, readable, require, rows_of
from simulation.promises import Appended, Published
from simulation.stage import ROOT, SETTINGS

PUBLISHED = {
    "paper_trader": (ROOT.bot_state, ROOT.portfolio),
    "inference": (ROOT.rl_weights, ROOT.trust),
    "bridge": (ROOT.allocations, ROOT.risk_state),
    "tracker": (ROOT.weight_history, ROOT.report),
    "trainer": (ROOT.training_log, ROOT.manifest),
}
APPENDED = {
    "paper_trader": (ROOT.strategy_marks, ROOT.performance_metrics),
    "inference": (ROOT.journal("inference"),),
    "bridge": (ROOT.journal("bridge"), ROOT.risk_events),
    "tracker": (ROOT.quarantine, ROOT.live_days),
}
_PARSERS: dict[Path, Callable[[bytes, Path], Any]] = {
    ROOT.portfolio: parse_portfolio,
    ROOT.risk_state: parse_risk_state,
    ROOT.report: parse_report,
    ROOT.training_log: parse_training_log,
}


class Who(NamedTuple):
    """A process: two can have one name."""

    name: str
    process_id: int


@dataclass
class Run:
    """What a process can have met since it woke."""

    since: datetime
    until: datetime
    """The earliest and the latest that it can have read from the clock."""
    rows: list[Rows]
    """Of the bot's history: as it was when it woke, and whatever it became."""
    said: list[RlWeights]
    """By inference, likewise."""
    beat: tuple[int, int]
    """Its last heartbeat when it woke: process id and number."""
    is_moved: bool
    """Whether the bot's history was rotated or rewritten meanwhile, or stands under another name only: readers wait
    until the files are at rest, and find all of it then."""
    is_disturbed: bool = False
    """Whether a call failed: it may have seen, or made durable, less than there was."""


class Witness:
    def __init__(self, disk: FakeDisk) -> None:
        self.view = DiskView(disk)
        self._runs: dict[Who, Run] = {}
        prior = read_prior().manifest
        self._served = {0: prior.sha256}
        self._published = {
            path: Published(path.name, self.view.visible(path)) for paths in PUBLISHED.values() for path in paths
        }
        self._appended = {
            path: Appended(path.name, self.view.lines(path)) for paths in APPENDED.values() for path in paths
        }
        self.rows = rows_of(self.view.history())
        self._fills_promised = len(self.rows.fills)
        self._said = self.view.read(ROOT.rl_weights, parse_rl_weights)
        self.told: Allocations | None = self.view.read(ROOT.allocations, parse_allocations)
        self._trust: Trust | None = self.view.read(ROOT.trust, parse_trust)
        self._ahead = {0: 0.0}
        """By the day: how far the blend was ahead of the base."""
        self._in_trouble: set[str] = set()
        """Whom something has failed since they last rested in peace: they may have done without their journals."""
        self._told_in_trouble: set[int] = set()
        self._told_again: set[int] = set()
        """After a power cut that took back what came after them, and was not promised yet."""
        self.generations_told: set[int] = set()
        self._bot_read: tuple[Allocations | None, bool, str] = (None, True, "")
        """What it read last, of which word, and whether that had run out."""

    # What the world tells.

    def wakes(self, who: Who, now: datetime) -> None:
        said = [self._said] if self._said else []
        is_moved = self.view.visible(ROOT.pnl_history) is None
        self._runs[who] = Run(now, now, [self.rows], said, self._beat(who)[0], is_moved)

    def calls(self, who: Who, now: datetime) -> None:
        run = self._runs[who]
        run.since, run.until = min(run.since, now), max(run.until, now)

    def disturbs(self, who: Who) -> None:
        self._runs[who].is_disturbed = True
        self._in_trouble.add(who.name)

    def history_moves(self) -> None:
        """Somebody has rotated it, or written it anew."""
        for run in self._runs.values():
            run.is_moved = True
        self._look_at_rows()

    def is_gone(self, who: Who) -> None:
        self._runs.pop(who, None)

    def rests(self, who: Who, now: datetime) -> None:
        """It waits, or has ended. What it did is finished if it says so, and nothing has failed meanwhile."""
        run, name = self._runs[who], who.name
        (process_id, beat), state = self._beat(who)
        finished = process_id == who.process_id and (process_id, beat) != run.beat and state == RUNNING
        if finished and not run.is_disturbed:
            for path in PUBLISHED.get(name, ()):
                self._published[path].promise(name)
            for path in APPENDED.get(name, ()):
                self._appended[path].promise()
            self._in_trouble.discard(name)
            if name == "paper_trader":
                invariants.all_there(self.rows.fills)
                invariants.marked_once(self.view.visible(ROOT.strategy_marks) or b"", wholly=True)
                self._fills_promised = len(self.rows.fills)
            if name == "bridge":
                if not run.is_moved:
                    self._guarded(run)
                if self.told is not None:
                    invariants.renewed(self.told, run.since, run.until, SETTINGS["bridge.valid_s"])
            if name == "trainer":
                self._logged()
        self.read_as_the_bot_does(now)

    def changed(self, path: Path, who: Who) -> None:
        """A process has changed a file."""
        if path in self._published:
            published = self._published[path]
            content = self.view.visible(path)
            if content != published.content:
                published.see(content, who.name)
                self._look(path, content or b"", who)
        elif path in self._appended:
            self._appended[path].see(self.view.lines(path))
        if path.name.startswith(ROOT.pnl_history.name):
            self._look_at_rows()
        elif path == ROOT.strategy_marks:
            invariants.marked_once(self.view.visible(path) or b"", wholly=False)

    def after_a_power_cut(self) -> None:
        self._runs.clear()
        for path, published in self._published.items():
            published.after_a_power_cut(self.view.visible(path))
        for path, appended in self._appended.items():
            appended.see(self.view.lines(path))
        self._look_at_rows()
        for path, parse in _PARSERS.items():
            self.view.read(path, parse)
        told, self.told = self.told, self.view.read(ROOT.allocations, parse_allocations)
        if self.told and told and self.told.generation != told.generation:
            self._told_again.add(self.told.generation or 0)
        self._said = self.view.read(ROOT.rl_weights, parse_rl_weights)
        self._trust = self.view.read(ROOT.trust, parse_trust)
        last = _day(self._trust)
        self._ahead = {day: ahead for day, ahead in self._ahead.items() if day <= last}
        if manifest := self.view.read(ROOT.manifest, parse_manifest):
            self._in_service(manifest)

    # What it finds.

    def _beat(self, who: Who) -> tuple[tuple[int, int], str]:
        return _beat_in(self.view.visible(ROOT.heartbeat(who.name)))

    def _look(self, path: Path, content: bytes, who: Who) -> None:
        if path == ROOT.allocations:
            self._look_at_told(readable(content, path, parse_allocations), self._runs[who])
        elif path == ROOT.rl_weights:
            self._look_at_said(readable(content, path, parse_rl_weights), self._runs[who])
        elif path == ROOT.trust:
            self._look_at_trust(readable(content, path, parse_trust))
        elif path == ROOT.manifest:
            self._in_service(readable(content, path, parse_manifest))
        elif path == ROOT.weight_history:
            history = readable(content, path, parse_weight_history).history
            self._remembered([entry.metadata["generation"] for entry in history])
        elif path in _PARSERS:
            readable(content, path, _PARSERS[path])

    def _remembered(self, generations: list[int]) -> None:
        """Each once, in order; but for one that the bridge could not note, and whose file it could not read again."""
        once = [
            number
            for place, number in enumerate(generations)
            if not (number in self._told_again and number in generations[:place])
        ]
        doubled = {number for number in once if once.count(number) > 1} - self._told_in_trouble
        in_order = once == sorted(once)
        require(in_order and not doubled, f"the tracker remembers generations {generations}")

    def _look_at_told(self, told: Allocations, run: Run) -> None:
        invariants.told_well(told, run.since, run.until, SETTINGS["bridge.valid_s"])
        invariants.source_was_fresh(told, run.said, run.since)
        before = self.told.generation if self.told else 0
        require((told.generation or 0) >= (before or 0), f"generation {told.generation} was told after {before}")
        if told.generation != before and "bridge" not in self._in_trouble:
            self._explained("bridge", told.generation, told.strategy_allocations)
        if "bridge" in self._in_trouble:
            self._told_in_trouble.add(told.generation or 0)
        self.told = told
        self.generations_told.add(told.generation or 0)

    def _look_at_said(self, said: RlWeights, run: Run) -> None:
        invariants.blended(said)
        before = self._said.generation if self._said else 0
        require((said.generation or 0) >= (before or 0), f"inference says {said.generation} after {before}")
        model = said.metadata.get("model")
        if said.generation != before and "inference" not in self._in_trouble:
            self._explained("inference", said.generation, said.weights)
        require(not model or model["sha256"] in self._served.values(), f"{model} was never in service")
        if said.metadata.get("last_day"):
            days = {line[:10].decode() for line in (self.view.visible(ROOT.strategy_marks) or b"").split(b"\n")[1:-1]}
            invariants.remembered_first(said, self._trust, days)
        if said.model_loaded and not (run.is_disturbed or run.is_moved):
            rows = said.metadata["input"]["rows"]
            seen = [len(met.fills) for met in run.rows]
            require(min(seen) <= rows <= max(seen), f"inference counts {rows} rows, where there were {seen}")
        self._said = said
        for one in self._runs.values():
            one.said.append(said)

    def _look_at_trust(self, trust: Trust) -> None:
        if self._trust is not None:
            invariants.moved_well(self._trust, trust)
        self._trust = trust
        self._ahead[_day(trust)] = invariants.ahead_of_base(trust)
        invariants.guaranteed(trust, max(self._ahead.values()))

    def _in_service(self, manifest: Manifest) -> None:
        training = manifest.details.get("training", {})
        made = {learnt(training["seed"])} if manifest.generation and "seed" in training else set()
        checkpoint = self.view.visible(ROOT.model / manifest.checkpoint)
        invariants.in_service(manifest, checkpoint, made, self._served)
        self._served[manifest.generation] = manifest.sha256

    def _look_at_rows(self) -> None:
        self.rows = rows_of(self.view.history())
        invariants.each_once(self.rows.fills, self._fills_promised)
        for run in self._runs.values():
            run.rows.append(self.rows)

    def _guarded(self, run: Run) -> None:
        """The bridge's breaker has counted what there was when it read: no trade less, none twice."""
        state = self.view.read(ROOT.risk_state, parse_risk_state)
        counted, seen = state.breaker.account.results, [rows.pnls for rows in run.rows]
        matching = [pnls for pnls in seen if len(pnls) == counted.trades]
        require(bool(matching), f"the breaker counts {counted.trades} trades, where there were {list(map(len, seen))}")
        came_to, expected = counted.won - counted.lost, sum(matching[0])
        same = abs(came_to - expected) < 1e-6
        require(same, f"the breaker counts {came_to:.6f}, and the trades come to {expected:.6f}")

    def _logged(self) -> None:
        log, manifest = self.view.read(ROOT.training_log, parse_training_log), self._published[ROOT.manifest]
        if log is not None and manifest.writer in ("", "trainer"):
            invariants.logged(log, self.view.read(ROOT.manifest, parse_manifest))

    def _explained(self, daemon: str, generation: int | None, weights: Weights) -> None:
        """The newest entry of the generation says why just these weights were published."""
        path = ROOT.journal(daemon)
        entries = (readable(line, path, parse_journal_entry) for line in reversed(self.view.lines(path)))
        noted = next((entry.body["weights"] for entry in entries if entry.generation == generation), None)
        same = noted is not None and tuple(noted.values()) == weights
        require(same, f"the journal of {daemon} does not explain generation {generation}: {noted}")

    def generations_noted(self) -> set[int]:
        """By the bridge, in its journal."""
        path = ROOT.journal("bridge")
        return {readable(line, path, parse_journal_entry).generation for line in self.view.lines(path)}

    def read_as_the_bot_does(self, now: datetime) -> str:
        """By the lines that a bot copies: weights that are good, and fresh or marked as stale."""
        until = self.told and self.told.valid_until
        stale = until is not None and now > until
        if self._bot_read[:2] == (self.told, stale):
            return self._bot_read[2]
        with mock.patch.object(read_allocations, "Path", partial(OnDisk, self.view.disk)):
            weights, state = read_allocations.read_allocations(ROOT.path, now)
        if self.told is None:
            require((weights, state) == ({}, "MISSING"), f"nobody told the bot {weights}")
        else:
            require(state != "MISSING", "the bot finds nothing to go by")
            invariants.within_bounds(tuple(weights.values()), "what the bot reads")
            flagged = state in ("STALE", "HALTED")
            require(flagged or not stale, f"the bot is told {state}, of what was good until {until}")
        self._bot_read = self.told, stale, state
        return state


@cache
def learnt(seed: int) -> str:
    """The sha256 of the checkpoint that the learner makes with a seed."""
    return sha256(encode_checkpoint(stage.checkpoint_of_seed(seed))).hexdigest()


@lru_cache(maxsize=64)
def _beat_in(content: bytes | None) -> tuple[tuple[int, int], str]:
    if content is None:
        return (0, 0), ""
    heartbeat = readable(content, Path("heartbeat"), parse_heartbeat)
    return (heartbeat.pid, heartbeat.sequence), heartbeat.state


def _day(trust: Trust | None) -> int:
    return trust.last_day.toordinal() if trust and trust.last_day else 0
