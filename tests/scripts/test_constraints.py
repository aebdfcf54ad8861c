"""constraints.txt against the environment that it made."""

from __future__ import annotations

from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parents[2]
PINNED_BY_TORCH = ("cuda-", "nvidia-", "triton")  # GPU libraries, on Linux


def exact_versions() -> dict[str, Version]:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {str(canonicalize_name(name)): Version(number) for name, number in pairs}


def installed_packages() -> set[str]:
    """Those that setup.cfg asks for in any extra, and those that they ask for in turn, as far as they are installed."""
    settings = ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    lists = [settings["options"]["install_requires"], *settings["options.extras_require"].values()]
    waiting = [Requirement(line) for lines in lists for line in lines.split("\n") if line and not line.startswith("#")]
    seen: set[tuple[str, str]] = set()
    found: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = str(canonicalize_name(requirement.name))
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen or name.startswith(PINNED_BY_TORCH):
                continue
            seen.add((name, extra))
            try:
                asked = [Requirement(text) for text in requires(name) or ()]
            except PackageNotFoundError:
                continue
            found.add(name)
            waiting += [other for other in asked if other.marker is None or other.marker.evaluate({"extra": extra})]
    return found


def test_every_installed_package_has_its_exact_version() -> None:
    exact, installed = exact_versions(), installed_packages()
    assert {"numpy", "pytest"} <= installed
    assert {name: str(version(name)) for name in installed if name not in exact} == {}
    versions = {name: Version(Version(version(name)).public) for name in installed}  # 2.13.0+cpu is a build of 2.13.0
    assert versions == {name: exact[name] for name in installed}
