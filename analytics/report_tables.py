"""The tables of a report as HTML: from its body, and whatever stands in a cell is text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from analytics.report_summary import UNKNOWN, interval, number, percent, rivals_in_words


def said(name: str) -> str:
    return name.replace("_", " ")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, words_last: bool = False) -> str:
    """Every cell is text, whatever it holds."""
    head = "".join(f"<th>{escape(said(cell))}</th>" for cell in heads)
    head = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return '<p class="none">Nothing yet.</p>'
    words = ' class="words"' if words_last else ""
    return f'<div class="scroll"><table{words}>{head}<tbody>{body}</tbody></table></div>'


def allocators(body: Mapping[str, Any]) -> str:
    rows = (
        (
            *(said(row["name"]) + (" *" if row["hindsight"] else ""), number(row["sharpe"])),
            *(interval(row["sharpe_interval"]), interval(row["published_ahead"])),
            *(percent(row["annual_return"]), percent(row["volatility"]), percent(row["max_drawdown"])),
            *(percent(row["turnover_a_day"]), percent(row["cost_a_year"], 2)),
        )
        for row in body["allocators"]
    )
    heads = (
        *("", "Sharpe", "interval", "published is ahead by", "return a year", "volatility"),
        *("deepest fall", "traded a day", "cost a year"),
    )
    words = f"{rivals_in_words(body['rivals']).capitalize()}, by the whole interval."
    return table(heads, rows) + f'<p class="note">{escape(words)} * chosen in hindsight: a yardstick.</p>'


def windows(body: Mapping[str, Any]) -> str:
    rows = []
    for days in (7, 30, 90):
        window = body[f"performance_{days}d"]
        ours, base, compared = window["rl_performance"], window["baseline_performance"], window["comparison"]
        rows.append(
            (
                f"{window['days']} of {days} days",
                *(number(ours.get("total_return_pct")), number(base.get("total_return_pct"))),
                *(number(ours.get("sharpe_ratio")), number(base.get("sharpe_ratio"))),
                interval(compared.get("interval", (None, None))),
                *(number(ours.get("max_drawdown_pct")), said(base.get("top_strategy", UNKNOWN))),
                str(ours.get("trades_count", UNKNOWN)),
            )
        )
    heads = (
        *("", "return %", "equal weight %", "Sharpe", "equal weight", "difference, interval"),
        *("deepest fall %", "best strategy", "trades"),
    )
    return table(heads, rows)


def attribution(body: Mapping[str, Any]) -> str:
    rows = (
        (
            *(said(row["strategy"]), percent(row["average_weight"]), percent(row["contribution"], 2, signed=True)),
            percent(row["equal_weight_contribution"], 2, signed=True),
            percent(row["added_by_weighting"], 2, signed=True),
            *(number(row["own_sharpe"]), str(row["trades"])),
        )
        for row in body["attribution"]
    )
    heads = ("strategy", "mean weight", "added", "added at equal weight", "by weighing it", "its own Sharpe", "trades")
    return table(heads, rows)


def drawdowns(body: Mapping[str, Any]) -> str:
    rows = (
        (
            *(said(name), percent(fall["depth"]), fall["first_day"], fall["lowest_day"]),
            *(fall["last_day"] or "goes on", str(fall["days"])),
        )
        for name, falls in body["drawdowns"].items()
        for fall in falls[:3]
    )
    return table(("", "depth", "from", "lowest", "until", "days"), rows)


def cost(body: Mapping[str, Any]) -> str:
    live = body["live"]
    account = live["account"]
    days_of = {name: f"{days} day" if days == 1 else f"{days} days" for name, days in live["sources"].items()}
    sources = ", ".join(f"{said(name)} on {days}" for name, days in days_of.items()) or UNKNOWN
    rows = (
        ("traded a day", percent(live["published"]["turnover_a_day"])),
        ("cost of a unit of turnover", f"{live['cost_bps']:g} bps"),
        ("paid since the first day", percent(live["published"]["cost_paid"], 3)),
        ("paid by equal weight", percent(live["equal_weight"]["cost_paid"], 3)),
        ("who told the bot", sources),
        ("the account's own return", percent(account["total_return"], signed=True)),
        ("against what was published", percent(account["gap_to_published"], 2, signed=True)),
    )
    return table(("", "live"), rows)


def training_words(body: Mapping[str, Any]) -> str:
    training = body["training"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in training["outcomes"].items()) or "none yet"
    return (
        f"{training['trials']} candidates were tried ({outcomes}). Deflated Sharpe ratio "
        f"{percent(training['deflated_sharpe'])}: {training['deflated_sharpe_is']}."
    )


def trainings(body: Mapping[str, Any]) -> str:
    rows = (
        (
            *(training["timestamp"][:16].replace("T", " "), training["outcome"], str(training["training_data_size"])),
            *(str(training["episodes"]), number(training["figures"].get("validation_sharpe"))),
            *(number(training["figures"].get("test_sharpe")), training["reason"]),
        )
        for training in reversed(body["training"]["history"])
    )
    return table(("when", "outcome", "days", "episodes", "validation", "test", "reason"), rows, words_last=True)


def book(body: Mapping[str, Any]) -> str:
    book = body["book"]
    rows = (
        ("days", f"{book['days']:,}, {book['first_day'] or UNKNOWN} to {book['last_day'] or UNKNOWN}"),
        ("trades", f"{book['trades']:,}, of which {book['trades_of_no_strategy']:,} belong to no strategy"),
        ("equity", number(book["equity"])),
        ("rows that could not be read", str(book["bad_rows"])),
    )
    text = table(("", ""), rows)
    if book["quarantined"]:
        heads = ("file", "offset", "reason", "row")
        bad = ([str(row.get(head, "")) for head in heads] for row in book["quarantined"])
        text += f"<h3>The last rows in quarantine</h3>{table(heads, bad, words_last=True)}"
    return text
