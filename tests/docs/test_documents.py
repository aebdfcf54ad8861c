"""What the documents name exists, and what exists is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from console.main import COMMANDS
from contract.configure import settings
from contract.schema.names import CHECKOUT, Root

DOCUMENTS = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted((CHECKOUT / "docs").glob("*.md"))
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
DESIGN = (CHECKOUT / "docs/design.md").read_text(encoding="utf-8")
ROOMS = ("agents", "ai", "analytics", "benchmarks", "console", "contract", "market", "trading", "scripts", "tests")
SCRIPTS = sorted(
    path
    for room in ("agents", "ai", "analytics")
    for path in (CHECKOUT / room).glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_of_ours_that_is_named_exists(document: Path) -> None:
    named = re.findall(rf"\b((?:{'|'.join(ROOMS)})/[\w/.-]*\w/?)", document.read_text(encoding="utf-8"))
    assert named
    missing = sorted({name for name in named if not (CHECKOUT / name).exists()})
    assert missing == []


def test_every_module_has_its_room_on_the_map() -> None:
    modules = [path for room in ROOMS[:8] if room != "benchmarks" for path in (CHECKOUT / room).rglob("*.py")]
    unnamed = []
    for path in modules:
        name = path.relative_to(CHECKOUT).as_posix()
        on_the_map = any(f"`{part}`" in DESIGN for part in (name, *(f"{p.as_posix()}/" for p in Path(name).parents)))
        if path.name != "__init__.py" and not on_the_map:
            unnamed.append(name)
    assert unnamed == []


@pytest.mark.parametrize("directory", ["state", "runtime"])
def test_every_data_file_is_listed_in_its_directorys_page(directory: str) -> None:
    page = (CHECKOUT / directory / "README.md").read_text(encoding="utf-8")
    root = Root(Path("/root"))
    paths = [getattr(root, name) for name, kind in vars(Root).items() if isinstance(kind, property)]
    here = [path.relative_to(root.path / directory) for path in paths if path.is_relative_to(root.path / directory)]
    assert len(here) > 5
    for path in here:
        top = path.parts[0] if path.parts else ""
        stem = top.removesuffix(".html")
        assert f"`{top}`" in page or f"`{top}/`" in page or f"{stem}.json" in page, f"{top} is not listed"


def test_every_command_is_in_the_readme() -> None:
    for name in COMMANDS:
        assert f"tiller {name}`" in README or f"start_rl_system.sh {name}" in README, name


def test_every_setting_shows_where_the_readme_says_settings_are_listed() -> None:
    assert "tiller show-config" in README
    for key in re.findall(r"^    (\w+):\n      (\w+):", README, re.MULTILINE):
        assert ".".join(key) in settings()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_flag_that_the_readme_gives_a_script_is_one(script: Path) -> None:
    """And every script that can be run is in the README."""
    name = script.relative_to(CHECKOUT).as_posix()
    spellings = (name, name.removesuffix(".py").replace("/", "."))
    lines = [line for line in README.splitlines() if any(spelling in line for spelling in spellings)]
    assert lines, f"{name} is not in the README"
    helped = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    for flag in re.findall(r"(--[a-z][a-z-]+)", " ".join(lines)):
        assert flag in helped.stdout, flag
