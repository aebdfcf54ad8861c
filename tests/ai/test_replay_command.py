"""`--replay` as a command: what it prints, for which days, and how it ends."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from support.scripted_book import ScriptedBook

from ai.rl_inference import entry
from contract.daemon import BAD_USAGE, DONE, FAILED, NOTHING_TO_DO
from contract.schema.names import STRATEGIES
from contract.system import OperatingSystem

HISTORY = np.random.default_rng(3).normal(0.0005, 0.01, (50, 8)).round(9)


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    scripted = ScriptedBook(tmp_path)
    scripted.mark(HISTORY)
    return scripted


def replay(book: ScriptedBook, *options: str) -> int:
    return entry(["--replay", "--root", str(book.root.path), *options])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def weights(row: dict[str, str]) -> list[float]:
    return [float(row[name]) for name in STRATEGIES]


def test_every_day_with_its_weights_and_trust(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(book) == DONE
    found = rows(capsys.readouterr().out)
    assert [row["date"] for row in found] == [str(book.date(day)) for day in range(50)]
    assert list(found[0]) == ["date", *STRATEGIES, "trust"]
    for row in found:
        assert sum(weights(row)) == pytest.approx(1.0, abs=1e-9)
        assert min(weights(row)) >= 0.02 and max(weights(row)) <= 0.35
    assert float(found[0]["trust"]) == 0.5 != float(found[-1]["trust"])
    assert not book.root.rl_weights.exists() and not book.root.trust.exists(), "it only looks"


def test_the_policys_own_weights_are_mixed_with_the_base_by_trust(
    book: ScriptedBook, capsys: pytest.CaptureFixture[str]
) -> None:
    replay(book, "--policy")
    own = rows(capsys.readouterr().out)
    replay(book)
    for mine, mixed in zip(own, rows(capsys.readouterr().out), strict=True):
        trust = float(mixed["trust"])
        expected = [trust * weight + (1 - trust) / 8 for weight in weights(mine)]
        assert weights(mixed) == pytest.approx(expected, abs=1e-15)


def test_some_days_into_a_file(book: ScriptedBook, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "some.csv"
    between = ["--since", "2024-01-10", "--until", "2024-01-12"]
    assert replay(book, *between, "--out", str(out)) == DONE
    assert capsys.readouterr().out == ""
    assert [row["date"] for row in rows(out.read_text())] == ["2024-01-10", "2024-01-11", "2024-01-12"]
    assert replay(book, *between, "--json") == DONE
    assert [row["date"] for row in json.loads(capsys.readouterr().out)] == ["2024-01-10", "2024-01-11", "2024-01-12"]


def test_it_needs_no_turn_beside_an_inference_that_runs(
    book: ScriptedBook, capsys: pytest.CaptureFixture[str]
) -> None:
    system = OperatingSystem()
    book.root.locks.mkdir(parents=True, mode=0o700)
    lock = system.lock(book.root.lock("inference"))
    assert lock is not None
    assert entry(["--update", "--root", str(book.root.path)]) == FAILED
    assert replay(book) == DONE
    lock.release()


def test_without_a_history_there_is_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry(["--replay", "--root", str(tmp_path)]) == NOTHING_TO_DO
    assert "there is no history" in capsys.readouterr().err


def test_a_model_that_cannot_be_read_is_a_failure(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    book.root.model.mkdir()
    book.root.manifest.write_text("{}")
    assert replay(book) == FAILED
    assert str(book.root.manifest) in capsys.readouterr().err


def test_a_day_that_is_none_is_bad_usage(book: ScriptedBook) -> None:
    with pytest.raises(SystemExit) as ended:
        replay(book, "--since", "yesterday")
    assert ended.value.code == BAD_USAGE
