"""`tiller demo`: the loop on a simulated market, below .demo/. Nothing outside that directory is touched."""

from __future__ import annotations

import argparse
import subprocess
import sys

from analytics.allocators import ReturnsBook, Terms, as_text, scores
from console import status
from contract.book.reader import HistoryReader
from contract.daemon import DONE
from contract.errors import MustStop
from contract.rows import Attribution
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.system import OperatingSystem, System

NAME = "demo"
SUMMARY = "Run the loop on a simulated market, below .demo/."

DAYS_A_YEAR = 252
YEARS = 6


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--years", type=_years, default=YEARS, help=f"of trading to begin with (default: {YEARS})")


def run(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root or CHECKOUT / ".demo")
    _say(f"A bot trades eight strategies on a simulated market; all of it stands below {root.path}")
    traded_before = root.bot_state.exists()
    days = DAYS_A_YEAR if traded_before else options.years * DAYS_A_YEAR
    _run(root, "agents.paper_trader", "--fast-forward", str(days))
    _say("Two programs look at what each strategy earned, and propose weights")
    _run(root, "agents.portfolio_optimizer", "--once")
    _run(root, "agents.strategy_lab", "--once")
    _say("What the classical allocators would have made of the same strategies")
    print(_comparison(system, root))
    _say("How things stand: nothing publishes weights yet, so the bot trades equal ones")
    print("\n".join(status.lines(status.take(system, root))))
    return DONE


def _say(what: str) -> None:
    print(f"\n== {what}\n", flush=True)


def _run(root: Root, module: str, *arguments: str) -> None:
    """One of our programs, speaking for itself."""
    ended = subprocess.run([sys.executable, "-m", module, "--root", str(root.path), *arguments], check=False)
    if ended.returncode != DONE:
        raise MustStop(f"{module} ended with status {ended.returncode}", path=root.logs, hint="its log says why")


def _comparison(system: System, root: Root) -> str:
    reader = HistoryReader(system, root, Attribution())
    reader.poll()
    book = reader.daily(initial_equity=1.0)
    dates = tuple(str(day) for day in book.dates.astype("datetime64[D]"))
    terms = Terms()
    return as_text(ReturnsBook(dates, STRATEGIES, book.returns), scores(book.returns, terms), terms)


def _years(text: str) -> int:
    years = int(text)
    if not 1 <= years <= 50:
        raise ValueError(text)
    return years
