"""A whole system in whose files stands, wherever words may stand, what is more than words to whoever shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from support.good_records import GOOD
from support.schema_records import KINDS
from support.scripted_book import ScriptedBook, ScriptedReader

from agents.weights_bridge import BRIDGE
from ai.rl_inference import INFERENCE
from attacks.csvs import row_with
from attacks.names import ALL_AT_ONCE, HOSTILE
from contract.errors import BadInput
from contract.schema.names import DAEMONS, STRATEGIES, Root
from contract.system import OperatingSystem

HISTORY = np.random.default_rng(3).normal(0.0005, 0.01, (40, 8)).round(9)
DIRECTORY = "a\nforged: all is well\x1b[2J\u202e<b>$(touch canary)"


def hostile_root(directory: Path) -> Root:
    """Where inference and the bridge have spoken before everything was spoilt that can be without being refused."""
    book = ScriptedBook(directory / DIRECTORY)
    root = book.root
    book.mark(HISTORY)
    book.close(STRATEGIES[0], 3.0, -2.0, day=3)
    for daemon in (INFERENCE, BRIDGE):
        ScriptedReader(daemon, root).once()
    with root.pnl_history.open("ab") as file:
        file.writelines(map(row_with, reversed(HOSTILE)))  # too many columns here; the report shows the last of them
    for path, kind in files(root):
        path.parent.mkdir(parents=True, exist_ok=True)
        values = json.loads(path.read_bytes()) if path.exists() else GOOD[kind]
        path.write_text(json.dumps(spoilt(values, path, KINDS[kind].parse), separators=(",", ":")) + "\n")
    root.halt.write_text(ALL_AT_ONCE)
    root.logs.mkdir()
    for name in (*DAEMONS, "\x1b[2J"):
        root.log(name).write_text(f"2026-01-31T08:00:01Z INFO {name} {ALL_AT_ONCE}\n{ALL_AT_ONCE}\n")
    return root


def files(root: Root) -> Iterator[tuple[Path, str]]:
    """Every file that holds one record, and which."""
    for kind, name in (("resume_request", "resume"), ("alerts_state", "alerts"), ("report", "report")):
        yield getattr(root, name), kind
    for kind in set(KINDS) - {"resume_request", "alerts_state", "report", "heartbeat", "journal_entry", "risk_event"}:
        yield getattr(root, kind), kind
    for daemon in (*DAEMONS, "supervisor", "alerts", "paper_trader"):
        yield root.heartbeat(daemon), "heartbeat"
    for daemon in ("inference", "bridge"):
        yield root.journal(daemon), "journal_entry"


def spoilt(values: Any, path: Path, parse: Callable[[bytes, Path], object]) -> Any:
    """With those words in each place where the parser takes them, as a text and as a name."""
    whole = json.loads(json.dumps(values))

    def is_taken() -> bool:
        try:
            parse(json.dumps(whole).encode(), path)
        except BadInput:
            return False
        return True

    def spoil(part: Any) -> None:
        for place in list(part) if isinstance(part, dict) else range(len(part)):
            if isinstance(part[place], dict | list):
                spoil(part[place])
            elif isinstance(part[place], str):
                before, part[place] = part[place], ALL_AT_ONCE
                if not is_taken():
                    part[place] = before
        if isinstance(part, dict):
            part[ALL_AT_ONCE] = ALL_AT_ONCE
            if not is_taken():
                del part[ALL_AT_ONCE]

    spoil(whole)
    is_current = "boot_id" in whole and isinstance(whole["boot_id"], str)
    return whole | {"boot_id": OperatingSystem().boot_id()} if is_current else whole
