"""The guard over a history that grows, is rewritten, is rotated, and a bridge that is killed at any moment."""

from __future__ import annotations

import argparse
import errno
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.bridge_world import trade
from support.fake_system import Call, Crash, FakeMachine, FakeSystem, crashing, failing, nth
from support.scripted_daemon import Lines
from support.scripted_waits import ScriptedWaits

from agents import bridge_guard
from agents.bridge_guard import Guard, account_day
from contract.config import Account, Config, RiskLimits
from contract.daemon import Context
from contract.files import append_line, publish, read_bytes
from contract.log import Log
from contract.schema.names import Root
from contract.schema.risk import ResumeRequest, encode_resume_request, parse_risk_event
from contract.schema.weights import ACTIVE, HALTED, Risk
from contract.system import System

MONDAY = date(2026, 1, 5)


class World:
    """A guard that can be started again; `look` is one run of the bridge."""

    def __init__(self, path: Path, system: System | None = None) -> None:
        self.root = Root(path)
        if system is None:
            self.root.runtime.mkdir(exist_ok=True)
        self.lines = Lines()
        logger = logging.Logger("bridge")
        logger.addHandler(self.lines)
        self.clock = ScriptedWaits()
        options = argparse.Namespace(once=False)
        self.context = Context(self.root, Config(), system or self.clock, Log(logger), options)
        self.guard: Guard | None = None

    def look(self, after_s: float = 0.0) -> Risk:
        self.clock.elapsed_s += after_s
        self.guard = self.guard or Guard(self.context)
        return self.guard.look(self.context)

    def restart(self) -> None:
        self.guard = None

    @property
    def equity(self) -> float:
        assert self.guard
        return self.guard.breaker.account.equity

    @property
    def trouble(self) -> str:
        assert self.guard
        return self.guard.trouble

    def configure(self, **limits: float | bool) -> None:
        self.context = replace(self.context, config=Config(risk=RiskLimits(**limits)))  # type: ignore[arg-type]

    def trade(self, day: int, pnl: float, *, hour: int = 12, **columns: object) -> None:
        trade(self.root, f"{MONDAY + timedelta(days=day)}T{hour:02d}:00:00Z", pnl, **columns)

    def ask_to_resume(self, reason: str = "looked at it") -> None:
        publish(self.clock, self.root.resume, encode_resume_request(ResumeRequest(self.clock.now(), reason)))

    def events(self) -> list[str]:
        if not self.root.risk_events.exists():
            return []
        lines = self.root.risk_events.read_bytes().splitlines()
        events = [parse_risk_event(line, self.root.risk_events) for line in lines]
        return [f"{event.kind} {event.rule}" for event in events]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    assert world.look() == Risk(ACTIVE, 1.0, "")
    return world


def tripped(world: World) -> None:
    world.trade(0, -600)
    assert world.look().state == HALTED


def test_a_loss_is_an_event_that_outlasts_every_restart(world: World) -> None:
    tripped(world)
    for _ in range(3):
        world.restart()
        assert world.look() == Risk(HALTED, 0.0, "daily loss 6.00% of 5.00%")
    assert world.events() == ["trip daily_loss"]
    assert world.equity == 9400.0


def test_no_row_counts_twice(world: World) -> None:
    for day in range(10):
        world.trade(day, 10.0, id=f"row-{day}")
        world.trade(day, 10.0, id=f"row-{day}")  # a bot that crashed over it
        if day % 3 == 0:
            world.restart()
        world.look()
    world.restart()
    world.trade(9, 10.0, id="row-9")
    world.look()
    assert world.equity == 10_100.0


def test_rows_that_cannot_be_read_are_left_out(world: World) -> None:
    world.trade(0, 10.0)
    with world.root.pnl_history.open("ab") as file:
        file.write(b"2026-01-05,nan,,,,,,\nwho knows\n\0\n")
    world.trade(1, 10.0)
    world.look()
    assert (world.equity, world.trouble) == (10_020.0, "")


def test_an_old_history_trips_nothing_and_is_judged_from_its_last_week_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    for day in range(-70, 2):
        world.trade(day, -300.0 if day == -40 else -30.0)
    assert world.look().state == ACTIVE
    assert world.events() == ["alert losing_trades"]
    world.trade(2, -900.0)
    assert world.look().state == HALTED


def test_a_history_that_ends_in_a_crash_halts_at_first_sight(tmp_path: Path) -> None:
    world = World(tmp_path)
    for day, pnl in ((-30, 5.0), (0, -300.0), (1, -800.0)):
        world.trade(day, pnl)
    assert world.look().state == HALTED


def test_a_fast_forwarded_history_is_judged_day_by_day(world: World) -> None:
    """Six weeks arrive at once; a day in the middle was bad, and all is won back by the end."""
    for day in range(42):
        world.trade(day, {20: -2000.0, 25: 3000.0}.get(day, 1.0))
    assert world.look().state == HALTED
    assert world.events() == ["trip daily_loss"]


def test_the_order_of_fills_of_one_instant_makes_no_loss(world: World) -> None:
    for pnl in (-900.0, 950.0):
        world.trade(0, pnl)
    assert world.look().state == ACTIVE


def test_a_rewritten_history_is_read_afresh_and_trips_nothing_old(world: World) -> None:
    for day in range(5):
        world.trade(day, -300.0)
    assert world.look().state == HALTED
    world.ask_to_resume()
    assert world.look(after_s=3600).state == ACTIVE
    rows = world.root.pnl_history.read_text().replace("-300.0", "-300.5")
    world.root.pnl_history.write_text(rows)
    assert world.look().state == ACTIVE
    assert world.equity == 8497.5
    world.restart()
    assert (world.look().state, world.equity) == (ACTIVE, 8497.5)


def test_a_rewritten_history_that_cannot_be_read_to_its_end_is_begun_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(2):
        world.trade(day, -100.0)
    world.look()
    rows = world.root.pnl_history.read_text().replace("-100.0", "-600.0")
    old = world.root.pnl_history.with_name("pnl_history.csv.1")
    old.write_text(rows)
    world.root.pnl_history.write_text("timestamp,price\n2026-01-05,1\n")
    saved = world.root.risk_state.read_bytes()
    assert world.look().state == ACTIVE
    assert f"{world.root.pnl_history}: the header has no column 'pnl'" in world.trouble
    assert world.root.risk_state.read_bytes() == saved
    old.unlink()
    world.root.pnl_history.write_text(rows.replace("-600.0", "-10.0"))
    world.restart()
    assert (world.look().state, world.trouble, world.equity) == (ACTIVE, "", 9980.0)


def test_a_rotated_history_goes_on(world: World) -> None:
    world.trade(0, -300.0)
    world.look()
    world.root.pnl_history.rename(world.root.pnl_history.with_name("pnl_history.csv.1"))
    world.restart()
    world.trade(0, -300.0, hour=13)
    assert world.look().state == HALTED


def test_a_history_without_the_columns_is_trouble_and_no_verdict(world: World) -> None:
    world.root.pnl_history.parent.mkdir(exist_ok=True)
    world.root.pnl_history.write_text("timestamp,price\n2026-01-05,1\n")
    assert world.look().state == ACTIVE
    assert "no column 'pnl'" in world.trouble


def test_rows_before_an_error_are_entered_once(world: World) -> None:
    """The file is over, and its successor has a header that says nothing."""
    for day in range(3):
        world.trade(day, 10.0)
    world.look()
    world.trade(3, 10.0)
    world.root.pnl_history.rename(world.root.pnl_history.with_name("pnl_history.csv.1"))
    world.root.pnl_history.write_text("timestamp,price\n2026-01-05,1\n")
    for _ in range(2):
        world.look()
        assert world.equity == 10_040.0 and "no column 'pnl'" in world.trouble
        world.restart()


def test_much_to_read_is_read_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a history is being met nothing is said of it, and nothing saved that would count rows twice."""
    world.root.risk_state.unlink()
    for day in range(-30, 1):
        world.trade(day, -30.0)
    world.restart()
    monkeypatch.setattr(bridge_guard, "ROWS_BETWEEN_LOOKS", 4)
    ticks = iter(range(10_000))
    monkeypatch.setattr(world.clock, "monotonic", lambda: next(ticks) / 10)
    looks = 0
    while looks == 0 or (world.guard and world.guard.reading):
        assert world.look() == Risk(ACTIVE, 1.0, "")
        looks += 1
        assert world.root.risk_state.exists() == (world.guard is not None and not world.guard.reading)
    assert looks > 1 and world.equity == 10_000 - 31 * 30


# Halting and resuming.


def test_the_file_halts_at_once_and_for_as_long_as_it_is_there(world: World) -> None:
    world.root.halt.write_text("lunch \x1b[2J\nback at two")
    assert world.look() == Risk(HALTED, 0.0, "runtime/HALT: lunch \\x1b[2J")
    world.restart()
    assert world.look().state == HALTED
    world.root.halt.unlink()
    assert world.look().state == ACTIVE
    assert world.events() == ["trip halt_file", "resume halt_file"]


@pytest.mark.parametrize("make", ["directory", "dangling link", "empty", "bytes"])
def test_whatever_it_is_it_halts(world: World, make: str) -> None:
    halt = world.root.halt
    match make:
        case "directory":
            halt.mkdir()
        case "dangling link":
            halt.symlink_to("nowhere")
        case _:
            halt.write_bytes(b"" if make == "empty" else b"\xff\0")
    assert world.look().state == HALTED


def test_where_nobody_can_tell_it_halts() -> None:
    machine = FakeMachine()
    process = machine.start()
    world = World(Path("/root"), process)
    assert world.look().state == ACTIVE
    append_line(process, world.root.runtime / "any", "line")
    process.plan = failing(errno.EACCES, lambda call: call.name == "list")
    assert "nobody can tell" in world.look().reason


def test_a_resume_waits_for_the_cooldown_and_is_recorded(world: World) -> None:
    tripped(world)
    world.ask_to_resume("the feed was wrong")
    assert world.look(after_s=3599).state == HALTED
    assert world.root.resume.exists()
    assert world.look(after_s=1) == Risk(ACTIVE, 1.0, "")
    assert not world.root.resume.exists()
    assert world.events() == ["trip daily_loss", "resume daily_loss"]
    assert b"the feed was wrong" in world.root.risk_events.read_bytes()
    world.restart()
    world.trade(0, -10.0, hour=13)
    assert world.look().state == ACTIVE


def test_a_clock_that_was_set_back_delays_no_resume(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tripped(world)
    monkeypatch.setattr(world.clock, "now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    world.ask_to_resume()
    assert world.look(after_s=3599).state == HALTED
    assert world.look(after_s=1).state == ACTIVE


def test_a_cooldown_goes_on_over_a_restart(world: World) -> None:
    tripped(world)
    world.ask_to_resume()
    world.look(after_s=3000)
    world.restart()
    assert world.look(after_s=599).state == HALTED
    assert world.look(after_s=1).state == ACTIVE


def test_a_cooldown_begins_with_the_trip_however_long_the_bridge_runs(world: World) -> None:
    world.configure(auto_resume=True)
    world.look(after_s=1e6)
    tripped(world)
    assert world.look(after_s=3599).state == HALTED
    assert world.look(after_s=1).state == ACTIVE


def test_by_itself_it_resumes_only_where_that_is_configured(world: World) -> None:
    tripped(world)
    assert world.look(after_s=1e6).state == HALTED
    world.configure(auto_resume=True)
    assert world.look().state == ACTIVE
    assert b"by itself, 3600 s after the trip" in world.root.risk_events.read_bytes()


def test_a_request_without_a_trip_is_removed(world: World) -> None:
    world.ask_to_resume()
    world.look()
    assert not world.root.resume.exists() and world.events() == []
    assert any("nothing to resume" in line for line in world.lines.said)


def test_a_request_that_cannot_be_read_resumes_nothing(world: World) -> None:
    tripped(world)
    world.root.resume.write_text("please")
    assert world.look(after_s=1e6).state == HALTED
    assert "resume.json: is not valid JSON" in world.trouble


# What can be lost.


@pytest.mark.parametrize("content", [b"", b"{", b'{"account": {}}'])
def test_a_breaker_that_lost_its_memory_halts(world: World, content: bytes) -> None:
    world.root.risk_state.write_bytes(content)
    world.restart()
    said = world.look()
    assert said.state == HALTED and said.reason.startswith("what the breaker knew is lost: ")
    world.ask_to_resume()
    assert world.look(after_s=3600).state == ACTIVE


def test_a_position_that_is_none_is_a_lost_memory(world: World) -> None:
    text = world.root.risk_state.read_text().replace('"position": null', '"position": {"offset": 0}')
    world.root.risk_state.write_text(text)
    world.restart()
    assert "is not a position in a file" in world.look().reason


def write_history(system: System, root: Root, rows: int) -> None:
    lines = [f"2026-01-{5 + row:02d}T12:00:00Z,{-200.0},row-{row}" for row in range(rows)]
    append_line(system, root.pnl_history, *lines, header="timestamp,pnl,id")


@pytest.mark.parametrize("call", range(1, 60))
def test_killed_at_any_call_it_neither_forgets_nor_counts_twice(call: int) -> None:
    machine = FakeMachine(seed=call)
    root, bot = Root(Path("/root")), machine.start()
    World(root.path, machine.start()).look()  # before there is any history
    write_history(bot, root, 6)
    dying = machine.start(crashing(nth(call)))
    try:
        World(root.path, dying).look()
    except Crash:
        pass
    else:
        assert call > dying.calls
    world = World(root.path, machine.start())
    assert world.look().state == HALTED
    assert world.equity == 10_000 - 6 * 200
    events = [line for line in (read_bytes(bot, root.risk_events) or b"").splitlines() if b'"trip"' in line]
    assert len({parse_risk_event(line, root.risk_events).rule for line in events}) == 1
    assert len(events) in (1, 2)  # never lost; twice where it died between the event and the state


def test_a_disk_that_is_full_is_trouble_until_it_is_not(seed: int) -> None:
    machine = FakeMachine(seed=seed)
    root, bot = Root(Path("/root")), machine.start()
    process = machine.start()
    world = World(root.path, process)
    world.look()
    write_history(bot, root, 6)

    def full(call: Call) -> bool:
        return call.name == "write"

    process.plan = failing(errno.ENOSPC, full)
    assert world.look().state == HALTED
    assert "No space left" in world.trouble
    process.plan = lambda call: None
    assert world.look().state == HALTED and world.trouble == ""
    assert isinstance(process, FakeSystem)
    assert (read_bytes(bot, root.risk_events) or b"").count(b'"trip"') == 1


# Days.


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT-5", "Europe/Zurich", "Pacific/Kiritimati", "America/St_Johns"])
@pytest.mark.parametrize("when", ["1970-01-01T00:00", "2026-01-04T23:30", "2026-06-30T10:30", "1969-12-31T23:59"])
def test_days_are_those_of_the_accounts_zone(zone: str, when: str) -> None:
    moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
    time_us = round(moment.timestamp() * 1e6)
    expected = moment.astimezone(ZoneInfo(zone)).toordinal() - date(1970, 1, 1).toordinal()
    assert account_day(time_us, ZoneInfo(zone)) == expected


def test_at_the_ends_of_the_calendar_days_are_those_of_utc() -> None:
    time_us = -62_135_596_800_000_000  # the first instant of the year 1
    assert account_day(time_us, ZoneInfo("America/St_Johns")) == date.min.toordinal() - date(1970, 1, 1).toordinal()


def test_the_zone_is_configured(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.context = replace(world.context, config=Config(account=Account(day_zone="Pacific/Kiritimati")))
    world.look()
    world.trade(0, -300.0)  # noon is the next day there
    world.look()
    assert world.guard and world.guard.breaker.account.day == account_day(
        round(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp() * 1e6), ZoneInfo("Pacific/Kiritimati")
    )
