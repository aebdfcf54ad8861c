"""A replay: the weights that the model in service would have published on each day of the history.

Each day's weights use what was known that morning, and trust begins with the first day, as if this model had served
from then on. It may have learnt from these very days; for what a model does on days that it has not seen there is the
walk-forward.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ai.bots_book import BotsBook
from ai.experts import BASE, POLICY, Settings
from ai.past import past_of
from ai.serving import read, settings_of
from ai.smoothing import FloatArray
from ai.trust import Evidence, advantage, blend
from contract.book.daily import DailyBook
from contract.configure import configure
from contract.daemon import DONE, FAILED, NOTHING_TO_DO, Daemon, add_common_options
from contract.errors import TillerError, told
from contract.files import publish
from contract.schema.names import STRATEGIES, Root
from contract.system import OperatingSystem


class Replayed(NamedTuple):
    """On each day of a book."""

    policy: FloatArray
    """(days, 8): the policy's own weights."""
    trust: FloatArray
    """(days,)"""
    published: FloatArray
    """(days, 8)"""


def replayed(book: DailyBook, settings: Settings) -> Replayed:
    """What would have been published, with trust from the first day on."""
    rules, terms = settings.rules, settings.terms
    past = past_of(book, settings)
    trust = np.empty(len(past.net))
    evidence = Evidence.before_any(terms)
    for day, (policy, base) in enumerate(past.net.tolist()):
        trust[day] = evidence.trust(terms)
        evidence = evidence.after(advantage(policy, base), terms)
    held = past.weights[:-1]
    published = blend(trust[:, np.newaxis], held[:, POLICY], held[:, BASE], rules.floor, rules.cap)
    return Replayed(held[:, POLICY], trust, published)


def add_replay_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--replay", action="store_true", help="print what each day of the history would have been told")
    parser.add_argument("--since", type=date.fromisoformat, metavar="D", help="with --replay: from this day on")
    parser.add_argument("--until", type=date.fromisoformat, metavar="D", help="with --replay: up to this day")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="with --replay: write there instead")
    parser.add_argument("--policy", action="store_true", help="with --replay: the policy's own weights, before trust")


def replay(daemon: Daemon, arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog=daemon.name, description=__doc__)
    add_common_options(parser)
    daemon.add_options(parser)
    options = parser.parse_args(arguments)
    try:
        return _replay(options, daemon)
    except BrokenPipeError:  # whoever read us has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (TillerError, OSError) as error:
        print(f"{daemon.name}: {told(error)}", file=sys.stderr)
        return FAILED


def _replay(options: argparse.Namespace, daemon: Daemon) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    config = configure(system, root, os.environ, daemon.settings(options)).config
    book = BotsBook(system, root, config).read(config)
    if not len(book.dates):
        print(f"{daemon.name}: there is no history in {root.state}", file=sys.stderr)
        return NOTHING_TO_DO
    found = replayed(book, settings_of(config, read(system, root)))
    weights = found.policy if options.policy else found.published
    first, last = (np.datetime64(day or end) for day, end in ((options.since, date.min), (options.until, date.max)))
    rows = [
        (str(day), *of_day, trust)
        for day, of_day, trust in zip(book.dates, weights.tolist(), found.trust.tolist(), strict=True)
        if first <= day <= last
    ]
    content = _as_json(rows) if options.json else _as_csv(rows)
    if options.out:
        publish(system, options.out.absolute(), content.encode())
    else:
        print(content, end="", flush=True)
    return DONE


_COLUMNS = ("date", *STRATEGIES, "trust")


def _as_csv(rows: Sequence[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *rows])
    return text.getvalue()


def _as_json(rows: Sequence[tuple[object, ...]]) -> str:
    return json.dumps([dict(zip(_COLUMNS, row, strict=True)) for row in rows], indent=2) + "\n"
