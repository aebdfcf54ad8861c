"""`rl_performance.py --walk-forward`: the history from its files, the trainings side by side, the result as a table."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ai.bots_book import BotsBook
from ai.histories import History, history_of, simulated
from ai.model_store import read_prior
from ai.serving import Model, settings_of
from ai.study import Learn, Learned
from analytics.accounts import accounts, rivals
from analytics.allocators import read_returns
from analytics.figures import known, span
from analytics.ledger import EQUAL_WEIGHT, PUBLISHED
from analytics.report import SEED
from analytics.report_summary import interval, number, percent, rivals_in_words
from analytics.verdict import judge
from analytics.walk_forward import EXPANDING, ROLLING, SUMMARIES, Fold, Plan, Trained, Walk, walk
from contract.config import Config
from contract.configure import configure
from contract.daemon import DONE, FAILED, add_common_options
from contract.errors import BadInput, TillerError, told
from contract.files import publish
from contract.progress import Progress
from contract.schema.names import STRATEGIES, Root
from contract.system import OperatingSystem


def main(arguments: Sequence[str] | None = None, learn: Learn | None = None) -> int:
    """learn: stands in for the best way of learning that this machine has."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options, learn)
    except (TillerError, OSError) as error:
        print(f"tracker: {told(error)}", file=sys.stderr)
        return FAILED


def add_walk_forward_options(parser: argparse.ArgumentParser) -> None:
    plan = Plan()
    parser.add_argument("--walk-forward", action="store_true", help="retrain through history; see --scheme")
    parser.add_argument("--scheme", choices=(EXPANDING, ROLLING), default=plan.scheme, help="how much is learnt from")
    for flag, default, said in (
        ("--first-days", plan.first_days, "before the first block"),
        ("--block-days", plan.block_days, "between two trainings"),
        ("--window-days", plan.window_days, "learnt from, with --scheme rolling"),
        ("--workers", os.cpu_count() or 1, "trainings side by side"),
        ("--episodes", None, "of each training (default: agent.episodes)"),
    ):
        parser.add_argument(flag, type=_whole, default=default, metavar="N", help=said)
    parser.add_argument("--returns", type=Path, metavar="FILE.csv", help="daily returns of eight strategies instead")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the result there as well")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tracker --walk-forward", description=__doc__)
    add_common_options(parser)
    add_walk_forward_options(parser)
    return parser


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _run(options: argparse.Namespace, learn: Learn | None) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    asked = {} if options.episodes is None else {"agent.episodes": options.episodes}
    config = configure(system, root, os.environ, asked).config
    history = _history(options, system, root, config)
    prior = read_prior()
    settings = settings_of(config, Model(prior.policy, prior.manifest))
    plan = Plan(
        scheme=options.scheme,
        first_days=options.first_days,
        block_days=options.block_days,
        window_days=options.window_days,
        purge_days=max(Plan().purge_days, config.promotion.purge_days),
    )
    train_all = partial(_train_all, workers=options.workers, monotonic=system.monotonic)
    found = walk(history, prior, settings, config, plan, train_all, learn)
    values = result(found, plan, config)
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    if options.out:
        publish(system, options.out.absolute(), text.encode())
    print(text if options.json else "\n".join(result_lines(values)))
    return DONE


def _history(options: argparse.Namespace, system: OperatingSystem, root: Root, config: Config) -> History:
    if options.returns is None:
        return history_of(BotsBook(system, root, config).read(config))
    found = read_returns(options.returns)
    if len(found.assets) != len(STRATEGIES):
        hint = f"one for each of the {len(STRATEGIES)} strategies are needed"
        raise BadInput(f"{len(found.assets)} columns of returns", path=options.returns, hint=hint)
    dates = np.array([text[:10] for text in found.dates], dtype="datetime64[D]")
    return simulated(found.returns)._replace(dates=dates)


def _train_all(
    train: Callable[[Fold], Learned], blocks: Sequence[Fold], workers: int, monotonic: Callable[[], float]
) -> Sequence[Learned]:
    bar = Progress("walking forward", len(blocks), monotonic)
    bar.update(0)
    found: dict[int, Learned] = {}
    for place, learned in _as_trained(train, blocks, workers):
        found[place] = learned
        if len(found) < len(blocks):
            bar.update(len(found), trained=len(found), of=len(blocks))
    bar.finish(len(found), trained=len(found), of=len(blocks))
    return [found[place] for place in range(len(blocks))]


def _as_trained(
    train: Callable[[Fold], Learned], blocks: Sequence[Fold], workers: int
) -> Iterable[tuple[int, Learned]]:
    if workers == 1:
        yield from ((place, train(fold)) for place, fold in enumerate(blocks))
        return
    # Forked from a process with threads, a child can hang for ever on a lock that nobody holds.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(blocks)), mp_context=context) as pool:
        # The longest first, lest one of them be left over at the end.
        places = {pool.submit(train, fold): place for place, fold in reversed(list(enumerate(blocks)))}
        for future in as_completed(places):
            yield places[future], future.result()


def result(found: Walk, plan: Plan, config: Config) -> dict[str, Any]:
    """What the walk came to: out-of-sample days only."""
    ledger, terms, year = found.ledger, config.tracker, float(config.account.periods_per_year)
    ours, equal = ledger.of(PUBLISHED), ledger.of(EQUAL_WEIGHT)
    verdict = judge(ours, equal, found.e_value, np.random.default_rng(SEED), terms, year)
    table = accounts(ledger, SUMMARIES, config, np.random.default_rng(SEED))
    return {
        "schema": 1,
        "verdict": verdict.word,
        "reason": verdict.reason,
        "plan": plan._asdict(),
        "out_of_sample": {
            "days": len(ledger.dates),
            "first_day": str(ledger.dates[0]),
            "last_day": str(ledger.dates[-1]),
        },
        "sharpe_difference": known(verdict.difference.value),
        "interval": span(verdict.difference.interval),
        "level": terms.level,
        "e_value": found.e_value,
        "final_trust": float(found.trust[-1]),
        "trials": len(found.trials),
        "accounts": table,
        "rivals": rivals(table, terms.least_days),
        "trainings": [_training(one, ledger.dates, found.trained[0].fold.block.start) for one in found.trained],
    }


def _training(one: Trained, dates: Any, first: int) -> dict[str, Any]:
    fold, verdict = one.fold, one.verdict
    return {
        "block": [str(dates[fold.block.start - first]), str(dates[fold.block.stop - 1 - first])],
        "training_days": len(fold.parts.training),
        "validation_days": len(fold.parts.validation),
        "promoted": verdict.promoted,
        "in_service": one.generation,
        "reason": verdict.reason,
        **verdict.figures(),
    }


def result_lines(values: dict[str, Any]) -> Iterable[str]:
    days = values["out_of_sample"]
    promoted = sum(training["promoted"] for training in values["trainings"])
    yield f"{values['verdict']}: {values['reason']}"
    yield (
        f"{days['days']} out-of-sample days, {days['first_day']} to {days['last_day']}; "
        f"{len(values['trainings'])} trainings, {promoted} promoted; e-value {values['e_value']:.3g}, "
        f"trust at the end {values['final_trust']:.0%}"
    )
    yield ""
    yield f"{'':<26}{'Sharpe':>7}  {'interval':>16}  {'published ahead':>16}{'a year':>9}{'fall':>8}{'traded':>8}"
    for row in values["accounts"]:
        name = row["name"] + (" *" if row["hindsight"] else "")
        yield (
            f"{name:<26}{number(row['sharpe']):>7}  {interval(row['sharpe_interval']):>16}  "
            f"{interval(row['published_ahead']):>16}{percent(row['annual_return']):>9}"
            f"{percent(row['max_drawdown']):>8}{percent(row['turnover_a_day']):>8}"
        )
    yield "* chosen in hindsight: a yardstick, not a strategy"
    yield rivals_in_words(values["rivals"])
