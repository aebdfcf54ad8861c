"""What the bot's equity curve says each day ended with: for a book whose own rows do not say it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo

from contract.files import read_record
from contract.schema.account import parse_performance_metrics
from contract.schema.names import Root
from contract.system import System


def equity_of_day(system: System, root: Root, zone: tzinfo) -> Mapping[date, float]:
    """Of each day the last equity that the curve has; nothing where there is no curve."""
    curve = read_record(system, root.performance_metrics, parse_performance_metrics)
    rows = curve.rows if curve else ()
    # In the first and the last year of the calendar a zone could lead out of it.
    return {row.timestamp.astimezone(zone).date(): row.equity for row in rows if 1 < row.timestamp.year < 9999}
