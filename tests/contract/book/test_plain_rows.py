from __future__ import annotations

import numpy as np

from contract.book.bytewise import NO_TIME
from contract.book.plain_rows import Meanings, PlainRows


def test_plain_lines_are_read_by_column_and_the_others_handed_over() -> None:
    lines = [b"2026-11-20,1.5,a", b'2026-11-20,"2",b', b"2026-11-20,,", b"1,2", b"2026-11-20,nan,c", b"x,3,d\r", b""]
    rows = PlainRows(b"".join(line + b"\n" for line in lines), 3)
    assert rows.start.tolist() == [0, 34, 51, 68]
    assert rows.numbers(1).tolist()[::3] == [1.5, 3.0]
    assert rows.sure.tolist() == [True, True, False, True]
    assert rows.instants(0).tolist()[1] == 1_795_132_800_000_000
    assert rows.sure.tolist() == [True, True, False, False]
    assert [line for _, line in rows.others()] == [lines[1], lines[3], lines[4], lines[5], lines[6]]
    assert [start for start, _ in rows.others()] == [17, 47, 51, 68, 75]
    assert not rows.are_all


def test_a_column_that_is_not_there_is_empty() -> None:
    rows = PlainRows(b"1\n2\n", 1)
    assert np.isnan(rows.numbers(None)).all()
    assert rows.instants(None).tolist() == [NO_TIME] * 2
    assert rows.hashes(None).tolist() == [0, 0]
    assert rows.meanings(None, Meanings(len)).tolist() == [0, 0]
    assert rows.are_all


def test_the_return_at_the_end_of_a_line_belongs_to_no_field() -> None:
    rows = PlainRows(b"a,1\r\na,2\r\n", 2)
    assert rows.numbers(1).tolist() == [1, 2]
    assert rows.are_all


def test_a_number_with_too_many_digits_for_the_quick_way_is_still_a_number() -> None:
    rows = PlainRows(b"1e-7\n0.00000000000000000012345\n123456789012.5\n", 1)
    assert rows.numbers(0).tolist() == [1e-7, 1.2345e-19, 123456789012.5]
    assert rows.are_all


def test_a_text_is_looked_into_once_as_long_as_it_keeps_coming() -> None:
    asked = []

    def meaning(text: str) -> int:
        asked.append(text)
        return len(text)

    meanings = Meanings(meaning)
    for _ in range(3):
        rows = PlainRows(b"buy\nsell\nbuy\n\n", 1)
        assert rows.meanings(0, meanings).tolist() == [3, 4, 3, 0]
    assert sorted(asked) == ["", "buy", "sell"]
