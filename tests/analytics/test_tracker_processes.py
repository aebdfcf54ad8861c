"""The tracker as a real process: alone by its lock, and answering whoever asks while it runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.processes import Running
from support.scripted_book import ScriptedBook

from contract.daemon import DONE, FAILED
from contract.schema.names import CHECKOUT

SCRIPT = CHECKOUT / "analytics/rl_performance.py"
FEW_DRAWS = {"TILLER__TRACKER__DRAWS": "100"}
HEAVY = """
import sys
from analytics.rl_performance import entry
code = entry(["--track", "--root", sys.argv[1]])
print(sorted({"torch", "pandas", "scipy", "matplotlib"} & set(sys.modules)), code)
"""


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    made = ScriptedBook(tmp_path)
    made.mark(np.random.default_rng(3).normal(0.0005, 0.01, (30, 8)).round(9))
    return made


def tracker(book: ScriptedBook, *options: str) -> Running:
    return Running([sys.executable, SCRIPT, "--root", book.root.path, *options], environment=FEW_DRAWS)


def test_to_track_takes_numpy_alone(book: ScriptedBook) -> None:
    command = [sys.executable, "-c", HEAVY, str(book.root.path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 0", done.stderr


def test_it_judges_hears_bad_rows_answers_and_ends(book: ScriptedBook) -> None:
    with tracker(book, "--loop") as running:
        running.complains("verdict")
        whole = book.root.report.read_bytes()
        with tracker(book, "--loop") as second:
            assert second.ended() == FAILED
            assert "another tracker is running" in "".join(second.errors)
        with tracker(book, "--report", "--json") as asked:
            said = "\n".join([asked.says("^{$"), *iter(lambda: asked.says(""), "}"), "}"])
            assert json.loads(said)["book"]["days"] == 30
            assert asked.ended() == DONE
        assert book.root.report.read_bytes() == whole, "the one that runs is the one that writes"
        with book.root.strategy_marks.open("a") as file:
            file.write("garbage\n")
        running.complains("rows that cannot be read bad=1 new_in_quarantine=1")
        code, took_s = running.ends(signal.SIGTERM)
    assert code == DONE and took_s < 5.0
    assert not list(book.root.path.rglob("*.tmp"))
    assert len(book.root.quarantine.read_text().splitlines()) == 2
