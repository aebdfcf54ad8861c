"""Errors are one line, whatever they are about."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import BadInput, MustStop, RetryLater, TillerError, one_line, told


@pytest.mark.parametrize("kind", [RetryLater, BadInput, MustStop])
def test_an_error_says_where_what_and_what_to_do(kind: type[TillerError]) -> None:
    error = kind("cannot publish", path=Path("/state/trust.json"), hint="free some disk space")
    assert str(error) == "/state/trust.json: cannot publish (free some disk space)"
    assert str(kind("cannot publish")) == "cannot publish"
    with pytest.raises(TillerError):
        raise error


@settings(derandomize=True)
@given(st.text())
def test_one_line_cannot_break_a_line_or_a_terminal(text: str) -> None:
    assert one_line(text).isprintable()
    if text.isprintable():
        assert one_line(text) == text
    assert str(BadInput(text, path=Path("/" + text.replace("\0", "")), hint=f"mend {text}")).isprintable()


def test_control_characters_are_written_out() -> None:
    assert one_line("a\nb\x1b[31m\udcff") == r"a\nb\x1b[31m\udcff"


def test_what_the_system_raised_is_told_with_its_path_and_a_hint() -> None:
    missing = FileNotFoundError(2, "No such file or directory", "/nowhere\n/runtime")
    assert told(missing) == r"/nowhere\n/runtime: No such file or directory (tiller doctor says what stands in the way)"
    assert told(PermissionError(13, "no")) == "[Errno 13] no"
    assert told(BadInput("x is 3", hint="a word was expected")) == "x is 3 (a word was expected)"
