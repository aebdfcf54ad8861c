#!/usr/bin/env python3
"""The strategy lab: ranks the eight strategies by what they have shown, retires the worst, and gives weights.

    python3 agents/strategy_lab.py --once                 propose once
    python3 agents/strategy_lab.py                        propose whenever the book has a new day
    python3 agents/strategy_lab.py --once --overwrite     also over weights that a person typed

A person may type weights into its file, and then it leaves that file alone: a hand is stronger than a rule. To be
retired is to be proposed at 0; the bridge gives every strategy its floor all the same, so that it goes on trading and
can come back.
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
import json
from collections.abc import Mapping

from agents.proposer import Proposer, Window
from contract.daemon import Context, Daemon, RunOnce, Status, main
from contract.errors import BadInput
from contract.files import publish, read_record
from contract.schema.account import RankedStrategy, StrategyPerformance, encode_strategy_performance
from contract.schema.fields import Fields, by_name
from contract.schema.names import STRATEGIES, STRATEGY_LAB
from contract.schema.weights import LabWeights, encode_lab_weights, parse_lab_weights
from trading.strategy_ranking import Ranking, rank

ACTIVE = 3
"""How many of the best are listed as active, for readers that trade only those."""


def propose(context: Context, window: Window) -> Status:
    ranking = rank(window.returns, window.trades, window.wins, context.config.account.periods_per_year)
    reason, trouble = _reason(ranking), ""
    _publish_performance(context, ranking)
    try:
        ours = context.config.lab.overwrite or _stands_ours(context)
    except BadInput as error:
        ours, trouble = False, f"{error}; the lab leaves it alone: mend it, remove it or set lab.overwrite"
    if ours:
        record = LabWeights(by_name(ranking.weights.tolist()), context.system.now(), STRATEGY_LAB, reason)
        publish(context.system, context.root.lab_weights, encode_lab_weights(record))
    if context.options.json:
        print(json.dumps(_as_values(ranking, reason, published=ours), indent=2))
    said = f"{len(window.returns)} days up to {window.last_day}, best {STRATEGIES[ranking.best_first[0]]}"
    said += f"; {reason}" if reason else ""
    said += "" if ours else "; leaves the weights that a person typed alone"
    context.log.info("ranked", what=said)
    return Status(f"ranked {said}", trouble=trouble)


def _reason(ranking: Ranking) -> str:
    """Who is retired and for what."""
    faults = [
        f"{name} ({standing.faults})"
        for name, standing in zip(STRATEGIES, ranking.standings, strict=True)
        if standing.faults
    ]
    if ranking.all_at_fault:
        return f"equal weight: every strategy would have to be retired: {', '.join(faults)}"
    return f"retired: {', '.join(faults)}" if faults else ""


def _stands_ours(context: Context) -> bool:
    """Whether what stands in the lab's file, if anything, is the lab's; `BadInput` where nobody can read it."""
    found = read_record(context.system, context.root.lab_weights, parse_lab_weights)
    return found is None or found.writer == STRATEGY_LAB


def _publish_performance(context: Context, ranking: Ranking) -> None:
    path = context.root.strategy_performance
    ranked = tuple(_ranked(ranking, column) for column in ranking.best_first)
    active = tuple(entry.strategy for entry in ranked[:ACTIVE])
    try:
        cycle = read_record(context.system, path, _parse_cycle) or 0
    except BadInput:
        cycle = 0  # another writer's, or half of one: the count is for people
    record = StrategyPerformance(context.system.now(), ranked, active)
    publish(context.system, path, encode_strategy_performance(record, cycle + 1))


def _parse_cycle(text: bytes, path: Path) -> int:
    return Fields.parse(text, path).maybe_whole("optimization_cycle") or 0


def _ranked(ranking: Ranking, column: int) -> RankedStrategy:
    """As the ancestor's readers know it: what they take for a constant of the strategy is our expectation."""
    standing = ranking.standings[column]
    drawdown_pct = 100 * standing.drawdown
    moved = standing.trades > 0 or standing.sharpe != 0
    return RankedStrategy(
        strategy=STRATEGIES[column],
        score=standing.expected_sharpe,
        expected_sharpe=standing.expected_sharpe,
        expected_drawdown_pct=round(drawdown_pct),
        actual_sharpe=standing.sharpe if moved else None,
        actual_win_rate=standing.win_rate,
        actual_drawdown_pct=drawdown_pct if moved else None,
    )


def _as_values(ranking: Ranking, reason: str, *, published: bool) -> dict[str, object]:
    return {
        "weights": by_name(ranking.weights.tolist()),
        "weights_published": published,
        "reason": reason,
        "ranked_strategies": [STRATEGIES[column] for column in ranking.best_first],
        "strategies": {
            name: standing._asdict() for name, standing in zip(STRATEGIES, ranking.standings, strict=True)
        },
    }


def begin(context: Context) -> RunOnce:
    return Proposer(context, lambda config: config.lab, propose)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace also weights that a person typed")


def settings(options: argparse.Namespace) -> Mapping[str, bool]:
    return {"lab.overwrite": True} if options.overwrite else {}


LAB = Daemon(
    name="lab",
    summary="Ranks the eight strategies by what they have shown, retires the worst, and gives weights.",
    begin=begin,
    watches=lambda root: (root.pnl_history, root.strategy_marks),
    interval_s=lambda config: config.lab.interval_s,
    owns=lambda root: (root.lab_weights, root.strategy_performance),
    add_options=add_options,
    settings=settings,
)

if __name__ == "__main__":
    sys.exit(main(LAB))
