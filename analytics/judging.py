"""What a report is made of, read from the files of the others. What cannot be read is named and done without."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from zoneinfo import ZoneInfo

from ai.model_store import read_model
from ai.replay import replayed
from ai.serving import Model, settings_of
from ai.training_log import read_log
from analytics.bad_rows import Quarantine
from analytics.recorder import Recorder
from analytics.report import Material, report
from contract.book.daily import BookKind, DailyBook
from contract.book.reader import HistoryReader, Refused
from contract.daemon import Context
from contract.equity_curve import equity_of_day
from contract.errors import TillerError
from contract.files import read_record
from contract.rows import Attribution
from contract.schema.judgement import Report, Trust, parse_trust
from contract.schema.model import TrainingLog

Found = TypeVar("Found")


class Judging:
    """The book with its bad rows, and the report whenever it is asked for.

    writes: whether bad rows are put into quarantine: only the tracker that runs may do that.
    """

    def __init__(self, context: Context, *, writes: bool = True) -> None:
        self.troubles: tuple[str, ...] = ()
        """What could not be read for the last report, and what that left out."""
        self._writes = writes
        self._refused: tuple[Refused, ...] = ()
        """Not in quarantine yet: a disk can be full."""
        self._quarantine = Quarantine(context.system, context.root)
        self._open(context)

    def read(self, context: Context) -> DailyBook:
        """The book as it stands now; what is found to be no row goes into quarantine."""
        config = context.config
        if (config.account, config.attribution) != self._read_by:
            self._open(context)
        update = self._reader.poll()
        self._bad_rows += update.bad
        self._refused += update.bad_rows if self._writes else ()
        if added := self._quarantine.add(self._refused):
            context.log.warning("rows that cannot be read", bad=self._bad_rows, new_in_quarantine=added)
        self._refused = ()
        return self._reader.daily(config.account.initial_equity)

    def judge(self, context: Context, book: DailyBook, recorder: Recorder) -> Report:
        troubles: list[str] = []
        config, system, root = context.config, context.system, context.root

        def unless_in_trouble(read: Callable[[], Found], lacking: str) -> Found | None:
            try:
                return read()
            except TillerError as error:
                troubles.append(f"{lacking}: {error}")
                return None

        if book.kind is BookKind.TRADES:
            zone = ZoneInfo(config.account.day_zone)
            curve = unless_in_trouble(lambda: equity_of_day(system, root, zone), "no equity curve")
            book = self._reader.daily(config.account.initial_equity, curve)
        trust: Trust | None = unless_in_trouble(lambda: read_record(system, root.trust, parse_trust), "no trust")
        log = unless_in_trouble(lambda: read_log(system, root), "no training log") or TrainingLog()
        stored = unless_in_trouble(lambda: read_model(system, root), "no model")
        serving = settings_of(config, Model(stored.policy, stored.manifest)) if stored else None
        if self._quarantine.is_full:
            troubles.append("the quarantine is full: further bad rows are counted, not kept")
        self.troubles = tuple(troubles)
        return report(
            Material(
                now=system.now(),
                config=config,
                book=book,
                live=recorder.live,
                trust=trust,
                log=log,
                manifest=stored.manifest if stored else None,
                replayed=replayed(book, serving) if serving and len(book.dates) > 1 else None,
                quarantined=self._quarantine.last(),
                bad_rows=self._bad_rows,
                troubles=(*troubles, *filter(None, (recorder.trouble,))),
            )
        )

    def _open(self, context: Context) -> None:
        """Read all from the beginning, by the settings in force."""
        account, attribution = context.config.account, context.config.attribution
        self._read_by = account, attribution
        self._bad_rows = 0
        strategy_of_symbol = Attribution(attribution.strategy_of_symbol)
        self._reader = HistoryReader(context.system, context.root, strategy_of_symbol, ZoneInfo(account.day_zone))
