"""The report as one page for people: nothing in it is fetched, and nothing that stands in a file can become part of it.

Light or dark is what the reader's system says; wide tables scroll by themselves on a narrow screen. Each picture has a
table of what it shows, and where there is no picture the table is there all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from analytics import report_tables
from analytics.report_summary import UNKNOWN, figure, interval, number, percent
from analytics.report_tables import table
from contract.schema.fields import format_time
from contract.schema.judgement import BETTER, WORSE, Report

_ROWS_BESIDE_A_PICTURE = 13
_KINDS = {
    "marks": "strategies marked every day: each day can be replayed with any weights",
    "trades": "closed trades only: a profit counts on the day of its close, at the weight of the day of its entry",
}
_WEALTH = (
    "Blue: the published weights, with the band of what luck makes of such days. Orange: equal weight. "
    "Thin lines: every other allocator on the same days, after the same costs."
)
_ROLLING = "Of the last {rolling_sharpe_days} days; of so few, it swings by luck alone."
_PICTURES = (
    ("wealth", "Growth of 1", _WEALTH),
    ("drawdown", "Drawdown", "How far below its highest each account was."),
    ("rolling_sharpe", "Rolling Sharpe ratio", _ROLLING),
    ("weights", "Weights", "The share of the account that each strategy had."),
    ("trust", "Trust", "The policy's share of what was published; the rest is the base, equal weight by default."),
)


def page(found: Report, pictures: Mapping[str, str]) -> bytes:
    """pictures: SVG by name, as `analytics.report_pictures` draws them."""
    style = files("analytics").joinpath("report_page.css").read_text(encoding="utf-8")
    body = "\n".join(_sections(found, pictures))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Tiller: {escape(found.verdict)}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
""".encode("utf-8", "replace")


def _sections(found: Report, pictures: Mapping[str, str]) -> Iterator[str]:
    body = found.body
    yield _head(found)
    yield _tiles(body)
    yield from _troubles(body)
    yield from _shown(body, pictures)
    yield _section("Every allocator, on the same days", _on(body["allocators_on"]), report_tables.allocators(body))
    yield _section("The last days", "Live days only.", report_tables.windows(body))
    where = f"Sums of daily shares of equity. {_on(body['attribution_on'])}"
    yield _section("Where it came from", where, report_tables.attribution(body))
    yield _section("The deepest falls", _on(body["series_on"]), report_tables.drawdowns(body))
    yield _section("What it cost, and what the account made of it", _COST, report_tables.cost(body))
    yield _section("Training", report_tables.training_words(body), report_tables.trainings(body))
    yield _section("The book", _KINDS[body["book"]["kind"]].capitalize() + ".", report_tables.book(body))
    yield _foot(found)


_COST = "Turnover is the sum of all changes of weights: to exchange one strategy for another is 2."


def _head(found: Report) -> str:
    mood = {BETTER: "better", WORSE: "worse"}.get(found.verdict, "open")
    question, verdict, reason = found.body["evidence"]["question"], found.verdict, found.body["reason"]
    return (
        f'<header class="{mood}"><p class="question">{escape(_sentence(question))}</p>'
        f"<h1>{escape(_sentence(verdict))}</h1><p>{escape(_sentence(reason))}.</p></header>"
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tiles(body: Mapping[str, Any]) -> str:
    evidence, live, trust, model = body["evidence"], body["live"], body["trust"], body["model"]
    ahead, equal = interval(evidence["interval"]), percent(live["equal_weight"]["total_return"], signed=True)
    tiles = (
        (
            "Sharpe ratio, ahead of equal weight",
            number(evidence["sharpe_difference"], signed=True),
            "nothing known yet" if ahead == UNKNOWN else f"{ahead} at {evidence['level']:.0%}",
        ),
        ("E-value of the policy", figure(evidence["e_value"]), f"{evidence['least_e_value']:g} is needed"),
        ("Live days", str(live["days"]), f"{live['first_day']} to {live['last_day']}" if live["days"] else "none yet"),
        (
            "Return, live",
            percent(live["published"]["total_return"], signed=True),
            "nothing known yet" if equal == UNKNOWN else f"equal weight {equal}",
        ),
        (
            "Trust in the policy",
            percent(trust["trust"]) if trust else UNKNOWN,
            f"after {trust['live_days']} days" if trust else "nothing is remembered",
        ),
        (
            "Generation of the model",
            str(model["generation"]) if model else UNKNOWN,
            f"made {model['trained_at'][:10]}" if model else "none can be read",
        ),
    )
    cells = (
        f'<div class="tile"><span>{escape(name)}</span><strong>{escape(value)}</strong>'
        f"<small>{escape(more)}</small></div>"
        for name, value, more in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _troubles(body: Mapping[str, Any]) -> Iterator[str]:
    if body["troubles"]:
        items = "".join(f"<li>{escape(trouble)}</li>" for trouble in body["troubles"])
        yield f'<section class="trouble"><h2>What could not be read</h2><ul>{items}</ul></section>'


def _on(what: str) -> str:
    if what == "live":
        return "Live days."
    return "There are no two live days yet. This is a replay, and proves nothing: the model may have learnt from it."


def _shown(body: Mapping[str, Any], pictures: Mapping[str, str]) -> Iterator[str]:
    series = body["series"]
    if len(series["dates"]) < 2:
        yield _section("Pictures", "There are no two days to show yet.", "")
        return
    note = "" if pictures else " Pictures need the extra `report`: pip install 'tiller[report]'."
    yield f'<section><h2>How it went</h2><p>{escape(_on(body["series_on"]) + note)}</p><div class="pictures">'
    for name, title, words in _PICTURES:
        columns = _columns(name, series)
        if not columns:
            continue
        caption = escape(words.format(rolling_sharpe_days=series["rolling_sharpe_days"]))
        yield (
            f'<figure id="{name}"><h3>{escape(title)}</h3>{pictures.get(name, "")}<figcaption>{caption}</figcaption>'
            f"<details{'' if name in pictures else ' open'}><summary>In figures</summary>"
            f"{_series_table(series['dates'], columns)}</details></figure>"
        )
    if "allocators" in pictures:
        words = "With intervals; the table of all allocators follows below. * chosen in hindsight."
        yield (
            f'<figure id="allocators"><h3>Every allocator</h3>{pictures["allocators"]}'
            f"<figcaption>{escape(words)}</figcaption></figure>"
        )
    yield "</div></section>"


def _columns(name: str, series: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a picture shows, column by column; nothing where nothing is known."""
    if name == "trust":
        columns = {"trust": [percent(value) for value in series["trust"]]}
    elif name == "wealth":
        wealth, band = series["wealth"], series["wealth_band"]
        columns = {key: [number(value, 3) for value in wealth[key]] for key in ("published", "equal_weight")}
        columns |= {f"band, {end}": [number(value, 3) for value in values] for end, values in band.items()}
    elif name == "rolling_sharpe":
        columns = {key: [number(value) for value in values] for key, values in series[name].items()}
    else:
        columns = {key: [percent(value) for value in values] for key, values in series[name].items()}
    return columns if any(cell != UNKNOWN for cells in columns.values() for cell in cells) else {}


def _series_table(dates: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    last, count = len(dates) - 1, min(len(dates), _ROWS_BESIDE_A_PICTURE)
    places = sorted({round(last * row / max(count - 1, 1)) for row in range(count)})
    rows = ([dates[place], *(cells[place] for cells in columns.values())] for place in places)
    return table(("day", *columns), rows)


def _foot(found: Report) -> str:
    evidence, made = found.body["evidence"], format_time(found.timestamp.replace(microsecond=0))
    return (
        f"<footer>Made {escape(made)}. Intervals: {escape(evidence['method'])}, "
        f"{evidence['level']:.0%}. The e-value is of {escape(evidence['e_value_of'])}.</footer>"
    )


def _section(title: str, words: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(words)}</p>{content}</section>"
