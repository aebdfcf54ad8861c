"""The pages that an operator reads: what they quote is said, and what can be typed, set or found is on one of them."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from console.main import COMMANDS, main
from contract.config import Config
from contract.configure import settings, values_of
from contract.schema.names import CHECKOUT, DAEMONS, Root

PAGES = sorted(
    path
    for pattern in ("README.md", "docs/*.md", "state/README.md", "runtime/README.md", "deploy/README.md")
    for path in CHECKOUT.glob(pattern)
)
ROOMS = ("agents", "ai", "analytics", "console", "contract", "market", "trading")
SCRIPTS = sorted(
    path.relative_to(CHECKOUT).as_posix()
    for room in ("agents", "ai", "analytics", "console")
    for path in (CHECKOUT / room).glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and path.name != "supervisor.py"
)
"""What can be run by hand. The supervisor is started by `tiller start` alone."""
OF_ALL = {"--help", "--root", "--json", "--verbose", "--version", "--once"}
"""Said once, for all that take them."""
SECTIONS = {field.name for field in dataclasses.fields(Config)}
OF_RECORDS = {"risk.scale"}
"""What looks like a setting and is a field of a file."""


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


@cache
def parts() -> tuple[str, ...]:
    """Paragraphs, with each row of a table for itself, and each line of a block of commands."""
    found = []
    for page in PAGES:
        for paragraph in text(page).split("\n\n"):
            apart = paragraph.lstrip("\n").startswith(("|", "    "))
            found += paragraph.splitlines() if apart else [" ".join(paragraph.split())]
    return tuple(found)


@cache
def sources() -> dict[Path, ast.Module]:
    files = [path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py")]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}


@cache
def said() -> str:
    """Every string of the code, one to a line; f-strings in the pieces between what they fill in."""
    strings = (
        node.value
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return "\n".join((*strings, *(path.read_text(encoding="utf-8") for path in (CHECKOUT / "scripts").glob("*.sh"))))


# What is quoted.


def rows(page: str) -> Iterator[list[str]]:
    for line in text(CHECKOUT / page).splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def fragments(quoted: str) -> list[str]:
    return [part for part in re.split(r"\.\.\.|\\\"", quoted) if part.strip(' :;,."()')]


def test_every_message_that_is_quoted_is_one() -> None:
    quoted = [row[0].strip("` ") for row in rows("docs/troubleshooting.md")]
    assert len(quoted) > 40
    strange = [(one, part) for one in quoted for part in fragments(one) if not any(map(_is_said, _spellings(part)))]
    assert strange == []


def _is_said(part: str) -> bool:
    return part in said()


def _spellings(part: str) -> Iterator[str]:
    """As it stands; and where `contract/files.py` puts a reason of the system's beside its hint, the hint."""
    yield part
    if match := re.fullmatch(r"(?:No space left on device) \((.+)\)", part):
        yield match[1]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text(page)):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_page_is_linked_from_the_readme() -> None:
    readme = text(CHECKOUT / "README.md")
    assert [page.name for page in (CHECKOUT / "docs").glob("*.md") if f"docs/{page.name}" not in readme] == []


# What can be typed.


@cache
def helped(begun: str) -> str:
    """What a command, such as `tiller start`, or a script says of itself."""
    if begun in SCRIPTS:
        command = [sys.executable, begun, "--help"]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout
    with redirect_stdout(StringIO()) as told, pytest.raises(SystemExit):
        main([begun.removeprefix("tiller "), "--help"])
    return told.getvalue()


def flags(begun: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", helped(begun)))


BEGUN = (*(f"tiller {command}" for command in COMMANDS), *SCRIPTS)


def names_it(part: str, begun: str) -> bool:
    spellings = {begun, begun.removesuffix(".py").replace("/", "."), begun.replace("tiller", "start_rl_system.sh")}
    return any(re.search(rf"{re.escape(spelling)}(?![\w-])", part) for spelling in spellings)


@pytest.mark.parametrize("begun", BEGUN)
def test_every_flag_stands_where_its_command_is_spoken_of(begun: str) -> None:
    spoken = [part for part in parts() if names_it(part, begun)]
    assert spoken
    wanted = flags(begun) - OF_ALL
    assert sorted(flag for flag in wanted if not any(re.search(rf"{flag}(?![\w-])", part) for part in spoken)) == []


@pytest.mark.parametrize("flag", sorted(OF_ALL))
def test_what_all_take_is_said_once(flag: str) -> None:
    assert any(re.search(rf"`(?:tiller )?{flag}\b", part) for part in parts())


@pytest.mark.timeout(300)  # each script is started once
def test_every_flag_that_is_spoken_of_is_one() -> None:
    ours = OF_ALL.union(*map(flags, BEGUN))
    others = [*(CHECKOUT / "benchmarks").glob("*.py"), CHECKOUT / "tests/conftest.py"]
    declared = "\n".join(path.read_text(encoding="utf-8") for path in others)
    for part in parts():
        if not re.search(r"systemctl|loginctl|\bgit ", part):
            for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", part):
                assert flag in ours or f'"{flag}"' in declared, part


# What can be set.


def test_the_page_of_settings_has_all_of_them_as_they_are() -> None:
    expected = {key: (f"`{json.dumps(default)}`", _meaning(key)) for key, default in values_of(Config()).items()}
    found = {row[0].strip("`"): (row[1], row[2]) for row in rows("docs/settings.md")}
    assert found == expected


def _meaning(key: str) -> str:
    """The docstring below the setting in `contract/config.py`."""
    section, _, setting = key.partition(".")
    kind = type(getattr(Config(), section)).__name__
    (node,) = (
        node
        for node in sources()[CHECKOUT / "contract/config.py"].body
        if isinstance(node, ast.ClassDef) and node.name == kind
    )
    for declared, explained in zip(node.body, node.body[1:], strict=False):
        if isinstance(declared, ast.AnnAssign) and ast.unparse(declared.target) == setting:
            assert isinstance(explained, ast.Expr) and isinstance(explained.value, ast.Constant), (
                f"{key} is not explained"
            )
            return " ".join(str(explained.value.value).split())
    raise AssertionError(key)


def test_every_setting_that_is_spoken_of_is_one() -> None:
    spoken = {
        match
        for page in PAGES
        for match in re.findall(rf"`((?:{'|'.join(sorted(SECTIONS))})\.(?!json)\w+)`", text(page))
    }
    assert len(spoken) > 20
    assert sorted(spoken - set(settings()) - OF_RECORDS) == []


# What can be found.


def paths() -> dict[str, str]:
    """Every file of `contract/schema/names.py` below the root: name of the property to path."""
    root = Root(Path("/root"))
    found: dict[str, Any] = {key: getattr(root, key) for key, kind in vars(Root).items() if isinstance(kind, property)}
    return {key: value.relative_to("/root").as_posix() for key, value in found.items()}


def test_every_file_is_listed_on_some_page() -> None:
    everything = "\n".join(map(text, PAGES))
    for path in paths().values():
        directory, _, rest = path.partition("/")
        own = CHECKOUT / directory / "README.md"
        top = rest.split("/")[0]
        names = {path, f"{path}/", *({top, f"{top}/"} if own.exists() and top else ())}
        assert any(f"`{one}`" in everything for one in names) or top.endswith(".html"), path


@pytest.mark.parametrize("kind", ["log", "output", "heartbeat", "lock", "journal"])
def test_the_files_of_every_program_are_listed(kind: str) -> None:
    """By one pattern for all: `logs/NAME.log`."""
    root = Root(Path("/root"))
    everything = "\n".join(map(text, PAGES))
    pattern = getattr(root, kind)("NAME").relative_to("/root").as_posix()
    directory = f"{Path(pattern).parent.name}/"
    assert f"`{pattern}`" in everything or f"`{directory}`" in everything, pattern


def test_every_file_that_is_spoken_of_is_one() -> None:
    root = Root(Path("/root"))
    known = set(paths().values()) | {"state", "runtime", "state/README.md", "runtime/README.md"}
    known |= {f"runtime/heartbeats/{daemon}.json" for daemon in DAEMONS}
    known |= {getattr(root, kind)(41).relative_to("/root").as_posix() for kind in ("generation", "generation_manifest")}
    for page in PAGES:
        for found in re.findall(r"(?<![\w/.-])((?:state|runtime)/[\w./-]*\w)", text(page)):
            assert found in known or Path(found).with_suffix("").as_posix() in known, f"{name(page)}: {found}"


def test_every_field_that_is_spoken_of_stands_in_the_code() -> None:
    """A word with an underscore between backticks: a field, a column, a state."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    for page in PAGES:
        for found in set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", text(page))):
            assert re.search(rf"\b{found}\b", code), f"{name(page)}: {found}"
