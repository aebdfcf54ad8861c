"""Which weights were in force on which day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.live_days import HEADER, LiveDay, line_of, live_days, on_days, parse_live_days
from contract.schema.names import SOURCES
from contract.schema.weights import PublishedWeights

START = date(2026, 1, 1)
WEIGHTS = st.lists(st.floats(0.02, 0.35), min_size=8, max_size=8).map(lambda w: tuple(x / sum(w) for x in w))
LIVE_DAYS = st.builds(
    LiveDay,
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.sampled_from(SOURCES),
    st.none() | st.integers(0, 10**9),
    st.none() | st.floats(0.0, 1.0),
    WEIGHTS,
)


def day(number: int) -> date:
    return START + timedelta(days=number)


def entry(number: int, knew: int, weights: tuple[float, ...] = (0.125,) * 8) -> PublishedWeights:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    metadata = {"last_day": day(knew).isoformat(), "generation": number, "source": "rl_inference", "trust": 0.5}
    return PublishedWeights(moment, weights, metadata)


def test_weights_are_in_force_from_the_day_after_the_last_one_known() -> None:
    history = [entry(1, knew=3), entry(2, knew=3), entry(3, knew=5)]
    found = live_days(history, [day(number) for number in range(8)], None, UTC)
    assert [(live.day, live.generation) for live in found] == [(day(4), 2), (day(5), 2), (day(6), 3), (day(7), 3)]


def test_a_recorded_day_is_not_recorded_again() -> None:
    history = [entry(1, knew=0)]
    assert [live.day for live in live_days(history, [day(1), day(2), day(3)], day(2), UTC)] == [day(3)]
    assert live_days(history, [day(1)], day(1), UTC) == []
    assert live_days([], [day(1)], None, UTC) == []


def test_an_ancestors_entry_is_of_the_day_of_its_time_in_the_accounts_zone() -> None:
    late = PublishedWeights(datetime(2026, 1, 1, 23, tzinfo=UTC), (1.0,) + (0.0,) * 7, {})
    days = [day(0), day(1), day(2)]
    assert [live.day for live in live_days([late], days, None, UTC)] == days[1:]
    ahead = timezone(timedelta(hours=2))
    found = live_days([late], days, None, ahead)
    assert [(live.day, live.source) for live in found] == [(day(2), "unknown")]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8), st.sets(st.integers(0, 15)))
def test_it_is_the_last_one_that_knew_less(published: list[tuple[int, int]], book: set[int]) -> None:
    history = [entry(number, knew) for number, (_, knew) in enumerate(published)]
    found = {live.day: live.generation for live in live_days(history, [day(k) for k in sorted(book)], None, UTC)}
    expected = {}
    for number in book:
        known = [place for place, (_, knew) in enumerate(published) if knew < number]
        if known:
            expected[day(number)] = max(known)
    assert found == expected


@settings(derandomize=True, deadline=None)
@given(st.lists(LIVE_DAYS, max_size=10, unique_by=lambda live: live.day))
def test_what_is_written_is_read(lives: list[LiveDay]) -> None:
    content = "".join(f"{line}\n" for line in (",".join(HEADER), *map(line_of, lives)))
    found = parse_live_days(content.encode())
    assert [live[:4] for live in found] == [live[:4] for live in sorted(lives)]
    for live, original in zip(found, sorted(lives), strict=True):
        assert live.weights == pytest.approx(original.weights, abs=1e-15)


GOOD = line_of(LiveDay(START, "rl_inference", 1, 0.5, (0.125,) * 8))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="empty"),
        pytest.param(GOOD[:-9], id="torn"),
        pytest.param(GOOD.replace("2026-01-01", "tomorrow"), id="no day"),
        pytest.param(GOOD.replace("0.125", "nan"), id="nan"),
        pytest.param(GOOD.replace("0.125", "-0.125"), id="negative"),
        pytest.param(GOOD.replace("0.125", "0.0"), id="all zero"),
        pytest.param(GOOD.replace(",1,", ",one,"), id="no generation"),
        pytest.param(GOOD + ",1", id="a column more"),
        pytest.param("\0" * 90, id="NULs"),
        pytest.param('"' + GOOD, id="a quote that nobody closes"),
    ],
)
def test_a_line_that_is_none_is_left_out(line: str) -> None:
    assert parse_live_days(f"{','.join(HEADER)}\n{line}\n".encode()) == ()
    other = GOOD.replace("2026-01-01", "2026-01-02")
    for content in (f"{other}\n{line}\n", f"{line}\n{other}\n"):
        assert [live.day for live in parse_live_days(content.encode())] == [date(2026, 1, 2)]


def test_a_last_line_without_its_newline_is_none_yet() -> None:
    """The next append cuts it off; a day that was taken for recorded would be lost."""
    other = GOOD.replace("2026-01-01", "2026-01-02")
    for torn in (other, other[:-1], other[:-2]):
        assert [live.day for live in parse_live_days(f"{GOOD}\n{torn}".encode())] == [START]


def test_bytes_of_any_kind_are_survived() -> None:
    assert parse_live_days(bytes(range(256)) * 3) == ()


def test_days_that_the_book_has_lost_are_left_out() -> None:
    lives = [LiveDay(day(number), "rl_inference", 1, 0.5, (0.125,) * 8) for number in range(3)]
    assert list(on_days(lives, [day(1), day(5)])) == [day(1)]
