"""`tiller doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ai.model_store import history, read_model
from console.findings import OK, WARNING, WRONG, Finding, quoted, tiller
from console.machine import examine_machine
from console.running import examine_running
from console.snapshot import Snapshot, take
from contract import journal
from contract.configure import configure
from contract.daemon import DONE, FAILED
from contract.errors import BadInput, TillerError, one_line
from contract.files import read_record
from contract.pulse import ALIVE, ENDED, feel
from contract.schema.fields import by_name, format_time
from contract.schema.judgement import parse_trust
from contract.schema.model import parse_training_log
from contract.schema.names import Root
from contract.schema.risk import parse_resume_request, parse_risk_state
from contract.schema.weights import HALTED, Allocations, parse_weight_history
from contract.system import OperatingSystem, System

NAME = "doctor"
SUMMARY = "Check the installation and say how to mend what is wrong."


def add_options(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    findings = list(examine(OperatingSystem(), Root.find(options.root)))
    if options.json:
        print(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(one_line(f"{finding.verdict:<8} {finding.subject:<12} {finding.detail}"))
            if finding.remedy:
                print(one_line(f"{'':<21} -> {finding.remedy}"))
    return FAILED if any(finding.verdict == WRONG for finding in findings) else DONE


def examine(system: System, root: Root) -> Iterator[Finding]:
    yield from examine_machine(system, root)
    yield _settings(system, root)
    yield from examine_running(system, root)
    snapshot = take(system, root)
    yield _history(root)
    yield _rows(snapshot)
    yield _model(system, root)
    yield from _memory(system, root)
    yield _rivals(system, snapshot)
    yield _egress(system, snapshot)
    yield _request(system, root)


def _settings(system: System, root: Root) -> Finding:
    try:
        configured = configure(system, root, os.environ)
    except TillerError as error:
        where = f"{error.path}: " if error.path else ""
        return Finding("settings", WRONG, f"{where}{error.message}", error.hint)
    changed = sum(origin != "default" for origin in configured.origins.values())
    return Finding("settings", OK, f"{len(configured.origins)} settings, {changed} of them not the default")


def _history(root: Root) -> Finding:
    there = [path for path in (root.pnl_history, root.strategy_marks) if os.path.lexists(path)]
    if not there:
        return Finding("history", OK, f"no bot has written {root.pnl_history} yet")
    for path in there:
        if not os.access(path, os.R_OK):
            return Finding("history", WRONG, f"{path} cannot be read", f"let its writer chmod o+r {quoted(path)}")
    return Finding("history", OK, ", ".join(f"{path.name} {path.stat().st_size:,} bytes" for path in there))


def _rows(snapshot: Snapshot) -> Finding:
    count, trouble = snapshot.quarantined.record or 0, snapshot.quarantined.trouble
    if trouble or count:
        detail = trouble or f"rows of the bot's files that could not be read and count for nothing: {count:,}"
        remedy = f"see {quoted(snapshot.root.quarantine)}: it names file, byte and reason; mend what writes them"
        return Finding("rows", WARNING, detail, remedy)
    return Finding("rows", OK, "every row that was read could be")


def _model(system: System, root: Root) -> Finding:
    try:
        number = read_model(system, root).manifest.generation
    except TillerError as error:
        whole: list[int] = []
        with suppress(TillerError):  # nor can anybody tell which others there are
            whole = [kept.number for kept in history(system, root) if not kept.trouble]
        remedy = tiller(root, "rollback", str(max(whole))) if whole else error.hint
        return Finding("model", WRONG, f"{error.path}: {error.message}" if error.path else error.message, remedy)
    return Finding("model", OK, f"generation {number} is whole" if number else "generation 0, the prior that ships")


def _memory(system: System, root: Root) -> Iterator[Finding]:
    """What must survive a restart, and cannot be read; each with what it means to go on without."""
    memories: tuple[tuple[str, Path, Callable[[bytes, Path], object], str], ...] = (
        ("trust", root.trust, parse_trust, "trust then begins anew, at one half"),
        ("trainings", root.training_log, parse_training_log, "the next training is then the first"),
        ("published", root.weight_history, parse_weight_history, "the live days go on"),
        ("breaker", root.risk_state, parse_risk_state, ""),
    )
    for name, path, parse, without in memories:
        try:
            read_record(system, path, parse)
        except BadInput as error:
            resume = tiller(root, "resume", "--reason", '"..."')
            counts = f"it counts as a trip; when the account is well: {resume}"
            mend = f"restore {quoted(path)} from a backup, or move it away: {without}" if without else counts
            yield Finding(name, WRONG, f"{path}: {error.message}", mend)
        except TillerError as error:  # there may be nothing wrong with what stands in it
            yield Finding(name, WRONG, f"{path}: {error.message}", error.hint)


def _rivals(system: System, snapshot: Snapshot) -> Finding:
    """Who else writes what we write, or what the bot prefers to it."""
    root, told, rl = snapshot.root, snapshot.told.record, snapshot.rl.record
    rival = root.allocations_symbols
    if os.path.lexists(rival):
        remedy = f"remove {quoted(rival)}, or accept that the ancestor's bot reads it instead of ours"
        return Finding("rivals", WARNING, f"{rival.name} beats {root.allocations.name}", remedy)
    if told and not _is_ours(system, root, told):
        detail = f"{root.allocations.name} is not what the bridge decided: somebody else writes it"
        return Finding("rivals", WRONG, detail, "find out who, and stop it: the bot may read either")
    if rl and rl.generation is None and feel(system, root, "inference").state == ALIVE:
        detail = f"{root.rl_weights.name} was written by somebody else than our inference"
        return Finding("rivals", WRONG, detail, "stop the other one: they undo each other's work")
    return Finding("rivals", OK, f"nothing overrides {root.allocations.name}")


def _is_ours(system: System, root: Root, told: Allocations) -> bool:
    """What the journal does not know, because it could not be written, may be ours."""
    if told.generation is None:
        return False
    try:
        entry = journal.read(system, root, "bridge", told.generation)
    except TillerError:
        return True
    return entry is None or entry.body.get("weights") == by_name(told.strategy_allocations)


def _egress(system: System, snapshot: Snapshot) -> Finding:
    """The ancestor's bot reads weights and nothing else, so it has to be stopped by hand."""
    root, told = snapshot.root, snapshot.told.record
    if told is None:
        if os.path.lexists(root.allocations):
            remedy = "start the bridge: it writes it anew; whoever else writes there must stop"
            return Finding("egress", WARNING, snapshot.told.trouble, remedy)
        return Finding("egress", OK, "nothing has been published yet")
    if told.risk.state == HALTED:
        remedy = f"stop the ancestor's bot, which does not look at it; when all is well: {_halt_remedy(root)}"
        return Finding("egress", WARNING, f"HALTED: {told.risk.reason}", remedy)
    if snapshot.is_stale and told.valid_until:
        detail = f"the bot is told what was good until {format_time(told.valid_until)}: nobody renews it"
        verdict = WARNING if feel(system, root, "bridge").state == ENDED and not snapshot.should_run else WRONG
        return Finding("egress", verdict, detail, f"{tiller(root, 'start')}, or see why the bridge does not work")
    return Finding("egress", OK, f"{told.source}, {told.risk.state}")


def _halt_remedy(root: Root) -> str:
    halt = f"rm {quoted(root.halt)}" if os.path.lexists(root.halt) else ""
    return halt or tiller(root, "resume", "--reason", '"..."')


def _request(system: System, root: Root) -> Finding:
    """The bridge takes a request when the cooldown is over; until then it may well lie there."""
    try:
        request = read_record(system, root.resume, parse_resume_request)
    except TillerError as error:
        return Finding("resume", WARNING, str(error), f"remove {quoted(root.resume)} and ask again")
    if request is None:
        return Finding("resume", OK, "nobody asks to resume")
    asked = f"asked for at {format_time(request.timestamp)}"
    if feel(system, root, "bridge").state == ALIVE:
        return Finding("resume", WARNING, f"{asked}: the bridge waits for the cooldown", "wait: see risk.cooldown_s")
    return Finding("resume", WARNING, f"{asked}, and no bridge is there to take it", "start the bridge")
