"""Random histories of a CSV that a bot, logrotate, scripts and an operator maltreat while a reader follows it.

Every history is played on real files and on a model of them. The oracle reads the model and follows the rewrite rule
with everything it has ever read at hand, so it needs no anchors, blocks or offsets. In histories where nothing is
destroyed, a second and simpler oracle holds as well: every row that the bot completed, in the order of writing.

A failure names its seed; `--seed n` plays the histories from that one on.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.counts import trials
from support.csv_world import LONGEST_LINE, Content, World, alike, shown
from support.figures import CSV_HISTORY, Record, Tell

import contract.tail
from contract.system import OperatingSystem, Stat, System
from contract.tail import Chunk, Position, Tail, Turn

BLOCK_BYTES = (700, 4_096)

Row = tuple[bytes, bytes]  # the header that it is read under, and the line


@dataclass
class Known:
    """What the oracle knows after a poll."""

    book: list[Row] = field(default_factory=list)
    start: bytes = b""
    header: bytes = b""
    read: bytes | None = None  # all rows read of the file that it stands in
    over: list[bytes] | None = None  # how the siblings began when that file was found to be over

    def copy(self) -> Known:
        return replace(self, book=list(self.book))

    def poll(self, live: Content | None, siblings: list[Content]) -> Turn | None:
        """Take what there is by the rewrite rule; says whether it was needed, or kept the book of an emptied file."""
        told: Turn | None = None
        if live is not None and self._stands_in(live):
            self.over = None
            self._take(live)
            return None
        files = [*siblings, *([live] if live else [])]
        chain: list[Content] = []
        for file in reversed(files):
            if file.opening() and not any(alike(file.opening(), newer.opening()) for newer in chain):
                chain.insert(0, file)
        openings = [file.opening() for file in siblings if file.opening()]
        place = next((index for index in reversed(range(len(chain))) if self._stands_in(chain[index])), None)
        following = chain
        if self.read is not None and place is not None:
            self._take(chain[place])
            following = chain[place + 1 :]
        elif self.read is not None:
            if live is None:
                return None
            if self.over is not None and not (live.opening() and self._was_read(live)):
                following = [file for file in chain if not self._was_read(file)]
            elif live.opening():
                told = Turn.REWRITTEN
                self.book.clear()
            else:
                self.over = openings
                return Turn.TRUNCATED
        for file in following:
            self.over = None
            self.start, self.header, self.read = file.start, self._header_of(file, files), b""
            self._take(file)
        if self.read is not None and live is not None and not live.opening() and self.over is None:
            self.over = openings
        return told

    def _was_read(self, file: Content) -> bool:
        assert self.read is not None and self.over is not None
        return file.opening() in self.over or alike(file.opening(), self.read[:1024])

    def _header_of(self, wanted: Content, files: list[Content]) -> bytes:
        header = self.header
        for file in files:
            header = file.header or header
            if file is wanted:
                break
        return header

    def _stands_in(self, file: Content) -> bool:
        return self.read is not None and self.start == file.start and file.rows.startswith(self.read)

    def _take(self, file: Content) -> None:
        assert self.read is not None
        new = file.rows[len(self.read) :]
        if self.read and not self.read.endswith(b"\n"):  # amid an endless line, which is in the book already
            end = new.find(b"\n") + 1 or len(new)
            self.read, new = self.read + new[:end], new[end:]
        *lines, rest = new.split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines.append(rest)
        else:
            new = new[: len(new) - len(rest)]
        self.read += new
        self.book += [(self.header, shown(line)) for line in lines]


class Reader:
    """A process with a tail: keeps its rows and position together, dies, and starts again from what it kept."""

    def __init__(self, path: Path, system: System | None = None) -> None:
        self.path = path
        self.system = system or OperatingSystem()
        self.kept = json.dumps(None)
        self.kept_book: list[Row] = []
        self.restart()

    def restart(self) -> None:
        position = json.loads(self.kept)
        self.tail = Tail(self.system, self.path, Position.from_dict(position) if position else None)
        self.book = list(self.kept_book)

    def keep(self) -> None:
        self.kept = json.dumps(self.tail.position.as_dict() if self.tail.position else None)
        self.kept_book = list(self.book)
        self.kept_lately = True

    def poll(self, items: int | None = None, keep_after: int | None = None) -> Counter[Turn]:
        """Drain, or die over an item; `keep_after` items what it has is kept."""
        turns: Counter[Turn] = Counter()
        self.kept_lately = False
        for number, item in enumerate(self.tail.poll()):
            if number == keep_after and self.tail.position:  # else there is nothing to keep
                self.keep()
            if number == items:
                break
            if isinstance(item, Chunk):
                assert item.data.endswith(b"\n")
                self.book += [(item.header, shown(line)) for line in item.data.split(b"\n")[:-1]]
            else:
                turns[item] += 1
                if item is Turn.REWRITTEN:
                    self.book.clear()
        return turns


@dataclass
class Figures:
    histories: int = 0
    operations: int = 0
    polls: int = 0
    crashes: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    turns: Counter[Turn] = field(default_factory=Counter)


def play(directory: Path, seed: int, figures: Figures) -> None:
    chance = random.Random(seed)
    world = World(directory, chance, destroys=chance.random() < 0.6)
    reader, oracle = Reader(world.path), Known()
    kept = oracle.copy()
    for _ in range(chance.randrange(3, 15)):
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            world.change()
            figures.operations += 1
        fate = chance.choice(("no poll", "dies", "dies having kept", "polls", "keeps", "keeps", "restarts"))
        if fate == "no poll":
            continue
        if fate.startswith("dies"):
            items = chance.randrange(5)
            reader.poll(items=items, keep_after=chance.randrange(items + 1) if fate != "dies" else None)
            reader.restart()
            figures.crashes += 1
            if not reader.kept_lately:
                oracle = kept.copy()
                continue  # and more happens to the file before it is read again
        poll_both(world, reader, oracle, figures, started_amid=fate.startswith("dies"))
        if fate != "polls":
            reader.keep()
            kept = oracle.copy()
        if fate == "restarts":
            reader.restart()
    world.append()
    poll_both(world, reader, oracle, figures)
    if not world.destroys:
        assert [line for _, line in reader.book] == world.written
    world.assert_model_holds()
    figures.histories += 1
    figures.rows += len(reader.book)


def poll_both(world: World, reader: Reader, oracle: Known, figures: Figures, *, started_amid: bool = False) -> None:
    turns = reader.poll()
    figures.polls += 1
    figures.turns += turns
    told = oracle.poll(world.live, list(world.siblings.values()))
    if not started_amid:
        assert [turn for turn in turns if turn in (Turn.REWRITTEN, Turn.TRUNCATED)] == ([told] if told else [])
    if reader.book == oracle.book:
        return
    has, should = Counter(reader.book), Counter(oracle.book)
    figures.lost += (should - has).total()
    figures.doubled += sum(count for row, count in (has - should).items() if row in should)
    figures.invented += sum(count for row, count in (has - should).items() if row not in should)
    raise AssertionError(f"the reader has {len(reader.book)} rows, the oracle {len(oracle.book)}")


class Disturbed(OperatingSystem):
    """The files change between any two calls of a poll, too."""

    def __init__(self, world: World, chance: random.Random) -> None:
        super().__init__()
        self._world = world
        self._chance = chance
        self.changes = 0
        self.rests = False

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        self._disturb()
        return super().open(path, flags, mode)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self._disturb()
        data = super().pread(descriptor, size, offset)
        return data[: self._chance.randrange(1, len(data) + 1)] if data else data  # short, as a signal makes it

    def stat(self, path: Path) -> Stat:
        self._disturb()
        return super().stat(path)

    def list(self, directory: Path) -> list[str]:
        names = super().list(directory)
        self._disturb()
        return names

    def _disturb(self) -> None:
        if not self.rests and self._chance.random() < 0.1:
            self._world.change()
            self.changes += 1


@contextmanager
def history(tmp_path: Path, seed: int, figures: object = "") -> Iterator[Path]:
    directory = tmp_path / str(seed)
    directory.mkdir()
    try:
        yield directory
    except Exception as error:
        error.add_note(f"history of --seed {seed}; {figures}")
        raise
    shutil.rmtree(directory)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    monkeypatch.setattr(contract.tail, "LONGEST_LINE", LONGEST_LINE)
    yield lambda size: monkeypatch.setattr(contract.tail, "BLOCK", size)


@trials(200, 3_000)
def test_no_row_is_lost_doubled_or_invented(
    trials: int, tmp_path: Path, small_blocks: Callable[[int], None], tell: Tell, seed: int, record: Record
) -> None:
    figures = Figures()
    try:
        for each in range(seed, seed + trials):
            small_blocks(BLOCK_BYTES[each % 2])
            with history(tmp_path, each, figures) as directory:
                play(directory, each, figures)
    finally:
        found = {"lost": figures.lost, "doubled": figures.doubled, "invented": figures.invented}
        record(CSV_HISTORY, f"between polls, {figures.rows:,} rows", figures.histories, found)
    turns = ", ".join(f"{turn} {count:,}" for turn, count in sorted(figures.turns.items()))
    tell(
        f"\nCSV histories {figures.histories:,}: {figures.operations:,} operations, {figures.polls:,} polls,"
        f" {figures.crashes:,} crashes, {figures.rows:,} rows; {turns}"
    )


@trials(20, 300)
def test_rows_survive_changes_amid_a_poll(
    trials: int, tmp_path: Path, small_blocks: Callable[[int], None], seed: int, record: Record
) -> None:
    changes = rows = wrong = 0
    for each in range(seed, seed + trials):
        small_blocks(BLOCK_BYTES[each % 2])
        with history(tmp_path, each) as directory:
            chance = random.Random(each)
            world = World(directory, chance, destroys=False)
            disturbed = Disturbed(world, chance)
            reader = Reader(world.path, disturbed)
            for _ in range(10):
                reader.poll()
                if chance.random() < 0.5:
                    reader.keep()
                    reader.restart()
            world.append()
            disturbed.rests = True
            reader.poll()
            changes, rows = changes + disturbed.changes, rows + len(reader.book)
            if [line for _, line in reader.book] != world.written:
                wrong += 1
                break
    record(CSV_HISTORY, f"amid polls, {changes:,} changes, {rows:,} rows", trials, {"wrong books": wrong}, asked=300)
    assert wrong == 0, f"--seed {each}"
