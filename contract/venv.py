"""How a script that was started with the system's Python comes to run in the checkout's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_TRIED = "TILLER_REENTERED"


def reenter() -> None:
    """Start the running command over with the Python of the checkout's `.venv`, where there is one and this is another.

    For the top of an entry script, before any import that only `.venv` can serve. The command line stays as it was
    given: options of Python, `-m module` or file, arguments.
    """
    environment = Path(__file__).resolve().parents[1] / ".venv"
    python = environment / "bin" / "python"
    # The process id outlasts exec, so the mark stops this process from trying twice and no other from trying at all.
    tried = os.environ.pop(_TRIED, None) == str(os.getpid())
    if tried or not os.access(python, os.X_OK) or environment.samefile(sys.prefix):
        return
    os.environ[_TRIED] = str(os.getpid())
    # Python 3.9, the system's own on many a Mac, knows neither its own options nor whether it was given a `-m`.
    command_line = getattr(sys, "orig_argv", [sys.executable, *sys.argv])
    os.execv(python, [str(python), *command_line[1:]])
