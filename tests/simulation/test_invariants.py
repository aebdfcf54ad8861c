"""The invariants can break: each refuses what it is there to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import log
from pathlib import Path

import pytest

from contract.schema.fields import by_name
from contract.schema.judgement import AccountPath, Expert, Trust
from contract.schema.weights import Allocations, Risk, RlWeights, parse_rl_weights
from simulation import invariants
from simulation.invariants import Broken, rows_of
from simulation.promises import Appended, Published

EQUAL = (0.125,) * 8
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = Trust(0.5, 0.0, 0.0, Expert(EQUAL, 0.0), Expert(EQUAL, 0.0), 0.0, AccountPath(), date(2026, 1, 1), None, 3, "")
SAID = RlWeights(EQUAL, NOW, NOW + timedelta(seconds=75), True, 4, {"last_day": "2026-01-03", "live_days": 3})
TOLD = Allocations(
    by_name(EQUAL), "rl_inference", NOW, NOW + timedelta(seconds=60), Risk(), EQUAL, (), 1, {"source_generation": 4}
)
MARK = b"2026-01-01T21:00:00Z,turtle_trading,1,1,1\n"
FILL = b"2026-01-01,2026-01-01T14:30:00Z,SIM01,sell,1,1,x,2.5,turtle_trading,0,1,1,,paper-00000000%d\n"


def day_later(**changes: object) -> Trust:
    return replace(BEFORE, last_day=date(2026, 1, 2), live_days=4, **changes)  # type: ignore[arg-type]


def lose_a_promised_line() -> None:
    appended = Appended("journal", (b"one",))
    appended.see((b"one", b"two"))
    appended.promise()
    appended.see((b"one",))


def lose_a_promised_file() -> None:
    published = Published("weights", b"old")
    published.see(b"new", "bridge")
    published.promise("bridge")
    published.after_a_power_cut(b"old")


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda: invariants.readable(b"{", Path("x"), parse_rl_weights), id="torn"),
        pytest.param(lambda: invariants.within_bounds((0.5, *(0.5 / 7,) * 7), ""), id="over the cap"),
        pytest.param(lambda: invariants.within_bounds((0.124, *(0.125,) * 7), ""), id="sum"),
        pytest.param(lambda: invariants.source_was_fresh(TOLD, [SAID], NOW + timedelta(seconds=76)), id="stale source"),
        pytest.param(lambda: invariants.source_was_fresh(TOLD, [], NOW), id="no such source"),
        pytest.param(lambda: invariants.renewed(TOLD, NOW + timedelta(seconds=61), NOW, 60.0), id="word is over"),
        pytest.param(lambda: invariants.renewed(TOLD, NOW, NOW - timedelta(seconds=1), 60.0), id="word is too long"),
        pytest.param(lambda: invariants.remembered_first(SAID, BEFORE, {"2026-01-02"}), id="said before remembered"),
        pytest.param(lambda: invariants.guaranteed(replace(BEFORE, blend_log_wealth=-0.08), 0.0), id="0.933"),
        pytest.param(lambda: invariants.guaranteed(BEFORE, 0.24), id="0.79 from a later day"),
        pytest.param(lambda: invariants.guaranteed(replace(BEFORE, blend_log_wealth=-0.01), 0.0), id="odds begun anew"),
        pytest.param(lambda: invariants.moved_well(BEFORE, replace(BEFORE, log_odds=0.1)), id="odds without a day"),
        pytest.param(lambda: invariants.moved_well(BEFORE, replace(BEFORE, live_days=4)), id="a day counted again"),
        pytest.param(lambda: invariants.moved_well(BEFORE, day_later(policy=Expert(EQUAL, 0.01))), id="unearned"),
        pytest.param(lambda: invariants.moved_well(day_later(), BEFORE), id="back"),
        pytest.param(lambda: invariants.each_once([1, 2, 2], 2), id="a fill twice"),
        pytest.param(lambda: invariants.each_once([1, 3], 2), id="a fill lost"),
        pytest.param(lambda: invariants.all_there([1, 3]), id="a gap"),
        pytest.param(lambda: invariants.marked_once(b"header\n" + 2 * MARK, wholly=False), id="a mark twice"),
        pytest.param(lambda: invariants.marked_once(b"header\n" + MARK, wholly=True), id="marks lacking"),
        pytest.param(lambda: invariants.lines_once(b"a\nb\na\n", ""), id="a line twice"),
        pytest.param(lose_a_promised_line, id="a promised line lost"),
        pytest.param(lose_a_promised_file, id="a promised file lost"),
    ],
)
def test_what_must_not_be_is_noticed(look: Callable[[], object]) -> None:
    with pytest.raises(Broken):
        look()


def test_what_may_be_is_accepted() -> None:
    invariants.within_bounds(EQUAL, "")
    invariants.source_was_fresh(TOLD, [SAID], NOW + timedelta(seconds=75))
    invariants.renewed(TOLD, NOW, NOW, 60.0)
    invariants.remembered_first(SAID, BEFORE, {"2026-01-01", "2026-01-03"})
    invariants.guaranteed(BEFORE, 0.23)
    gained = log(1.01)
    earned = day_later(policy=Expert(EQUAL, gained), log_odds=log(1.1), log_evidence=log(1.1), blend_log_wealth=0.005)
    invariants.moved_well(BEFORE, earned)
    invariants.guaranteed(earned, 0.005)
    invariants.each_once([1, 3, 2], 2)


def test_rows_are_told_from_what_is_none() -> None:
    found = rows_of(b"date,and so on\n" + FILL % 1 + b"=not a row\n" + FILL % 2 + (FILL % 3)[:-1])
    assert (found.fills, found.pnls, found.bad) == ((1, 2), (2.5, 2.5), 1)
