"""A small year of `benchmarks/endurance.py`, and whether its verdict would notice what a large one looks for."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from benchmarks.busy_bot import rotate
from benchmarks.endurance import Plan, run
from benchmarks.endurance_verdict import MOST_MIB, Look, Year, figures, tables
from benchmarks.told_time import DAEMONS
from contract.schema.names import Root

SMALL = Plan(trades=10_000, days=4, looks=6, rotate_mib=0.5)
FIRST = date(2027, 1, 4)


@pytest.mark.timeout(300)
def test_ten_thousand_trades_are_lived_through_and_none_is_lost(tmp_path: Path, seed: int) -> None:
    year = run(Root(tmp_path), SMALL._replace(seed=seed))
    assert year.rotations >= 3
    assert len(year.looks) == len(DAEMONS) * SMALL.days * SMALL.looks
    assert (year.troubles, year.errors, year.out_of_bounds) == ([], [], [])
    assert len(list(year.root.journals.glob("*.jsonl.*"))) == len(("inference", "bridge")) * (SMALL.days - 1)
    said = "\n".join(tables(year))
    assert "10,000" in said and "state/rl_performance_report.html" in said


def lived(mib_a_look: float = 0.0, ms_a_look: float = 0.0) -> Year:
    """A year that was not lived, of daemons that take so much more at every look."""
    year = Year(Root(Path("/nowhere")), rotate_mib=1.0)
    for number in range(400):
        for name in DAEMONS:
            cost = 10.0 + ms_a_look * number
            day = FIRST + timedelta(days=number)
            year.looks.append(Look(day, name, 100 * number, cost, cost, 50.0 + mib_a_look * number))
    return year


def missed(year: Year) -> list[str]:
    return [figure.name for figure in figures(year) if not figure.holds]


def test_what_does_not_grow_is_flat() -> None:
    assert missed(lived()) == []
    assert missed(lived(mib_a_look=min(MOST_MIB.values()) / 400)) == []


def test_what_grows_is_noticed() -> None:
    assert len(missed(lived(mib_a_look=1.5 * max(MOST_MIB.values()) / 300))) == len(DAEMONS)
    assert len(missed(lived(ms_a_look=0.02))) == len(DAEMONS)


def test_files_are_noticed_that_are_too_large_or_nobodys(tmp_path: Path) -> None:
    year = Year(Root(tmp_path), rotate_mib=1.0, looks=[Look(FIRST, "bridge", 1, 1.0, 1.0, 1.0)])
    for place in (year.root.state, year.root.runtime, year.root.logs):
        place.mkdir()
    year.root.risk_events.write_bytes(bytes(2000))
    year.end_of_month(FIRST)
    assert year.out_of_bounds == []
    year.root.risk_events.write_bytes(bytes(3000))
    (year.root.state / "left_over.csv").write_bytes(b"1")
    (year.root.logs / "tracker.log").write_bytes(b"1")
    year.end_of_month(FIRST)
    assert [line.split()[1] for line in year.out_of_bounds] == ["state/left_over.csv", "state/risk_events.jsonl"]


def test_the_history_is_rotated_when_it_is_large_enough(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.state.mkdir()
    assert not rotate(root, 3)
    for content in ("one", "two", "three"):
        root.pnl_history.write_text(content)
        assert rotate(root, 3)
    found = {path.name: path.read_text() for path in root.state.iterdir()}
    assert found == {f"pnl_history.csv.{number}": text for number, text in ((1, "three"), (2, "two"), (3, "one"))}
