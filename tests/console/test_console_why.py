"""`tiller why`: it derives a publication again, and says where what was noted is not what follows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scripted_book import ScriptedBook
from support.scripted_models import policy, put_into_service

from agents.bridge_decision import derive
from ai.feature_table import FEATURES
from ai.rl_inference import entry
from console.main import main
from contract import journal
from contract.daemon import DONE, FAILED, NOTHING_TO_DO
from contract.schema.fields import by_name
from contract.schema.names import STRATEGIES
from contract.schema.operations import JournalEntry
from contract.system import OperatingSystem

HISTORY = np.random.default_rng(3).normal(0.0005, 0.01, (50, 8)).round(9)


@pytest.fixture
def book(tmp_path: Path) -> ScriptedBook:
    """A root on which inference has spoken twice."""
    scripted = ScriptedBook(tmp_path)
    scripted.mark(HISTORY[:30])
    scripted.close(STRATEGIES[0], 3.0, -2.0)
    for days in (slice(30, 31), slice(31, 33)):
        assert entry(["--update", "--root", str(tmp_path)]) == DONE
        scripted.mark(HISTORY[days])
    assert entry(["--update", "--root", str(tmp_path)]) == DONE
    return scripted


def why(book: ScriptedBook, *options: str) -> int:
    return main(["--root", str(book.root.path), "why", *options])


def verdicts(book: ScriptedBook, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    why(book, "--json", *options)
    return {
        found["step"]: found["holds"] for told in json.loads(capsys.readouterr().out) for found in told["derivation"]
    }


def rewrite(book: ScriptedBook, old: str, new: str) -> None:
    path = book.root.journal("inference")
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("generation", [[], ["1"], ["2"], ["3"]])
def test_every_publication_follows_from_its_rows(
    book: ScriptedBook, capsys: pytest.CaptureFixture[str], generation: list[str]
) -> None:
    """Also those that were made before the last rows came."""
    assert verdicts(book, capsys, *generation) == {"rows -> features": True, "features -> weights": True}
    assert why(book, *generation) == DONE
    page = capsys.readouterr().out
    assert page.startswith(f"inference generation {(generation or ['3'])[0]} at ")
    for shown in (*FEATURES, *STRATEGIES, "in_force", "sha256", "trust", "log_evidence", "marks"):
        assert shown in page


def test_one_of_another_model_is_asked_of_that_model(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    put_into_service(book.root, policy(4))
    assert entry(["--update", "--root", str(book.root.path)]) == DONE
    put_into_service(book.root, policy(5))
    for generation in ("2", "4"):
        assert verdicts(book, capsys, generation)["features -> weights"] is True
    book.root.generation(1).unlink()
    assert verdicts(book, capsys, "4")["features -> weights"] is None


def test_rows_that_changed_or_went_cannot_bear_witness(
    book: ScriptedBook, capsys: pytest.CaptureFixture[str]
) -> None:
    content = book.root.strategy_marks.read_text()
    book.root.strategy_marks.write_text(content.replace("2024-01-09", "2024-01-08", 1))
    assert verdicts(book, capsys) == {"rows -> features": None, "features -> weights": True}
    book.root.strategy_marks.unlink()
    assert verdicts(book, capsys) == {"rows -> features": None, "features -> weights": True}
    book.root.strategy_marks.write_text("no,such,columns\n1,2,3\n")
    assert verdicts(book, capsys)["rows -> features"] is None
    assert why(book) == DONE


def test_features_that_do_not_follow_are_named(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    noted = journal.read(OperatingSystem(), book.root, "inference")
    assert noted is not None
    value = noted.body["features"]["market_trend"]
    rewrite(book, f'"market_trend":{value!r}', f'"market_trend":{value + 0.001!r}')
    assert why(book) == FAILED
    assert "rows -> features         DIFFERS: market_trend differs most, by 0.001" in capsys.readouterr().out


def test_weights_that_do_not_follow_are_named(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    noted = journal.read(OperatingSystem(), book.root, "inference")
    assert noted is not None
    value = noted.body["policy_weights"][STRATEGIES[1]]
    rewrite(book, f'"{STRATEGIES[1]}":{value!r}', f'"{STRATEGIES[1]}":{math.nextafter(value, 1.0)!r}')
    assert why(book) == FAILED
    assert f"DIFFERS: policy_weights: {STRATEGIES[1]} is" in capsys.readouterr().out


def test_trust_that_does_not_follow_is_named(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    noted = journal.read(OperatingSystem(), book.root, "inference")
    assert noted is not None and noted.body["is_live"]
    value = noted.body["trust"]
    rewrite(book, f'"trust":{value!r}', f'"trust":{value + 1e-9!r}')
    assert why(book) == FAILED
    assert "DIFFERS: trust is" in capsys.readouterr().out


PROPOSAL = (0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def tell(book: ScriptedBook, source: str, number: int | None, weights: tuple[float, ...]) -> None:
    """What the bridge notes."""
    body = {
        "source": source,
        "source_generation": number,
        "proposal": by_name(PROPOSAL),
        "considered": [{"source": source, "verdict": "chosen", "reason": "", "age_s": 3.0}],
        "bounds": {"floor": 0.02, "cap": 0.35},
        "turnover_limit": 2.0,
        "moved_from": None,
        "weights": by_name(weights),
        "alerts": [],
        "halt": False,
    }
    system = OperatingSystem()
    journal.write(system, book.root, JournalEntry("bridge", 7, system.now(), body))


def test_what_the_bot_was_told_and_what_that_came_from(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    tell(book, "rl_inference", 2, derive(PROPOSAL, None, 0.02, 0.35, 2.0))
    for options in ([], ["7"]):
        assert why(book, *options) == DONE
        page = capsys.readouterr().out
        assert page.startswith("bridge generation 7 at ")
        assert "proposal -> weights      follows" in page and "verdict chosen" in page
        assert "inference generation 2 at " in page
    assert why(book, "--of", "inference") == DONE
    assert capsys.readouterr().out.startswith("inference generation 3 at ")


def test_another_sources_weights_are_not_laid_to_inference(
    book: ScriptedBook, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(book, "portfolio_optimizer", None, (0.125,) * 8)
    assert why(book) == FAILED
    page = capsys.readouterr().out
    assert "proposal -> weights      DIFFERS" in page and "inference" not in page


def test_without_a_model_there_is_a_reason_and_nothing_to_derive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = ScriptedBook(tmp_path)
    book.root.model.mkdir()
    book.root.manifest.write_text("{}")
    assert entry(["--update", "--root", str(tmp_path)]) == FAILED
    capsys.readouterr()
    assert why(book) == DONE
    page = capsys.readouterr().out
    assert "model   -" in page and "the base alone serves instead" in page


def test_what_was_never_published_has_no_why(book: ScriptedBook, capsys: pytest.CaptureFixture[str]) -> None:
    assert why(book, "99") == NOTHING_TO_DO
    assert capsys.readouterr().out == f"no publication 99 stands in {book.root.journals}\n"
    assert why(book, "--of", "bridge") == NOTHING_TO_DO
