"""A report in a few lines, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.errors import one_line
from contract.schema.judgement import Report

UNKNOWN = "-"


def summary_lines(found: Report) -> list[str]:
    return [one_line(line) for line in _lines(found)]


def number(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    if not isinstance(value, int | float):
        return UNKNOWN
    return f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"


def percent(share: Any, digits: int = 1, *, signed: bool = False) -> str:
    if not isinstance(share, int | float):
        return UNKNOWN
    return f"{share:+.{digits}%}" if signed else f"{share:.{digits}%}"


def interval(ends: Any) -> str:
    low, high = ends
    return UNKNOWN if low is None or high is None else f"{low:+.2f} to {high:+.2f}"


def figure(value: Any) -> str:
    """Of any size, in three digits."""
    return f"{value:,.3g}" if isinstance(value, int | float) else UNKNOWN


def rivals_in_words(rivals: Mapping[str, Sequence[str]]) -> str:
    """Of the other allocators: who is left behind, and who is not."""
    ahead, others = ([name.replace("_", " ") for name in rivals[key]] for key in ("ahead_of", "not_ahead_of"))
    beaten = f"published is ahead of {', '.join(ahead)}" if ahead else "published is shown to be ahead of nobody"
    return f"{beaten}; not of {', '.join(others)}" if others else beaten


def _lines(found: Report) -> Iterator[str]:
    body = found.body
    live, evidence, book = body["live"], body["evidence"], body["book"]
    yield f"{found.verdict}: {body['reason']}"
    yield f"live       {live['days']} days" + (f", {live['first_day']} to {live['last_day']}" if live["days"] else "")
    shown = body["replay"] or live
    if body["replay"]:
        yield "replay     what the model in service would have published; it proves nothing"
    for name, label in (("published", "published"), ("equal_weight", "equal")):
        said = shown[name]
        yield (
            f"{label:<10} Sharpe ratio {number(said['sharpe'])}, return {percent(said['total_return'])}, "
            f"deepest fall {percent(said['max_drawdown'])}, {percent(said['turnover_a_day'])} traded a day"
        )
    if not body["replay"]:
        yield f"others     {rivals_in_words(body['rivals'])}"
        yield f"evidence   e-value {figure(evidence['e_value'])}, {evidence['least_e_value']:g} is needed"
    yield f"book       of {book['kind']}: {book['days']} days, {book['trades']} trades, {book['bad_rows']} bad rows"
    for trouble in body["troubles"]:
        yield f"trouble    {trouble}"
