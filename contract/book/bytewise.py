"""One column of many lines, read for all lines at once: numbers, instants and hashes of texts.

Characters are handled eight at a time in 64-bit words, little-endian: the first character is the lowest byte. Every
reader knows a few strict shapes and says for each field whether it was sure. What it was not sure of is not wrong but
unknown, and belongs to `contract.rows`, the strict reader of single lines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MICROSECONDS_PER_DAY = 86_400_000_000
NO_TIME = int(np.iinfo(np.int64).min)


def _each_byte(value: int) -> np.uint64:
    return np.uint64(0x0101010101010101 * value)


_MARGIN = 32  # bytes around the lines: how far a word next to a field may reach
_ONE = np.uint64(1)
_ONES, _HIGH_BITS = _each_byte(1), _each_byte(0x80)
_ZEROS = _each_byte(ord("0"))
_POINTS = _each_byte(ord(".") ^ ord("0"))  # what a point looks like among the values of digits
_TO_HIGH_BIT = _each_byte(0x80 - 10)  # carries whatever is no digit into the high bit of its byte
_TENS, _TWOS = np.uint64(10 << 8 | 1), np.uint64(0x00FF00FF00FF00FF)
_HUNDREDS, _FOURS = np.uint64(100 << 16 | 1), np.uint64(0x0000FFFF0000FFFF)
_TEN_THOUSANDS = np.uint64(10_000 << 32 | 1)
_OFFSET_ZERO = int.from_bytes(b"+00:00", "little")
_MIXER, _FINISHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_LARGEST_EXACT_INTEGER = 1 << 53
# By a number of characters: the bits of so many at the beginning of a word, and at its end.
_FIRST: Words = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
_LAST: Words = np.array([((1 << 8 * n) - 1) << (64 - 8 * n) for n in range(9)], np.uint64)
# By how many characters a number has from its point on: what leaving the point out multiplies it by.
_SCALES: Words = np.array([1, *(10**decimals for decimals in range(19))], np.uint64)
_SPLITTER = 2.0**27 + 1  # cuts a float into halves whose products are exact
_MICROSECONDS: Words = np.array([10 ** (6 - decimals) for decimals in range(7)], np.uint64)

_FIRST_YEAR, _LAST_YEAR = 1970, 2099
# By `YYYY0MM` from the first year on: the month's first day since 1970, and its length; 0 where there is no such month.
_MONTHS = np.arange(f"{_FIRST_YEAR}-01", f"{_LAST_YEAR + 1}-02", dtype="M8[M]").astype("M8[D]")
_MONTH_DIGITS = [1000 * year + month for year in range(_LAST_YEAR - _FIRST_YEAR + 1) for month in range(1, 13)]
_MONTH_STARTS, _MONTH_LENGTHS = np.zeros((2, _MONTH_DIGITS[-1] + 2), np.int64)
_MONTH_STARTS[_MONTH_DIGITS] = _MONTHS[:-1].astype(np.int64)
_MONTH_LENGTHS[_MONTH_DIGITS] = np.diff(_MONTHS).astype(np.int64)
# By `HH0MM`: seconds since midnight; -1 where there is no such minute.
_MINUTE_STARTS: Integers = np.full(24_000, -1)
_MINUTE_STARTS.reshape(24, 1000)[:, :60] = 3600 * np.arange(24)[:, np.newaxis] + 60 * np.arange(60)
_MINUTE_STARTS = np.append(_MINUTE_STARTS, -1)


class Column(NamedTuple):
    """Where fields start and end in a `Text`: those of one column or of several, `(fields,)`."""

    start: Integers
    end: Integers

    @property
    def width(self) -> Integers:
        return self.end - self.start


class Text:
    """Lines as bytes, and as the words that start at each byte; positions count from the margin before them."""

    def __init__(self, data: bytes) -> None:
        padded = b"".join((bytes(_MARGIN), data, bytes(_MARGIN)))
        self.bytes: Bytes = np.frombuffer(padded, np.uint8)
        self.words: Words = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))
        self.start = _MARGIN
        self.end = _MARGIN + len(data)

    def string(self, column: Column, index: int) -> str:
        return self.bytes[column.start[index] : column.end[index]].tobytes().decode()


def read_numbers(text: Text, column: Column) -> tuple[Floats, Flags]:
    """Numbers such as `7` and `-12.50`, each the float nearest to what is written, and where they are sure.

    At most eight digits before the point, and nineteen in all, which is what a 64-bit word holds.
    """
    negative = text.bytes[column.start] == ord("-")
    start, end = column.start + negative, column.end
    width = end - start
    from_point = _widths_from_point(text, end, width)
    whole_width = width - from_point
    words = [_digits_before(text, end - from_point, whole_width), _digits_before(text, end, from_point - 1)]
    for behind in (8, 16):
        if (from_point - 1 > behind).any():
            words.append(_digits_before(text, end - behind, from_point - 1 - behind))
    (whole, fraction, *earlier), are_digits = _eight_digits(np.stack(words))
    scale = _SCALES.take(from_point, mode="clip")
    integer = whole * scale + fraction
    for digits, factor in zip(earlier, _SCALES[[9, 17]], strict=False):
        integer += digits * factor
    sure = are_digits.all(axis=0) & (whole_width >= 1) & (whole_width <= 8) & (from_point != 1)
    sure &= width <= 19 + (from_point > 0)
    numbers = integer.astype(np.float64) / scale.astype(np.float64)
    inexact = np.flatnonzero(sure & (integer > _LARGEST_EXACT_INTEGER))
    if len(inexact):
        numbers[inexact], sure[inexact] = _divided(integer[inexact], scale[inexact])
    return numbers * (1.0 - 2.0 * negative), sure


def read_instants(text: Text, column: Column) -> tuple[Integers, Flags]:
    """Times as microseconds since 1970 in UTC, and where they are sure.

    Shapes: `2026-11-20`; the same with `T` or a space and `23:12:19`, then at most six decimals, and `Z`, `+00:00` or
    nothing at the end. Years from 1970 to 2099.
    """
    start, end = column
    days, sure_date = _read_dates(text, start)
    clock, sure = _read_shape(text, start + 11, "00:00:00")
    minute = clock // 1000
    second = clock - minute * 1000
    minute_start = _MINUTE_STARTS.take(minute, mode="clip")
    between = text.bytes[start + 10]
    sure &= ((between == ord("T")) | (between == ord(" "))) & (minute_start >= 0) & (second < 60)
    fraction_us, sure_end = _read_fractions(text, start + 19, end)
    date_only = end - start == 10
    clock_us = ((minute_start + second) * 1_000_000 + fraction_us) * ~date_only
    return days * MICROSECONDS_PER_DAY + clock_us, sure_date & (date_only | sure & sure_end)


def hash_texts(text: Text, column: Column) -> Words:
    """A number for each text: 0 for the empty one, and the same for the same bytes wherever they stand.

    Two different texts share theirs once in 2^64.
    """
    width = column.width
    hashes = np.zeros(width.shape, np.uint64)
    for done in range(0, int(width.max(initial=0)), 8):
        word = text.words[np.minimum(column.start + done, text.end)]
        word &= _FIRST.take(width - done, mode="clip")
        word *= _MIXER + np.uint64(2 * done)
        word ^= word >> np.uint64(32)
        hashes += word
    hashes *= _FINISHER
    hashes ^= hashes >> np.uint64(29)
    return hashes


def _read_dates(text: Text, start: Integers) -> tuple[Integers, Flags]:
    """Days since 1970 from what begins like `2026-11-20`. Equal dates come in runs, and each run is read once."""
    words = np.stack((text.words[start], text.words[start + 2]))
    runs = np.concatenate(([0], np.flatnonzero((words[:, 1:] != words[:, :-1]).any(axis=0)) + 1, [len(start)]))
    first, lengths = start[runs[:-1]], runs[1:] - runs[:-1]
    month, sure = _read_shape(text, first, "0000-00-")
    day, sure_day = _read_shape(text, first + 2, "00-00-00")
    month = month // 10 - 1000 * _FIRST_YEAR
    day -= day // 1000 * 1000 + 1
    sure &= sure_day & (month >= 0) & (day >= 0) & (day < _MONTH_LENGTHS.take(month, mode="clip"))
    days = _MONTH_STARTS.take(month, mode="clip") + day
    return np.repeat(days, lengths), np.repeat(sure, lengths)


def _read_fractions(text: Text, start: Integers, end: Integers) -> tuple[Integers, Flags]:
    """Microseconds from what stands behind the seconds of a time: maybe decimals, maybe a zone, which must be UTC."""
    zulu, offset = text.bytes[end - 1] == ord("Z"), text.words[end - 8] >> np.uint64(16) == _OFFSET_ZERO
    end = end - zulu - offset * 6
    width = end - start
    if not width.any():
        return width, width == 0
    decimals = np.minimum(np.maximum(width - 1, 0), 6)
    fraction, sure = _eight_digits(_digits_before(text, end, decimals))
    sure &= (text.bytes[start] == ord(".")) & (width >= 2) & (width <= 7)
    return (fraction * _MICROSECONDS[decimals] * sure).view(np.int64), sure | (width == 0)


def _read_shape(text: Text, start: Integers, shape: str) -> tuple[Integers, Flags]:
    """Eight characters that look like the shape, with any digit for `0`, as a number in which all others are zeros."""
    others = bytes(0 if character == "0" else 0xFF for character in shape)
    values = text.words[start] ^ np.uint64(int.from_bytes(shape.encode(), "little"))
    number, sure = _eight_digits(values)
    return number.view(np.int64), sure & (values & np.uint64(int.from_bytes(others, "little")) == 0)


def _digits_before(text: Text, end: Integers, count: Integers) -> Words:
    """The values of the last `count` characters (of none to eight) before `end`, behind zeros."""
    digits: Words = text.words[end - 8]
    digits ^= _ZEROS
    digits &= _LAST.take(count, mode="clip")
    return digits


def _eight_digits(values: Words) -> tuple[Words, Flags]:
    """The number that eight values of digits write, and whether each is one from 0 to 9.

    Neighbours are joined by one multiplication: of `first * 10 + second` and so on, the shift keeps what was wanted.
    """
    carried = values + _TO_HIGH_BIT
    carried |= values
    carried &= _HIGH_BITS
    joined = values * _TENS
    joined >>= np.uint64(8)
    joined &= _TWOS
    joined *= _HUNDREDS
    joined >>= np.uint64(16)
    joined &= _FOURS
    joined *= _TEN_THOUSANDS
    joined >>= np.uint64(32)
    return joined, carried == 0


def _widths_from_point(text: Text, end: Integers, width: Integers) -> Integers:
    """How many of a number's characters stand from its point on, itself included; 0 where there is none.

    Numbers tend to have as many decimals as the first; the point is looked for where they do not.
    """
    usual = _find_points(text, end[:1], width[:1])
    if ((text.bytes[end - usual] == ord(".")) & (width >= usual)).all():
        return np.repeat(usual, len(end))
    return _find_points(text, end, width)


def _find_points(text: Text, end: Integers, width: Integers) -> Integers:
    found = _width_from_first_point(_digits_before(text, end, width))
    for behind in (8, 16):
        far = np.flatnonzero((found == 0) & (width > behind))
        if len(far):
            from_point = _width_from_first_point(_digits_before(text, end[far] - behind, width[far] - behind))
            found[far] = from_point + behind * (from_point > 0)
    return found


def _width_from_first_point(values: Words) -> Integers:
    """How many of eight characters stand from the first point on, itself included; 0 where there is none."""
    others = values ^ _POINTS
    points = (others - _ONES) & ~others & _HIGH_BITS
    below_first = (points & (~points + _ONE)) - _ONE
    return (8 - (np.bitwise_count(below_first) >> 3)).astype(np.int64)


def _divided(dividends: Words, divisors: Words) -> tuple[Floats, Flags]:
    """Quotients of integers, of which the dividends need not be exact as floats, and where they are the nearest floats.

    What the rounded quotient leaves over is computed exactly and makes a correction of about one unit in its last
    place. Where the smallest doubt about the correction would change the sum, the result is not sure.
    """
    dividend, divisor = dividends.astype(np.float64), divisors.astype(np.float64)
    quotient = dividend / divisor
    product, product_left = _exact_product(quotient, divisor)
    rounded_off = (dividends - dividend.astype(np.uint64)).view(np.int64)
    correction = (dividend - product - product_left + rounded_off) / divisor
    doubt = correction * 2.0**-49
    return quotient + correction, quotient + (correction - doubt) == quotient + (correction + doubt)


def _exact_product(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """A product as the unevaluated sum of two floats, by Dekker's method."""
    one_high, other_high = ((half := number * _SPLITTER) - (half - number) for number in (one, other))
    one_low, other_low = one - one_high, other - other_high
    product = one * other
    left = one_high * other_high - product + one_high * other_low + one_low * other_high + one_low * other_low
    return product, left
