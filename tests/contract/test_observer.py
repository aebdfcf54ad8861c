import math
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.only_on_linux import only_on_linux
from watchdog.events import FileSystemEvent, FileSystemEventHandler

from contract import watch
from contract.observer import DirectoryWatch
from contract.system import OperatingSystem, Watch
from contract.watch import changes


class Remembering(OperatingSystem):
    """Keeps the watches that it made."""

    def __init__(self) -> None:
        super().__init__()
        self.watches: list[Watch] = []

    def watch(self, directory: Path, wake: Callable[[], None]) -> Watch:
        watch = super().watch(directory, wake)
        self.watches.append(watch)
        return watch


class Follower:
    """A consumer of `changes` in a thread of its own, with real events and the real clock."""

    def __init__(self, *paths: Path) -> None:
        self.system = Remembering()
        self.wake = threading.Event()
        self.stop = threading.Event()
        self.seen: queue.Queue[frozenset[Path]] = queue.Queue()
        found = changes(self.system, paths, self.wake, self.stop, lambda: math.inf)
        self.thread = threading.Thread(target=self._follow, args=(found,))
        self.thread.start()
        assert self.seen.get(timeout=10) == {path for path in paths if path.exists()}

    def _follow(self, found: Iterator[frozenset[Path]]) -> None:
        for changed in found:
            self.seen.put(changed)

    def sees(self, path: Path) -> bool:
        """Much sooner than the rescan would."""
        while path not in self.seen.get(timeout=10):
            pass
        return True

    def end(self) -> None:
        self.stop.set()
        self.wake.set()
        self.thread.join(timeout=10)
        assert not self.thread.is_alive()


@pytest.fixture
def follow() -> Iterator[Callable[..., Follower]]:
    followers: list[Follower] = []

    def begin(*paths: Path) -> Follower:
        followers.append(Follower(*paths))
        return followers[-1]

    yield begin
    for follower in followers:
        follower.end()


def replace(path: Path) -> None:
    path.with_name("new").write_text("22")
    path.with_name("new").replace(path)


def move_in(path: Path) -> None:
    elsewhere = path.parent.parent / "new"
    elsewhere.write_text("22")
    elsewhere.rename(path)


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("2")


def write_in_place(path: Path) -> None:
    path.write_text("22")


def truncate(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("change", [replace, move_in, append, write_in_place, truncate, Path.unlink])
def test_real_events_tell_of_a_change_at_once(
    tmp_path: Path, follow: Callable[..., Follower], change: Callable[[Path], None]
) -> None:
    path = tmp_path / "data" / "a"
    path.parent.mkdir()
    path.write_text("1")
    follower = follow(path)
    change(path)
    assert follower.sees(path)


def test_real_events_tell_of_a_creation_at_once(tmp_path: Path, follow: Callable[..., Follower]) -> None:
    follower = follow(tmp_path / "a")
    (tmp_path / "a").write_text("1")
    assert follower.sees(tmp_path / "a")


def test_real_events_come_through_a_symbolic_link_to_a_directory(
    tmp_path: Path, follow: Callable[..., Follower]
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    follower = follow(tmp_path / "data" / "a")
    (tmp_path / "disk" / "a").write_text("1")
    assert follower.sees(tmp_path / "data" / "a")


def test_a_directory_may_go_and_come_back_many_times(
    tmp_path: Path, follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RESCAN_S", 0.05)
    monkeypatch.setattr(watch, "POLL_S", 0.02)
    path = tmp_path / "data" / "a"
    follower = follow(path)
    for i in range(5):
        path.parent.mkdir()
        path.write_text("1" * i)
        assert follower.sees(path)
        shutil.rmtree(path.parent)
        assert follower.sees(path)


@pytest.mark.parametrize("victim", ["emitter", "observer"])
def test_a_change_is_seen_though_the_watching_thread_died(
    tmp_path: Path, follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    monkeypatch.setattr(watch, "RESCAN_S", 0.05)
    path = tmp_path / "a"
    follower = follow(path)
    for i in range(5):
        observer = follower.system.watches[-1]._observer  # type: ignore[attr-defined]
        for thread in [observer] if victim == "observer" else list(observer.emitters):
            thread.stop()
            thread.join()
        path.write_text("1" * i)
        assert follower.sees(path)


# The watch itself.


class Ear:
    def __init__(self) -> None:
        self.heard = threading.Event()

    def hears(self) -> bool:
        return self.heard.wait(timeout=10)


def test_a_watch_lives_until_it_is_closed(tmp_path: Path) -> None:
    ear = Ear()
    watch = DirectoryWatch(tmp_path, ear.heard.set)
    assert watch.is_alive()
    (tmp_path / "a").write_text("1")
    assert ear.hears()
    watch.close()
    assert not watch.is_alive()


def test_a_watch_knows_that_its_directory_went(tmp_path: Path) -> None:
    ear = Ear()
    (tmp_path / "data").mkdir()
    watch = DirectoryWatch(tmp_path / "data", ear.heard.set)
    (tmp_path / "data").rmdir()
    assert ear.hears()
    for emitter in list(watch._observer.emitters):
        emitter.join(timeout=10)
    assert not watch.is_alive()
    watch.close()


class Recorder(FileSystemEventHandler):
    def __init__(self) -> None:
        self.kinds: queue.Queue[str] = queue.Queue()

    def on_any_event(self, event: FileSystemEvent) -> None:
        self.kinds.put(event.event_type)


def let_pass(watch: DirectoryWatch, act: Callable[[], object], fence: Path) -> None:
    """Act, and return when all its events have been handled: those of another kind, later, have arrived."""
    recorder = Recorder()
    (observed,) = watch._observer._watches
    watch._observer.add_handler_for_watch(recorder, observed)
    act()
    fence.chmod(0o600)
    while recorder.kinds.get(timeout=10) != "attrib":
        pass


def test_reading_does_not_wake(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    ear = Ear()
    watch = DirectoryWatch(tmp_path, ear.heard.set)
    let_pass(watch, (tmp_path / "a").read_text, fence=tmp_path / "a")
    assert not ear.heard.is_set()
    watch.close()


def test_below_the_directory_nothing_is_watched(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    ear = Ear()
    watch = DirectoryWatch(tmp_path, ear.heard.set)
    let_pass(watch, (tmp_path / "deep" / "a").touch, fence=tmp_path / "deep")
    assert not ear.heard.is_set()
    watch.close()


@only_on_linux
def test_what_cannot_be_watched_leaves_nothing_behind(tmp_path: Path) -> None:
    def left_behind() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    before = left_behind()
    for _ in range(5):
        with pytest.raises(OSError):
            DirectoryWatch(tmp_path / "missing", Ear().heard.set)
    assert left_behind() == before
