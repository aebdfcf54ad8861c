"""The page: whole without any network, and nothing that stands in a file can become part of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from attacks.names import MARKUP
from hypothesis import given, settings
from hypothesis import strategies as st
from support.daily_books import marked_book
from support.html_elements import Elements
from support.judged_material import material, returns, told, training, trust_of

from analytics.report import report
from analytics.report_page import page
from analytics.report_pictures import pictures
from analytics.report_summary import summary_lines
from contract.schema.judgement import Report
from contract.schema.model import TrainingLog, training_values
from contract.schema.names import QUARANTINE_HEADER, STRATEGIES

PICTURES = {"wealth", "drawdown", "rolling_sharpe", "weights", "trust", "allocators"}


def quarantined(row: str) -> dict[str, str]:
    return dict(zip(QUARANTINE_HEADER, ("pnl_history.csv", "81", "wrong column count", row), strict=True))


FOUND = report(material(marked_book(returns(400, 0.002)), quarantined=[quarantined("2026-01-01,1.5")], bad_rows=1))


def hostile(text: str) -> Report:
    """A report of files in which that stands, wherever a file can say something of its own."""
    log = TrainingLog((training(1, reason=text, figures={"validation_sharpe": 1.0, "test_sharpe": text}),))
    values = {
        "book": {**FOUND.body["book"], "quarantined": [quarantined(text)]},
        "training": {**FOUND.body["training"], "history": [training_values(one) for one in log.trainings]},
        "troubles": [f"no trust: {text}"],
    }
    return replace(FOUND, body={**FOUND.body, **values})


@pytest.fixture(scope="module")
def found() -> Report:
    return FOUND


@pytest.fixture(scope="module")
def drawn(found: Report) -> dict[str, str]:
    return pictures(found)


def test_it_shows_the_verdict_first(found: Report, drawn: dict[str, str]) -> None:
    text = page(found, drawn).decode()
    assert text.startswith("<!doctype html>")
    assert text.index("<h1>Not proven</h1>") < text.index("<table")
    reason = found.body["reason"]
    assert f"{reason[0].upper()}{reason[1:]}." in "".join(Elements(text).text)


def test_nothing_is_fetched_and_nothing_runs(found: Report, drawn: dict[str, str]) -> None:
    elements = Elements(page(found, drawn).decode())
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(elements.tags)
    for name, value in elements.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href", "style") or "url(" in value:
            assert "//" not in value, (name, value)
        if name in ("href", "xlink:href"):
            assert value.startswith("#")
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in elements.attributes


def test_every_picture_is_there_with_a_table_beside_it(found: Report, drawn: dict[str, str]) -> None:
    assert set(drawn) == PICTURES
    text = page(found, drawn).decode()
    for name in PICTURES:
        figure = text.split(f'<figure id="{name}">')[1].split("</figure>")[0]
        assert figure.count("<svg ") == 1
        assert ("<table" in figure) == (name != "allocators"), "whose table stands further below"
    assert "best constant rebalanced *" in text.split("Every allocator, on the same days")[1]


def test_the_pictures_take_their_colours_from_the_page(drawn: dict[str, str]) -> None:
    for name, svg in drawn.items():
        assert "var(--ink)" in svg and "#0a0b0c" not in svg and "#0d0e0f" not in svg, name
        assert "<metadata" not in svg and "<?xml" not in svg


def test_ids_are_each_pictures_own(found: Report, drawn: dict[str, str]) -> None:
    elements = Elements(page(found, drawn).decode())
    ids = [value for name, value in elements.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    referred = {value[1:] for name, value in elements.attributes if name == "xlink:href"}
    referred |= {value.split("url(#")[1].split(")")[0] for name, value in elements.attributes if "url(#" in value}
    assert referred
    assert referred <= set(ids)


def test_the_same_report_makes_the_same_page(found: Report, drawn: dict[str, str]) -> None:
    assert page(found, pictures(found)) == page(found, drawn)


def test_it_is_light_and_dark_and_fits_a_phone(found: Report, drawn: dict[str, str]) -> None:
    text = page(found, drawn).decode()
    assert "@media (prefers-color-scheme: dark)" in text
    assert 'name="viewport" content="width=device-width' in text
    assert text.count("<table") == text.count('<div class="scroll"><table')


def test_without_matplotlib_there_are_tables(found: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name == "matplotlib" else known(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    drawn = pictures(found)
    assert drawn == {}
    text = page(found, drawn).decode()
    assert "<svg" not in text
    assert "extra `report`" in text
    assert text.count("<details open>") == 5
    assert all(name.replace("_", " ") in text for name in STRATEGIES)


@pytest.mark.parametrize("text", MARKUP)
def test_what_stands_in_a_file_stays_text(text: str) -> None:
    harmless = Elements(page(hostile("harmless"), {}).decode())
    injected = page(hostile(text), {}).decode()
    elements = Elements(injected)
    assert elements.tags == harmless.tags
    assert elements.attributes == harmless.attributes
    assert "".join(elements.text).count(text) == 3, "shown as it is: the row, the reason and the trouble"


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_any_text_stays_text(text: str) -> None:
    assert Elements(page(hostile(text), {}).decode()).tags == TAGS


TAGS = Elements(page(hostile("harmless"), {}).decode()).tags


def test_half_a_character_is_survived() -> None:
    """JSON can name one, and UTF-8 cannot."""
    assert b"no trust: a?b" in page(hostile("a\ud800b"), {})


def lines_of(days: int, first: int, edge: float = 0.0) -> Sequence[str]:
    book = marked_book(returns(days, edge))
    return summary_lines(report(material(book, live=told(book, first, 0.3), trust=trust_of(40.0))))


def test_a_terminal_gets_it_in_a_few_lines() -> None:
    lines = lines_of(500, 100, 0.004)
    assert lines[0].startswith("RL beats equal weight: ahead by ")
    assert lines[1] == "live       400 days, 2024-04-10 to 2025-05-14"
    assert lines[4].startswith("others     published is ahead of ")
    assert len(lines) == 7


@pytest.mark.parametrize("days", [0, 1, 3])
def test_with_few_days_there_is_a_page_as_well(days: int) -> None:
    book = marked_book(returns(days))
    found = report(material(book, live=told(book, 0, 0.3), trust=None, log=TrainingLog()))
    text = page(found, pictures(found)).decode()
    assert "<h1>Not proven</h1>" in text
    assert summary_lines(found)[1].startswith(f"live       {days} days")
