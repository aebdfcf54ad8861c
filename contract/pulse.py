"""Is a daemon alive? What its heartbeat says, held against the processes that run and the time that has passed."""

from __future__ import annotations

from dataclasses import dataclass

from contract.errors import TillerError
from contract.files import read_record
from contract.schema.names import DAEMONS, Root
from contract.schema.operations import STOPPED, Heartbeat, parse_heartbeat
from contract.system import System

ALIVE, STALE, DEAD, ENDED, ABSENT, UNREADABLE = "alive", "stale", "dead", "stopped", "never ran", "unreadable"

_CLOCK_STEP_S = 2.0
"""How far ahead of the clock a heartbeat may be: time servers step it by fractions of a second."""


@dataclass(frozen=True)
class Pulse:
    """`age_s` is the age of the last heartbeat by the wall clock."""

    daemon: str
    state: str
    heartbeat: Heartbeat | None = None
    age_s: float | None = None
    trouble: str = ""


def feel_all(system: System, root: Root) -> tuple[Pulse, ...]:
    return tuple(feel(system, root, daemon) for daemon in DAEMONS)


def feel(system: System, root: Root, daemon: str) -> Pulse:
    try:
        heartbeat = read_record(system, root.heartbeat(daemon), parse_heartbeat)
    except TillerError as error:
        return Pulse(daemon, UNREADABLE, trouble=str(error))
    if heartbeat is None:
        return Pulse(daemon, ABSENT)
    age_s = (system.now() - heartbeat.utc).total_seconds()
    return Pulse(daemon, _state(system, heartbeat, age_s), heartbeat, age_s, heartbeat.last_error)


def _state(system: System, heartbeat: Heartbeat, age_s: float) -> str:
    """A process number means something only on the boot that gave it; a hung loop has a process and no pulse.

    A beat from the future was stamped before the clock was set back: nobody knows how old it is until the next.
    """
    if heartbeat.state == STOPPED:
        return ENDED
    if heartbeat.boot_id != system.boot_id() or not system.is_running(heartbeat.pid):
        return DEAD
    return ALIVE if -_CLOCK_STEP_S <= age_s <= heartbeat.due_s else STALE
