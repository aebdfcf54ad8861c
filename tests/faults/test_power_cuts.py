"""The two write paths on a real file system whose power is cut: ext4 and XFS in a file, shut down as root."""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.counts import trials
from support.figures import POWER_CUT, Record
from support.writers import Writers, is_whole, line, version_of

LONGEST_LIFE = 40  # words of the writer
SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_JOURNAL = (2).to_bytes(4, "little")
MAKE = {"ext4": (("mkfs.ext4", "-q", "-F"), 64 << 20), "XFS": (("mkfs.xfs", "-q", "-f"), 320 << 20)}
"""How each is made, and how large: XFS is never small."""


class PowerSwitch:
    """A disk in a file. What its file system has not written when it is shut down is gone."""

    def __init__(self, place: Path, kind: str) -> None:
        self._image, self.place = place / "image", place / "disk"
        self.place.mkdir()
        make, size = MAKE[kind]
        with self._image.open("wb") as image:
            image.truncate(size)
        run(*make, str(self._image))

    @contextmanager
    def on(self) -> Iterator[None]:
        run("mount", "-o", "loop", str(self._image), str(self.place))
        try:
            yield
        finally:
            run("umount", str(self.place))

    def cut(self) -> None:
        directory = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, WITHOUT_FLUSHING_THE_JOURNAL)
        finally:
            os.close(directory)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(params=MAKE)
def file_system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def switch(file_system: str, tmp_path: Path) -> PowerSwitch:
    if os.geteuid():
        pytest.skip("only root can mount")
    try:
        switch = PowerSwitch(tmp_path, file_system)
        with switch.on():
            return switch
    except FileNotFoundError as error:
        pytest.skip(f"{error.filename} is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk can be made here: {error.stderr.strip()}")


def cuts(kind: str, switch: PowerSwitch, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """After each power cut: the last version that was said to be written before it, and what the file holds.

    What is said later does not count: an fsync that is under way when they are shut down can return without an error
    and without effect, which no machine without power does.
    """
    path, chance = switch.place / kind, random.Random(seed)
    with Writers() as writers:
        for _ in range(count):
            with switch.on():
                writer = writers.start(kind, path)
                for _ in range(chance.randrange(LONGEST_LIFE)):
                    writer.listen()
                said = writer.said
                switch.cut()
                writer.kill()
            with switch.on():
                yield said, path.read_bytes() if path.exists() else b""


def publications(kind: str, switch: PowerSwitch, count: int, seed: int) -> Counter[str]:
    found_wrong = Counter(torn=0, empty=0, lost=0)
    for said, found in cuts(kind, switch, count, seed):
        found_wrong["torn"] += bool(found) and not is_whole(found)
        found_wrong["empty"] += not found
        found_wrong["lost"] += is_whole(found) and version_of(found) < said
    return found_wrong


@trials(2, 100)
def test_a_publication_outlives_power_cuts(
    trials: int, switch: PowerSwitch, file_system: str, seed: int, record: Record
) -> None:
    found = publications("publish", switch, trials, seed)
    record(POWER_CUT, f"{file_system}, publications", trials, found)
    assert found.total() == 0


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_careless_writer_does_not(switch: PowerSwitch, seed: int) -> None:
    assert publications("overwrite", switch, 40, seed).total() > 0


@trials(2, 100)
def test_appended_lines_outlive_power_cuts(
    trials: int, switch: PowerSwitch, file_system: str, seed: int, record: Record
) -> None:
    found_wrong = Counter(wrong=0, lost=0)
    for said, found in cuts("append", switch, trials, seed):
        whole = found.decode().split("\n")[:-1]
        found_wrong["wrong"] += whole != [line(number) for number in range(1, len(whole) + 1)]
        found_wrong["lost"] += len(whole) < said
    record(POWER_CUT, f"{file_system}, appended lines", trials, found_wrong)
    assert found_wrong.total() == 0
