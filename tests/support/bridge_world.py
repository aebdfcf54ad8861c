"""What the tests of the bridge share: sources that write good files, and a bot that reads what is published."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contract.files import publish
from contract.schema.fields import by_name
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.schema.weights import (
    Allocations,
    LabWeights,
    OptimizerWeights,
    RlWeights,
    encode_lab_weights,
    encode_optimizer_weights,
    encode_rl_weights,
    parse_allocations,
)
from contract.system import OperatingSystem
from support.processes import Running

SKEWED = (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)
RISKY = SKEWED[::-1]
EQUAL = (1 / 8,) * 8
EIGHT = range(len(STRATEGIES))
BRIDGE = CHECKOUT / "agents" / "weights_bridge.py"


def rl(
    root: Root,
    proposal: Sequence[float] = SKEWED,
    now: datetime | None = None,
    generation: int = 1,
    **changes: Any,
) -> None:
    """The policy's weights, good for a quarter of an hour; `changes` replace fields of the file."""
    now = now or datetime.now(UTC)
    record = RlWeights(tuple(proposal), now, now + timedelta(minutes=15), True, generation)
    _write(root.rl_weights, encode_rl_weights(record), changes)


def optimizer(root: Root, weights: Sequence[float] = RISKY, now: datetime | None = None, **changes: Any) -> None:
    record = OptimizerWeights(by_name(weights), "risk_parity", now or datetime.now(UTC))
    _write(root.optimizer_weights, encode_optimizer_weights(record), changes)


def lab(root: Root, weights: Sequence[float] = RISKY, now: datetime | None = None, **changes: Any) -> None:
    record = LabWeights(by_name(weights), now or datetime.now(UTC), "strategy_lab")
    _write(root.lab_weights, encode_lab_weights(record), changes)


def _write(path: Path, content: bytes, changes: Mapping[str, Any]) -> None:
    if changes:
        content = json.dumps({**json.loads(content), **changes}).encode()
    publish(OperatingSystem(), path, content)


def told(root: Root) -> Allocations:
    return parse_allocations(root.allocations.read_bytes(), root.allocations)


def verdicts(root: Root) -> dict[str, str]:
    return {source.source: source.verdict for source in told(root).considered}


def trade(root: Root, when: str, pnl: float, **columns: object) -> None:
    """One more row of the history."""
    if not root.pnl_history.exists():
        root.state.mkdir(parents=True, exist_ok=True)
        root.pnl_history.write_text("timestamp,pnl,equity,id,strategy,symbol,qty,price\n")
    names = ("equity", "id", "strategy", "symbol", "qty", "price")
    with root.pnl_history.open("a") as file:
        file.write(",".join([when, repr(pnl), *(str(columns.get(name, "")) for name in names)]) + "\n")


def bridge(root: Root, *arguments: str, **settings: object) -> Running:
    """The real one, in a process of its own."""
    environment = {f"TILLER__{name.upper()}": json.dumps(value) for name, value in settings.items()}
    return Running([sys.executable, BRIDGE, "--root", root.path, *arguments], environment=environment)
