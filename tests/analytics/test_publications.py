"""The entries of the weight history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.publications import (
    KEPT,
    Publication,
    entry_of,
    is_recorded,
    journaled,
    known_until,
    last_generation,
    published,
    said_by_inference,
    with_entries,
)
from contract.errors import BadInput
from contract.schema.fields import by_name
from contract.schema.operations import JournalEntry
from contract.schema.weights import (
    Allocations,
    PublishedWeights,
    Risk,
    RlWeights,
    WeightHistory,
    encode_weight_history,
    parse_weight_history,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EQUAL = (0.125,) * 8
OTHER = (0.3, *(0.1,) * 7)
NOTHING = WeightHistory((), None)


def publication(generation: int = 7, **changed: Any) -> Publication:
    return Publication(generation, NOW, "rl_inference", 40, OTHER)._replace(**changed)


def test_what_the_bot_reads_and_what_the_journal_says_are_the_same_publication() -> None:
    told = Allocations(by_name(OTHER), "rl_inference", NOW, None, Risk(), OTHER, (), 7, {"source_generation": 40})
    body = {"source": "rl_inference", "source_generation": 40, "weights": by_name(OTHER), "proposal": {}}
    assert published(told) == journaled(JournalEntry("bridge", 7, NOW, body), Path("x")) == publication()


def test_a_journal_that_says_something_else_is_refused() -> None:
    with pytest.raises(BadInput, match="source"):
        journaled(JournalEntry("bridge", 7, NOW, {"weights": by_name(EQUAL)}), Path("x"))


def test_an_entry_says_what_is_needed_to_judge_it() -> None:
    said = {
        "trust": 0.7,
        "e_value": 3.0,
        "last_day": "2026-02-27",
        "policy_weights": by_name(OTHER),
        "model": {"generation": 3, "sha256": "a" * 64, "trained_at": "2026-01-01T00:00:00Z"},
        "input": {"rows": 5},
    }
    entry = entry_of(publication(), said, date(2026, 2, 28))
    assert entry.metadata == {
        "source": "rl_inference",
        "generation": 7,
        "last_day": "2026-02-27",
        "trust": 0.7,
        "e_value": 3.0,
        "policy_weights": by_name(OTHER),
        "model": {"generation": 3, "sha256": "a" * 64},
    }
    history = with_entries(NOTHING, [entry], NOW)
    assert parse_weight_history(encode_weight_history(history), Path("x")) == history


def test_what_inference_says_belongs_only_to_its_own_publication() -> None:
    rl = RlWeights(OTHER, NOW, None, True, 40, {"trust": 0.7})
    assert said_by_inference(publication(), rl) == {"trust": 0.7}
    assert said_by_inference(publication(source_generation=39), rl) == {}
    assert said_by_inference(publication(source="portfolio_optimizer"), rl) == {}
    assert said_by_inference(publication(), None) == {}


def test_a_renewal_is_no_publication() -> None:
    history = with_entries(NOTHING, [entry_of(publication(), {}, None)], NOW)
    assert is_recorded(history, publication(timestamp=NOW + timedelta(hours=1)))
    assert not is_recorded(history, publication(8))
    assert not is_recorded(NOTHING, publication())


def test_without_a_generation_other_weights_are_another_publication() -> None:
    history = with_entries(NOTHING, [entry_of(publication(0), {}, None)], NOW)
    assert is_recorded(history, publication(0))
    assert not is_recorded(history, publication(0, weights=EQUAL))
    assert not is_recorded(history, publication(0, source="strategy_lab"))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 700), max_size=5))
def test_the_last_thousand_are_kept_in_order(portions: list[int]) -> None:
    history, count = NOTHING, 0
    for portion in portions:
        entries = [entry_of(publication(count + k + 1), {}, None) for k in range(portion)]
        history, count = with_entries(history, entries, NOW), count + portion
    kept = [entry.metadata["generation"] for entry in history.history]
    assert kept == list(range(max(1, count - KEPT + 1), count + 1))
    assert last_generation(history) == (count or None)


@pytest.mark.parametrize("said", [{}, {"last_day": None}, {"last_day": "yesterday"}, {"last_day": 5}])
def test_an_entry_that_does_not_say_its_day_is_of_the_day_of_its_time(said: dict[str, Any]) -> None:
    """The ancestor's say nothing of the kind."""
    entry = PublishedWeights(NOW, EQUAL, said)
    assert known_until(entry, date(2026, 3, 1)) == date(2026, 3, 1)
    assert known_until(PublishedWeights(NOW, EQUAL, {"last_day": "2026-02-03"}), date.max) == date(2026, 2, 3)
