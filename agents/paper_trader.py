#!/usr/bin/env python3
"""A real, small paper-trading bot: eight rules on one market, sized by the allocations that the bridge publishes.

    python3 agents/paper_trader.py --fast-forward 730             as fast as possible
    python3 agents/paper_trader.py --live --bar-seconds 1         a day of the market every second
    python3 agents/paper_trader.py --replay DIR --fast-forward 730   real bars instead of simulated ones

It stands for the users' own bot: it shares nothing with the rest of the system but the files.
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
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agents.bot_files import Memory, commit, complete, fill_row, load, mark_row, metrics_row
from contract.config import Bot
from contract.daemon import NOTHING_TO_DO, Context, Daemon, RunOnce, Status, main
from contract.errors import BadInput, MustStop, TillerError
from contract.files import exists, read_record
from contract.progress import Progress
from contract.schema.names import STRATEGIES
from contract.schema.weights import HALTED, parse_allocations
from market.prices import MarketParameters, simulate
from trading.bars import BadBars, Bars
from trading.ledger import Ledger
from trading.metrics import sharpe, sortino
from trading.paper_day import Day, Session, Terms, trade_day
from trading.strategies import RULES

DAYS_A_COMMIT = 60
"""When going fast: how many days are made durable at once."""
DAYS_AHEAD = 1260
"""How far a simulated market is computed beyond what is needed."""
DAYS_BEFORE = 400
"""How long a simulated market has been open when the bot comes to it: every rule has the history that it needs."""
SHARPE_DAYS, TRADE_DAYS = 30, 7
OPEN, CLOSE = "T14:30:00Z", "T21:00:00Z"


@dataclass(frozen=True)
class Market:
    """Bars, and what each rule wants after each of them: (strategies, bars, symbols).

    The rules are causal, so what they want is computed for all bars at once; day t uses no more than bar t - 1.
    """

    name: str
    bars: Bars
    positions: NDArray[np.float64]

    @classmethod
    def of(cls, name: str, bars: Bars) -> Market:
        return cls(name, bars, np.stack([RULES[strategy](bars) for strategy in STRATEGIES]))


class PaperTrader:
    """`run_once` of the bot: one day, or many when going fast."""

    def __init__(self, context: Context) -> None:
        self._replay: Path | None = context.options.replay
        found = load(context.system, context.root)
        self._market = self._open_market(context.config.bot, found.day if found else 0)
        if found is None:
            self._refuse_foreign_history(context)
            ledger = Ledger.open(context.config.account.initial_equity)
            self._memory = Memory(self._market.name, ledger, day=0 if self._replay else DAYS_BEFORE)
        else:
            self._memory = found
            if found.market != self._market.name:
                raise MustStop(
                    f"the bot has traded {found.market}, and this is {self._market.name}",
                    path=context.root.bot_state,
                    hint="give it the market it knows, or another --root",
                )
            missing = complete(context.system, context.root, found)
            context.log.info("going on", day=found.day, fills=found.fills, rows_completed=missing)
        self._said = ""

    def __call__(self, context: Context) -> Status:
        began = context.system.monotonic()
        days = context.options.fast_forward or 1
        going_fast = context.options.fast_forward is not None
        progress = Progress("paper trading", days, context.system.monotonic)
        done = 0
        while done < days and not context.stopping():
            if not self._trade(context):
                self._commit(context)
                return Status("the market has no further bars", exit_code=NOTHING_TO_DO)
            done += 1
            if not going_fast or done % DAYS_A_COMMIT == 0:
                self._commit(context)
            if going_fast:
                progress.update(done, equity=self._memory.equities[-1])
        if going_fast:
            self._commit(context)
            progress.finish(done, equity=self._memory.equities[-1], fills=self._memory.fills)
        wait_s = max(0.0, context.options.bar_seconds - (context.system.monotonic() - began))
        return Status(f"day {self._memory.day}, equity {self._memory.equities[-1]:,.2f}, {self._said}", wait_s)

    def _open_market(self, bot: Bot, day: int) -> Market:
        """The market with at least one bar beyond `day`, if it has that many."""
        if self._replay is not None:
            from market.replay import read_bars

            try:
                return Market.of(f"replay of {self._replay.resolve()}", read_bars(self._replay))
            except BadBars as error:
                raise MustStop(str(error)) from error
        symbols = MarketParameters().symbols[: bot.symbols]
        if len(symbols) < bot.symbols:
            symbols = tuple(f"SIM{number:02d}" for number in range(1, bot.symbols + 1))
        parameters = MarketParameters(symbols=symbols, cointegrated_pairs=min(4, bot.symbols // 2))
        days = (day // DAYS_AHEAD + 2) * DAYS_AHEAD
        bars = simulate(days, np.random.default_rng(bot.seed), parameters).bars
        return Market.of(f"simulated market {bot.seed} of {bot.symbols} symbols", bars)

    def _refuse_foreign_history(self, context: Context) -> None:
        history = context.root.pnl_history
        if exists(context.system, history):
            raise MustStop("another bot's history stands here", path=history, hint="give this bot another --root")

    def _trade(self, context: Context) -> bool:
        """One day; False where the market has no further one."""
        memory = self._memory
        day = memory.day + 1
        if day >= len(self._market.bars) and self._replay is None:
            self._market = self._open_market(context.config.bot, day)
        bars = self._market.bars
        if day >= len(bars):
            return False
        self._listen(context)
        date = str(bars.times[day].astype("datetime64[D]"))
        bot = context.config.bot
        done = trade_day(
            memory.ledger,
            Session(bars.symbols, bars.close[day - 1], bars.open[day], bars.close[day]),
            self._market.positions[:, day - 1] * memory.scale,
            memory.weights,
            date + OPEN,
            Terms(bot.fee_bps, bot.slippage_bps, bot.largest_gross, bot.band),
        )
        self._check_books(self._closes(day))
        self._write_down(done, date, context.config.account.periods_per_year)
        memory.day = day
        return True

    def _listen(self, context: Context) -> None:
        """Take the weights and the scale that are in force; say so when that changes."""
        memory = self._memory
        try:
            told = read_record(context.system, context.root.allocations, parse_allocations)
        except TillerError as error:
            told, said = None, f"keeping the last good weights: {error}"
        else:
            said = "nobody allocates: keeping the last good weights, equal ones where there were none"
        if told is not None:
            stale = told.valid_until is not None and context.system.now() > told.valid_until
            said = f"told by {told.source}, risk {told.risk.state}"
            if stale:
                said = f"keeping the last good weights: those of {told.source} are stale"
            else:
                memory.weights = told.strategy_allocations
            if not stale or told.risk.state == HALTED:
                memory.scale = 0.0 if told.risk.state == HALTED else told.risk.scale
        if said != self._said:
            context.log.info("allocations", said=said, scale=memory.scale)
            self._said = said

    def _check_books(self, prices: dict[str, float]) -> None:
        ledger = self._memory.ledger
        imbalance = ledger.imbalance(prices)
        if abs(imbalance) > 1e-6 * max(1.0, ledger.initial_cash / 1e4):
            raise BadInput(f"the books are out of balance by {imbalance:.9f}", hint="a fault of the bot: report it")

    def _write_down(self, done: Day, date: str, periods_per_year: int) -> None:
        memory = self._memory
        for fill in done.fills:
            memory.fills += 1
            memory.rows["fills"].append(fill_row(fill, memory.fills, done.equity_before))
        memory.rows["marks"] += [mark_row(mark, date + CLOSE) for mark in done.marks]
        earned = [fill.pnl for fill in done.fills if fill.pnl is not None]
        memory.trades = [*memory.trades, (len(earned), sum(pnl > 0 for pnl in earned))][-TRADE_DAYS:]
        memory.equities = [*(memory.equities or [done.equity_before]), done.equity][-SHARPE_DAYS - 1 :]
        memory.peak = max(memory.peak, done.equity_before, done.equity)
        equities = np.array(memory.equities)
        returns = equities[1:] / equities[:-1] - 1
        trades, wins = (sum(column) for column in zip(*memory.trades, strict=True))
        figures = (
            done.equity - done.equity_before,
            100 * (1 - done.equity / memory.peak),
            float(sharpe(returns, periods_per_year)),
            float(sortino(returns, periods_per_year)),
            wins / trades if trades else 0.0,
            float(trades),
        )
        memory.rows["metrics"].append(metrics_row(date + CLOSE, done.equity, figures))

    def _commit(self, context: Context) -> None:
        day = self._memory.day
        now = datetime.fromisoformat(str(self._market.bars.times[day].astype("datetime64[D]")) + CLOSE)
        commit(context.system, context.root, self._memory, self._closes(day), now)

    def _closes(self, day: int) -> dict[str, float]:
        bars = self._market.bars
        return dict(zip(bars.symbols, bars.close[day].tolist(), strict=True))


def add_options(parser: argparse.ArgumentParser) -> None:
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--fast-forward", type=_days, metavar="DAYS", help="trade so many days and end")
    mode.add_argument("--live", action="store_true", help="trade a day every --bar-seconds until stopped")
    parser.add_argument("--bar-seconds", type=float, default=1.0, metavar="S", help="with --live (default: 1)")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="trade the bars of these CSV files")


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise ValueError(text)
    return days


def begin(context: Context) -> RunOnce:
    return PaperTrader(context)


BOT = Daemon(
    name="paper_trader",
    summary="A paper-trading bot: eight rules on one market.",
    begin=begin,
    watches=lambda root: (),
    interval_s=lambda config: 1.0,
    owns=lambda root: (root.bot_state, root.portfolio),
    add_options=add_options,
    runs_once=lambda options: options.fast_forward is not None,
)

if __name__ == "__main__":
    sys.exit(main(BOT))
