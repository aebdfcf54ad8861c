"""What the paper-trading bot writes: its own memory, and the rows that the rest of the system reads.

Exactly once, whenever it is killed: the rows of some days and the ledger after them are first published together in
one file, then the rows are appended. After a crash the rows that are not yet in the files are appended; they were made
from a ledger that is safe, so nothing is traded twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from contract.errors import RetryLater
from contract.files import LARGEST_APPEND, append_line, publish, read_record, read_tail, settle_lines
from contract.rotation import Moved, siblings
from contract.schema.account import Portfolio, Position, encode_portfolio
from contract.schema.fields import Fields, encode
from contract.schema.names import (
    MARKS_HEADER,
    PERFORMANCE_HEADER,
    PNL_HEADER,
    SCHEMA_VERSION,
    STRATEGIES,
    Root,
)
from contract.system import System
from trading.ledger import Fill, Holding, Ledger
from trading.paper_day import Mark

HEADERS = {"fills": PNL_HEADER, "marks": MARKS_HEADER, "metrics": PERFORMANCE_HEADER}


@dataclass
class Memory:
    """Everything the bot must know to go on where it was."""

    market: str
    """Which market it trades: another one cannot be gone on with."""
    ledger: Ledger
    day: int = 0
    """Index of the last bar that is done."""
    fills: int = 0
    """How many were made so far: the number in the last one's id."""
    weights: tuple[float, ...] = (1 / len(STRATEGIES),) * len(STRATEGIES)
    """The last good ones."""
    scale: float = 1.0
    peak: float = 0.0
    equities: list[float] = field(default_factory=list)
    """At the last closes, oldest first."""
    trades: list[tuple[int, int]] = field(default_factory=list)
    """Trades and wins of the last days, oldest first."""
    rows: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in HEADERS})
    """Rows not known to be in their files."""


def load(system: System, root: Root) -> Memory | None:
    return read_record(system, root.bot_state, _parse)


def commit(system: System, root: Root, memory: Memory, prices: Mapping[str, float], now: datetime) -> None:
    """Make the rows and the ledger durable, all or nothing. `now` is the market's time."""
    publish(system, root.bot_state, _encode(memory))
    for name, rows in memory.rows.items():
        append_line(system, _path(root, name), *rows, header=",".join(HEADERS[name]))
        rows.clear()
    publish(system, root.portfolio, encode_portfolio(_portfolio(memory.ledger, prices, now)))


def complete(system: System, root: Root, memory: Memory) -> int:
    """Finish a commit that was interrupted; how many rows were missing from the files."""
    missing = 0
    for name, rows in memory.rows.items():
        written = _written(system, _path(root, name), set(rows))
        lacking = [row for row in rows if row not in written]
        append_line(system, _path(root, name), *lacking, header=",".join(HEADERS[name]))
        missing += len(lacking)
        rows.clear()
    return missing


def _written(system: System, path: Path, rows: set[str]) -> set[str]:
    """Which of these rows are in the file, or in a sibling in case it was rotated just now; they are there to stay."""
    try:
        rotated = siblings(system, path)
    except Moved:
        raise RetryLater("was rotated just now", path=path, hint="try again in a moment") from None
    except OSError as error:
        reason = f"cannot be listed: {error.strerror}"
        raise RetryLater(reason, path=path.parent, hint="see that this user may read it") from error
    written = set[str]()
    for file in (path, *rotated):
        end = read_tail(system, file, LARGEST_APPEND).decode(errors="replace")
        if found := rows.intersection(end.split("\n")[:-1]):
            settle_lines(system, file)
            written |= found
    return written


def fill_row(fill: Fill, number: int, equity: float) -> str:
    """In the order of `PNL_HEADER`."""
    side = "buy" if fill.quantity > 0 else "sell"
    pnl = "" if fill.pnl is None else _number(fill.pnl)
    return ",".join(
        (
            *(fill.time[:10], fill.time, fill.symbol, side, _number(abs(fill.quantity)), _number(fill.price)),
            *(f"paper_trade {fill.strategy}", pnl, fill.strategy, _number(fill.fee), _number(fill.capital)),
            *(_number(equity), fill.entry_time, f"paper-{number:09d}"),
        )
    )


def mark_row(mark: Mark, time: str) -> str:
    return f"{time},{mark.strategy},{_number(mark.capital)},{_number(mark.pnl)},{_number(mark.exposure)}"


def _number(value: float) -> str:
    """Nine decimals: finer than any account, and quick to read. Empty where it is not known yet."""
    return "" if math.isnan(value) else f"{value:.9f}"


def _path(root: Root, name: str) -> Path:
    return {"fills": root.pnl_history, "marks": root.strategy_marks, "metrics": root.performance_metrics}[name]


def _portfolio(ledger: Ledger, prices: Mapping[str, float], now: datetime) -> Portfolio:
    """All strategies together, as the ancestor's readers know it: quantity and average price of each symbol."""
    quantities: dict[str, float] = {}
    values: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for (_, symbol), held in ledger.holdings.items():
        quantities[symbol] = quantities.get(symbol, 0.0) + held.quantity
        sizes[symbol] = sizes.get(symbol, 0.0) + abs(held.quantity)
        values[symbol] = values.get(symbol, 0.0) + abs(held.quantity) * held.entry_price
    positions = {symbol: Position(quantities[symbol], values[symbol] / sizes[symbol]) for symbol in quantities}
    return Portfolio(cash=ledger.cash, equity=ledger.equity(prices), positions=positions, timestamp=now)


def _encode(memory: Memory) -> bytes:
    ledger = memory.ledger
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "market": memory.market,
            "day": memory.day,
            "fills": memory.fills,
            "initial_cash": ledger.initial_cash,
            "cash": ledger.cash,
            "realised": ledger.realised,
            "holdings": [
                {"strategy": strategy, "symbol": symbol, **held._asdict()}
                for (strategy, symbol), held in ledger.holdings.items()
            ],
            "weights": dict(zip(STRATEGIES, memory.weights, strict=True)),
            "scale": memory.scale,
            "peak": memory.peak,
            "equities": [{"equity": equity} for equity in memory.equities],
            "trades": [{"trades": trades, "wins": wins} for trades, wins in memory.trades],
            "rows": memory.rows,
        }
    )


def _parse(text: bytes, path: Path) -> Memory:
    fields = Fields.parse(text, path)
    rows = fields.section("rows")
    ledger = Ledger(
        fields.number("initial_cash"),
        fields.number("cash"),
        {
            (held.text("strategy"), held.text("symbol")): Holding(
                held.number("quantity"),
                held.number("entry_price"),
                held.number("fees"),
                held.text("entry_time"),
                held.number("capital"),
            )
            for held in fields.sections("holdings")
        },
        fields.section("realised").numbers(),
    )
    return Memory(
        market=fields.text("market"),
        ledger=ledger,
        day=fields.whole("day"),
        fills=fields.whole("fills"),
        weights=fields.section("weights").strategy_weights(),
        scale=fields.number("scale", at_least=0, at_most=1),
        peak=fields.number("peak"),
        equities=[entry.number("equity") for entry in fields.sections("equities")],
        trades=[(entry.whole("trades"), entry.whole("wins")) for entry in fields.sections("trades")],
        rows={name: list(rows.texts(name)) for name in HEADERS},
    )


def metrics_row(time: str, equity: float, figures: Sequence[float]) -> str:
    """In the order of `PERFORMANCE_HEADER`: `figures` are pnl_1d, drawdown, Sharpe, Sortino, win rate and trades."""
    pnl, drawdown, sharpe, sortino, win_rate, trades = map(_number, figures)
    ours = (time[:10], time, _number(equity), pnl, drawdown, sharpe, sortino, win_rate, trades)
    return ",".join((*ours, time, pnl, drawdown, sharpe))
