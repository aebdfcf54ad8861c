#!/usr/bin/env python3
"""The bridge: the only way out. It tells the bot, in runtime/allocations_override.json, what every strategy gets.

    python3 agents/weights_bridge.py             whenever a source, the account, the settings or runtime/HALT changes
    python3 agents/weights_bridge.py --once      decide and publish once

It takes the first source that can be believed, projects its weights onto the bounds, softens a change of source, and
says beside them what the guards think of the account. It keeps numpy out of its process, and so stays small.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from contract.venv import reenter

    reenter()

from agents.bridge_decision import decide
from agents.bridge_egress import NAME, Egress
from agents.bridge_guard import Guard
from agents.bridge_keys import Shares, Traded, are_known
from agents.bridge_record import allocations, body
from agents.bridge_sources import Sources
from contract.daemon import FAILED, Context, Daemon, RunOnce, Status, main
from contract.errors import RetryLater, TillerError


class Bridge:
    """`run_once` of the bridge."""

    def __init__(self, context: Context) -> None:
        self._guard = Guard(context)
        self._sources = Sources()
        self._egress = Egress(context)
        self._traded: Traded | None = None

    def __call__(self, context: Context) -> Status:
        config, guard, egress = context.config, self._guard, self._egress
        risk = guard.look(context)
        decision = decide(
            self._sources.consult(context.system, context.root, config),
            egress.told,
            guard.breaker.account.day,
            config.bounds.floor,
            config.bounds.cap,
            config.bridge.turnover_limit,
        )
        shares, trouble = self._shares(context)
        troubles = [guard.trouble, trouble]
        record = allocations(decision, guard.breaker, risk, shares, config, context.system.now())
        exit_code = 0
        try:
            told = egress.tell(
                context, record, decision.told, lambda: body(decision, guard.breaker, risk, shares, config)
            )
            troubles.append(told)
        except RetryLater as error:  # not raised: the next look is due after an interval, whatever went wrong before
            troubles.append(str(error))
            exit_code = FAILED
        if context.options.json and context.options.once:
            print(egress.content.decode(), end="")
        said = f"generation {egress.generation}: {record.source}, {risk.state}"
        wait_s = 0.0 if guard.reading else None
        return Status(said, wait_s, exit_code, "; ".join(filter(None, troubles)))

    def _shares(self, context: Context) -> tuple[Shares | None, str]:
        """How each strategy is divided among symbols; None where the bot understands strategies."""
        bridge = context.config.bridge
        if bridge.keys == "strategies":
            self._traded = None
            return None, ""
        shares, trouble = bridge.symbols, ""
        if not shares:
            try:
                self._traded = self._traded or Traded(context)
                shares = self._traded.shares(context)
            except TillerError as error:
                shares, trouble = {}, str(error)
        if not trouble and not are_known(shares):
            trouble = "no symbols are known yet: the bot is told of strategies"
        return shares, trouble


def begin(context: Context) -> RunOnce:
    return Bridge(context)


BRIDGE = Daemon(
    name=NAME,
    summary="Tells the bot what every strategy gets: the one writer of runtime/allocations_override.json.",
    begin=begin,
    watches=lambda root: (
        *(root.rl_weights, root.optimizer_weights, root.lab_weights, root.allocations),
        *(root.pnl_history, root.halt, root.resume),
    ),
    interval_s=lambda config: config.bridge.interval_s,
    owns=lambda root: (root.allocations, root.risk_state),
)

if __name__ == "__main__":
    sys.exit(main(BRIDGE))
