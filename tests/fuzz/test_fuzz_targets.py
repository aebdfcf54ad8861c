"""The fuzz targets, called with what they begin with, with mutations of it, and with whatever once made one fail.

So none of them can rot between two runs of `make fuzz`, and no finding comes back.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schema_records import KINDS

import contract
from contract import rows
from contract.schema import account
from fuzz.mutation import mutated
from fuzz.targets import TARGETS

FINDINGS = Path(__file__).with_name("findings")
MUTATIONS = 300
every_target = pytest.mark.parametrize("name", TARGETS)

FUZZED = {
    **{kind.parse: "schemas" for kind in KINDS.values()},
    account.parse_performance_metrics: "curve",
    rows.parse_row: "rows",
    rows.parse_number: "rows",
    rows.parse_time: "rows",
}


def test_every_parser_is_fuzzed() -> None:
    """A new `parse_...` anywhere in contract/ belongs into the list, and into a target."""
    parsers = set()
    for found in pkgutil.walk_packages(contract.__path__, "contract."):
        module = importlib.import_module(found.name)
        parsers |= {
            function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if name.startswith("parse_") and function.__module__ == found.name
        }
    assert {f"{parser.__module__}.{parser.__name__}" for parser in parsers ^ set(FUZZED)} == set()
    assert set(FUZZED.values()) <= set(TARGETS)


@every_target
def test_what_it_begins_with(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@every_target
def test_mutations(name: str, seed: int) -> None:
    draw, seeds = random.Random(seed), list(TARGETS[name].seeds())
    for _ in range(MUTATIONS):
        TARGETS[name].run(mutated(seeds, draw))


@every_target
@settings(derandomize=True, max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name].run(data)


def test_what_once_made_one_fail() -> None:
    """`make fuzz` leaves them there."""
    for finding in FINDINGS.glob("*-*"):
        TARGETS[finding.name.partition("-")[0]].run(finding.read_bytes())


@every_target
def test_there_is_something_to_find_its_way_with(name: str) -> None:
    assert len(list(TARGETS[name].seeds())) >= 3
