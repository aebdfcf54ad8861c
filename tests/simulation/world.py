"""One machine, the five programs on it, and a schedule: who runs when, and what goes wrong.

    World(7).play()          # schedule 7, from the first start to a clean end; raises `Broken`

Every process is a thread that runs only in its turns. A turn ends where the process waits, ends or dies, and at any
system call before which the schedule lets others go on. All chance comes from the number of the schedule.
"""

from __future__ import annotations

import errno
import logging
import os
import random
from collections import Counter, deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from math import inf

from support.fake_system import Call, Crash, FakeMachine, FakeSystem

from contract.daemon import Signals
from contract.errors import TillerError
from contract.log import Log
from simulation import closing_checks, visitors
from simulation.fate import CODES, FASTEST_S, FAULTS_S, fate_of
from simulation.invariants import Broken, require
from simulation.life import Life
from simulation.stage import PROGRAMS, Program, past, plant
from simulation.turns import Turns
from simulation.witness import Witness

RECOVERY_S = 300.0
"""After the last misfortune all must be well within this time."""
_CHANGES = ("write", "pwrite", "truncate", "replace", "unlink")
_FILLS_THE_DISK = ("write", "pwrite", "fsync", "replace")
_LINES_SHOWN = 40


class World(FakeMachine):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.fate = random.Random(f"schedule {number}")
        self.plan = fate_of(self.fate)
        plant(self, {} if self.plan.from_nothing else past())
        self.now += timedelta(seconds=self.fate.choice((3600.0, 86_300.0)))  # sometimes midnight is near
        self.missed_events = self.plan.missed_events
        self.witness = Witness(self.disk)
        self.lives: list[Life] = []
        self.count: Counter[str] = Counter(schedules=1)
        self.is_calm = False
        self.pace_s = self.plan.pace_s
        self.disk_is_full_until_s = 0.0
        self.rotations = 0
        self._starts_s = {program.name: 0.0 for program in PROGRAMS}
        self._running: Life | None = None
        self._broken: BaseException | None = None
        self._power_fails = False
        self._changed: tuple[Life, Call] | None = None
        self._hash = sha256()
        self._lines: deque[str] = deque(maxlen=_LINES_SHOWN)

    def play(self) -> str:
        """The whole schedule. Returns what tells it from every other: the hash of all that happened, in order."""
        try:
            for at_s, kind in self.plan.happens:
                self.at(at_s, partial(visitors.happen, self, kind))
            self._go_on(FAULTS_S)
            self._recover()
            self._come_to_rest()
            self._end()
        except Broken as broken:
            again = f"bash scripts/test.sh tests/simulation -k replays --seed {self.number}"
            said = "\n".join((f"schedule {self.number}: {broken}", f"again: {again}", f"{self.plan}", *self._lines))
            raise Broken(said) from broken
        finally:
            self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        for life in self.lives:
            life.system.kill()
            self._reap(life)
        self.lives.clear()

    # The processes.

    def begin(self, name: str, work: Callable[[FakeSystem, Signals], object], program: Program | None = None) -> Life:
        """A new process."""
        system, signals = self.start(), Signals()
        life = Life(name, system, Turns(lambda: work(system, signals)), signals, program)
        system.plan = partial(self._before, life)
        system.short_writes = 0.0 if self.is_calm else self.plan.short_writes
        self.lives.append(life)
        self.witness.wakes(life.who, self.now)
        self.count["processes"] += 1
        self.tell(f"{name} starts as {system.process_id()}")
        return life

    def launch(self, program: Program) -> Life:
        def work(system: FakeSystem, signals: Signals) -> None:
            life.exit_code = program.run(system, self._log(program.name), signals)

        life = self.begin(program.name, work, program)  # its first turn comes later
        return life

    def kill(self, life: Life) -> None:
        self.count["kills"] += 1
        self.tell(f"{life.name} is killed")
        life.system.kill()
        self._reap(life)
        self._gone(life)

    def power_cut(self) -> None:
        self.count["power cuts"] += 1
        self.tell("the power is cut")
        self._changed = None
        super().power_cut()
        for life in list(self.lives):
            self._reap(life)
            self._gone(life)
        self._watched(self.witness.after_a_power_cut)

    def tell(self, line: str) -> None:
        """What happens, for the trace."""
        self._hash.update(f"{self.elapsed_s!r} {line}\n".encode())
        self._lines.append(f"{self.elapsed_s:9.3f} {line}")

    def lives_of_programs(self) -> list[Life]:
        return [life for life in self.lives if life.program]

    def _reap(self, life: Life) -> None:
        """A process that is dead comes to its end."""
        if not life.turns.over:
            life.turns.take()
        require(life.turns.over, f"{life.name} goes on although it is dead")

    def _gone(self, life: Life) -> None:
        self.lives.remove(life)
        self._look()
        self.witness.is_gone(life.who)
        if life.program and not any(other.name == life.name for other in self.lives):
            pause_s = 0.1 if self.is_calm else self.fate.uniform(0.1, 20.0)
            self._starts_s[life.name] = self.elapsed_s + pause_s

    # Time and turns.

    def advance(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """A process that waits lets the others go on; without one, time passes."""
        life = self._running
        if life is None:
            return super().advance(seconds, enough)
        life.enough, life.until_s = enough, self.elapsed_s + seconds
        life.turns.pause()
        life.enough = None
        if life.system.alive:
            self.witness.wakes(life.who, self.now)
        return enough()

    def _go_on(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        end_s = self.elapsed_s + seconds
        while self.elapsed_s < end_s:
            for program in PROGRAMS:
                if self._starts_s[program.name] <= self.elapsed_s:
                    self._starts_s[program.name] = inf
                    self.launch(program)
            ready = [life for life in self.lives if life.is_ready(self.elapsed_s)]
            if ready:
                self._take_a_turn(self.fate.choice(ready))
                super().advance(self.fate.expovariate(1.0 / self.pace_s))
            else:
                due_s = min(life.due_s() for life in self.lives) if self.lives else inf
                due_s = min(due_s, end_s, *self._starts_s.values(), *(due for due, _, _ in self._due[:1]))
                super().advance(max(due_s - self.elapsed_s, 1e-3))
            if until():
                return True
        return until()

    def _take_a_turn(self, life: Life) -> None:
        self._running = life
        life.turns.take()
        self._running = None
        self.count["turns"] += 1
        if life.turns.over and life in self.lives:
            self._ended(life)
        self._look()
        if self._broken is not None:
            raise self._broken
        if self._power_fails:
            self._power_fails = False
            self.power_cut()

    def _ended(self, life: Life) -> None:
        error = life.turns.error
        self.tell(f"{life.name} ends with {life.exit_code if error is None else error!r}")
        expected = error is None or isinstance(error, (Crash, TillerError, OSError))
        if not expected and self._broken is None:
            self._broken = error if isinstance(error, Broken) else Broken(f"{life.name} ended with {error!r}")
        if error is None:
            self._look()
            self._watched(lambda: self.witness.rests(life.who, self.now))
        life.system.kill()
        self._gone(life)

    # What happens at a call.

    def _before(self, life: Life, call: Call) -> None:
        """The plan of every process. What it does not do itself, it leaves to the turns."""
        self._look()
        if self._broken is not None:
            raise Crash("the schedule is over")
        self.count["calls"] += 1
        self.tell(f"{life.name} {call.name} {call.path}")
        self._watched(lambda: self.witness.calls(life.who, self.now))
        if call.name == "wait":
            self._watched(lambda: self.witness.rests(life.who, self.now))
            return
        self._interfere(life, call)
        if call.name in _CHANGES and life.system.alive:
            self._changed = life, call
            self._watched(lambda: self.witness.calls(life.who, self.now))

    def _interfere(self, life: Life, call: Call) -> None:
        plan = self.plan
        if self.fate.random() < plan.interrupted:
            life.turns.pause()
            if not life.system.alive:
                return
        if self.is_calm:
            return
        luck = self.fate.random()
        if luck < plan.killed:
            self.count["kills"] += 1
            self._die(life, call)
        if luck < plan.killed + plan.power_cut:
            self._power_fails = True
            self._die(life, call)
        if call.number > life.failed_at + 1:
            if self.elapsed_s < self.disk_is_full_until_s and call.name in _FILLS_THE_DISK:
                self._fail(life, call, errno.ENOSPC)
            if luck > 1.0 - plan.failed:
                self._fail(life, call, self.fate.choice(CODES))

    def _die(self, life: Life, call: Call) -> None:
        self._changed = life, call  # it may have had its effect, or half
        self.witness.disturbs(life.who)
        raise Crash(f"in {call}")

    def _fail(self, life: Life, call: Call, code: int) -> None:
        life.failed_at = call.number
        self.count["errors"] += 1
        self.tell(f"  fails with {errno.errorcode[code]}")
        self.witness.disturbs(life.who)
        self._changed = life, call
        raise OSError(code, os.strerror(code), str(call.path))

    def _look(self) -> None:
        """At what the last call has changed."""
        if self._changed is not None:
            (life, call), self._changed = self._changed, None
            self._watched(lambda: self.witness.changed(call.path, life.who))

    def _watched(self, look: Callable[[], object]) -> None:
        """What is broken must not be taken for an error of the process at whose call it is seen."""
        try:
            look()
        except Broken as broken:
            self._broken = self._broken or broken

    def _log(self, name: str) -> Log:
        logger = logging.Logger(name)
        logger.addHandler(_Listener(self, name))
        return Log(logger)

    def hear(self, name: str, record: logging.LogRecord) -> None:
        self._lines.append(f"{self.elapsed_s:9.3f} {name}: {record.getMessage()}")
        if record.exc_info and self._broken is None:
            error = record.exc_info[1]
            self._broken = Broken(f"{name} met an error that it does not know: {error!r}")
            self._broken.__cause__ = error

    # How it ends.

    def _recover(self) -> None:
        """No more misfortunes: soon all is well."""
        self.is_calm = True
        self.missed_events, self.pace_s = 0.0, FASTEST_S
        self._due.clear()
        for life in list(self.lives):
            life.frozen_until_s = life.system.short_writes = 0.0
            if life.program is None or any(other.name == life.name for other in self.lives if other is not life):
                self.kill(life)
        for name, start_s in self._starts_s.items():
            if start_s < inf:
                self._starts_s[name] = self.elapsed_s
        visitors.clear_away(self)
        trouble = ["nobody has looked yet"]
        until_s = self.elapsed_s + RECOVERY_S
        while trouble and self.elapsed_s < until_s:
            self._go_on(10.0)
            trouble = closing_checks.troubles(self.start(), self.witness, self.now)
        require(not trouble, f"{RECOVERY_S:g} s after the last misfortune: {'; '.join(trouble)}")

    def _come_to_rest(self) -> None:
        """The bot stops trading: soon all have counted the same."""
        bots = [life for life in self.lives if life.name == "paper_trader"]
        for life in bots:
            life.signals.end()
        self._go_on(5.0, lambda: not any(life in self.lives for life in bots))
        self._starts_s["paper_trader"] = inf
        self._go_on(closing_checks.LONGEST_INTERVAL_S)
        self.count += closing_checks.all_counted_the_same(self.start(), self.witness)

    def _end(self) -> None:
        """All are told to end, and do."""
        ending = list(self.lives)
        self._starts_s = dict.fromkeys(self._starts_s, inf)
        for life in ending:
            life.signals.end()
            life.program = None
        self._go_on(5.0, lambda: not self.lives)
        require(not self.lives, f"{[life.name for life in self.lives]} do not end")
        codes = {life.name: life.exit_code for life in ending}
        require(set(codes.values()) == {0}, f"they ended with {codes}")


class _Listener(logging.Handler):
    def __init__(self, world: World, name: str) -> None:
        super().__init__()
        self._world, self._name = world, name

    def emit(self, record: logging.LogRecord) -> None:
        self._world.hear(self._name, record)
