#!/usr/bin/env python3
"""Inference: says what share of the account each strategy should have, by the model in service and its trust.

    python3 ai/rl_inference.py --update                     say it once
    python3 ai/rl_inference.py --loop [--interval 300]      say it whenever the bot has written, and every 300 s
    python3 ai/rl_inference.py --replay [--since D] [--until D] [--out FILE.csv] [--policy]

It needs numpy and no torch. A model that cannot be used takes nobody's place: the last good one goes on deciding.
`ai.experts` says what is decided, `ai.trust` how far the policy is believed, `ai.replay` what a replay shows.
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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Any

from ai.bots_book import BotsBook
from ai.experts import Decision
from ai.following import Followed, follow_book, record_of, standing_of
from ai.publication import Told, journal_body, publication, says_the_same, without_model
from ai.replay import add_replay_options, replay
from ai.serving import Model, Serving, settings_of
from contract import journal
from contract.book.daily import DailyBook
from contract.daemon import DONE, FAILED, Context, Daemon, Status, main, settle_record
from contract.errors import BadInput, RetryLater, TillerError
from contract.files import make_directory, publish, read_record
from contract.schema.judgement import Trust, encode_trust, parse_trust
from contract.schema.names import STRATEGIES
from contract.schema.operations import JournalEntry
from contract.schema.weights import RlWeights, encode_rl_weights, parse_rl_weights

NAME = "inference"


class Inference:
    """`run_once`, and what it remembers."""

    def __init__(self, context: Context) -> None:
        system, root = context.system, context.root
        with suppress(OSError):
            make_directory(system, root.model)  # so that the arrival of a first model is heard
        self._book = BotsBook(system, root, context.config)
        self._serving = Serving()
        remembered = _remembered(context)
        self._standing = None if remembered is None else standing_of(remembered)
        self._followed: Followed | None = None
        self._saved: object = None
        self._published = _published(context)
        known = self._published.generation if self._published else None
        settle_record(context, root.journal(NAME))
        self._generation = max(journal.last_generation(system, root, NAME), known or 0)
        self._spoken_s = -inf
        self._status = Status("nothing said yet")

    def __call__(self, context: Context) -> Status:
        now_s = context.system.monotonic()
        left_s = self._spoken_s + context.config.inference.min_interval_s - now_s
        if left_s > 0:
            return replace(self._status, wait_s=left_s)
        book = self._book.read(context.config)
        if self._serving.is_out_of_date(context.system, context.root):
            if self._serving.model:  # the days that are over belong to the model that they were lived with
                self._decide(context, self._serving.model, book)
            self._serving.look(context.system, context.root)
        proposal, body = self._proposal(context, self._serving.model, book)
        trouble = self._speak(context, proposal, body)
        self._status = Status(
            f"generation {self._generation}: {_summary(proposal)}",
            wait_s=self._spoken_s + context.config.inference.interval_s - now_s,
            exit_code=DONE if self._serving.model else FAILED,
            trouble="; ".join(filter(None, (self._serving.trouble, self._book.trouble, trouble))),
        )
        return self._status

    def _proposal(self, context: Context, model: Model | None, book: DailyBook) -> tuple[RlWeights, Mapping[str, Any]]:
        config, generation, now = context.config, self._generation + 1, context.system.now()
        if model is None:
            return without_model(config, self._serving.trouble, generation, now)
        decision = self._decide(context, model, book)
        told = Told(config, settings_of(config, model), model.manifest, book.kind, self._book.input())
        return publication(decision, told, generation, now), journal_body(decision, told)

    def _decide(self, context: Context, model: Model, book: DailyBook) -> Decision:
        """What is settled is remembered durably before anybody hears of what follows from it."""
        settings = settings_of(context.config, model)
        self._followed, decision = follow_book(book, settings, self._standing, self._followed)
        standing = self._standing = self._followed.standing
        settled = standing.last_day, standing.live_after, standing.model, standing.weights.tobytes()
        if settled != self._saved:
            publish(context.system, context.root.trust, encode_trust(record_of(standing, settings.terms)))
            self._saved = settled
        return decision

    def _speak(self, context: Context, proposal: RlWeights, body: Mapping[str, Any]) -> str:
        """Publish what is new at once, and what is not in time; says what went wrong beside that."""
        system, root, trouble = context.system, context.root, ""
        is_new = not says_the_same(self._published, proposal)
        if is_new:
            self._generation += 1
            try:
                journal.write(system, root, JournalEntry(NAME, self._generation, proposal.timestamp, body))
            except TillerError as error:  # what the bot is told does not hang on the record of it
                trouble = f"not in the journal: {error}"
        elif not self._is_due(context):
            return ""
        proposal = replace(proposal, generation=self._generation)
        content = encode_rl_weights(proposal)
        try:
            publish(system, root.rl_weights, content)
        except RetryLater:
            if is_new:  # it may stand there already, and not be durable: whatever is said next is new as well
                self._published = None
            raise
        self._published, self._spoken_s = proposal, system.monotonic()
        if context.options.json:
            print(content.decode(), end="")
        if is_new:
            context.log.info("published", generation=self._generation, what=_summary(proposal))
        return trouble

    def _is_due(self, context: Context) -> bool:
        """An interval is over since this process spoke, or the clock was set."""
        interval_s = context.config.inference.interval_s
        until = self._published and self._published.valid_until
        left_s = (until - context.system.now()).total_seconds() if until else 0.0
        spoke_lately = context.system.monotonic() < self._spoken_s + interval_s
        return not (spoke_lately and 2.0 * interval_s - 1.0 <= left_s <= 3.0 * interval_s)


def _remembered(context: Context) -> Trust | None:
    """Trust that cannot be read is not begun again in silence: that would give back to a policy what it has lost."""
    try:
        return read_record(context.system, context.root.trust, parse_trust)
    except BadInput as error:
        hint = "restore it from a backup, or remove it to begin anew with what trust.start says"
        raise BadInput(error.message, path=error.path, hint=hint) from None


def _published(context: Context) -> RlWeights | None:
    """What stands in the file; another program's, or a broken one, is replaced."""
    try:
        return read_record(context.system, context.root.rl_weights, parse_rl_weights)
    except BadInput:
        return None


def _summary(said: RlWeights) -> str:
    if not said.model_loaded:
        return "the base alone, without a model"
    model, top = said.metadata["model"], said.metadata["top_strategy"]
    share = said.weights[STRATEGIES.index(top)]
    return f"{top} {share:.1%}, trust {said.metadata['trust']:.1%} in model {model['generation']}"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--update", action="store_true", help="say the weights once and end (the default)")
    parser.add_argument("--loop", action="store_true", help="go on saying them")
    parser.add_argument("--interval", type=float, metavar="S", help="at least so often (default: inference.interval_s)")
    add_replay_options(parser)


def settings(options: argparse.Namespace) -> Mapping[str, Any]:
    return {} if options.interval is None else {"inference.interval_s": options.interval}


INFERENCE = Daemon(
    name=NAME,
    summary="Says what share of the account each strategy should have, by the model in service and its trust.",
    begin=Inference,
    watches=lambda root: (root.pnl_history, root.strategy_marks, root.manifest),
    interval_s=lambda config: config.inference.interval_s,
    owns=lambda root: (root.rl_weights, root.trust),
    add_options=add_options,
    runs_once=lambda options: not options.loop,
    settings=settings,
)


def entry(arguments: Sequence[str]) -> int:
    """A replay reads and writes nothing of a running inference, so it needs no turn of its own."""
    return replay(INFERENCE, arguments) if "--replay" in arguments else main(INFERENCE, arguments)


if __name__ == "__main__":
    sys.exit(entry(sys.argv[1:]))
