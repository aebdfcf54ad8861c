from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.book.bytewise import Column, Text, hash_texts, read_instants, read_numbers
from contract.rows import parse_number, parse_time


def lay_out(fields: Sequence[str]) -> tuple[Text, Column]:
    """The fields of a line, between commas as they stand in a file."""
    text = Text(",".join(fields).encode() + b"\n")
    width = np.array([len(field.encode()) for field in fields])
    start = np.cumsum(width + 1) - (width + 1) + text.start
    return text, Column(start, start + width)


def numbers_of(fields: Sequence[str]) -> list[float | None]:
    """None where the reader was not sure."""
    numbers, sure = read_numbers(*lay_out(fields))
    return [number if good else None for number, good in zip(numbers.tolist(), sure.tolist(), strict=True)]


def instants_of(fields: Sequence[str]) -> list[int | None]:
    instants, sure = read_instants(*lay_out(fields))
    return [instant if good else None for instant, good in zip(instants.tolist(), sure.tolist(), strict=True)]


def same(one: float | None, other: float | None) -> bool:
    return repr(one) == repr(other)  # tells 0.0 from -0.0


DIGITS = st.text("0123456789", min_size=1, max_size=22)
SHAPES = st.builds(
    lambda sign, whole, point, decimals: f"{sign}{whole}{point}{decimals}",
    st.sampled_from(["", "-", "+", "--", " "]),
    DIGITS | st.just(""),
    st.sampled_from(["", ".", "..", ",", "e"]),
    DIGITS | st.just(""),
)
FLOATS = st.floats(-1e12, 1e12).map(repr) | st.floats(-1e8, 1e8).map("{:.6f}".format) | st.decimals(-9, 9).map(str)


@given(st.lists(SHAPES | FLOATS | st.text("0123456789.-eE+_ ", max_size=25), min_size=1, max_size=40))
@settings(derandomize=True, max_examples=300)
def test_a_sure_number_is_what_the_strict_parser_reads(fields: list[str]) -> None:
    fields = [field for field in fields if "," not in field] or ["1"]
    for field, number in zip(fields, numbers_of(fields), strict=True):
        assert number is None or same(number, parse_number(field)), field


@given(st.lists(st.decimals(-(10**7), 10**7, places=9), min_size=1, max_size=20), st.integers(0, 9))
@settings(derandomize=True)
def test_numbers_with_up_to_nine_decimals_are_always_sure(numbers: list[object], places: int) -> None:
    fields = [f"{number:.{places}f}" for number in numbers]
    assert all(same(number, float(field)) for number, field in zip(numbers_of(fields), fields, strict=True))


@given(st.integers(0, 52), st.integers(2**52, 2**53 - 1), st.integers(-2, 2))
@settings(derandomize=True, max_examples=500)
def test_what_lies_next_to_the_middle_between_two_floats_goes_to_the_right_one(
    halvings: int, mantissa: int, off: int
) -> None:
    middle = Fraction(2 * mantissa + 1, 2 ** (halvings + 1))
    whole = int(middle)
    places = 19 - len(str(whole))
    decimals = int((middle - whole) * 10**places) + off
    field = f"{whole}.{max(0, decimals) % 10**places:0{places}d}" if places else str(whole)
    (number,) = numbers_of([field])
    assert number is None or same(number, float(field))


def test_floats_as_python_writes_them_are_sure_as_a_rule() -> None:
    fields = [repr(number) for number in np.random.default_rng(5).uniform(-1e5, 1e5, 1000).tolist()]
    found = numbers_of(fields)
    assert all(number is None or same(number, float(field)) for number, field in zip(found, fields, strict=True))
    assert sum(number is None for number in found) < 20


@pytest.mark.parametrize("field", ["", "-", ".5", "5.", "1.2.3", "1e5", "+1", "1-2", "123456789.5", "0x10", "nan"])
def test_an_odd_number_is_left_to_the_strict_reader(field: str) -> None:
    assert numbers_of([field]) == [None]


def test_the_neighbours_of_a_number_do_not_matter() -> None:
    fields = ["1.5", "7", "-2", "00012.50", "-0.0", "3", "99999999", "0.00000001", "2.25"]
    assert numbers_of(fields) == [float(field) for field in fields]
    assert same(numbers_of(["-0.000"])[0], -0.0)


DATES = st.dates().map(str) | st.builds(
    "{:04d}-{:02d}-{:02d}".format, st.integers(1960, 2110), st.integers(0, 13), st.integers(0, 32)
)
CLOCKS = st.builds("{:02d}:{:02d}:{:02d}".format, st.integers(0, 25), st.integers(0, 61), st.integers(0, 61))
ENDS = st.sampled_from(["", "Z", "+00:00", "-00:00", "+01:00", "z", " "])
FRACTIONS = st.just("") | st.text("0123456789", max_size=8).map(".{}".format)
TIMES = st.builds("{}{}{}{}{}".format, DATES, st.sampled_from("T t_"), CLOCKS, FRACTIONS, ENDS)


@given(st.lists(TIMES | DATES | st.text("0123456789-:TZ.+ ", max_size=34), min_size=1, max_size=30))
@settings(derandomize=True, max_examples=300)
def test_a_sure_instant_is_what_the_strict_parser_reads(fields: list[str]) -> None:
    for field, instant in zip(fields, instants_of(fields), strict=True):
        assert instant is None or instant == parse_time(field), field


@given(
    st.lists(st.datetimes(), min_size=1, max_size=20),
    st.sampled_from(["T", " "]),
    st.sampled_from(["Z", "+00:00", ""]),
    st.integers(0, 6),
)
@settings(derandomize=True)
def test_the_usual_instants_are_always_sure(moments: list[object], between: str, end: str, places: int) -> None:
    fields = []
    for moment in moments:
        text = str(moment)[:19].replace(" ", between)
        year = 1970 + int(text[:4]) % 130
        day = "28" if text[5:10] == "02-29" else text[8:10]
        fields.append(f"{year}{text[4:8]}{day}{text[10:]}{'.123456'[: places + 1] if places else ''}{end}")
    fields += [field[:10] for field in fields]
    assert instants_of(fields) == [parse_time(field) for field in fields]


@pytest.mark.parametrize(
    "field", ["", "2026", "2026-02-30", "2026-11-20T24:00:00Z", "2026-11-20T23:60:00", "1969-12-31"]
)
def test_an_odd_instant_is_left_to_the_strict_reader(field: str) -> None:
    assert instants_of([field]) == [None]


def test_dates_that_come_in_runs_are_read_like_any_other() -> None:
    fields = ["2026-01-01T00:00:01Z"] * 3 + ["2026-13-01T00:00:01Z"] * 2 + ["2026-01-02"] * 2 + ["2026-01-01T00:00:01Z"]
    assert instants_of(fields) == [parse_time(field) for field in fields]


@given(st.lists(st.text(max_size=40).filter(lambda text: "\0" not in text), min_size=1, max_size=60))
@settings(derandomize=True)
def test_equal_texts_have_equal_hashes_and_others_do_not(fields: list[str]) -> None:
    hashes = hash_texts(*lay_out(fields)).tolist()
    assert [number == 0 for number in hashes] == [not field for field in fields]
    assert len(set(hashes)) == len(set(fields))
    assert dict(zip(fields, hashes, strict=True)) == dict(zip(fields[::-1], hashes[::-1], strict=True))


def test_texts_that_count_up_do_not_collide() -> None:
    fields = [f"paper-{number:09d}" for number in range(50_000)] + [f"t{number}" for number in range(50_000)]
    assert len(np.unique(hash_texts(*lay_out(fields)))) == len(fields)


def test_no_fields_make_nothing() -> None:
    text, column = lay_out(["1", "22"])
    none = Column(column.start[:0], column.end[:0])
    assert [len(values) for values in read_numbers(text, none)] == [0, 0]
    assert len(hash_texts(text, none)) == 0
    assert text.string(column, 1) == "22"
