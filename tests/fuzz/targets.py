"""Functions of bytes, each of which must end quietly: what a fuzzer calls, and what the tests call with a few thousand.

Each feeds the bytes to one reader, allows it the errors that it documents and no other, and compares what it found with
what another way to it finds: in pieces and at once, fast and strictly, read and written and read again.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from attacks import configs, json_texts
from attacks.pickles import OF_EVERY_OPCODE, OPCODES, SAMPLE, STREAMS
from support.good_records import GOOD
from support.schema_records import KINDS
from support.two_readers import assert_the_same, read_fast, read_strictly

from ai.checkpoint import decode_checkpoint, encode_checkpoint
from ai.policy import checkpoint_of, policy_of, untrained
from contract import rows as rows_module
from contract import tail as tail_module
from contract.book import blocks
from contract.configure import configure
from contract.errors import BadInput
from contract.rows import Columns
from contract.schema.account import parse_performance_metrics
from contract.schema.names import PERFORMANCE_HEADER, PNL_HEADER, Root
from contract.system import OperatingSystem, Stat
from contract.tail import Chunk, Position, Tail

HERE = Path("/root/state/file")
ROOT = Root(Path("/root"))


class Target(NamedTuple):
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    """To begin with."""


class OneFile(OperatingSystem):
    """A system with one file, which is what it is told to be."""

    def __init__(self, path: Path, content: bytes = b"") -> None:
        self.path = path
        self.content = content
        self._at = 0

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        if path != self.path:
            raise FileNotFoundError(path)
        self._at = 0
        return 3

    def read(self, descriptor: int, size: int) -> bytes:
        data = self.content[self._at : self._at + size]
        self._at += len(data)
        return data

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        return self.content[offset : offset + size]

    def close(self, descriptor: int) -> None:
        pass

    def fstat(self, descriptor: int) -> Stat:
        return Stat(len(self.content), 0, 1, stat.S_IFREG | 0o644, os.geteuid())

    def stat(self, path: Path) -> Stat:
        return self.fstat(3)

    def list(self, directory: Path) -> list[str]:
        return [self.path.name]


def is_one_clear_line(error: BadInput) -> bool:
    return str(error).isprintable() and bool(error.hint) and len(str(error)) < 2_000


# Records.

KIND_NAMES = sorted(KINDS)


def schemas(data: bytes) -> None:
    """The first byte says of which kind the rest is."""
    name = KIND_NAMES[data[0] % len(KIND_NAMES)] if data else KIND_NAMES[0]
    kind = KINDS[name]
    try:
        record = kind.parse(data[1:], HERE)
    except BadInput as error:
        assert is_one_clear_line(error)
        return
    try:
        written = kind.encoded(record)
    except BadInput as error:
        assert "sum" in error.message  # weights that do not sum to 1 may be read, and are never written
        return
    again = kind.parse(written, HERE)
    assert again == record or name == "strategy_performance"  # of which we write a part
    assert kind.encoded(again) == written


def _records() -> Iterator[bytes]:
    for place, name in enumerate(KIND_NAMES):
        yield bytes([place]) + json.dumps(GOOD[name]).encode()
        yield bytes([place]) + json.dumps(GOOD[name], indent=2).encode()
    for text, _ in json_texts.NO_OBJECT.values():
        content = text if isinstance(text, bytes) else text.encode()
        yield b"\x00" + content[:4_000]


# The equity curve, which is no JSON.


def curve(data: bytes) -> None:
    """And a curve that is still being written says the same of the rows that are there already."""
    try:
        whole = parse_performance_metrics(data, HERE)
    except BadInput as error:
        assert is_one_clear_line(error)
        return
    assert all(np.isfinite(row.equity) and row.timestamp.tzinfo for row in whole.rows)
    torn = data[: data.rfind(b"\n", 0, data.rfind(b"\n")) + 1]
    if torn.count(b"\n") > 1:
        before = parse_performance_metrics(torn, HERE)
        assert whole.rows[: len(before.rows)] == before.rows and before.bad_rows <= whole.bad_rows


def _curves() -> Iterator[bytes]:
    for header in (",".join(PERFORMANCE_HEADER[:9]), "ts,equity,day_pnl", "date,equity"):
        width = header.count(",")
        rows = ["2026-01-05,10000" + ",0.5" * (width - 1), "2026-01-06T09:00:00+02:00,1e4" + "," * (width - 1), "x", ""]
        yield "\n".join([header, *rows]).encode()


# Checkpoints.

_MORNINGS = np.vstack([np.zeros(34), np.full(34, 5.0), np.full(34, -5.0), np.resize([5.0, -5.0], 34)])


def checkpoint(data: bytes) -> None:
    """What is read as a model is written as the same model; and if it can decide, what it wants are numbers."""
    try:
        found = decode_checkpoint(data, HERE)
    except BadInput as error:
        assert is_one_clear_line(error)
        return
    written = encode_checkpoint(found)
    again = decode_checkpoint(written, HERE)
    assert again.features == found.features and again.settings == found.settings
    assert encode_checkpoint(again) == written
    try:
        policy = policy_of(found)
    except BadInput as error:
        assert str(error).isprintable() and len(str(error)) < 2_000
        return
    wanted = policy.wanted(_MORNINGS)
    assert np.isfinite(wanted).all() and np.allclose(wanted.sum(axis=1), 1.0)


def _checkpoints() -> Iterator[bytes]:
    yield encode_checkpoint(checkpoint_of(untrained()))
    yield encode_checkpoint(SAMPLE)
    yield encode_checkpoint(OF_EVERY_OPCODE)
    yield from (stream for stream in STREAMS.values() if len(stream) < 4_000)
    yield from (b"\x80\x04" + opcode + b"." for opcode in OPCODES.values())


# The tail of a file that grows.

_LONGEST = {"LONGEST_LINE": 48, "LONGEST_FIELD": 24}
_SMALL = {**_LONGEST, "LONGEST_BEGINNING": 2 * 48 + 8, "BLOCK": 80, "ANCHOR": 16}
"""So that lines without end, and files of many blocks, are met within a few hundred bytes."""


def tail(data: bytes) -> None:
    """A file that grows, read by a reader that is restarted, against one that reads it at the end.

    The first byte says how many bytes behind it are the script: after how many more bytes somebody looks, and whether
    the reader is restarted then.
    """
    if not data:
        return
    script, content = data[1 : 1 + data[0] % 16], data[1 + data[0] % 16 :]
    with mock.patch.multiple(tail_module, **_SMALL), mock.patch.multiple(rows_module, **_LONGEST):
        system = OneFile(HERE)
        reader, lines = Tail(system, HERE), dict[int, bytes]()
        for step in script:
            system.content = content[: len(system.content) + step // 2]
            _take(reader, lines)
            if step % 2:
                kept = json.loads(json.dumps(reader.position and reader.position.as_dict()))
                reader = Tail(system, HERE, Position.from_dict(kept) if kept else None)
        system.content = content
        _take(reader, lines)
        at_once = dict[int, bytes]()
        _take(Tail(system, HERE), at_once)
    assert lines == at_once
    for offset, line in lines.items():
        assert content.startswith(line if len(line) > _SMALL["LONGEST_LINE"] else line + b"\n", offset)


def _take(reader: Tail, lines: dict[int, bytes]) -> None:
    """Each line once, by where it begins; of one that is too long only that it is."""
    for item in reader.poll():
        assert isinstance(item, Chunk), "a file that only grows was taken for another"
        offset = item.offset
        for line in item.data[:-1].split(b"\n"):
            assert offset not in lines
            lines[offset] = line[: _SMALL["LONGEST_LINE"] + 1]
            offset += len(line) + 1


def _growing() -> Iterator[bytes]:
    header = b"timestamp,pnl,id\n"
    content = header + b"".join(b"2026-01-01,0.5,%d\n" % number for number in range(9))
    for script in (b"", b"\x20\x21\x22", bytes(range(1, 16)), b"\x03" * 15, b"\xff\x01"):
        for text in (content, b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"), content[17:], header + b"x" * 300):
            yield bytes([len(script)]) + script + text + b"\n2026-01-01,1,torn"


# A remembered position that is not what anybody remembered.


def position(data: bytes) -> None:
    """The first line is the position as it was saved, the rest is the file."""
    saved, _, content = data.partition(b"\n")
    try:
        values = json.loads(saved)
        kept = Position.from_dict(values if isinstance(values, dict) else {})
    except (BadInput, ValueError, RecursionError):
        return
    assert Position.from_dict(kept.as_dict()) == kept
    reader = Tail(OneFile(HERE, content), HERE, kept)
    for item in reader.poll():
        assert not isinstance(item, Chunk) or content.startswith(item.data[:-1], item.offset)


def _positions() -> Iterator[bytes]:
    content = b"timestamp,pnl,id\n" + b"".join(b"2026-01-01,0.5,%d\n" % number for number in range(9))
    reader = Tail(OneFile(HERE, content), HERE)
    list(reader.poll())
    assert reader.position is not None
    saved = reader.position.as_dict()
    changes = ({}, {"offset": 40}, {"offset": 1 << 70}, {"over": ["0" * 16]}, {"mid_line": True}, {"opening": "\u20ac"})
    for changed in changes:
        yield json.dumps({**saved, **changed}).encode() + b"\n" + content + b"2026-01-02,1,9\n"


# Rows, strictly and fast.

HEADERS = (
    b"date,timestamp,symbol,side,qty,price,reason,pnl",
    b"pnl,ts",
    b"date,pnl,note,symbol,equity",
    ",".join(PNL_HEADER).encode(),
)


def rows(data: bytes) -> None:
    """The first byte says under which header; a high bit, that the header stands in the bytes themselves."""
    if not data:
        return
    header, _, text = data[1:].partition(b"\n") if data[0] >= 128 else (HEADERS[data[0] % len(HEADERS)], b"", data[1:])
    lines = text.split(b"\n")
    try:
        Columns.parse(header)
    except BadInput as error:
        assert str(error).isprintable() and error.hint
        return
    with mock.patch.object(blocks, "_FEW_BYTES", 0), mock.patch.object(blocks, "_BLOCK_BYTES", 300):
        assert_the_same(read_fast(header, lines), read_strictly(header, lines))


def _lines_of_rows() -> Iterator[bytes]:
    yield b"\x00" + b"2026-11-20,2026-11-20T23:12:19Z,BTC-USD,sell,0.01,61000.0,paper_trade,9.400000\n" * 3
    yield b"\x01" + b"-12.50,2026-11-20\n1e-7,2026-11-20 23:12:19.5+02:00\n,x\nnan,2026-01-01\n"
    yield b"\x02" + 'é,"a,b",by macd_momentum!,\0,1\n2026-01-01,+2,pairs_trading,SPY,.5\n'.encode()
    yield b"\x03" + b",".join([b"2026-01-01", b"2026-01-01T00:00:01Z", b"SPY", b"buy", *[b"1"] * 4, b"", *[b"2"] * 5])
    yield b"\x80" + b"pnl,timestamp\n1,2026-01-01\n" * 2


# Settings.


def settings(data: bytes) -> None:
    try:
        configure(OneFile(ROOT.config, data), ROOT, {})
    except BadInput as error:
        assert is_one_clear_line(error) and str(ROOT.config) in str(error)


def _settings() -> Iterator[bytes]:
    yield b"bounds:\n  floor: 0.02\n  cap: 0.35\nloop: {polling: true, backoff_s: 1e0}\n"
    for content, _ in configs.MALFORMED.values():
        yield (content if isinstance(content, bytes) else content.encode())[:2_000]


TARGETS = {
    "schemas": Target(schemas, _records),
    "curve": Target(curve, _curves),
    "checkpoint": Target(checkpoint, _checkpoints),
    "tail": Target(tail, _growing),
    "position": Target(position, _positions),
    "rows": Target(rows, _lines_of_rows),
    "settings": Target(settings, _settings),
}
