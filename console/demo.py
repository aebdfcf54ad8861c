"""`tiller demo`: the loop on a simulated market, below .demo/. Nothing outside that directory is touched."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from console import status
from contract.daemon import DONE
from contract.errors import MustStop
from contract.schema.names import CHECKOUT, Root
from contract.system import OperatingSystem

NAME = "demo"
SUMMARY = "Run the loop on a simulated market, below .demo/."

DAYS_A_YEAR = 252
YEARS = 6


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--years", type=int, default=YEARS, help=f"of trading to begin with (default: {YEARS})")


def run(options: argparse.Namespace) -> int:
    root = Root.find(options.root or CHECKOUT / ".demo")
    say(f"A bot trades eight strategies on a simulated market. Everything is below {root.path}.")
    if root.bot_state.exists():
        say("It has traded before and goes on for a year.")
        days = DAYS_A_YEAR
    else:
        days = options.years * DAYS_A_YEAR
    process(root, "agents.paper_trader", "--fast-forward", str(days))
    say("Two programs look at what each strategy earned, and propose weights.")
    process(root, "agents.portfolio_optimizer", "--once")
    process(root, "agents.strategy_lab", "--once")
    say("What the classical allocators would have made of the same strategies, net of 5 bps for what they trade:")
    with tempfile.TemporaryDirectory() as directory:
        returns = Path(directory) / "returns.csv"
        returns.write_text(_returns(root), encoding="utf-8")
        process(root, "analytics.allocators", "--returns", str(returns))
    say("And this is how things stand:")
    print("\n".join(status.lines(status.take(OperatingSystem(), root))))
    return DONE
