import math
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted_waits import ScriptedWaits

from contract.system import OperatingSystem, Stat
from contract.watch import POLL_S, RESCAN_S, changes

# With the script's clock: when it looks, and what it says.


class Watched:
    """`changes` on a scripted clock, with files to change."""

    def __init__(self, directory: Path, *steps: Callable[[], object], names: tuple[str, ...] = ("a", "b")) -> None:
        self.directory = directory
        self.paths = tuple(directory / name for name in names)
        self.wake = threading.Event()
        self.stop = threading.Event()
        self.system = ScriptedWaits(*steps)
        self.pause_s = 1e9
        self.asked = False
        self.polling = False

    def changes(self) -> Iterator[frozenset[str]]:
        found = changes(
            self.system,
            self.paths,
            self.wake,
            self.stop,
            lambda: self.pause_s,
            asked=lambda: self.asked,
            polling=lambda: self.polling,
        )
        return (frozenset(path.name for path in changed) for changed in found)

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def tell(self, name: str, text: str) -> None:
        """A change, and the event that tells of it."""
        self.write(name, text)
        self.system.watches[0].wake()

    def ask(self) -> None:
        self.asked = True
        self.wake.set()

    def end(self) -> None:
        self.stop.set()
        self.wake.set()

    def steps(self, *steps: Callable[[], object]) -> None:
        self.system.steps.extend(steps)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def nothing() -> None:
    pass


def test_everything_that_stands_at_the_start_counts_as_changed(watched: Watched) -> None:
    watched.write("b", "1")
    assert next(watched.changes()) == {"b"}


def test_it_begins_at_once_also_with_nothing_there(watched: Watched) -> None:
    assert next(watched.changes()) == frozenset()
    assert watched.system.waits_s == []


def test_it_ends_without_a_yield_if_stopped_before(watched: Watched) -> None:
    watched.end()
    assert list(watched.changes()) == []


def test_a_pause_that_is_over_yields_an_empty_set(watched: Watched) -> None:
    watched.steps(nothing, nothing, nothing, watched.end)
    watched.pause_s = 70.0
    assert list(watched.changes()) == [frozenset(), frozenset()]
    assert watched.system.waits_s == [RESCAN_S, RESCAN_S, 10.0, RESCAN_S]


def test_the_pause_is_asked_after_each_yield(watched: Watched) -> None:
    watched.steps(nothing, nothing, watched.end)
    found = watched.changes()
    next(found)
    watched.pause_s = 5.0
    next(found)
    watched.pause_s = 7.0
    next(found)
    watched.pause_s = 0.5
    assert list(found) == []
    assert watched.system.waits_s == [5.0, 7.0, 0.5]


def test_a_change_is_seen_when_an_event_wakes(watched: Watched) -> None:
    watched.steps(lambda: watched.tell("a", "1"), watched.end)
    assert list(watched.changes()) == [frozenset(), {"a"}]
    assert watched.system.elapsed_s == 0.0


def test_an_event_without_a_change_yields_nothing(watched: Watched) -> None:
    watched.steps(watched.wake.set, lambda: watched.tell("other", "1"), watched.end)
    assert list(watched.changes()) == [frozenset()]


def test_a_change_without_an_event_is_seen_at_the_rescan(watched: Watched) -> None:
    watched.steps(lambda: watched.write("a", "1"), watched.end)
    assert list(watched.changes()) == [frozenset(), {"a"}]
    assert watched.system.elapsed_s == RESCAN_S <= 30.0


def test_what_changes_while_the_consumer_works_is_seen_next(watched: Watched) -> None:
    watched.steps(watched.end)
    seen = []
    for changed in watched.changes():
        seen.append(changed)
        if len(seen) == 1:
            watched.write("a", "1")
    assert seen == [frozenset(), {"a"}]


def test_many_changes_are_one(watched: Watched) -> None:
    def many() -> None:
        for i in range(20):
            watched.write("a", "1" * i)
            watched.write("b", "2" * i)
            watched.wake.set()

    watched.steps(many, watched.end)
    assert list(watched.changes()) == [frozenset(), {"a", "b"}]


def test_a_deletion_is_a_change_and_so_is_the_return(watched: Watched) -> None:
    watched.write("a", "1")
    watched.steps(watched.paths[0].unlink, lambda: watched.write("a", "1"), watched.end)
    assert list(watched.changes()) == [{"a"}, {"a"}, {"a"}]


@pytest.mark.parametrize("again", ["same size, later", "same size and time, another file"])
def test_size_alone_does_not_decide(watched: Watched, again: str) -> None:
    watched.write("a", "1")
    os.utime(watched.paths[0], ns=(10**18, 10**18))

    def rewrite() -> None:
        if again == "same size, later":
            os.utime(watched.paths[0], ns=(10**18 + 1, 10**18 + 1))
        else:
            watched.write("new", "2")
            os.utime(watched.directory / "new", ns=(10**18, 10**18))
            (watched.directory / "new").replace(watched.paths[0])

    watched.steps(rewrite, watched.end)
    assert list(watched.changes()) == [{"a"}, {"a"}]


def test_what_cannot_be_looked_at_counts_as_missing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.write("a", "1")
    forbidden = False

    def stat(path: Path) -> Stat:
        if forbidden and path.name == "a":
            raise PermissionError(13, "Permission denied")
        return OperatingSystem.stat(watched.system, path)

    def forbid() -> None:
        nonlocal forbidden
        forbidden = True

    monkeypatch.setattr(watched.system, "stat", stat)
    watched.steps(forbid, watched.end)
    assert list(watched.changes()) == [{"a"}, {"a"}]


def test_asking_interrupts_the_pause_until_it_is_answered(watched: Watched) -> None:
    watched.steps(watched.ask, watched.end)
    seen = 0
    for _ in watched.changes():
        seen += 1
        watched.asked = seen == 2  # the second time the answer takes one more round
    assert seen == 3
    assert watched.system.elapsed_s == 0.0


class SetWhileCleared(threading.Event):
    """The worst moment for a signal: when the wake before it has not yet been cleared."""

    def __init__(self, before_clearing: Callable[[], object]) -> None:
        super().__init__()
        self._before_clearing = before_clearing

    def clear(self) -> None:
        self._before_clearing()
        super().clear()


def test_a_stop_in_the_worst_moment_is_not_lost(watched: Watched) -> None:
    watched.wake = SetWhileCleared(watched.end)
    assert list(watched.changes()) == []
    assert watched.system.waits_s == []


def test_a_question_in_the_worst_moment_is_not_lost(watched: Watched) -> None:
    seen: list[frozenset[str]] = []

    def ask() -> None:
        if len(seen) == 1:
            watched.ask()

    watched.wake = SetWhileCleared(ask)
    for changed in watched.changes():
        seen.append(changed)
        watched.asked = False
        if len(seen) == 2:
            watched.end()
    assert len(seen) == 2
    assert watched.system.waits_s == []


# Watches that come, die and fail.


def test_one_watch_for_each_directory_and_all_are_closed(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    watched = Watched(tmp_path, names=("x/a", "x/b", "y/c"))
    watched.steps(watched.end)
    list(watched.changes())
    assert [w.directory.name for w in watched.system.watches] == ["x", "y"]
    assert all(w.closed for w in watched.system.watches)


def test_watches_are_closed_when_the_consumer_breaks_off(watched: Watched) -> None:
    found = changes(watched.system, watched.paths, watched.wake, watched.stop, lambda: 1.0)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert all(w.closed for w in watched.system.watches)


def test_polling_makes_no_watch_and_looks_each_second(watched: Watched) -> None:
    watched.polling = True
    watched.steps(nothing, lambda: watched.write("a", "1"), watched.end)
    assert list(watched.changes()) == [frozenset(), {"a"}]
    assert watched.system.waits_s == [POLL_S] * 3
    assert watched.system.watches == []


def test_polling_can_be_switched_while_it_runs(watched: Watched) -> None:
    on = partial(setattr, watched, "polling", True)
    off = partial(setattr, watched, "polling", False)
    watched.steps(on, nothing, off, nothing, watched.end)
    list(watched.changes())
    assert watched.system.waits_s == [RESCAN_S, POLL_S, POLL_S, RESCAN_S, RESCAN_S]


def test_polling_where_no_watch_is_to_be_had_until_one_is(watched: Watched) -> None:
    watched.system.watches_left = 0
    free = partial(setattr, watched.system, "watches_left", 1)
    watched.steps(nothing, lambda: watched.write("a", "1"), free, nothing, watched.end)
    assert list(watched.changes()) == [frozenset(), {"a"}]
    assert watched.system.waits_s == [POLL_S, POLL_S, POLL_S, RESCAN_S, RESCAN_S]


def test_a_directory_made_later_is_watched_from_then_on(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "later")
    watched.steps(nothing, watched.directory.mkdir, lambda: watched.write("a", "1"), watched.end)
    assert list(watched.changes()) == [frozenset(), {"a"}]
    assert watched.system.waits_s == [POLL_S, POLL_S, RESCAN_S, RESCAN_S]


def test_a_dead_watch_is_made_again(watched: Watched) -> None:
    def kill() -> None:
        watched.system.watches[0].alive = False
        watched.write("a", "1")

    watched.steps(kill, watched.end)
    assert list(watched.changes()) == [frozenset(), {"a"}]
    assert [w.closed for w in watched.system.watches[:-1]] == [True]
    assert len(watched.system.watches) == 2


@pytest.mark.parametrize("way", ["removed", "moved away"])
def test_a_directory_that_takes_the_place_is_watched(tmp_path: Path, way: str) -> None:
    watched = Watched(tmp_path / "data")
    watched.directory.mkdir()
    watched.write("a", "1")

    def take_the_place() -> None:
        watched.directory.rename(tmp_path / "old")
        if way == "removed":
            shutil.rmtree(tmp_path / "old")
            watched.system.watches[0].alive = False  # the new directory may well get the old one's inode
        watched.directory.mkdir()
        watched.write("a", "22")

    watched.steps(take_the_place, watched.end)
    assert list(watched.changes()) == [{"a"}, {"a"}]
    assert len(watched.system.watches) == 2


def test_a_directory_that_went_is_waited_for(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "data")
    watched.directory.mkdir()
    watched.steps(lambda: shutil.rmtree(watched.directory), nothing, watched.directory.mkdir, nothing, watched.end)
    list(watched.changes())
    assert watched.system.waits_s == [RESCAN_S, POLL_S, POLL_S, RESCAN_S, RESCAN_S]


# Whatever happens to files, directories and events, no last state is missed.

ACTIONS: st.SearchStrategy[list[tuple[str, str, bool]]] = st.lists(
    st.tuples(
        st.sampled_from(["replace", "in place", "append", "delete", "remove room", "make room", "dead", "full"]),
        st.sampled_from(["x/a", "x/b", "y/c"]),
        st.booleans(),  # whether an event tells of it
    ),
    min_size=1,
    max_size=12,
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(actions=ACTIONS)
def test_no_last_state_is_missed(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str, bool]]
) -> None:
    watched = Watched(tmp_path_factory.mktemp("history"), names=("x/a", "x/b", "y/c"))
    size = 0

    def act(what: str, name: str, told: bool) -> None:
        nonlocal size
        size += 1
        path = watched.directory / name
        watched.system.watches_left = 0 if what == "full" else 1000
        match what:
            case "delete":
                path.unlink(missing_ok=True)
            case "remove room":
                shutil.rmtree(path.parent, ignore_errors=True)
            case "make room":
                path.parent.mkdir(exist_ok=True)
            case "dead":
                for w in watched.system.watches:
                    w.alive = False
            case "append" if path.exists():
                with path.open("a") as file:
                    file.write("x")
            case "in place" | "replace" if path.parent.exists():
                target = path if what == "in place" else path.with_name("new")
                target.write_text("x" * size)
                target.replace(path)
        if told:
            watched.wake.set()

    watched.steps(*(partial(act, *action) for action in actions), nothing, watched.end)
    known: dict[Path, str | None] = dict.fromkeys(watched.paths)
    for changed in changes(watched.system, watched.paths, watched.wake, watched.stop, lambda: math.inf):
        known.update({path: path.read_text() if path.exists() else None for path in changed})
        assert max(watched.system.waits_s, default=0) <= RESCAN_S
    assert known == {path: path.read_text() if path.exists() else None for path in watched.paths}
