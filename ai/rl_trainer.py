#!/usr/bin/env python3
"""The trainer: learns from the bot's book, and puts what it learnt into service if that is shown to be better.

    python3 ai/rl_trainer.py                     train if it is due: exit code 3 if not, 4 if the candidate is refused
    python3 ai/rl_trainer.py --train             train now
    python3 ai/rl_trainer.py --train --seeds 5   train five candidates, and offer the best
    python3 ai/rl_trainer.py --loop              train whenever it is due
    python3 ai/rl_trainer.py --history           the models that are kept, and their figures
    python3 ai/rl_trainer.py --rollback          put the model before into service again; or --rollback GENERATION
    python3 ai/rl_trainer.py --pretrain          make the prior anew, from simulated worlds

The first training is due at 50 trades, each further one after 168 hours or 50 trades more. Killed at any instant, it
leaves the model in service as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()
    os.nice(10)  # the bot comes first
    for library in ("OMP", "OPENBLAS", "MKL"):  # learning asks for its own threads
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

from ai.bots_book import BotsBook
from ai.histories import history_of
from ai.learner import learner, use_threads
from ai.model_store import history, publish_model, read_model, read_prior, roll_back, sweep_model
from ai.model_table import history_table, history_values
from ai.promotion import LEAST_DAYS
from ai.schedule import Traded, when_due
from ai.study import Learn
from ai.trainer_options import NOT_ASKED, add_options, settings
from ai.training import Candidate, Lesson, best_of, broken_off, learn_from, offered, passed_over, verdict_on
from ai.training_log import last_failure, read_log, with_promotion, with_trainings, write_log
from ai.training_progress import Reporter
from contract.book.daily import DailyBook
from contract.daemon import (
    CANDIDATE_REFUSED,
    DONE,
    FAILED,
    NOTHING_TO_DO,
    Context,
    Daemon,
    RunOnce,
    Status,
    add_common_options,
)
from contract.daemon import main as run_daemon
from contract.errors import TillerError, told
from contract.files import settle
from contract.schema.model import PROMOTED, REFUSED, Training, TrainingLog, training_values
from contract.schema.names import Root
from contract.system import OperatingSystem


class Finished(NamedTuple):
    """A training that is over, and not yet on disk."""

    lesson: Lesson
    best: Candidate
    offer: Training
    others: tuple[Training, ...]


class Trainer:
    """`run_once` of the trainer."""

    def __init__(self, context: Context, learn: Learn | None) -> None:
        self._learn = learn
        self._bots_book = BotsBook(context.system, context.root, context.config)
        self._finished: Finished | None = None
        settle(context.system, context.root.manifest)

    def __call__(self, context: Context) -> Status:
        if context.options.pretrain:
            from ai.pretraining import pretrain

            return pretrain(context)
        if self._finished is None:
            log = self._log(context)
            book = self._bots_book.read(context.config)
            waiting = _reason_to_wait(context, log, book)
            if waiting is not None:
                return waiting
            self._finished = self._train(context, log, book)
            if self._finished is None:
                context.log.info("interrupted: nothing has changed")
                return Status("interrupted", exit_code=FAILED)
        return self._conclude(context, self._finished)

    @staticmethod
    def _log(context: Context) -> TrainingLog:
        """With what a trainer that died too soon did not write: that it had put its model into service."""
        system, root = context.system, context.root
        log = read_log(system, root)
        whole = with_promotion(log, read_model(system, root).manifest)
        if whole != log:
            write_log(system, root, whole, context.config.trainer)
        return whole

    def _train(self, context: Context, log: TrainingLog, book: DailyBook) -> Finished | None:
        """None when it was told to stop. An error is logged as a training too, lest it be repeated at once."""
        system, root, options = context.system, context.root, context.options
        if self._bots_book.trouble:
            context.log.warning("learning without all", trouble=self._bots_book.trouble)
        service, prior = read_model(system, root), read_prior()
        lesson = Lesson(history_of(book), int(book.account_trades.sum()), service, prior, context.config)
        first = len(log.trainings) if options.seed is None else options.seed
        seeds = range(first, first + options.seeds)
        candidates: list[Candidate] = []
        try:
            for seed in seeds:
                candidates.append(self._candidate(context, lesson, seed, seeds))
                if context.stopping():
                    return None
            best = best_of(candidates)
            verdict = verdict_on(best, candidates, lesson, log.trials)
        except Exception as error:
            seed = seeds[min(len(candidates), len(seeds) - 1)]
            failure = broken_off(seed, lesson, f"{error!r}", system.now())
            write_log(system, root, with_trainings(log, failure), context.config.trainer)
            raise
        now = system.now()
        others = tuple(passed_over(candidate, lesson, now) for candidate in candidates if candidate is not best)
        return Finished(lesson, best, offered(best, verdict, lesson, now), others)

    def _candidate(self, context: Context, lesson: Lesson, seed: int, seeds: range) -> Candidate:
        learn = self._learn
        if learn is None:
            context.beat("loading what it learns with")  # at the trainer's low priority that may take a while
            use_threads(context.config.trainer.threads)
            learn = learner()
        place = f" {seeds.index(seed) + 1} of {len(seeds)}" if len(seeds) > 1 else ""
        with closing(Reporter(context, seed, place)) as reporter:
            learned = learn_from(lesson, learn, seed, reporter, reporter.stopping)
            return Candidate(seed, learned, reporter.scalars)

    def _conclude(self, context: Context, finished: Finished) -> Status:
        """Put on disk what is finished. What fails here is tried again, without another training."""
        system, root, settings = context.system, context.root, context.config.trainer
        lesson, best, offer, others = finished
        if offer.outcome == PROMOTED and offer.generation is None:
            offer = self._promote(context, lesson, best, offer)
            self._finished = finished._replace(offer=offer)
        log = with_trainings(read_log(system, root), *others, offer)
        write_log(system, root, log, settings)
        self._finished = None
        values = [training_values(training) for training in (*others, offer)]
        name = "" if offer.generation is None else f" generation {offer.generation}"
        said = f"{offer.outcome}{name}: {offer.reason}"
        context.log.info(f"{offer.outcome}{name}", reason=offer.reason, seconds=round(offer.duration_s, 1))
        _print(context.options, said, {"trained": True, "outcome": offer.outcome, "trainings": values})
        return Status(said, exit_code=DONE if offer.outcome == PROMOTED else CANDIDATE_REFUSED)

    def _promote(self, context: Context, lesson: Lesson, best: Candidate, offer: Training) -> Training:
        """Into service, unless it was examined against a model that serves no more: one that was rolled back, say."""
        system, root, made_of = context.system, context.root, self._bots_book.input()
        dates = lesson.history.dates
        details: dict[str, Any] = {
            "training": training_values(offer),
            "data": {
                "first_day": str(dates[0]),
                "last_day": str(dates[-1]),
                "rows": made_of.rows,
                "sha256": made_of.sha256,
            },
        }
        serving = read_model(system, root).manifest
        if serving == lesson.service.manifest:
            keep, parent = context.config.trainer.keep_generations, lesson.start.manifest.generation
            now = system.now()
            serving = publish_model(system, root, best.checkpoint, details, now, parent, keep_generations=keep)
        elif serving.details.get("training") == details["training"]:
            roll_back(system, root, serving.generation)  # it got there, but the disk would not promise to keep it
        else:
            return replace(offer, outcome=REFUSED, reason="another model was put into service while it trained")
        return replace(offer, generation=serving.generation)


def _reason_to_wait(context: Context, log: TrainingLog, book: DailyBook) -> Status | None:
    """None if there is none, and a training begins."""
    settings, options = context.config.trainer, context.options
    due = when_due(log, Traded(book.dates, book.account_trades), context.system.now(), settings)
    reason = "" if due.due or options.train else f"not due: {due.reason}"
    if not reason and len(book.dates) < LEAST_DAYS:
        reason = f"{len(book.dates)} days of {LEAST_DAYS} that are needed to learn anything"
    if not reason:
        context.log.info("due", reason="asked for" if options.train else due.reason)
        return None
    _print(options, reason, {"trained": False, "reason": reason})
    wait_s = settings.interval_s if due.wait_s is None else min(settings.interval_s, due.wait_s)
    return Status(reason, wait_s, NOTHING_TO_DO, last_failure(log))


def _print(options: argparse.Namespace, said: str, values: Mapping[str, Any]) -> None:
    if options.json:
        print(json.dumps(values, indent=2))
    elif not options.loop:
        print(said)


def trainer(learn: Learn | None = None) -> Daemon:
    """The daemon; `learn` stands in for the best way of learning that this machine has."""

    def begin(context: Context) -> RunOnce:
        sweep_model(context.system, context.root)
        return Trainer(context, learn)

    return Daemon(
        name="trainer",
        summary="Learns from the bot's book, and puts what it learnt into service if that is shown to be better.",
        begin=begin,
        watches=lambda root: (root.pnl_history, root.strategy_marks),
        interval_s=lambda config: config.trainer.interval_s,
        owns=lambda root: (root.training_log,),
        add_options=add_options,
        runs_once=lambda options: not options.loop,
        settings=settings,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Looking back and rolling back need no lock of the trainer's: they work while it runs."""
    parser = argparse.ArgumentParser(prog="trainer", add_help=False)
    add_common_options(parser)
    add_options(parser)
    options, _ = parser.parse_known_args(arguments)
    try:
        if options.history:
            kept = history(OperatingSystem(), Root.find(options.root))
            print(json.dumps(history_values(kept), indent=2) if options.json else history_table(kept))
            return DONE
        if options.rollback != NOT_ASKED:
            manifest = roll_back(OperatingSystem(), Root.find(options.root), options.rollback)
            _print(options, f"generation {manifest.generation} is in service", {"generation": manifest.generation})
            return DONE
    except (TillerError, OSError) as error:
        print(f"trainer: {told(error)}", file=sys.stderr)
        return FAILED
    return run_daemon(trainer(), arguments)


if __name__ == "__main__":
    sys.exit(main())
