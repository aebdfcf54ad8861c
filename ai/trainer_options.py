"""What may be asked of the trainer, for all who ask it: its own command line, and `tiller train` and `tiller rollback`.

Without numpy, so that nobody waits for it who only wants to know what there is to ask.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

NOT_ASKED = -1


class Option(NamedTuple):
    name: str
    at_least: int
    default: int | None
    said: str


OF_A_TRAINING = (
    Option("episodes", 0, None, "how long to train (default: agent.episodes)"),
    Option("seed", 0, None, "of the first candidate (default: the number of trainings so far)"),
    Option("seeds", 1, 1, "how many candidates to train (default: 1)"),
)
WHICH_GENERATION = "put an earlier model into service again: the one named, else the one before"


def add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--train", action="store_true", help="train now, due or not")
    what.add_argument("--loop", action="store_true", help="go on, and train whenever it is due")
    what.add_argument("--history", action="store_true", help="list the models that are kept, with their figures")
    what.add_argument(
        "--rollback",
        nargs="?",
        type=_whole,
        const=None,
        default=NOT_ASKED,
        metavar="GENERATION",
        help=WHICH_GENERATION,
    )
    what.add_argument("--pretrain", action="store_true", help="make the prior anew, from simulated worlds")
    add_options_of_a_training(parser)
    parser.add_argument("--interval", type=float, metavar="S", help="with --loop, how often to look")


def add_options_of_a_training(parser: argparse.ArgumentParser) -> None:
    for option in OF_A_TRAINING:
        number = partial(_whole, at_least=option.at_least)
        parser.add_argument(f"--{option.name}", type=number, default=option.default, help=option.said)


def words_of_a_training(options: argparse.Namespace) -> list[str]:
    """The same options again, as a command line says them."""
    asked = {option.name: getattr(options, option.name) for option in OF_A_TRAINING}
    return [f"--{name}={value}" for name, value in asked.items() if value is not None]


def add_generation(parser: argparse.ArgumentParser) -> None:
    """For a command that does nothing but roll back."""
    parser.add_argument("generation", nargs="?", type=_whole, metavar="GENERATION", help=WHICH_GENERATION)


def settings(options: argparse.Namespace) -> Mapping[str, Any]:
    asked = {"agent.episodes": options.episodes, "trainer.interval_s": options.interval}
    return {key: value for key, value in asked.items() if value is not None}


def _whole(text: str, *, at_least: int = 0) -> int:
    if not text.isdecimal() or int(text) < at_least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {at_least} on")
    return int(text)
