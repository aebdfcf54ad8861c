"""JSON and settings that somebody has made to do harm, by every parser, and by the command that an operator types."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from support.figures import Record
from support.schema_records import KINDS

from attacks import configs, json_texts
from attacks.confined import CANARY, enter, read_all, what_is_wrong
from console.main import main
from contract.daemon import FAILED


@pytest.mark.figures
@pytest.mark.timeout(300)
def test_json_is_refused_by_every_parser_in_one_clear_line(tmp_path: Path, record: Record) -> None:
    outcomes = read_all("json_texts", tmp_path)
    enter(record, "JSON, by every parser", outcomes, tmp_path)
    assert not what_is_wrong(outcomes, tmp_path)
    assert len(outcomes) == len(json_texts.NO_OBJECT) * len(KINDS) + len(json_texts.BOMBS)


@pytest.mark.figures
@pytest.mark.timeout(300)
def test_settings_are_refused_in_one_clear_line(tmp_path: Path, record: Record) -> None:
    outcomes = read_all("configs", tmp_path)
    enter(record, "settings", outcomes, tmp_path)
    assert not what_is_wrong(outcomes, tmp_path)
    assert len(outcomes) == len(configs.MALFORMED) + len(configs.BOMBS)


@pytest.mark.parametrize("content", [content for content, _ in configs.MALFORMED.values()], ids=configs.MALFORMED)
def test_an_operator_is_told_of_settings_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    said, complained = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        assert main(["--root", str(tmp_path), "show-config"]) == FAILED
    (line,) = complained.getvalue().splitlines()
    assert line.startswith(f"tiller: {tmp_path / 'config.yaml'}: ") and line.isprintable() and line.endswith(")")
    assert said.getvalue() == "" and not (tmp_path / CANARY).exists()
