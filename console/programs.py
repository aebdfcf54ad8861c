"""The programs that can be kept running, and how each is started."""

from __future__ import annotations

import sys

from contract.errors import BadInput
from contract.schema.names import CHECKOUT, Root
from contract.schema.supervision import Wanted

SUPERVISOR, ALERTS, BOT = "supervisor", "alerts", "paper_trader"

PROGRAMS: dict[str, tuple[str, ...]] = {
    "trainer": ("ai/rl_trainer.py", "--loop"),
    "inference": ("ai/rl_inference.py", "--loop"),
    "bridge": ("agents/weights_bridge.py",),
    "tracker": ("analytics/rl_performance.py", "--loop"),
    "optimizer": ("agents/portfolio_optimizer.py",),
    "lab": ("agents/strategy_lab.py",),
    ALERTS: ("console/alerts.py",),
    BOT: ("agents/paper_trader.py", "--live"),
    SUPERVISOR: ("console/supervisor.py",),
}
USUAL = ("trainer", "inference", "bridge", "tracker")
CHOICES = (*USUAL, "optimizer", "lab", ALERTS)
"""What an operator may name; the bot is the demo's, and the supervisor starts the others."""


def command(name: str, root: Root, wanted: Wanted) -> list[str]:
    """The command line, with the Python that runs this."""
    script, *arguments = PROGRAMS[name]
    if name == BOT and wanted.bar_seconds is not None:
        arguments += ["--bar-seconds", f"{wanted.bar_seconds:g}"]
    return [sys.executable, str(CHECKOUT / script), "--root", str(root.path), *arguments]


def names(text: str) -> tuple[str, ...]:
    """A list such as `optimizer,lab`, each once."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in found:
        if name not in CHOICES:
            raise BadInput(f"{name!r} is no program", hint=f"there are {', '.join(CHOICES)}")
    return found
