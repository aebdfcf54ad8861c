"""The two write paths on a real file system whose power is cut: ext4 in a file, shut down as root."""

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
from support.figures import Tell, table
from support.writers import Writers, is_whole, line, version_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

CUTS = 100
LONGEST_LIFE = 40  # words of the writer
SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_JOURNAL = (2).to_bytes(4, "little")


class PowerSwitch:
    """A disk in a file. What its file system has not written when it is shut down is gone."""

    def __init__(self, place: Path) -> None:
        self._image, self.place = place / "image", place / "disk"
        self.place.mkdir()
        with self._image.open("wb") as image:
            image.truncate(64 << 20)
        run("mkfs.ext4", "-q", "-F", str(self._image))

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


@pytest.fixture
def switch(tmp_path: Path) -> PowerSwitch:
    try:
        switch = PowerSwitch(tmp_path)
        with switch.on():
            return switch
    except FileNotFoundError as error:
        pytest.skip(f"{error.filename} is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk can be made here: {error.stderr.strip()}")


def cuts(kind: str, switch: PowerSwitch, seed: int) -> Iterator[tuple[int, bytes]]:
    """After each power cut: the last version that was said to be written before it, and what the file holds.

    What is said later does not count: an fsync that is under way when ext4 is shut down can return without an error
    and without effect, which no machine without power does.
    """
    path, chance = switch.place / kind, random.Random(seed)
    with Writers() as writers:
        for _ in range(CUTS):
            with switch.on():
                writer = writers.start(kind, path)
                for _ in range(chance.randrange(LONGEST_LIFE)):
                    writer.listen()
                said = writer.said
                switch.cut()
                writer.kill()
            with switch.on():
                yield said, path.read_bytes() if path.exists() else b""


def publications(kind: str, switch: PowerSwitch, seed: int) -> Counter[str]:
    count = Counter(cuts=0, torn=0, empty=0, lost=0)
    for said, found in cuts(kind, switch, seed):
        count["cuts"] += 1
        count["torn"] += bool(found) and not is_whole(found)
        count["empty"] += not found
        count["lost"] += is_whole(found) and version_of(found) < said
    return count


def test_a_publication_outlives_power_cuts(switch: PowerSwitch, seed: int, tell: Tell) -> None:
    count = publications("publish", switch, seed)
    careless = publications("overwrite", switch, seed)
    tell(table("publications, power cuts on ext4", {"publish": count, "overwritten in place": careless}))
    assert count["torn"] == count["empty"] == count["lost"] == 0
    assert careless["torn"] + careless["empty"] + careless["lost"] > 0


def test_appended_lines_outlive_power_cuts(switch: PowerSwitch, seed: int, tell: Tell) -> None:
    count = Counter(cuts=0, lines=0, wrong=0, lost=0)
    for said, found in cuts("append", switch, seed):
        whole = found.decode().split("\n")[:-1]
        count["cuts"] += 1
        count["wrong"] += whole != [line(number) for number in range(1, len(whole) + 1)]
        count["lost"] += len(whole) < said
        count["lines"] = len(whole)
    tell(table("append_line, power cuts on ext4", {"": count}))
    assert count["wrong"] == count["lost"] == 0
