"""What happens to the machine beside the programs themselves: to its power, its clock and its disk, and by people."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from support.fake_disk import File
from support.fake_system import FakeSystem

from ai.model_store import roll_back
from contract.daemon import Signals
from contract.errors import TillerError
from contract.files import publish
from contract.schema.fields import by_name
from contract.schema.weights import LabWeights, encode_lab_weights
from simulation.stage import PROGRAMS, ROOT

if TYPE_CHECKING:
    from simulation.world import World

CLOCK_STEPS_S = (2.0, 40.0, 700.0, 3600.0, 90_000.0)
GREEDY = (0.6, 0.2, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0)
"""Weights that a person types, far outside the bounds."""
_BAD_ROW = b"=cmd|' /C calc'!A0,not a row\n"


def happen(world: World, kind: str) -> None:
    world.count[kind] += 1
    world.tell(kind)
    _HAPPENINGS[kind](world)


def clear_away(world: World) -> None:
    """What people have put there and would take away again."""
    world.disk_is_full_until_s = 0.0
    with suppress(OSError):
        world.disk.unlink(ROOT.halt)


def _cut(world: World) -> None:
    world.power_cut()


def _kill(world: World) -> None:
    if lives := world.lives_of_programs():
        world.kill(world.fate.choice(lives))


def _freeze(world: World) -> None:
    if world.lives:
        life = world.fate.choice(world.lives)
        life.frozen_until_s = world.elapsed_s + world.fate.uniform(1.0, 80.0)


def _set_clock(world: World) -> None:
    world.jump(world.fate.choice((-1.0, 1.0)) * world.fate.choice(CLOCK_STEPS_S))


def _fill_disk(world: World) -> None:
    world.disk_is_full_until_s = world.elapsed_s + world.fate.uniform(1.0, 40.0)


def _write_back(world: World) -> None:
    world.disk.settle()


def _start_twin(world: World) -> None:
    """A second process of a program that runs: it ends by itself, or takes the place of one that died."""
    world.launch(world.fate.choice(PROGRAMS))


def _by_a_person(work: Callable[[World, FakeSystem], object]) -> Callable[[World], None]:
    def visit(world: World) -> None:
        def act(system: FakeSystem, signals: Signals) -> None:
            with suppress(TillerError, OSError):
                work(world, system)

        world.begin("a person", act)

    return visit


def _roll_back(world: World, system: FakeSystem) -> None:
    roll_back(system, ROOT)


def _halt(world: World, system: FakeSystem) -> None:
    if world.fate.random() < 0.5:
        publish(system, ROOT.halt, b"for a test\n")
    else:
        system.unlink(ROOT.halt)


def _type_weights(world: World, system: FakeSystem) -> None:
    publish(system, ROOT.lab_weights, encode_lab_weights(LabWeights(by_name(GREEDY))))


def _write_bad_row(world: World, system: FakeSystem) -> None:
    """Without making it durable, as a careless program does."""
    descriptor = system.open(ROOT.pnl_history, os.O_WRONLY | os.O_APPEND)
    system.write(descriptor, _BAD_ROW)
    system.close(descriptor)


def _rotate(world: World) -> None:
    """As logrotate with `dateext` does it, and the bot makes a new file.

    At once, and durably: were the rename lost with the power, and the bot's new file kept, the old one would be gone,
    and nobody but logrotate could help that.
    """
    live = ROOT.pnl_history
    world.rotations += 1
    with suppress(OSError):
        world.disk.replace(live, live.with_name(f"{live.name}-{20260100 + world.rotations}"))
        world.disk.sync_directory(world.disk.directory(live.parent))
        world.witness.history_moves()


def _rewrite(world: World) -> None:
    """A person puts a line into the midst of the history, so that nothing stands where it stood; not while the bot has
    the file open, which would be the person's fault."""
    with suppress(OSError):
        file = world.disk.find(ROOT.pnl_history)
        if not isinstance(file, File) or any(opened.inode is file for opened in world.disk.opened):
            return
        header, _, rows = bytes(file.content).partition(b"\n")
        file.truncate(0)
        file.write(0, header + b"\n" + _BAD_ROW + rows)
        file.sync()
        world.disk.touch(file)
        world.witness.history_moves()


_HAPPENINGS: dict[str, Callable[[World], None]] = {
    "power cut": _cut,
    "kill": _kill,
    "freeze": _freeze,
    "clock": _set_clock,
    "disk full": _fill_disk,
    "writeback": _write_back,
    "twin": _start_twin,
    "rollback": _by_a_person(_roll_back),
    "halt": _by_a_person(_halt),
    "typed weights": _by_a_person(_type_weights),
    "bad row": _by_a_person(_write_bad_row),
    "rotation": _rotate,
    "rewrite": _rewrite,
}
