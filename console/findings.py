"""What `tiller doctor` finds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from contract.schema.names import Root

OK, WARNING, WRONG = "ok", "warning", "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing looked at. A warning does not make the installation unhealthy."""

    subject: str
    verdict: str
    detail: str
    remedy: str = ""


def tiller(root: Root, *words: str) -> str:
    """A command line that mends something, to be copied."""
    return " ".join(("tiller", *words, "--root", quoted(root.path)))


def quoted(path: Path) -> str:
    return shlex.quote(str(path))
