"""What the bot's other files say of the account: the equity curve, the portfolio, how each strategy performed."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contract.errors import BadInput
from contract.schema.fields import Fields, encode, format_time
from contract.schema.names import SCHEMA_VERSION


@dataclass(frozen=True)
class PerformanceRow:
    """One point of the equity curve. Drawdown in percent, 0 to 100."""

    timestamp: datetime
    equity: float
    pnl_1d: float | None
    drawdown_pct: float | None
    sharpe_30d: float | None


@dataclass(frozen=True)
class PerformanceMetrics:
    """state/performance_metrics.csv: the rows that can be read, and how many could not."""

    rows: tuple[PerformanceRow, ...]
    bad_rows: int


# The spelling of the ancestor's ledger, then the one that its learner looked for.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "ts", "date"),
    "equity": ("equity",),
    "pnl_1d": ("pnl_1d", "day_pnl"),
    "drawdown": ("drawdown", "mdd_pct"),
    "sharpe_30d": ("sharpe_30d", "rolling_sharpe"),
}


def parse_performance_metrics(text: bytes, path: Path) -> PerformanceMetrics:
    """Header-driven; rows that other programs append in other shapes are counted, not guessed at.

    A last line without its newline is still being written, and read when that has come.
    """
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.decode("utf-8-sig", errors="replace").splitlines()
    header = [name.strip() for name in _cells(lines[0])] if lines else []
    columns = {
        name: next((header.index(spelling) for spelling in spellings if spelling in header), None)
        for name, spellings in _SPELLINGS.items()
    }
    for name in ("timestamp", "equity"):
        if columns[name] is None:
            raise BadInput(f"no column {name}", path=path, hint=f"one of {', '.join(_SPELLINGS[name])} was expected")
    rows, bad = [], 0
    for line in lines[1:]:
        row = _performance_row(line, len(header), columns)
        if row is None:
            bad += 1
        else:
            rows.append(row)
    return PerformanceMetrics(tuple(rows), bad)


def _performance_row(line: str, width: int, columns: Mapping[str, int | None]) -> PerformanceRow | None:
    cells = _cells(line)
    if len(cells) != width:
        return None

    def cell(name: str) -> str:
        index = columns[name]
        return "" if index is None else cells[index].strip()

    try:
        moment = datetime.fromisoformat(cell("timestamp"))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        equity = _finite(cell("equity"))
        others = [_finite(cell(name)) for name in ("pnl_1d", "drawdown", "sharpe_30d")]
    except (ValueError, OverflowError):  # beyond the years 1 to 9999 in UTC
        return None
    return None if equity is None else PerformanceRow(moment, equity, *others)


def _cells(line: str) -> list[str]:
    """The fields of one line; none where they cannot be told apart."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _finite(cell: str) -> float | None:
    """A finite number, or None where the cell is empty; anything else is a ValueError."""
    if not cell:
        return None
    number = float(cell)
    if not math.isfinite(number) or "_" in cell or not cell.isascii():
        raise ValueError(cell)
    return number


@dataclass(frozen=True)
class Position:
    quantity: float
    average_price: float


@dataclass(frozen=True)
class Portfolio:
    """runtime/portfolio.json: what the bot holds. A symbol sold out of stays with quantity 0."""

    cash: float
    equity: float
    positions: Mapping[str, Position]
    timestamp: datetime | None = None


def parse_portfolio(text: bytes, path: Path) -> Portfolio:
    fields = Fields.parse(text, path)
    positions = fields.section("positions")
    found = {symbol: positions.section(symbol) for symbol in positions.values}
    return Portfolio(
        cash=fields.number("cash"),
        equity=fields.number("equity"),
        positions={
            symbol: Position(position.number("qty"), position.number("avg_price", at_least=0))
            for symbol, position in found.items()
        },
        timestamp=fields.maybe_time("timestamp"),
    )


def encode_portfolio(record: Portfolio) -> bytes:
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "cash": record.cash,
            "equity": record.equity,
            "positions": {
                symbol: {"qty": position.quantity, "avg_price": position.average_price}
                for symbol, position in sorted(record.positions.items())
            },
            "timestamp": None if record.timestamp is None else format_time(record.timestamp),
        }
    )


@dataclass(frozen=True)
class RankedStrategy:
    """One strategy as the ancestor's research ranks it (schema A). Drawdowns in percent."""

    strategy: str
    score: float
    expected_sharpe: float
    expected_drawdown_pct: float
    actual_sharpe: float | None = None
    actual_win_rate: float | None = None
    actual_drawdown_pct: float | None = None
    retired: bool = False
    name: str = ""


@dataclass(frozen=True)
class MeasuredStrategy:
    """One strategy as the ancestor's manager measures it (schemas B and C)."""

    total_pnl: float
    trade_count: int
    win_count: int
    loss_count: int
    sharpe_ratio: float
    max_drawdown: float


@dataclass(frozen=True)
class StrategyPerformance:
    """state/strategy_performance.json: three writers, two shapes; either part may be empty."""

    timestamp: datetime | None
    ranked: tuple[RankedStrategy, ...] = ()
    active: tuple[str, ...] = ()
    measured: Mapping[str, MeasuredStrategy] = field(default_factory=dict)


def parse_strategy_performance(text: bytes, path: Path) -> StrategyPerformance:
    fields = Fields.parse(text, path)
    if "ranked_strategies" not in fields and "strategy_performance" not in fields:
        hint = "ranked_strategies or strategy_performance was expected"
        raise BadInput("says nothing of any strategy", path=path, hint=hint)
    measured = fields.maybe_section("strategy_performance")
    return StrategyPerformance(
        timestamp=fields.maybe_time("timestamp"),
        ranked=tuple(_parse_ranked(entry) for entry in fields.sections("ranked_strategies")),
        active=_parse_active(fields),
        measured={name: _parse_measured(measured.section(name)) for name in measured.values},
    )


def _parse_ranked(entry: Fields) -> RankedStrategy:
    return RankedStrategy(
        strategy=entry.text("strategy"),
        score=entry.number("score"),
        expected_sharpe=entry.number("sharpe"),
        expected_drawdown_pct=entry.number("drawdown"),
        actual_sharpe=entry.maybe_number("actual_sharpe"),
        actual_win_rate=entry.maybe_number("actual_win_rate"),
        actual_drawdown_pct=entry.maybe_number("actual_drawdown"),
        retired="retired" in entry and entry.flag("retired"),
        name=entry.maybe_text("name"),
    )


def _parse_active(fields: Fields) -> tuple[str, ...]:
    """Names (schema B) or ranked strategies (schema A)."""
    listed = fields.values.get("active_strategies", [])
    if isinstance(listed, list) and all(isinstance(entry, dict) for entry in listed):
        return tuple(entry.text("strategy") for entry in fields.sections("active_strategies"))
    return fields.texts("active_strategies")


def _parse_measured(entry: Fields) -> MeasuredStrategy:
    return MeasuredStrategy(
        total_pnl=entry.number("total_pnl"),
        trade_count=entry.whole("trade_count"),
        win_count=entry.whole("win_count"),
        loss_count=entry.whole("loss_count"),
        sharpe_ratio=entry.number("sharpe_ratio"),
        max_drawdown=entry.number("max_drawdown"),
    )


def encode_strategy_performance(record: StrategyPerformance, cycle: int = 1) -> bytes:
    """Schema A, which most of the ancestor's readers know. Its active strategies are ranked entries, best first."""
    ranked = [_ranked_values(entry) for entry in record.ranked]
    return encode(
        {
            "schema": SCHEMA_VERSION,
            "ranked_strategies": ranked,
            "active_strategies": [entry for entry in ranked if entry["strategy"] in record.active],
            "optimization_cycle": cycle,
            "retirement_check_cycle": cycle,
            "timestamp": None if record.timestamp is None else format_time(record.timestamp),
        }
    )


def _ranked_values(entry: RankedStrategy) -> dict[str, Any]:
    return {
        "strategy": entry.strategy,
        "name": entry.name or entry.strategy,
        "score": entry.score,
        "sharpe": entry.expected_sharpe,
        "drawdown": entry.expected_drawdown_pct,
        "actual_sharpe": entry.actual_sharpe,
        "actual_win_rate": entry.actual_win_rate,
        "actual_drawdown": entry.actual_drawdown_pct,
        "retired": entry.retired,
    }
