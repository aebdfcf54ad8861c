"""`tiller demo`: the whole loop on a simulated market, below .demo/."""

from __future__ import annotations

import argparse

NAME = "demo"
SUMMARY = "Run the whole loop on a simulated market."


def add_options(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    raise SystemExit("")
