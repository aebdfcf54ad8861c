"""The command `tiller`: what an operator types."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from console import demo, doctor, logs, resume, show_config, status, why
from console.launch import RESTART, RUN, START, STOP
from console.scripts import REPORT, ROLLBACK, TRAIN
from contract.daemon import BAD_USAGE, FAILED, add_common_options
from contract.errors import TillerError, told


class Command(Protocol):
    """What a module of this package offers."""

    @property
    def NAME(self) -> str: ...

    @property
    def SUMMARY(self) -> str: ...

    def add_options(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


MODULES: tuple[Command, ...] = (
    *(START, STOP, RESTART, RUN, status, logs, doctor, why, resume),
    *(TRAIN, ROLLBACK, REPORT, show_config, demo),
)
COMMANDS = {module.NAME: module for module in MODULES}


def main(arguments: Sequence[str] | None = None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever a file is called, it can be shown
    verbose = 0
    try:
        try:
            parser = _parser()
            options = parser.parse_args(arguments)
            verbose = options.verbose
            if options.command is None:
                parser.print_help()
                return BAD_USAGE
            return COMMANDS[options.command].run(options)
        finally:
            _flush()
    except BrokenPipeError:
        return FAILED  # whoever read us has enough: `tiller status | head -1`
    except KeyboardInterrupt:
        return 130
    except (TillerError, OSError) as error:
        if verbose > 1:
            traceback.print_exc()
        print(f"tiller: {told(error)}", file=sys.stderr)
        return FAILED


def _flush() -> None:
    """Say what is still to be said while an error can be met; the interpreter, at its end, could only complain."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tiller", description="Decides how much capital each of eight trading strategies deserves."
    )
    parser.add_argument("--version", action="version", version=f"tiller {_version()}")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        add_common_options(command, again=True)
        module.add_options(command)
    return parser


def _version() -> str:
    try:
        return version("tiller")
    except PackageNotFoundError:
        return "from a checkout that is not installed"
