"""Which way of learning a machine has, and the one that needs no torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.lessons import study

from ai import learner, numpy_agent
from ai.checkpoint import encode_checkpoint
from ai.policy import policy_of, untrained
from ai.study import Learned, Progress

CHECKOUT = Path(__file__).resolve().parents[2]


def lesson(seed: int = 1, stop_after: int = 10**9) -> tuple[Learned, list[Progress]]:
    said: list[Progress] = []
    return numpy_agent.learn(study(seed), said.append, lambda: len(said) >= stop_after), said


def test_with_torch_it_is_ppo() -> None:
    assert learner.learner().__module__ == "ai.rl_agent"


def test_without_torch_it_is_the_search_in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert learner.learner() is numpy_agent.learn
    learner.use_threads(1)


def test_the_search_needs_no_torch() -> None:
    code = "import sys, ai.numpy_agent, ai.learner; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0


def test_the_search_says_what_it_is_and_how_far_it_got() -> None:
    learned, said = lesson()
    assert "torch cannot be imported" in learned.note
    assert [progress.episode for progress in said] == [1, 2]
    assert learned.episodes == 2 and not learned.stopped_early
    assert learned.validation_sharpe == said[-1].validation_sharpe
    np.testing.assert_array_equal(policy_of(learned.checkpoint).center, untrained().center)


def test_the_search_stops_when_told_to() -> None:
    learned, said = lesson(stop_after=1)
    assert learned.stopped_early and len(said) == 1


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (encode_checkpoint(lesson(seed=2)[0].checkpoint) for _ in range(2))
    assert first == second


def test_without_validation_days_the_start_is_kept() -> None:
    lesson = study(validation=range(160, 160))
    learned = numpy_agent.learn(lesson, lambda _: None, lambda: False)
    np.testing.assert_array_equal(policy_of(learned.checkpoint).residual, untrained().residual)
