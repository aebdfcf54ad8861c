"""How often a fault is tried: a few times in every run of the tests, and as often as the table asks in the long one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

Subject = TypeVar("Subject")


def trials(usual: int, many: int, *, timeout_s: int = 900) -> pytest.MarkDecorator:
    """The argument `trials` of a test."""
    long_count = pytest.param(many, marks=[pytest.mark.faults, pytest.mark.timeout(timeout_s)])
    return pytest.mark.parametrize("trials", [usual, long_count])


def trials_of(
    usual: Sequence[Subject], all_of_them: Sequence[Subject], many: int, name: Callable[[Subject], str]
) -> pytest.MarkDecorator:
    """The arguments `busy` and `trials`: one trial of the usual subjects, many of all."""
    long_count = [pytest.mark.faults, pytest.mark.timeout(1800)]
    return pytest.mark.parametrize(
        ("busy", "trials"),
        [
            *(pytest.param(subject, 1, id=f"{name(subject)}-1") for subject in usual),
            *(pytest.param(subject, many, id=f"{name(subject)}-{many}", marks=long_count) for subject in all_of_them),
        ],
    )
