#!/usr/bin/env python3
"""The portfolio optimizer: one portfolio of the eight strategies, from what their returns say of risk and reward.

    python3 agents/portfolio_optimizer.py --once                 propose once
    python3 agents/portfolio_optimizer.py                        propose whenever the book has a new day
    python3 agents/portfolio_optimizer.py --method minimum_variance

The bridge takes its word where the policy has none. It divides by risk unless told otherwise: how much strategies move,
and how much together, can be told from a year of days, while what they will earn cannot. And of the methods that look
at risk alone, risk parity leaves nobody out and changes little from one day to the next.
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
from collections.abc import Mapping

from agents.proposer import Proposer, Window
from contract.config import OPTIMIZER_METHODS
from contract.daemon import Context, Daemon, RunOnce, Status, main
from contract.files import publish
from contract.schema.fields import by_name
from contract.schema.weights import OptimizerWeights, encode_optimizer_weights
from trading.optimizer import optimise


def propose(context: Context, window: Window) -> Status:
    config = context.config
    found = optimise(window.returns, config.optimizer.method, config.account.periods_per_year)
    content = encode_optimizer_weights(
        OptimizerWeights(
            weights=by_name(found.weights.tolist()),
            method=config.optimizer.method,
            timestamp=context.system.now(),
            expected_return=found.expected_return,
            expected_volatility=found.expected_volatility,
            expected_sharpe=found.expected_sharpe,
            reason=found.reason,
        )
    )
    publish(context.system, context.root.optimizer_weights, content)
    if context.options.json:
        print(content.decode(), end="")
    said = f"{config.optimizer.method} of {len(window.returns)} days up to {window.last_day}"
    said += f" ({found.reason})" if found.reason else ""
    context.log.info("proposed", what=said, volatility=found.expected_volatility, sharpe=found.expected_sharpe)
    return Status(f"proposed {said}")


def begin(context: Context) -> RunOnce:
    return Proposer(context, lambda config: config.optimizer, propose)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", choices=OPTIMIZER_METHODS, help="how to divide (default: optimizer.method)")


def settings(options: argparse.Namespace) -> Mapping[str, str]:
    return {"optimizer.method": options.method} if options.method else {}


OPTIMIZER = Daemon(
    name="optimizer",
    summary="Proposes one portfolio of the eight strategies, by what their returns say of risk.",
    begin=begin,
    watches=lambda root: (root.pnl_history, root.strategy_marks),
    interval_s=lambda config: config.optimizer.interval_s,
    owns=lambda root: (root.optimizer_weights,),
    add_options=add_options,
    settings=settings,
)

if __name__ == "__main__":
    sys.exit(main(OPTIMIZER))
