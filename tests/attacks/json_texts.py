"""JSON that is none, or none of ours: depth, keys that stand twice, huge numbers, small files that would be large."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path

from support.schema_records import KINDS

from attacks.confined import Cases
from contract.files import LARGEST_JSON, read_record
from contract.schema.names import STRATEGIES
from contract.schema.weights import parse_rl_weights
from contract.system import OperatingSystem

WHOLE = json.dumps({"weights": dict.fromkeys(STRATEGIES, 0.125), "timestamp": "2026-11-20T23:12:19Z", "metadata": {}})
NO_OBJECT: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "is empty (its writer should replace it whole)"),
    "white space": (" \r\n\t", "is empty"),
    "torn": (WHOLE[:-40], "is not valid JSON: "),
    "doubled": (WHOLE * 2, "is not valid JSON: Extra data"),
    "zeros": ("\0" * 100, "is not valid JSON: Expecting value"),
    "not UTF-8": (b'{"weights": "\xff"}', "is not valid JSON: 'utf-8' codec can't decode byte 0xff"),
    "UTF-16": (WHOLE.encode("utf-16"), "is not valid JSON: 'utf-8' codec can't decode byte"),
    "a byte order mark alone": (codecs.BOM_UTF8, "is not valid JSON: Expecting value"),
    "two byte order marks": (codecs.BOM_UTF8 * 2 + WHOLE.encode(), "is not valid JSON"),
    "single quotes": (WHOLE.replace('"', "'"), "is not valid JSON: Expecting property name"),
    "a comma too many": (WHOLE[:-1] + ",}", "is not valid JSON"),
    "a list": ("[1, 2]", "holds a list (a JSON object was expected)"),
    "a number": ("7", "holds a number (a JSON object was expected)"),
    "NaN": ("NaN", "holds a number"),
    "text": ('"weights"', "holds text"),
    "null": ("null", "holds null"),
    "false": ("false", "holds true or false"),
    "a key twice": ('{"weights": {}, "weights": {}}', "is not valid JSON: a key stands twice in one object"),
    "a key twice, deep down": ('{"x": [{"a": 1, "a": 1}]}', "is not valid JSON: a key stands twice in one object"),
    "deep lists": ("[" * 100_000, "is nested too deeply (a flat JSON object was expected)"),
    "deep objects": ('{"a":' * 100_000, "is nested too deeply"),
    "more values than anything needs": ('{"x": [' + "[], " * 250_000 + "[]]}", "holds more than 500,000 values"),
    "an endless integer": ('{"weights": 1' + "0" * 5000 + "}", "is not valid JSON: Exceeds the limit"),
}
"""Each with the beginning of what must be said of it."""

_ROOM = LARGEST_JSON - 100
BOMBS: dict[str, Callable[[], bytes]] = {
    "larger than any file of ours": lambda: b" " * (LARGEST_JSON + 1),
    "empty lists": lambda: _listed(b"[]", _ROOM // 3),
    "empty objects": lambda: _listed(b"{}", _ROOM // 3),
    "lists of one list": lambda: _listed(b"[[]]", _ROOM // 5),
    "objects of one number": lambda: _listed(b'{"":0}', _ROOM // 7),
    "numbers": lambda: _listed(b"999", _ROOM // 4),
    "just as many values as may be": lambda: _listed(b"[[]]", 166_000),
    "just as many keys as may be": lambda: b'{%b"":0}' % b"".join(b'"%x":0,' % n for n in range(499_000)),
    "a text of 16 MiB": lambda: b'{"weights":"' + "\U0001f600".encode() * (_ROOM // 4) + b'"}',
    "escapes without end": lambda: b'{"weights":"' + rb"\ud83d\ude00" * (_ROOM // 12) + b'"}',
    "a number of 16 MiB": lambda: b'{"weights":' + b"9" * _ROOM + b"}",
    "a fraction of 16 MiB": lambda: b'{"weights":0.' + b"9" * _ROOM + b"}",
    "lists in lists": lambda: b"[" * _ROOM,
    "lists in lists that end": lambda: b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "one key over and over": lambda: b"{" + b'"a":0,' * 499_000 + b'"a":0}',
}


def _listed(value: bytes, times: int) -> bytes:
    return b'{"a":[' + (value + b",") * (times - 1) + value + b"]}"


def cases(directory: Path) -> Cases:
    """For `confined`: what is no object, by every parser; the bombs by one, because all begin alike."""
    system, path = OperatingSystem(), directory / "file.json"
    path.write_text("{}")
    yield "good", lambda: json.loads(path.read_text())
    for name, (text, _) in NO_OBJECT.items():
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for kind, record in KINDS.items():
            yield f"{name}: {kind}", lambda record=record: read_record(system, path, record.parse)
    for name, make in BOMBS.items():
        path.write_bytes(make())
        yield name, lambda: read_record(system, path, parse_rl_weights)
