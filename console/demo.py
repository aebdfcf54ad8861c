"""`tiller demo`: the loop on a simulated market, below .demo/. Nothing outside that directory is touched."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
import threading
from datetime import datetime
from math import inf

from console import file_bounds, status
from console.launch import start, stop
from console.page import duration
from console.programs import BOT, USUAL
from console.session import is_alive, members
from console.snapshot import Snapshot, take
from console.vitals import Vitals, errors, said
from contract.daemon import CANDIDATE_REFUSED, DONE, FAILED, NOTHING_TO_DO
from contract.errors import MustStop, one_line
from contract.files import make_directory, publish, read_record
from contract.pulse import feel
from contract.schema.model import parse_training_log
from contract.schema.names import CHECKOUT, Root
from contract.schema.supervision import Wanted, parse_wanted
from contract.system import OperatingSystem, System

NAME = "demo"
SUMMARY = "Run the whole loop on a simulated market, below .demo/."

DAYS_A_YEAR = 252
YEARS = 6
EPISODES = 10
MINUTES_HEADLESS = 1.5
LOOK_EVERY_S, TELL_EVERY_S = 1.0, 10.0
LOOK_FOR_AN_END_EVERY_S = 0.2
SHOWN_ERRORS, SHOWN_FILES = 10, 5

SETTINGS = f"""\
# The demo's own settings: a day of its market takes a second, so what takes weeks elsewhere takes minutes here.
agent:
  episodes: {EPISODES}
trainer:
  retrain_trades: 500
tracker:
  interval_s: 20
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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever ends the demo ends what it started
        signal.signal(number, signal.default_int_handler)
    make_directory(system, root.runtime)
    system.mkdir(root.locks, 0o700)
    lock = system.lock(root.lock(NAME))
    if lock is None:
        raise MustStop("a demo runs here already", path=root.path, hint="Ctrl-C ends it, in its terminal")
    try:
        return _run_alone(options, system, root)
    finally:
        lock.release()


def _run_alone(options: argparse.Namespace, system: System, root: Root) -> int:
    _end_what_was_left(system, root)
    _say(f"A bot trades eight strategies on a simulated market; all of it stands below {root.path}")
    if not root.config.exists():
        publish(system, root.config, SETTINGS.encode())
    if root.bot_state.exists():
        print("It has traded before, and goes on from there.")
    else:
        _run(system, root, "agents.paper_trader", "--fast-forward", str(options.years * DAYS_A_YEAR))
    _say("The trainer learns from what each strategy earned, and examines its candidate on days that it has not seen")
    _run(system, root, "ai.rl_trainer", "--train", may_end_with=(CANDIDATE_REFUSED, NOTHING_TO_DO))
    for line in _examination(system, root):
        print(line)
    return _live(options, system, root)


def _end_what_was_left(system: System, root: Root) -> None:
    """By a demo that was killed. Only a demo has the supervisor run the bot; what an operator started is not ours."""
    if not members(system, root):
        return
    wanted = read_record(system, root.wanted, parse_wanted) or Wanted()
    if BOT not in wanted.programs:
        hint = f"stop it: {_command('stop', root)}"
        raise MustStop("the daemons run here, and not for a demo", path=root.path, hint=hint)
    _say("A demo that was killed left its programs running; they end first")
    stop(system, root, print)


def _live(options: argparse.Namespace, system: System, root: Root) -> int:
    """All programs and the bot, until somebody has seen enough; then none of them."""
    _say("All programs start, and the bot trades on")
    began, vitals = system.now(), Vitals(days_a_minute=60.0 / options.bar_seconds)
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
    trained = _trainings(take(system, root))
    while (now_s := system.monotonic()) < until_s:
        snapshot = take(system, root)
        vitals.look(now_s, members(system, root), {"trainer": _stage(snapshot, trained)})
        if now_s >= told_s + TELL_EVERY_S:
            told_s = now_s
            print(one_line(_in_one_line(snapshot)), flush=True)
        system.wait(threading.Event(), min(LOOK_EVERY_S, max(0.0, until_s - now_s)))


def _stage(snapshot: Snapshot, trained: int) -> str | None:
    """Of the trainer: before its first training, which loads torch, or after it; None while it trains."""
    beat = next((pulse.heartbeat for pulse in snapshot.pulses if pulse.daemon == "trainer"), None)
    if beat is None or beat.message.startswith("training"):
        return None
    return "has trained" if _trainings(snapshot) > trained else "has not trained"


def _trainings(snapshot: Snapshot) -> int:
    return len(snapshot.trainings.record.trainings) if snapshot.trainings.record else 0


def _in_one_line(snapshot: Snapshot) -> str:
    told, trust = snapshot.told.record, snapshot.trust.record
    bot = next((pulse.heartbeat.message for pulse in snapshot.pulses if pulse.daemon == BOT and pulse.heartbeat), "")
    unwell = [f"{name} is {state}" for name, state in snapshot.unwell.items()]
    parts = [
        bot or "the bot has not begun",
        f"trust {trust.trust:.1%}" if trust else "",
        f"publication {told.generation}" if told else "nothing published",
        *(unwell or ["all programs are well"]),
    ]
    return "; ".join(filter(None, parts))


def _conclude(system: System, root: Root, page: list[str], began: datetime, vitals: Vitals) -> bool:
    """What there was; says whether anything went wrong that should not."""
    if page:
        _say(f"How things stood at the end, after {duration((system.now() - began).total_seconds())}")
        print("\n".join(page))
    growths = list(vitals.growths())
    if growths:
        _say("Memory")
        print("\n".join(map(said, growths)))
    sizes = file_bounds.sizes(root)
    too_large = list(file_bounds.beyond(root, sizes, file_bounds.lived(system, root)))
    if page:
        _say(f"The largest of {len(sizes)} files")
        print("\n".join(one_line(f"{size / 1024:10,.0f} KiB {path}") for size, path in sizes[:SHOWN_FILES]))
    found = errors(root, began)
    _say(f"{len(found)} errors in the logs" if found else "No errors in the logs")
    for line in (*found[:SHOWN_ERRORS], *too_large):
        print(one_line(line))
    if root.report_page.exists():
        print(f"The report: {root.report_page}")
    print(f"Again, without the years before: {_command('demo', root)}")
    return bool(found or too_large) or not all(growth.is_flat for growth in growths)


def _command(name: str, root: Root) -> str:
    """As it is typed."""
    return f"bash scripts/start_rl_system.sh {name} --root {shlex.quote(str(root.path))}"


RIVALS = (("service", "the model in service"), ("prior", "the model that ships"))


def _examination(system: System, root: Root) -> list[str]:
    """What the gate found out of the last candidate."""
    log = read_record(system, root.training_log, parse_training_log)
    if log is None or not log.trainings:
        return []
    figures = log.trainings[-1].figures
    if "test_sharpe" not in figures:
        return []
    told = [f"Sharpe ratio {figures['test_sharpe']:.2f} on {figures['test_days']} unseen days, net of costs"]
    others = {name: (figures[f"{key}_difference"], figures[f"{key}_lower_bound"]) for key, name in RIVALS}
    if len(set(others.values())) == 1:
        others = {"the model that ships and is in service": others.popitem()[1]}
    for name, (difference, bound) in others.items():
        shown = "shown to be better" if bound > 0 else "not shown to be better"
        told.append(f"{difference:+.2f} against {name}, at least {bound:+.2f}: {shown}")
    return told


def _say(what: str) -> None:
    print(f"\n== {what}\n", flush=True)


def _run(system: System, root: Root, module: str, *arguments: str, may_end_with: tuple[int, ...] = ()) -> None:
    """One of our programs, speaking for itself. One that a killed demo left at work comes first."""
    name = module.rpartition(".")[2].removeprefix("rl_")
    before = feel(system, root, name)
    if before.heartbeat and is_alive(before):
        print(f"The {name} of a demo that was killed is still at work (pid {before.heartbeat.pid}): waiting for it")
    while is_alive(feel(system, root, name)):
        system.wait(threading.Event(), LOOK_FOR_AN_END_EVERY_S)
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
