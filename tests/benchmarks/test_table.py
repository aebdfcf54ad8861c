"""The table of figures: what a benchmark says, what becomes of one that says nothing, and the page that keeps it."""

from __future__ import annotations

import re

import pytest

from benchmarks.figure import Figure, Peer, print_figures, shown
from benchmarks.table import BENCHMARKS, PAGE, Row, page, put, rows_in, run, text
from contract.schema.names import CHECKOUT

HELD = Figure("reading", 1.2e6, "rows/s", "python3 benchmarks/x.py", at_least=1e6, peer=Peer("pandas", 9e5))
MISSED = Figure("an update", 6.2, "ms", "python3 benchmarks/y.py", at_most=5.0, limit="the disk")
UNAIMED = Figure("a replay", 0.9, "s", "python3 benchmarks/y.py")


def rows(*figures: Figure) -> list[Row]:
    return [Row.of(figure.record()) for figure in figures]


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("", 5.0, "", "", at_most=5.0), True),
        (Figure("", 5.1, "", "", at_most=5.0), False),
        (Figure("", 5.0, "", "", at_least=5.0), True),
        (Figure("", 4.9, "", "", at_least=5.0), False),
        (Figure("", 7.0, "", "", at_least=5.0, at_most=6.0), False),
        (Figure("", float("nan"), "", "", at_most=5.0), False),
        (Figure("", 5.0, "", ""), None),
    ],
)
def test_a_figure_holds_up_to_its_target(figure: Figure, holds: bool | None) -> None:
    assert figure.holds is holds


def test_a_reason_is_given_only_where_a_target_is_missed() -> None:
    assert MISSED.record()["reason"] == "the disk"
    assert Figure("", 4.0, "ms", "", at_most=5.0, limit="the disk").record()["reason"] == ""


@pytest.mark.parametrize(
    ("value", "text"), [(1_163_208.4, "1,163,208"), (31.74, "31.7"), (5.0, "5"), (0.5, "0.500"), (0.0, "0")]
)
def test_figures_are_shown_with_the_digits_that_mean_something(value: float, text: str) -> None:
    assert shown(value) == text


def test_what_a_benchmark_prints_last_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    print("[not this]\nprogress ...")
    print_figures([HELD, MISSED, UNAIMED])
    assert rows_in(capsys.readouterr().out) == rows(HELD, MISSED, UNAIMED)


@pytest.mark.parametrize(
    "printed",
    ["", "no figures here", "[]", "[1, 2]", "[", '[{"name": "x"}]', '[{"name": "x", "figure": "fast", "command": ""}]'],
)
def test_what_are_no_figures_is_refused(printed: str) -> None:
    with pytest.raises(ValueError, match="figures"):
        rows_in(printed)


def test_a_target_may_be_a_number() -> None:
    record = {"name": "x", "figure": 1, "command": "y", "target": 1000}
    assert Row.of(record).target == "1,000"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit('the disk is full')", "not run: the disk is full"),
        ("print('done')", "not run: it printed no figures"),
        ("import threading; threading.Event().wait()", "not run: it took more than 1 s"),
    ],
    ids=["fails", "prints none", "hangs"],
)
def test_a_benchmark_without_figures_is_a_row_that_does_not_hold(program: str, reason: str) -> None:
    (row,) = run(("-c", program), longest_s=1.0)
    assert (row.figure, row.holds, row.reason) == (None, False, reason)


def test_the_table_names_what_does_not_hold_and_why() -> None:
    for said in ("\n".join(text(rows(HELD, MISSED, UNAIMED))), "\n".join(page(rows(HELD, MISSED, UNAIMED)))):
        assert "1,200,000 rows/s" in said and "900,000 rows/s (pandas)" in said and "at most 5 " in said
        assert "an update: the disk" in said
        assert "reading:" not in said and "a replay:" not in said


def test_the_page_keeps_everything_but_what_is_between_its_marks() -> None:
    document = "before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n"
    assert put(document, "figures", "new") == document.replace("old", "new")
    with pytest.raises(ValueError, match="are not there"):
        put(document, "machine", "new")


def test_every_benchmark_of_the_table_is_there() -> None:
    for arguments in BENCHMARKS.values():
        words = [word for word in arguments if word != "-m"]
        name = words[0] if words[0].endswith(".py") else words[0].replace(".", "/") + ".py"
        assert (CHECKOUT / name).is_file()


def test_every_row_of_the_page_holds_or_has_its_reason() -> None:
    document = PAGE.read_text(encoding="utf-8")
    missed = re.findall(r"^\| (.+?) \|.*\| no \|$", document, re.MULTILINE)
    assert len(re.findall(r"^\| .* \| (?:yes|no|) \|$", document, re.MULTILINE)) > 20
    for name in missed:
        assert re.search(rf"^- {re.escape(name)}: \S", document, re.MULTILINE), name
