"""What a person sees of a system whose files somebody has spoilt: words, never more than words."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from support.html_elements import Elements
from support.scripted_book import ScriptedBook

from agents.weights_bridge import BRIDGE
from ai.rl_inference import entry as inference
from attacks.confined import CANARY, PATIENCE_S
from attacks.names import FILE_NAMES, MARKUP
from attacks.roots import HISTORY, hostile_root
from console.main import main
from contract.daemon import DONE, FAILED, NOTHING_TO_DO
from contract.daemon import main as daemon
from contract.schema.names import CHECKOUT, Root

pytestmark = pytest.mark.timeout(300)
SANE = (DONE, FAILED, NOTHING_TO_DO)
"""Exit codes of commands that ended as they should."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return hostile_root(tmp_path_factory.mktemp("attacked"))


def is_harmless(text: str) -> bool:
    """To a terminal, and to whoever reads line by line."""
    return all(line.isprintable() for line in text.split("\n")) and "Traceback" not in text


CONSOLE = "import sys; from console.main import main; sys.exit(main())"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status", "--once"], ["status", "--json"], ["why"], ["why", "--json"], ["why", "--of", "inference"]),
        *(["doctor"], ["doctor", "--json"], ["logs"], ["logs", "\x1b[2J"], ["show-config"], ["show-config", "--json"]),
    ],
    ids=" ".join,
)
def test_no_command_passes_on_what_a_terminal_obeys(root: Root, arguments: list[str]) -> None:
    """Real processes, as an operator starts them."""
    command = [sys.executable, "-c", CONSOLE, "--root", str(root.path), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TILLER")}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, timeout=PATIENCE_S)
    said, complained = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in SANE
    assert is_harmless(said) and is_harmless(complained)
    assert len(complained.splitlines()) <= 1
    if "--json" in arguments and said:
        json.loads(said)


def test_the_report_shows_it_as_text(root: Root) -> None:
    command = [sys.executable, CHECKOUT / "analytics/rl_performance.py", "--report", "--root", str(root.path)]
    environment = {**os.environ, "TILLER__TRACKER__DRAWS": "100"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == DONE, done.stderr.decode()
    assert is_harmless(done.stdout.decode()) and is_harmless(done.stderr.decode())
    elements = Elements(root.report_page.read_text(encoding="utf-8"))
    text = "".join(elements.text)
    assert sum(words in text for words in MARKUP) > 4, "or nothing was tried"
    assert not {"script", "img", "iframe", "b", "link", "object", "embed", "base", "form"} & set(elements.tags)
    assert elements.tags.count("style") == text.count("@media (prefers-color-scheme: dark)") == 1
    assert not elements.comments
    for name, value in elements.attributes:
        assert not name.startswith("on") and "evil" not in value and "owned" not in value


def test_all_was_tried(root: Root) -> None:
    """What is spoilt reaches the page of status, the derivation, and the table of the logs."""
    for arguments in (["status", "--once"], ["why"], ["logs"]):
        said = io.StringIO()
        with redirect_stdout(said):
            assert main(["--root", str(root.path), *arguments]) in SANE
        assert said.getvalue().count(r"\x1b]0;owned\x07") > 3, arguments


# Names.


@pytest.mark.parametrize("name", FILE_NAMES, ids=ascii)
def test_a_directory_may_be_called_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    book = ScriptedBook(tmp_path / name)
    book.mark(HISTORY[:10])
    where = ["--root", str(tmp_path / name)]
    said, complained = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(said), redirect_stderr(complained):
        assert inference(["--update", *where]) == DONE
        assert daemon(BRIDGE, ["--once", *where]) == DONE
        assert inference(["--replay", *where, "--out", str(tmp_path / name / f"{name}.csv")]) == DONE
        for command in ("status", "why", "doctor", "logs", "show-config"):
            assert main([*where, command]) in SANE
        book.root.model.chmod(0o777)
        book.root.trust.write_text("{")
        book.root.config.write_text("- ")
        book.root.risk_state.unlink()
        book.root.risk_state.mkdir()
        for command in ("status", "why", "doctor"):
            assert main([*where, command]) in SANE
        assert daemon(BRIDGE, ["--once", *where]) == FAILED
    for stream in (said, complained):
        stream.flush()
        assert is_harmless(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert not list(tmp_path.rglob(CANARY))
