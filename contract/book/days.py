"""Which day of the account an instant belongs to.

A book day is a calendar day of the account's zone, counted from 1970-01-01. An account day is a book day on which the
book has at least one row: a fill without profit counts, and so does a mark of a flat day; a weekend or an outage
without rows does not. Whatever steps once per account day (inertia, trust, the turnover limit) steps on these.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

import numpy as np

from contract.book.bytewise import MICROSECONDS_PER_DAY, Integers
from contract.book.grouping import distinct

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


def book_days(times_us: Integers, zone: tzinfo) -> Integers:
    """The book day of each instant, given in microseconds since 1970, UTC; `(rows,)`."""
    if (fixed_offset := zone.utcoffset(None)) is not None:
        return (times_us + fixed_offset // _MICROSECOND) // MICROSECONDS_PER_DAY
    utc_days = times_us // MICROSECONDS_PER_DAY
    found, which = distinct(utc_days)
    # No zone is a whole day away from UTC, so only the midnights next to an instant matter.
    midnight = np.array([_midnight_us(day, zone) for day in found.tolist()], np.int64)
    next_midnight = np.array([_midnight_us(day + 1, zone) for day in found.tolist()], np.int64)
    return utc_days - 1 + (times_us >= midnight[which]) + (times_us >= next_midnight[which])


def day_number(day: date) -> int:
    """A calendar day as days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def _midnight_us(day: int, zone: tzinfo) -> int:
    """When a book day begins; where the clock skips midnight, when it does so."""
    ordinal = min(max(day + _EPOCH_ORDINAL, date.min.toordinal()), date.max.toordinal())
    offset = zone.utcoffset(datetime.fromordinal(ordinal)) or timedelta(0)
    return day * MICROSECONDS_PER_DAY - offset // _MICROSECOND
