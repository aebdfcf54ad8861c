from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.book.days import book_days, day_number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Skipped midnights (Beirut, Sao Paulo, Havana), a skipped day (Apia), odd offsets, and none.
ZONES = [
    *("UTC", "Europe/Zurich", "America/New_York", "Asia/Kathmandu", "Asia/Beirut", "America/Sao_Paulo"),
    *("America/Havana", "Pacific/Apia", "Pacific/Kiritimati", "Asia/Tokyo"),
]


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@given(st.sampled_from(ZONES), st.lists(st.timedeltas(timedelta(0), timedelta(days=68 * 365)), min_size=1))
@settings(derandomize=True)
def test_a_book_day_is_the_calendar_day_of_the_zone(zone_name: str, since_epoch: list[timedelta]) -> None:
    zone = ZoneInfo(zone_name)
    utc = [EPOCH + passed for passed in since_epoch]
    expected = [day_number(moment.astimezone(zone).date()) for moment in utc]
    assert book_days(np.array([microseconds(moment) for moment in utc]), zone).tolist() == expected


@pytest.mark.parametrize("zone_name", ZONES)
def test_every_hour_around_every_change_of_the_clock(zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    hours = [datetime(2011, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(2 * 24 * 366)]
    changes = [
        hour
        for before, hour in zip(hours, hours[48:], strict=False)
        if before.astimezone(zone).utcoffset() != hour.astimezone(zone).utcoffset()
    ]
    moments = [*changes, hours[0]]
    expected = [day_number(moment.astimezone(zone).date()) for moment in moments]
    assert book_days(np.array([microseconds(moment) for moment in moments]), zone).tolist() == expected


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5)), ZoneInfo("Europe/Zurich")])
def test_the_ends_of_the_calendar_are_days_too(zone: timezone) -> None:
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
    days = book_days(np.array([microseconds(end) for end in ends]), zone)
    assert abs(days - [day_number(date.min), day_number(date.max)]).max() <= 1


def test_days_are_counted_from_1970() -> None:
    assert day_number(date(1970, 1, 1)) == 0
    assert day_number(date(2026, 11, 20)) == 20_777
    assert book_days(np.array([-1, 0, 86_399_999_999, 86_400_000_000]), UTC).tolist() == [-1, 0, 0, 1]
