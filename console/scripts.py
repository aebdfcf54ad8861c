"""`tiller train | rollback | report`: short words for what a script does.

This process becomes the script, so that it says what the script says and ends with its exit code, and so that nothing
of what a script imports, torch least of all, is waited for by any other command.
"""

from __future__ import annotations

import argparse
import os
import sys

from ai.trainer_options import add_generation, add_options_of_a_training, words_of_a_training
from console.launch import Command
from contract.schema.names import CHECKOUT, Root

TRAINER, TRACKER = "ai/rl_trainer.py", "analytics/rl_performance.py"


def _train(options: argparse.Namespace) -> int:
    return _become(options, TRAINER, "--train", *words_of_a_training(options))


def _rollback(options: argparse.Namespace) -> int:
    wanted = () if options.generation is None else (str(options.generation),)
    return _become(options, TRAINER, "--rollback", *wanted)


def _report(options: argparse.Namespace) -> int:
    return _become(options, TRACKER)


def _become(options: argparse.Namespace, script: str, *arguments: str) -> int:
    words = [sys.executable, str(CHECKOUT / script), "--root", str(Root.find(options.root).path), *arguments]
    words += ["--json"] * options.json + ["-v"] * options.verbose
    os.execv(words[0], words)


TRAIN = Command(
    "train",
    "Train now, and put the candidate into service if it is shown to be better; exit status 4 if it is not.",
    add_options_of_a_training,
    _train,
)
ROLLBACK = Command("rollback", "Put an earlier model into service again.", add_generation, _rollback)
REPORT = Command(
    "report",
    "Judge now whether RL beats equal weight, and how sure that is; with --json, the whole report.",
    lambda parser: None,
    _report,
)
