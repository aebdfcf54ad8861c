"""`tiller train | rollback | report` are what the scripts are, to the exit code."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.policies_of_strength import model_with
from support.scripted_book import ScriptedBook

from ai import trainer_options
from ai.model_store import publish_model
from ai.trainer_options import NOT_ASKED
from analytics import rl_performance
from console.main import main
from contract.daemon import BAD_USAGE, CANDIDATE_REFUSED, DONE, FAILED, NOTHING_TO_DO, add_common_options
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.system import OperatingSystem

TILLER = ["-c", "from console.main import main; raise SystemExit(main())"]
TRAINER, TRACKER = ["ai/rl_trainer.py"], ["analytics/rl_performance.py"]

Ran = subprocess.CompletedProcess[str]


def traded(path: Path) -> Root:
    """A bot that has traded for too few days to learn from, and a model that took the prior's place."""
    book = ScriptedBook(path)
    book.mark(np.full((10, 8), 0.001))
    book.close(STRATEGIES[0], *[1.0] * 50)
    system = OperatingSystem()
    publish_model(system, book.root, model_with(1.5), {}, system.now(), 0)
    return book.root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return traded(tmp_path / "a root")


def run(root: Root, words: list[str], *arguments: str) -> Ran:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    command = [sys.executable, *words, "--root", str(root.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=inherited, timeout=200)


# Real processes: each word beside its script.


@pytest.mark.parametrize(
    ("word", "script", "code"),
    [
        (["train"], [*TRAINER, "--train"], NOTHING_TO_DO),
        (["train", "--json"], [*TRAINER, "--train", "--json"], NOTHING_TO_DO),
        (["rollback", "9"], [*TRAINER, "--rollback", "9"], FAILED),
        (["rollback", "1"], [*TRAINER, "--rollback", "1"], DONE),
        (["rollback", "--json"], [*TRAINER, "--rollback", "--json"], DONE),
        (["report"], TRACKER, DONE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_word_says_what_the_script_says(
    root: Root, tmp_path: Path, word: list[str], script: list[str], code: int
) -> None:
    other = traded(tmp_path / "another")
    by_word, by_script = run(root, TILLER, *word), run(other, script)
    said = by_script.stdout.replace(str(other.path), str(root.path))
    assert (by_word.returncode, by_word.stdout) == (by_script.returncode, said)
    assert by_word.returncode == code
    assert by_word.stdout or code == FAILED
    assert "Traceback" not in by_word.stderr
    if code == FAILED:
        (line,) = by_word.stderr.splitlines()
        assert line.startswith("trainer: ") and "there is no generation 9" in line


@pytest.mark.timeout(240)  # a real training, and torch to be imported, on a machine that may do other things
def test_a_candidate_that_is_refused_is_told_by_the_exit_code(root: Root, seed: int) -> None:
    book = ScriptedBook(root.path / "another")
    book.mark(np.random.default_rng(seed).normal(0.0, 0.01, (260, 8)))
    book.close(STRATEGIES[0], *[1.0] * 50)
    trained = run(book.root, TILLER, "train", "--seeds", "2", "--seed", "5", "--episodes", "1", "--json")
    assert trained.returncode == CANDIDATE_REFUSED, trained.stderr
    told = json.loads(trained.stdout)
    assert told["outcome"] == "refused"
    assert sorted(training["seed"] for training in told["trainings"]) == [5, 6]


def test_the_report_for_machines_is_the_one_that_is_published(root: Root) -> None:
    told = run(root, TILLER, "report", "--json")
    assert told.returncode == DONE, told.stderr
    assert told.stdout.strip() == root.report.read_text().strip()
    assert json.loads(told.stdout)["verdict"] == "not proven"
    assert root.report_page.exists()


# Bad usage ends before the script begins, in the words of `tiller`.


@pytest.mark.parametrize(
    "words",
    [
        *(["train", "--seeds", "0"], ["train", "--episodes", "x"], ["train", "--loop"], ["rollback", "-1"]),
        *(["rollback", "1", "2"], ["report", "--train"], ["report", "1"]),
    ],
    ids=" ".join,
)
def test_bad_usage(words: list[str], root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--root", str(root.path), *words])
    assert caught.value.code == BAD_USAGE
    assert "usage: tiller" in capsys.readouterr().err


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch, root: Root) -> Callable[..., list[str]]:
    """What a command line becomes: the words of the process that takes its place."""

    def become(*words: str) -> list[str]:
        taken: list[list[str]] = []

        def execv(program: str, command: list[str]) -> None:
            taken.append(command)
            raise KeyboardInterrupt  # nothing comes after it

        monkeypatch.setattr(os, "execv", execv)
        main([*words, "--root", str(root.path)])
        ((python, script, *rest),) = taken
        assert python == sys.executable and Path(script).is_file()
        return rest

    return become


def understood(words: list[str], add_options: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    add_options(parser)
    return parser.parse_args(words)


def test_what_was_asked_for_reaches_the_script(becomes: Callable[..., list[str]], root: Root) -> None:
    def trainer(*words: str) -> argparse.Namespace:
        return understood(becomes(*words), trainer_options.add_options)

    asked = trainer("train", "--seeds", "3", "--seed", "0", "--episodes", "7", "-vv")
    assert (asked.train, asked.seeds, asked.seed, asked.episodes) == (True, 3, 0, 7)
    assert (asked.root, asked.verbose, asked.json, asked.rollback) == (root.path, 2, False, NOT_ASKED)
    asked = trainer("train")
    assert (asked.train, asked.seeds, asked.seed, asked.episodes) == (True, 1, None, None)
    assert trainer("rollback").rollback is None
    assert trainer("rollback", "0").rollback == 0
    assert not trainer("rollback", "0").train

    asked = understood(becomes("--json", "report"), rl_performance.add_options)
    assert (asked.json, asked.root, asked.track, asked.loop, asked.walk_forward) == (True, root.path, *[False] * 3)


# What nobody waits for who does not need it.


def test_no_other_command_waits_for_torch_or_pandas(root: Root) -> None:
    looks = """\
import sys
from console.main import main
for command in (["status", "--once"], ["doctor"], ["why"]):
    main([*command, *sys.argv[1:]])
print(*(name for name in ("torch", "pandas", "ai.rl_trainer", "analytics.rl_performance") if name in sys.modules))
"""
    looked = run(root, ["-c", looks])
    assert looked.returncode == DONE, looked.stderr
    assert looked.stdout.splitlines()[-1] == ""
