"""What the records of the model know of each other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.errors import BadInput
from contract.schema.model import (
    PASSED_OVER,
    PROMOTED,
    Manifest,
    Training,
    TrainingLog,
    encode_manifest,
    is_the_ancestors,
    parse_manifest,
    training_of,
    training_values,
)

HERE = Path("/state/rl_model/config.json")
NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
WORTH = {"validation_sharpe": 1.25}
TRAINING = Training(NOW, PROMOTED, None, 60, 1.5, 7, 12.5, 120, 400, {"kl": 0.01}, WORTH, "better")
MANIFEST = Manifest(41, "checkpoint_000041.pkl", "0f" * 32, 2000, ("trend",), NOW, 0)


def test_a_manifest_tells_of_which_training_its_model_came() -> None:
    described = replace(MANIFEST, details={"training": training_values(TRAINING)})
    read = parse_manifest(encode_manifest(described), HERE)
    assert training_of(read) == replace(TRAINING, generation=41)


@pytest.mark.parametrize("details", [{}, {"training": "of old"}])
def test_or_does_not(details: dict[str, object]) -> None:
    assert training_of(replace(MANIFEST, details=details)) is None


def test_and_what_somebody_made_of_it_is_refused() -> None:
    edited = replace(MANIFEST, details={"training": training_values(TRAINING) | {"episodes": "many"}})
    with pytest.raises(BadInput, match=r"details\.training\.episodes is \"many\""):
        training_of(edited)


def test_trials_are_all_candidates_that_were_compared_with_others() -> None:
    worth: list[object] = [1.25, "good", None, -1]
    figures: list[dict[str, object]] = [{}, *({"validation_sharpe": one} for one in worth)]
    trainings = tuple(replace(TRAINING, outcome=PASSED_OVER, figures=found) for found in figures)
    assert TrainingLog(trainings).trials == (1.25, -1.0)


def test_the_ancestors_manifest_is_told_from_ours_even_a_broken_one() -> None:
    ancestors = {"state_size": 34, "action_size": 8, "learning_rate": 3e-4, "use_torch": False, "timestamp": "x"}
    assert is_the_ancestors(json.dumps(ancestors).encode(), HERE)
    assert not is_the_ancestors(encode_manifest(MANIFEST), HERE)
    assert not is_the_ancestors(b"{}", HERE)
