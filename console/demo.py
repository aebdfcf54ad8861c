"""`tiller demo`: the loop on a simulated market, below .demo/. Nothing outside that directory is touched."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from datetime import datetime
from math import inf

from console import status
from console.launch import start, stop
from console.page import duration
from console.programs import BOT, USUAL
from console.session import members
from console.snapshot import take
from console.vitals import Vitals, errors, largest_files
from contract.daemon import CANDIDATE_REFUSED, DONE, FAILED, NOTHING_TO_DO
from contract.errors import MustStop, one_line
from contract.files import publish, read_record
from contract.schema.model import parse_training_log
from contract.schema.names import CHECKOUT, Root
from contract.schema.supervision import Wanted
from contract.system import OperatingSystem, System

NAME = "demo"
SUMMARY = "Run the whole loop on a simulated market, below .demo/."

DAYS_A_YEAR = 252
YEARS = 6
EPISODES = 10
MINUTES_HEADLESS = 1.5
LOOK_EVERY_S, TELL_EVERY_S = 1.0, 10.0

SETTINGS = f"""\
# The demo's own settings: a day of its market takes a second, so what takes weeks elsewhere takes minutes here.
agent:
  episodes: {EPISODES}
trainer:
  retrain_trades: 500
risk:
  cooldown_s: 60
  auto_resume: true
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--years", type=_years, default=YEARS, help=f"of trading to begin with (default: {YEARS})")
    parser.add_argument("--bar-seconds", type=_positive, default=1.0, metavar="S", help="a day's length (default: 1)")
    parser.add_argument("--minutes", type=_positive, help="how long to run live (default: until Ctrl-C)")
    parser.add_argument("--headless", action="store_true", help="for machines: lines instead of a screen, and an end")


def run(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root or CHECKOUT / ".demo")
    if members(system, root):
        raise MustStop("runs already", path=root.path, hint=f"tiller --root {root.path} stop")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever ends the demo ends what it started
        signal.signal(number, signal.default_int_handler)
    _say(f"A bot trades eight strategies on a simulated market; all of it stands below {root.path}")
    if not root.config.exists():
        publish(system, root.config, SETTINGS.encode())
    if root.bot_state.exists():
        print("It has traded before, and goes on from there.")
    else:
        _run(root, "agents.paper_trader", "--fast-forward", str(options.years * DAYS_A_YEAR))
    _say("The trainer learns from what each strategy earned, and examines its candidate on days that it has not seen")
    _run(root, "ai.rl_trainer", "--train", may_end_with=(CANDIDATE_REFUSED, NOTHING_TO_DO))
    for line in _examination(system, root):
        print(line)
    return _live(options, system, root)


def _live(options: argparse.Namespace, system: System, root: Root) -> int:
    """All programs and the bot, until somebody has seen enough; then none of them."""
    _say("All programs start, and the bot trades on")
    began, vitals = system.now(), Vitals()
    headless = options.headless or not sys.stdout.isatty()
    minutes = options.minutes or (MINUTES_HEADLESS if headless else None)
    try:
        outcomes = start(system, root, Wanted((*USUAL, BOT), options.bar_seconds), print)
        until_s = inf if minutes is None else system.monotonic() + 60 * minutes
        if headless:
            _watch(system, root, until_s, vitals)
        else:
            status.live(system, root, until_s)
    except KeyboardInterrupt:
        outcomes = ()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
        last_page = status.shown(system, root) if headless else []  # a screen leaves its own behind
        _say("All of it stops")
        stop(system, root, print)
    failed = _conclude(system, root, last_page, began, vitals)
    return FAILED if failed or not all(outcome.runs for outcome in outcomes) else DONE


def _watch(system: System, root: Root, until_s: float, vitals: Vitals) -> None:
    """A line now and then."""
    told_s = -inf
    while (now_s := system.monotonic()) < until_s:
        vitals.look(now_s, members(system, root))
        if now_s >= told_s + TELL_EVERY_S:
            told_s = now_s
            print(one_line(_in_one_line(system, root)), flush=True)
        system.wait(threading.Event(), min(LOOK_EVERY_S, max(0.0, until_s - now_s)))


def _in_one_line(system: System, root: Root) -> str:
    snapshot = take(system, root)
    told, trust = snapshot.told.record, snapshot.trust.record
    bot = next((pulse.heartbeat.message for pulse in snapshot.pulses if pulse.daemon == BOT and pulse.heartbeat), "")
    unwell = [f"{name} is {state}" for name, state in snapshot.unwell.items()]
    parts = [
        bot or "the bot has not begun",
        f"trust {trust.trust:.1%}" if trust else "",
        f"generation {told.generation}" if told else "nothing published",
        *(unwell or ["all programs are well"]),
    ]
    return "; ".join(filter(None, parts))


def _conclude(system: System, root: Root, page: list[str], began: datetime, vitals: Vitals) -> bool:
    """What there was; says whether anything went wrong that should not."""
    if page:
        _say(f"How things stood at the end, after {duration((system.now() - began).total_seconds())}")
        print("\n".join(page))
    found = errors(root, began)
    memory = list(vitals.lines())
    if memory:
        _say("Memory, and the largest files")
        print("\n".join((*memory, *(f"{size / 1024:10,.0f} KiB {path}" for size, path in largest_files(root, 5)))))
    _say(f"{len(found)} errors in the logs" if found else "No errors in the logs")
    for line in found[:10]:
        print(one_line(line))
    if root.report_page.exists():
        print(f"The report: {root.report_page}")
    print(f"Again, without the years before: tiller demo --root {root.path}")
    return bool(found)


def _examination(system: System, root: Root) -> list[str]:
    """What the gate found out of the last candidate."""
    log = read_record(system, root.training_log, parse_training_log)
    if log is None or not log.trainings:
        return []
    figures = log.trainings[-1].figures
    if "test_sharpe" not in figures:
        return []
    said = [f"on {figures['test_days']} days: Sharpe ratio {figures['test_sharpe']:.2f}, net of costs"]
    for other, name in (("service", "the model in service"), ("prior", "the prior that ships")):
        difference, bound = figures[f"{other}_difference"], figures[f"{other}_lower_bound"]
        said.append(f"against {name}: {difference:+.2f}; it would have to be above 0 at the lower bound, {bound:+.2f}")
    return said


def _say(what: str) -> None:
    print(f"\n== {what}\n", flush=True)


def _run(root: Root, module: str, *arguments: str, may_end_with: tuple[int, ...] = ()) -> None:
    """One of our programs, speaking for itself."""
    command = [sys.executable, "-m", module, "--root", str(root.path), *arguments]
    ended = subprocess.run(command, cwd=CHECKOUT, check=False)
    if ended.returncode not in (DONE, *may_end_with):
        raise MustStop(f"{module} ended with status {ended.returncode}", path=root.logs, hint="its log says why")


def _years(text: str) -> int:
    years = int(text)
    if not 1 <= years <= 50:
        raise ValueError(text)
    return years


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < inf:
        raise ValueError(text)
    return number
