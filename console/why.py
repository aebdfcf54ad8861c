"""`tiller why`: what a publication followed from, and whether it follows from it still."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agents.bridge_decision import derive
from contract import journal
from contract.configure import configure
from contract.daemon import DONE, FAILED, NOTHING_TO_DO
from contract.errors import one_line
from contract.schema.fields import Fields, format_time
from contract.schema.names import RL_INFERENCE, Root
from contract.schema.operations import JournalEntry
from contract.system import OperatingSystem, System

if TYPE_CHECKING:  # numpy comes with it, which no other command waits for
    from ai.derivation import Finding

NAME = "why"
SUMMARY = "Show what the bot was told and what that followed from: rows, features, model, trust, sources and guards."
BRIDGE, INFERENCE = "bridge", "inference"

Told = tuple[JournalEntry, "list[Finding]"]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("generation", type=int, nargs="?", help="of which publication (default: the last one)")
    parser.add_argument("--of", choices=(BRIDGE, INFERENCE), help="whose (default: the bridge's, if it has any)")


def run(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    found = find(system, root, options.generation, options.of)
    if not found:
        number = "" if options.generation is None else f" {options.generation}"
        print(f"no publication{number} stands in {root.journals}")
        return NOTHING_TO_DO
    told = [(entry, findings(system, root, entry)) for entry in found]
    if options.json:
        print(json.dumps([as_values(entry, found) for entry, found in told], indent=2))
    else:
        print("\n".join(map(one_line, lines(told))))
    return FAILED if any(finding.holds is False for _, found in told for finding in found) else DONE


def find(system: System, root: Root, generation: int | None, writer: str | None) -> list[JournalEntry]:
    """What the bot was told, and what inference had said to the bridge, if it was that."""
    if writer != INFERENCE and (told := journal.read(system, root, BRIDGE, generation)):
        entry = None
        number = told.body.get("source_generation")
        if told.body.get("source") == RL_INFERENCE and isinstance(number, int):
            entry = journal.read(system, root, INFERENCE, number)
        return [told, entry] if entry else [told]
    said = None if writer == BRIDGE else journal.read(system, root, INFERENCE, generation)
    return [said] if said else []


def findings(system: System, root: Root, entry: JournalEntry) -> list[Finding]:
    from ai.derivation import check

    if entry.daemon == BRIDGE:
        return [_from_proposal(entry.body, root)]
    if entry.body.get("model") is None:
        return []
    return list(check(system, root, configure(system, root, os.environ).config, entry.body))


def _from_proposal(body: Mapping[str, Any], root: Root) -> Finding:
    from ai.derivation import Finding

    noted = Fields(body, root.journals)
    start = noted.section("moved_from").strategy_weights() if "moved_from" in noted else None
    bounds = noted.section("bounds")
    limit = noted.number("turnover_limit")
    proposal = noted.section("proposal").strategy_weights()
    derived = derive(proposal, start, bounds.number("floor"), bounds.number("cap"), limit)
    holds = derived == noted.section("weights").strategy_weights()
    return Finding("proposal -> weights", holds, "to the last bit" if holds else f"they follow as {derived}")


def lines(told: list[Told]) -> Iterator[str]:
    for entry, found in told:
        yield f"{entry.daemon} generation {entry.generation} at {format_time(entry.timestamp)}"
        for finding in found:
            verdict = {True: "follows", False: "DIFFERS", None: "unknown"}[finding.holds]
            yield f"  {finding.step:<24} {verdict}: {finding.says}"
        yield from _laid_out(entry.body, 1)
        yield ""


def as_values(entry: JournalEntry, found: list[Finding]) -> dict[str, Any]:
    return {
        "daemon": entry.daemon,
        "generation": entry.generation,
        "timestamp": format_time(entry.timestamp),
        "derivation": [finding._asdict() for finding in found],
        "body": entry.body,
    }


def _laid_out(values: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Names and values, what belongs together below its name."""
    indent = "  " * depth
    width = max((len(name) for name, value in values.items() if not _is_deep(value)), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}"
            yield from _laid_out(value, depth + 1)
        elif _is_deep(value):
            yield f"{indent}{name}"
            for part in value:
                yield f"{indent}  - {_in_one_line(part)}"
        else:
            yield f"{indent}{name:<{width}}  {_plain(value)}"


def _is_deep(value: Any) -> bool:
    return isinstance(value, Mapping | list) and bool(value)


def _in_one_line(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_plain(part)}" for name, part in value.items() if part not in (None, ""))
    return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case str():
            return value
    return json.dumps(value)
