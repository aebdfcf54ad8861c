"""A run of the table of faults: it keeps what each test found, goes on where it was interrupted, shows the table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.table import put
from support.figures import Figure, fault_table, what_is_missing

MARK = "the table of faults"
"""Between this and its end it stands in the document."""


class Kept(NamedTuple):
    """What a test that passed has found."""

    test: str
    seed: int
    figures: list[Figure]

    @classmethod
    def of(cls, report: pytest.TestReport, seed: int) -> Kept:
        properties: Sequence[tuple[str, Any]] = report.user_properties
        return cls(report.nodeid, seed, [Figure(**value) for name, value in properties if name == "figure"])

    @classmethod
    def from_line(cls, line: str) -> Kept:
        test, seed, figures = json.loads(line)
        return cls(test, seed, [Figure(**figure) for figure in figures])

    def line(self) -> str:
        return json.dumps([self.test, self.seed, [figure.as_dict() for figure in self.figures]]) + "\n"


class FaultRun:
    """The plugin of pytest that is in force when the table is asked for.

    Tests may be spread over processes: each leaves out what is in the file already, one of them writes it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._seed = int(config.getoption("--seed"))
        self._file: Path | None = config.getoption("--keep-faults")
        self._document: Path | None = config.getoption("--write-fault-table")
        self._tells = not hasattr(config, "workerinput")
        self._kept = list(self._read())
        self._skipped = set[str]()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        done = {kept.test for kept in self._kept}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in done])
        items[:] = [item for item in items if item.nodeid not in done]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self._skipped.add(f"{report.nodeid}: {report.longrepr[2]}")
        if not self._tells or report.when != "call" or report.skipped:
            return
        kept = Kept.of(report, self._seed)
        self._kept.append(kept)
        if report.passed and self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(kept.line())

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """That all has passed before is no failure."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._kept:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        figures, skipped = [figure for kept in self._kept for figure in kept.figures], sorted(self._skipped)
        made = fault_table(figures, skipped)
        terminalreporter.write_line(f"\n{made}")
        if self._document is not None:
            ended_well = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
            missing = what_is_missing(figures, skipped) if ended_well else "a test failed"
            content = f"\nNOT WHOLE, {missing}\n\n{made}\n" if missing else f"\n{made}\n"
            text = put(self._document.read_text(encoding="utf-8"), MARK, content)
            self._document.write_text(text, encoding="utf-8")
            terminalreporter.write_line(f"{self._document} renewed{f', not whole: {missing}' if missing else ''}")

    def _read(self) -> Iterator[Kept]:
        """What was found before, with this seed."""
        if self._file is not None and self._file.exists():
            found = map(Kept.from_line, self._file.read_text(encoding="utf-8").splitlines())
            yield from (kept for kept in found if kept.seed == self._seed)


def wanted(config: pytest.Config) -> bool:
    options = "--fault-table", "--keep-faults", "--write-fault-table"
    return any(config.getoption(option) for option in options)
