"""The guard at the bridge: the breaker fed with the rows of the history, the file that halts, the request to resume.

What it knows is saved together with how far it has read, so that a restart neither forgets a trip nor counts a row
twice. Events are recorded before that: a crash between the two can record one twice, and never loses one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from agents.bridge_rows import Rows
from contract.daemon import Context, settle_record
from contract.errors import BadInput, TillerError, one_line
from contract.files import append_line, publish, read_bytes, read_record
from contract.rows import Attribution, Trade
from contract.schema.fields import format_time
from contract.schema.names import Root
from contract.schema.risk import (
    Account,
    Breaker,
    RiskEvent,
    RiskState,
    Trip,
    encode_risk_event,
    encode_risk_state,
    parse_resume_request,
    parse_risk_state,
)
from contract.schema.weights import Risk
from contract.system import System
from contract.tail import Position, Turn
from trading.risk import Row, check, cooldown_left_s, halt, met, observe, open_account, rebased, resume, verdict

READING_S = 0.5
"""So long a run reads at most: a bridge that meets millions of rows goes on telling the bot."""
ROWS_BETWEEN_LOOKS = 256  # at the clock
_HALT_SHOWN = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)


class Guard:
    """`look` is called once in each run of the bridge; `breaker` is what came of it."""

    def __init__(self, context: Context) -> None:
        system, root, now = context.system, context.root, context.system.now()
        fresh = open_account(context.config.account.initial_equity)
        position = None
        settle_record(context, root.risk_events)
        try:
            state = read_record(system, root.risk_state, parse_risk_state) or RiskState(Breaker(fresh), None)
            position = Position.from_dict(state.position) if state.position else None
        except BadInput as error:  # it may have held a trip, so it counts as one
            reason = f"what the breaker knew is lost: {error}"
            context.log.error("halted", reason=reason)
            state = RiskState(Breaker(fresh, Trip("risk_state", 1.0, 1.0, reason, now)), None)
        self.breaker = state.breaker
        self.trouble = ""
        self.reading = False
        """Whether there is more of the history to be read."""
        self._rows = Rows(system, root.pnl_history, ("equity",), position, state.ids)
        self._unread: Iterator[Trade | Turn] = iter(())
        self._quiet = state.breaker.account.meeting
        self._events: list[RiskEvent] = []
        self._saved = b""
        self._trip_seen_s = system.monotonic()

    def look(self, context: Context) -> Risk:
        """Read what is new and judge it; what cannot be read or saved is told in `trouble`.

        A history in the midst of being met says nothing: only a trip of before, or runtime/HALT, do.
        """
        troubles = []
        for step in (self._look_for_halt, self._read, self._resume, self._save):
            try:
                step(context)
            except TillerError as error:
                troubles.append(str(error))
        self.trouble = "; ".join(troubles)
        judged = replace(self.breaker, account=rebased(self.breaker.account)) if self._quiet else self.breaker
        return verdict(judged, context.config.risk)

    def _look_for_halt(self, context: Context) -> None:
        text = _halt_text(context.system, context.root)
        self.breaker, events = halt(self.breaker, text, context.system.now())
        self._record(context, events)

    def _read(self, context: Context) -> None:
        if not self.reading:
            self._unread = self._rows.new(Attribution(context.config.attribution.strategy_of_symbol))
        self.reading = False
        try:
            self.reading = self._follow(context)
        finally:
            if not self.reading:
                self._judge(context)

    def _follow(self, context: Context) -> bool:
        """Enter new rows into the account for a while; whether there are more.

        A history that is met is read until nothing more comes: a rotation can end one reading before that.
        """
        until_s = context.system.monotonic() + READING_S
        while True:
            entered, more = self._enter(context, until_s)
            if more:
                return True
            if not (self._quiet and entered):
                break
            self._unread = self._rows.new(Attribution(context.config.attribution.strategy_of_symbol))
        if self._quiet:
            self._quiet = False
            self.breaker = replace(self.breaker, account=met(self.breaker.account))
        return False

    def _enter(self, context: Context, until_s: float) -> tuple[int, bool]:
        """How many items were entered until there was none left or time was up, and whether it was."""
        config, now_s = context.config.account, context.system.monotonic
        account, zone, entered = self.breaker.account, ZoneInfo(config.day_zone), 0
        try:
            for entered, item in enumerate(self._unread, start=1):
                if item is Turn.REWRITTEN:
                    account = open_account(config.initial_equity, account.since_us, meeting=account.meeting)
                    self._quiet = True
                elif isinstance(item, Trade):
                    if not self._quiet and account.time_us is not None and item.time > account.time_us:
                        self.breaker = replace(self.breaker, account=account)
                        account = self._judge(context)
                    account = observe(account, Row(item.time, account_day(item.time, zone), item.pnl, item.equity))
                if entered % ROWS_BETWEEN_LOOKS == 0 and now_s() > until_s and not context.options.once:
                    return entered, True
        finally:
            self.breaker = replace(self.breaker, account=account)
        return entered, False

    def _judge(self, context: Context) -> Account:
        if not self._quiet:
            trip = self.breaker.trip
            self.breaker, events = check(self.breaker, context.config.risk, context.system.now())
            self._record(context, events)
            if self.breaker.trip is not trip:
                self._trip_seen_s = context.system.monotonic()
        return self.breaker.account

    def _resume(self, context: Context) -> None:
        system, root, limits = context.system, context.root, context.config.risk
        request = read_record(system, root.resume, parse_resume_request)
        trip = self.breaker.trip
        if trip is None or self.reading:
            if request and not self.reading:
                context.log.warning("nothing to resume", reason=request.reason)
                _remove(system, root)
            return
        left_s = cooldown_left_s(trip, limits, system.now())
        left_s = min(left_s, limits.cooldown_s - (system.monotonic() - self._trip_seen_s))  # whatever the clock did
        if left_s > 0:
            if request:
                at = format_time((system.now() + timedelta(seconds=left_s)).replace(microsecond=0))
                context.log.debug("resume waits for the end of the cooldown", at=at)
            return
        if request or limits.auto_resume:
            reason = request.reason if request else f"by itself, {limits.cooldown_s:g} s after the trip"
            self.breaker, events = resume(self.breaker, reason, system.now())
            self._record(context, events)
        if request:
            self._save(context)  # before the request goes
            _remove(system, root)

    def _record(self, context: Context, events: tuple[RiskEvent, ...]) -> None:
        for event in events:
            context.log.warning(event.kind, rule=event.rule, reason=event.reason)
        self._events += events

    def _save(self, context: Context) -> None:
        """Only where all that was read is in the account: between two rows no position says how far that is.

        Nor where reading a rewritten history afresh broke off: what is left of it must not be taken for news.
        """
        if self.reading or (self._quiet and not self.breaker.account.meeting):
            return
        position = self._rows.position
        state = RiskState(self.breaker, position.as_dict() if position else None, self._rows.ids)
        content = encode_risk_state(state)
        if content == self._saved:
            return
        append_line(context.system, context.root.risk_events, *map(encode_risk_event, self._events))
        self._events.clear()
        publish(context.system, context.root.risk_state, content)
        self._saved = content


def account_day(time_us: int, zone: tzinfo) -> int:
    """The calendar day of the account's zone, counted since 1970-01-01."""
    offset = zone.utcoffset(None)
    if offset is None:  # it changes with the day
        with suppress(OverflowError):  # at the ends of the calendar, where no zone can be applied
            return (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone).toordinal() - _EPOCH.toordinal()
    return (time_us + (offset or timedelta()) // _MICROSECOND) // _DAY_US


def _halt_text(system: System, root: Root) -> str | None:
    """The first line of runtime/HALT, which halts whatever it is: a directory, a link to nowhere, unreadable."""
    try:
        system.list(root.runtime).index(root.halt.name)
    except (ValueError, FileNotFoundError):
        return None
    except OSError as error:
        return f"nobody can tell whether it exists: {error.strerror}"
    content = b""
    with suppress(TillerError):
        content = read_bytes(system, root.halt) or b""
    lines = content.decode(errors="replace").splitlines()
    return one_line(lines[0][:_HALT_SHOWN]) if lines else ""


def _remove(system: System, root: Root) -> None:
    with suppress(OSError):  # it is there again in the next run, and there is nothing to resume then
        system.unlink(root.resume)
