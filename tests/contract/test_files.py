"""The write paths and the read path where the disk does as it is told, and what they refuse."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_system import Call, FakeMachine, FakeSystem, Plan, failing, nth

from contract.errors import BadInput, MustStop, RetryLater, TillerError
from contract.files import (
    LARGEST_JSON,
    append_line,
    exists,
    make_directory,
    publish,
    read_bytes,
    read_guarded,
    read_record,
    read_tail,
    settle,
    settle_lines,
    sweep,
)
from contract.system import OperatingSystem, Stat, System

Write = Callable[[System, Path], None]

HOME = Path("/home")
FILE = HOME / "file"


@pytest.fixture
def system() -> FakeSystem:
    return FakeMachine().start()


# publish


def test_publishes_into_directories_that_do_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "state" / "rl_model" / "config.json"
    publish(OperatingSystem(), path, b"one")
    publish(OperatingSystem(), path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@settings(derandomize=True)
@given(content=st.binary(max_size=5000))
def test_what_is_published_is_read(content: bytes) -> None:
    system = FakeMachine().start()
    system.short_writes = 0.5
    publish(system, FILE, content)
    assert read_bytes(system, FILE) == content


def test_a_link_is_replaced_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not ours")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    publish(OperatingSystem(), tmp_path / "file", b"ours")
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "not ours"


def test_an_interruption_leaves_no_temporary_file(system: FakeSystem) -> None:
    def interrupt(call: object) -> None:
        if system.calls == 5:
            raise KeyboardInterrupt

    make_directory(system, HOME)
    system.calls, system.plan = 0, interrupt
    with pytest.raises(KeyboardInterrupt):
        publish(system, FILE, b"content")
    assert system.list(HOME) == []


def test_a_temporary_file_that_cannot_be_removed_is_left_for_the_next_start(system: FakeSystem) -> None:
    make_directory(system, HOME)
    system.plan = failing(errno.EIO, lambda call: call.name in ("fsync", "unlink"))
    with pytest.raises(RetryLater, match=r"cannot publish: Input/output error \(see the system's log\)"):
        publish(system, FILE, b"content")
    assert [name for name in system.list(HOME) if name.endswith(".tmp")]
    sweep(system, FILE)
    system.plan = lambda call: None
    sweep(system, FILE)
    assert system.list(HOME) == []


def test_sweeps_only_what_is_left_of_its_own_file(system: FakeSystem) -> None:
    make_directory(system, HOME)
    for name in (".file.7.tmp", "file", "file.7.tmp", ".other.7.tmp", ".file.7"):
        system.close(system.open(HOME / name, os.O_WRONLY | os.O_CREAT))
    sweep(system, FILE)
    assert system.list(HOME) == [".file.7", ".other.7.tmp", "file", "file.7.tmp"]


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EACCES, errno.EIO])
def test_a_sweep_that_sees_nothing_leaves_the_complaint_to_the_work(system: FakeSystem, code: int) -> None:
    make_directory(system, HOME)
    system.calls, system.plan = 0, failing(code, nth(1))
    sweep(system, FILE)
    assert system.calls == 1


# settle, exists


def test_what_a_killed_writer_put_in_its_place_lasts_once_it_is_settled() -> None:
    """Without that, a power cut takes it back in some of these machines."""

    def of_the_directory(call: Call) -> bool:
        return call.name == "fsync" and call.path == HOME

    taken_back = {False: 0, True: 0}
    for settled in taken_back:
        for number in range(20):
            machine = FakeMachine(number)
            publish(machine.start(), FILE, b"old")
            with pytest.raises(RetryLater):
                publish(machine.start(failing(errno.EIO, of_the_directory)), FILE, b"new")
            successor = machine.start()
            assert read_bytes(successor, FILE) == b"new"
            if settled:
                settle(successor, FILE, HOME / "other")
            machine.power_cut()
            taken_back[settled] += read_bytes(machine.start(), FILE) == b"old"
    assert taken_back[True] == 0 < taken_back[False]


@pytest.mark.parametrize(("code", "error"), [(errno.EIO, RetryLater), (errno.ENOTDIR, MustStop)])
def test_a_directory_that_cannot_be_settled_is_named(
    system: FakeSystem, code: int, error: type[TillerError]
) -> None:
    settle(system, FILE)  # there is none: nothing can rest on it
    make_directory(system, HOME)
    system.plan = failing(code, lambda call: call.name == "open")
    with pytest.raises(error, match=r"cannot make durable") as raised:
        settle(system, FILE)
    assert raised.value.path == HOME


def test_a_file_exists_or_not_or_nobody_can_tell(system: FakeSystem) -> None:
    assert not exists(system, FILE)
    publish(system, FILE, b"")
    assert exists(system, FILE) and exists(system, HOME)
    system.plan = failing(errno.EIO, lambda call: call.name == "stat")
    with pytest.raises(RetryLater, match="cannot be looked at"):
        exists(system, FILE)


# append_line


def test_a_new_file_begins_with_its_header(system: FakeSystem) -> None:
    append_line(system, FILE, "a,1", header="name,number")
    append_line(system, FILE, "b,2", "c,3", header="name,number")
    append_line(system, FILE, header="name,number")
    assert read_bytes(system, FILE) == b"name,number\na,1\nb,2\nc,3\n"


def test_without_lines_no_file_is_made(system: FakeSystem) -> None:
    append_line(system, FILE, header="name,number")
    assert read_bytes(system, FILE) is None


def test_a_line_with_a_newline_would_be_two() -> None:
    with pytest.raises(ValueError, match="newline"):
        append_line(FakeMachine().start(), FILE, "one\ntwo")


def test_not_durable_means_no_fsync(system: FakeSystem) -> None:
    names: list[str] = []
    system.plan = lambda call: names.append(call.name)
    append_line(system, FILE, "a", durable=False)
    append_line(system, FILE, "b", durable=False)
    assert "fsync" not in names
    names.clear()
    append_line(system, FILE, "c")
    assert names.count("fsync") == 1
    assert read_bytes(system, FILE) == b"a\nb\nc\n"


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("torn", [1, 70_000, 200_000])
def test_a_torn_line_of_any_length_is_cut_off(system: FakeSystem, torn: int, durable: bool) -> None:
    make_directory(system, HOME)
    descriptor = system.open(FILE, os.O_WRONLY | os.O_CREAT)
    system.write(descriptor, b"whole\n" + b"t" * torn)
    append_line(system, FILE, "next", durable=durable)
    assert read_bytes(system, FILE) == b"whole\nnext\n"
    system.truncate(descriptor, 0)
    system.write(descriptor, b"t" * torn)
    append_line(system, FILE, "next", header="header", durable=durable)
    assert read_bytes(system, FILE) == b"header\nnext\n"


@settings(derandomize=True)
@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=30), max_size=4)))
def test_lines_stand_in_the_order_in_which_they_came(batches: list[list[str]]) -> None:
    system = FakeMachine().start()
    for batch in batches:
        append_line(system, FILE, *batch)
    content = read_bytes(system, FILE) or b""
    assert content.decode().split("\n")[:-1] == [line for batch in batches for line in batch]


def test_an_append_that_cannot_be_undone_is_not_silent(system: FakeSystem) -> None:
    append_line(system, FILE, "whole")
    system.plan = failing(errno.EIO, lambda call: call.name in ("fsync", "truncate"))
    with pytest.raises(RetryLater, match="cannot append: Input/output error"):
        append_line(system, FILE, "doubtful")


# What neither of them can do

either_write = pytest.mark.parametrize(
    "write", [lambda system, path: publish(system, path, b"x"), lambda system, path: append_line(system, path, "x")]
)


@either_write
def test_a_directory_in_the_way_stops(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file" / "below").mkdir(parents=True)
    with pytest.raises(MustStop, match=r"Is a directory \(a directory stands where a file belongs"):
        write(OperatingSystem(), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@either_write
def test_a_file_where_a_directory_belongs_stops(write: Write, tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(MustStop, match="Not a directory"):
        write(OperatingSystem(), tmp_path / "state" / "file")


def test_a_journal_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not ours\n")
    (tmp_path / "journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MustStop, match="replace the symbolic link"):
        append_line(OperatingSystem(), tmp_path / "journal", "ours")
    assert (tmp_path / "elsewhere").read_text() == "not ours\n"


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (errno.ENOSPC, RetryLater, "disk space"),
        (errno.EDQUOT, RetryLater, "disk space"),
        (errno.EFBIG, RetryLater, "ulimit"),
        (errno.EROFS, RetryLater, "remount"),
        (errno.EACCES, RetryLater, "right"),
        (errno.EPERM, RetryLater, "right"),
        (errno.ELOOP, MustStop, "symbolic link"),
        (errno.ENOTDIR, MustStop, "directory"),
        (errno.EMFILE, RetryLater, "log"),
    ],
    ids=errno.errorcode.get,
)
def test_an_error_is_named_by_what_to_do_about_it(code: int, kind: type[TillerError], hint: str) -> None:
    system = FakeMachine().start(failing(code, nth(1)))
    with pytest.raises(kind, match=rf"^{FILE}: cannot publish: {os.strerror(code)} \(.*{hint}.*\)$"):
        publish(system, FILE, b"x")


def test_an_error_without_a_number_is_told_in_its_own_words() -> None:
    def plan(call: object) -> None:
        raise OSError("the cable is out")

    with pytest.raises(RetryLater, match="cannot append: the cable is out"):
        append_line(FakeMachine().start(plan), FILE, "x")


# Reading


def test_a_file_that_does_not_exist_is_none_and_has_no_end(system: FakeSystem) -> None:
    assert read_bytes(system, FILE) is None
    assert read_tail(system, FILE, 10) == b""
    assert read_record(system, FILE, lambda text, path: text) is None


def test_the_tail_of_a_file(system: FakeSystem) -> None:
    publish(system, FILE, b"0123456789")
    assert [read_tail(system, FILE, size) for size in (0, 3, 10, 99)] == [b"", b"789", b"0123456789", b"0123456789"]


def test_a_file_as_large_as_allowed_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 << 20))
    assert read_bytes(OperatingSystem(), path, largest=3 << 20) == bytes(3 << 20)
    with pytest.raises(BadInput, match="is larger than 3,145,727 bytes"):
        read_bytes(OperatingSystem(), path, largest=(3 << 20) - 1)
    os.truncate(path, 1 << 40)
    with pytest.raises(BadInput, match="is larger than"):
        read_bytes(OperatingSystem(), path, largest=LARGEST_JSON)


def test_what_is_no_plain_file_is_not_read_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "directory"):
        with pytest.raises(BadInput, match="is not a plain file"):
            read_bytes(OperatingSystem(), tmp_path / name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        with pytest.raises(RetryLater, match="cannot read"):
            read_bytes(OperatingSystem(), tmp_path / "socket")


@pytest.mark.parametrize("read", [read_bytes, lambda system, path: read_tail(system, path, 5)])
def test_a_read_that_fails_at_any_call_says_so(read: Callable[[FakeSystem, Path], object]) -> None:
    machine = FakeMachine()
    system = machine.start()
    publish(system, FILE, b"0123456789")
    system.calls = 0
    read(system, FILE)
    for number in range(1, system.calls + 1):
        with pytest.raises(RetryLater, match="cannot read: Input/output error"):
            read(machine.start(failing(errno.EIO, nth(number))), FILE)
        assert not machine.disk.opened


# read_record


def parse(text: bytes, path: Path) -> int:
    if not text.isdigit():
        raise BadInput(f"holds {text!r}", path=path)
    return int(text)


def test_a_record_is_read_and_parsed(system: FakeSystem) -> None:
    publish(system, FILE, b"7")
    assert read_record(system, FILE, parse) == 7


def test_what_was_caught_half_written_is_read_once_more(system: FakeSystem) -> None:
    publish(system, FILE, b"half-")
    writer = system.machine.start()
    system.plan = after_closing(lambda: publish(writer, FILE, b"8"))
    assert read_record(system, FILE, parse) == 8


def after_closing(action: Callable[[], object]) -> Plan:
    """Acts between a close and the call that follows it."""
    names: list[str] = []

    def plan(call: Call) -> None:
        if names[-1:] == ["close"]:
            action()
        names.append(call.name)

    return plan


@pytest.mark.parametrize("then", [b"half-", b"other half-"])
def test_what_stays_wrong_is_refused(system: FakeSystem, then: bytes) -> None:
    other = system.machine.start()
    publish(system, FILE, b"half-")
    system.plan = after_closing(lambda: publish(other, FILE, then))
    with pytest.raises(BadInput, match="holds b'"):
        read_record(system, FILE, parse)


def test_what_is_wrong_and_then_gone_is_refused(system: FakeSystem) -> None:
    other = system.machine.start()
    publish(system, FILE, b"half-")
    system.plan = after_closing(lambda: other.unlink(FILE))
    with pytest.raises(BadInput, match="holds b'half-'"):
        read_record(system, FILE, parse)


def test_what_a_killed_writer_left_is_made_durable() -> None:
    machine = FakeMachine()
    append_line(machine.start(), FILE, "first")
    append_line(machine.start(), FILE, "second", durable=False)
    settle_lines(machine.start(), FILE)
    machine.power_cut()
    assert read_bytes(machine.start(), FILE) == b"first\nsecond\n"


def test_a_sync_that_failed_has_forgotten_what_it_had_to_write() -> None:
    """The next one succeeds; what was left is written again, whatever its size, in a file that is not new."""
    for seed in range(3):
        machine = FakeMachine(seed)
        whole = b"".join(b"%07d\n" % number for number in range(1_100_000))
        publish(machine.start(), FILE, whole)
        append_line(machine.start(), FILE, "left", durable=False)
        with pytest.raises(RetryLater):
            settle_lines(machine.start(failing(errno.EIO, lambda call: call.name == "fsync")), FILE)
        writer = machine.start()
        writer.short_writes = 0.5
        settle_lines(writer, FILE)
        machine.power_cut()
        assert read_bytes(machine.start(), FILE) == whole + b"left\n"


@pytest.mark.parametrize("other", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_what_is_no_file_has_nothing_to_make_durable(tmp_path: Path, other: Callable[[Path], None]) -> None:
    other(tmp_path / "other")
    settle_lines(OperatingSystem(), tmp_path / "other")
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_file_has_nothing_to_make_durable_and_a_failing_disk_says_so() -> None:
    machine = FakeMachine()
    settle_lines(machine.start(), FILE)
    append_line(machine.start(), FILE, "first")
    with pytest.raises(RetryLater, match="cannot make durable"):
        settle_lines(machine.start(failing(errno.EIO, lambda call: call.name == "fsync")), FILE)


# read_guarded


def test_what_only_we_can_have_written_is_read(system: FakeSystem) -> None:
    assert read_guarded(system, FILE) is None
    publish(system, FILE, b"ours")
    assert read_guarded(system, FILE) == b"ours"
    with pytest.raises(BadInput, match="is larger than 3 bytes"):
        read_guarded(system, FILE, largest=3)


def test_what_somebody_else_can_have_written_is_not(tmp_path: Path) -> None:
    path = tmp_path / "open" / "file"
    publish(OperatingSystem(), path, b"whose?")
    for mode in (0o777, 0o775, 0o1775, 0o757):
        path.parent.chmod(mode)
        with pytest.raises(BadInput, match=r"open: others can write there \(chown and chmod go-w .*open\)"):
            read_guarded(OperatingSystem(), path)
    path.parent.chmod(0o1755)
    assert read_guarded(OperatingSystem(), path) == b"whose?"


def test_a_file_of_another_user_is_not_believed_and_one_of_root_is(tmp_path: Path) -> None:
    class Ours(OperatingSystem):
        def fstat(self, descriptor: int) -> Stat:
            return super().fstat(descriptor)._replace(uid=self.owner)

        owner = 0

    publish(OperatingSystem(), tmp_path / "file", b"whose?")
    system = Ours()
    assert read_guarded(system, tmp_path / "file") == b"whose?"
    system.owner = os.getuid() + 1
    with pytest.raises(BadInput, match=f"belongs to user {os.getuid() + 1}"):
        read_guarded(system, tmp_path / "file")


def test_a_link_is_not_followed_where_it_could_lead_anywhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not ours")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"replace the symbolic link by the file itself"):
        read_guarded(OperatingSystem(), tmp_path / "file")


@pytest.mark.parametrize("name", ["stat", "open", "read"])
def test_a_guarded_file_that_the_disk_will_not_give_is_asked_for_later(system: FakeSystem, name: str) -> None:
    publish(system, FILE, b"ours")
    system.plan = failing(errno.EIO, lambda call: call.name == name)
    with pytest.raises(RetryLater, match="cannot read: Input/output error"):
        read_guarded(system, FILE)
