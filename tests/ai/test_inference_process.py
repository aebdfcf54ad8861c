"""Inference as a real process: what it loads, what it publishes, and what a kill in between leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from support.processes import Running
from support.scripted_book import ScriptedBook
from support.scripted_models import policy, put_into_service

from contract.daemon import DONE
from contract.schema.judgement import parse_trust
from contract.schema.names import CHECKOUT
from contract.schema.weights import RlWeights, parse_rl_weights

SCRIPT = CHECKOUT / "ai/rl_inference.py"
HISTORY = np.random.default_rng(3).normal(0.0005, 0.01, (60, 8)).round(9)
HEAVY = """
import sys
from ai.rl_inference import entry
code = entry(["--update", "--root", sys.argv[1]])
print(sorted({"torch", "pandas", "scipy"} & set(sys.modules)), code)
"""


def inference(book: ScriptedBook, *options: str) -> Running:
    fast = {"TILLER__INFERENCE__MIN_INTERVAL_S": "0"}
    return Running([sys.executable, SCRIPT, "--root", book.root.path, *options], environment=fast)


def published(book: ScriptedBook) -> RlWeights:
    return parse_rl_weights(book.root.rl_weights.read_bytes(), book.root.rl_weights)


def test_it_needs_numpy_alone(tmp_path: Path) -> None:
    book = ScriptedBook(tmp_path)
    book.mark(HISTORY[:20])
    command = [sys.executable, "-c", HEAVY, str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 0", done.stderr
    assert published(book).model_loaded


def test_it_publishes_hears_rows_and_models_and_ends_when_told(tmp_path: Path) -> None:
    book = ScriptedBook(tmp_path)
    book.mark(HISTORY[:40])
    with inference(book, "--loop") as process:
        process.complains("published generation=1")
        first = published(book)
        book.mark(HISTORY[40:41])
        process.complains("published")
        second = published(book)
        assert second.metadata["last_day"] > first.metadata["last_day"] and second.weights != first.weights
        put_into_service(book.root, policy(4))
        process.complains("in model 1")
        assert published(book).metadata["model"]["generation"] == 1
        (book.root.generation(1)).write_bytes(b"not a model")
        book.root.manifest.write_bytes(book.root.manifest.read_bytes() + b"\n")
        book.mark(HISTORY[41:42])
        process.complains("published")
        assert published(book).metadata["model"]["generation"] == 1
        code, took_s = process.ends(signal.SIGTERM)
    assert code == DONE and took_s < 5.0
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_process_that_is_killed_and_one_that_is_not_say_the_same(tmp_path: Path) -> None:
    killed, whole = ScriptedBook(tmp_path / "killed"), ScriptedBook(tmp_path / "whole")
    for book in (killed, whole):
        book.mark(HISTORY[:30])
    with inference(killed, "--update") as process:
        process.ended()
    with inference(whole, "--loop") as process:
        process.complains("published")
        for start in range(30, 60, 10):
            with inference(killed, "--loop") as victim:
                victim.complains("INFO")
                killed.mark(HISTORY[start : start + 10])
                victim.process.kill()
            whole.mark(HISTORY[start : start + 10])
            process.complains("published")
        process.ends(signal.SIGTERM)
    for book in (killed, whole):
        with inference(book, "--update") as process:
            assert process.ended() == DONE
    assert published(killed).weights == published(whole).weights
    assert published(killed).metadata["trust"] == published(whole).metadata["trust"] != 0.5
    one, other = (parse_trust(book.root.trust.read_bytes(), book.root.trust) for book in (killed, whole))
    assert one == other and one.live_days == 29
