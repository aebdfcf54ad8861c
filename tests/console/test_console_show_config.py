import json
from pathlib import Path

import pytest
import yaml

from console.main import main
from contract.configure import DEFAULT, FILE, settings
from contract.daemon import DONE
from contract.schema.names import Root


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting in the file, one in the environment."""
    Root(tmp_path).config.write_text("bounds: {cap: 0.5}\nattribution: {strategy_of_symbol: {KO: pairs_trading}}\n")
    monkeypatch.setenv("TILLER__LOOP__BACKOFF_S", "2")


def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert main(["--root", str(tmp_path), "show-config", *flags]) == DONE
    return capsys.readouterr().out


def test_every_setting_its_value_and_where_it_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *lines = shown(tmp_path, capsys).splitlines()
    assert first.split() == ["root", str(tmp_path)]
    assert [line.split()[0] for line in lines] == list(settings())
    by_key = {line.split()[0]: line.split() for line in lines}
    assert by_key["bounds.cap"][1:] == ["0.5", FILE]
    assert by_key["loop.backoff_s"][1:] == ["2.0", "TILLER__LOOP__BACKOFF_S"]
    assert by_key["bounds.floor"][1:] == ["0.02", DEFAULT]
    assert by_key["attribution.strategy_of_symbol"][1:] == ['{"KO":', '"pairs_trading"}', FILE]


def test_what_it_shows_can_be_written_into_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(shown(tmp_path, capsys, "--json"))
    tree: dict[str, dict[str, object]] = {}
    for line in shown(tmp_path, capsys).splitlines()[1:]:
        key, value = line.split(maxsplit=1)
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = yaml.safe_load(value.rpartition("  ")[0])
    Root(tmp_path).config.write_text(yaml.safe_dump(tree))
    after = json.loads(shown(tmp_path, capsys, "--json"))
    assert {key: entry["value"] for key, entry in after.items()} == {k: entry["value"] for k, entry in before.items()}


def test_the_same_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(shown(tmp_path, capsys, "--json"))
    assert told.keys() == settings().keys()
    assert told["bounds.cap"] == {"value": 0.5, "origin": FILE}
    assert told["attribution.strategy_of_symbol"]["value"] == {"KO": "pairs_trading"}


def test_a_name_cannot_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Root(tmp_path).config.write_text('attribution: {strategy_of_symbol: {"\\e[2J": pairs_trading}}')
    assert all(line.isprintable() for line in shown(tmp_path, capsys).splitlines())
