#!/usr/bin/env python3
"""The tracker: remembers what the bot was told, and judges whether that beats equal weight.

    python3 analytics/rl_performance.py --report          judge now; prints the report as JSON
    python3 analytics/rl_performance.py                   the same, and prints what it comes to
    python3 analytics/rl_performance.py --track           remember what is published now
    python3 analytics/rl_performance.py --loop            go on: every publication, a report every hour
    python3 analytics/rl_performance.py --walk-forward    retrain through history; only days not learnt from count

The report is state/rl_performance_report.json, and .html beside it for people.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

import argparse
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from math import inf
from typing import Any

from analytics import walk_forward_command
from analytics.judging import Judging
from analytics.recorder import Recorder
from analytics.report_page import page
from analytics.report_pictures import pictures
from analytics.report_summary import summary_lines
from contract.configure import configure
from contract.daemon import DONE, FAILED, Context, Daemon, Status, add_common_options
from contract.daemon import main as run_daemon
from contract.errors import TillerError, one_line, told
from contract.files import make_directory, publish, settle_lines
from contract.log import open_log
from contract.schema.judgement import Report, encode_report
from contract.schema.names import Root
from contract.system import OperatingSystem, Stat

NAME = "tracker"


class Tracker:
    """`run_once`, and what it remembers."""

    def __init__(self, context: Context) -> None:
        with suppress(OSError):
            make_directory(context.system, context.root.model)  # so that the arrival of a first model is heard
        for path in (context.root.quarantine, context.root.live_days):
            settle_lines(context.system, path)
        self._judging = Judging(context)
        self._recorder = Recorder(context)
        self._report: Report | None = None
        self._reported_s = -inf
        self._manifest: Stat | None = None

    def __call__(self, context: Context) -> Status:
        judging, recorder = self._judging, self._recorder
        book = judging.read(context)
        dates: list[date] = book.dates.astype("datetime64[D]").tolist()
        recorded = recorder.record(context, dates)
        if recorded:
            context.log.info("recorded", publications=recorded, in_all=len(recorder.history.history))
        now_s, manifest = context.system.monotonic(), _manifest(context)
        interval_s = context.config.tracker.interval_s
        due = now_s >= self._reported_s + interval_s or manifest != self._manifest
        if due and not context.options.track:
            self._renew(context, judging.judge(context, book, recorder))
            self._reported_s, self._manifest = now_s, manifest
        said = self._report.verdict if self._report else f"{len(recorder.history.history)} publications"
        trouble = "; ".join(filter(None, (*judging.troubles, recorder.trouble)))
        return Status(said, trouble=trouble)

    def _renew(self, context: Context, found: Report) -> None:
        publish(context.system, context.root.report, encode_report(found))
        publish(context.system, context.root.report_page, page(found, pictures(found)))
        if self._report is None or self._report.verdict != found.verdict:
            context.log.info("verdict", verdict=found.verdict, reason=found.body["reason"])
        self._report = found
        show(context.options, found, context.root)


def show(options: argparse.Namespace, found: Report, root: Root) -> None:
    if options.loop:
        return
    if options.report or options.json:
        print(encode_report(found).decode())
    else:
        print(*summary_lines(found), one_line(f"page       {root.report_page}"), sep="\n")


def _manifest(context: Context) -> Stat | None:
    try:
        return context.system.stat(context.root.manifest)
    except OSError:
        return None  # the prior serves


def beside(arguments: Sequence[str] | None) -> int | None:
    """The report of whoever asks while a tracker runs, which alone may write it; None where none runs."""
    parser = argparse.ArgumentParser(prog=NAME, add_help=False)
    add_common_options(parser)
    add_options(parser)
    options, _ = parser.parse_known_args(arguments)
    system, root = OperatingSystem(), Root.find(options.root)
    if options.loop or options.track or not _is_held(system, root):
        return None
    log = open_log(NAME, None, verbose=options.verbose > 0)
    context = Context(root, configure(system, root, os.environ, settings(options)).config, system, log, options)
    judging = Judging(context, writes=False)
    show(options, judging.judge(context, judging.read(context), Recorder(context)), root)
    return DONE


def add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--report", action="store_true", help="judge now, and print the report as JSON")
    what.add_argument("--track", action="store_true", help="remember what is published now, and end")
    what.add_argument("--loop", action="store_true", help="go on remembering, and judge every hour")
    parser.add_argument("--interval", type=float, metavar="S", help="how often to judge (default: tracker.interval_s)")
    walk_forward_command.add_walk_forward_options(parser)


def settings(options: argparse.Namespace) -> Mapping[str, Any]:
    return {} if options.interval is None else {"tracker.interval_s": options.interval}


TRACKER = Daemon(
    name=NAME,
    summary="Remembers what the bot was told, and judges whether that beats equal weight.",
    begin=Tracker,
    watches=lambda root: (root.allocations, root.manifest, root.pnl_history, root.strategy_marks),
    interval_s=lambda config: min(config.tracker.interval_s, 60.0),
    owns=lambda root: (root.weight_history, root.report, root.report_page),
    add_options=add_options,
    runs_once=lambda options: not options.loop,
    settings=settings,
)


def _is_held(system: OperatingSystem, root: Root) -> bool:
    """Whether a tracker runs here."""
    if not root.locks.is_dir():
        return False
    lock = system.lock(root.lock(NAME))
    if lock is not None:
        lock.release()
    return lock is None


def entry(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if "--walk-forward" in given:
        return walk_forward_command.main(given)
    try:
        asked = beside(arguments)
    except (TillerError, OSError) as error:
        print(f"{NAME}: {told(error)}", file=sys.stderr)
        return FAILED
    return run_daemon(TRACKER, arguments) if asked is None else asked


if __name__ == "__main__":
    sys.exit(entry())
