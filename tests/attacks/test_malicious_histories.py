"""A history that somebody has made to do harm: every reader of it stays small, counts what is wrong, and says so."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.figures import Record

from ai.model_store import history, publish_model
from ai.policy import checkpoint_of, untrained
from analytics.rl_performance import entry as tracker
from attacks.checkpoints import NOW
from attacks.confined import enter, read_all, what_is_wrong
from attacks.csvs import HEADER, HISTORIES, ROW, read_into_the_book, write
from attacks.names import FORMULAS, HOSTILE
from contract import journal
from contract.daemon import DONE
from contract.schema.names import QUARANTINE_HEADER, Root
from contract.system import OperatingSystem


@pytest.mark.figures
@pytest.mark.timeout(300)
def test_every_reader_stays_small_and_counts_alike(tmp_path: Path, record: Record) -> None:
    outcomes = read_all("csvs", tmp_path)
    enter(record, "histories, by three readers", outcomes, tmp_path)
    assert not what_is_wrong(outcomes, tmp_path)
    assert len(outcomes) == 3 * len(HISTORIES)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_gibibyte_in_one_line_is_one_bad_row(tmp_path: Path) -> None:
    (tmp_path / "long").touch()
    outcomes = [one for one in read_all("csvs", tmp_path) if one.name.startswith("one line of 1 GiB:")]
    assert len(outcomes) == 3
    assert not what_is_wrong(outcomes, tmp_path)


@pytest.mark.parametrize("name", ["formulas", "escapes, markup and more"])
def test_what_we_keep_of_it_is_harmless_where_it_is_opened(tmp_path: Path, name: str) -> None:
    """In a spreadsheet of any country, and in a terminal."""
    root = Root(tmp_path)
    write(root, HISTORIES[name])
    assert tracker(["--track", "--root", str(tmp_path)]) == DONE
    content = root.quarantine.read_text()
    assert all(line.isprintable() for line in content.splitlines())
    _, *lines = content.splitlines()
    assert len(lines) == {"formulas": len(FORMULAS), "escapes, markup and more": len(HOSTILE)}[name]
    for separator in ",;\t":
        for row in csv.reader(lines, delimiter=separator):
            assert separator != "," or len(row) == len(QUARANTINE_HEADER)
            assert not any(cell.strip().startswith(("=", "@", "+", "-", "\uff1d")) for cell in row)


ODD = ("\n", ".1\n", "\n.1", ".1\x1b[2J", ".\uff11", ".1 ", ".1.gz", ".2026-01-05\n", "..")


@pytest.mark.parametrize("suffix", ODD, ids=ascii)
def test_files_of_odd_names_are_nobodys(tmp_path: Path, suffix: str) -> None:
    """Neither rotated histories, nor journals, nor models."""
    root = Root(tmp_path)
    write(root, HISTORIES["zeros among the rows"])
    publish_model(OperatingSystem(), root, checkpoint_of(untrained()), {}, NOW, None)
    root.journals.mkdir()
    for path in (root.pnl_history, root.journal("bridge"), root.generation(7), root.generation_manifest(7)):
        path.with_name(path.name + suffix).write_bytes(HEADER + ROW)
    assert read_into_the_book(root) == (2, 1)
    assert journal.read(OperatingSystem(), root, "bridge") is None
    assert [generation.number for generation in history(OperatingSystem(), root)] == [0, 1]
