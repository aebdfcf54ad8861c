"""`tiller show-config`: the settings in force, and where each comes from."""

from __future__ import annotations

import argparse
import json
import os

from contract.configure import configure, values_of
from contract.daemon import DONE
from contract.errors import one_line
from contract.schema.names import Root
from contract.system import OperatingSystem

NAME = "show-config"
SUMMARY = "Show every setting, its value, and where the value comes from."


def add_options(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    root = Root.find(options.root)
    configured = configure(OperatingSystem(), root, os.environ)
    values = values_of(configured.config)
    if options.json:
        shown = {key: {"value": value, "origin": configured.origins[key]} for key, value in values.items()}
        print(json.dumps(shown, indent=2))
        return DONE
    widest = max(map(len, values))
    values_widest = max(len(_plain(value)) for value in values.values())
    print(one_line(f"{'root':<{widest}}  {root.path}"))
    for key, value in values.items():
        print(one_line(f"{key:<{widest}}  {_plain(value):<{values_widest}}  {configured.origins[key]}"))
    return DONE


def _plain(value: object) -> str:
    """As it would be written in `config.yaml`."""
    return json.dumps(value)
