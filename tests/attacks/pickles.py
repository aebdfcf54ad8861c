"""Pickles that somebody has made to do harm: every opcode that there is, what would run, and what would grow."""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ai.checkpoint import LARGEST, MOST_OPCODES, Checkpoint, encode_checkpoint
from attacks.confined import CANARY

SAMPLE = Checkpoint(
    features=("volatility", "trend"),
    arrays={"weights": np.linspace(-1, 1, 68, dtype=np.float32).reshape(34, 2), "steps": np.array([7])},
    settings={"hidden": [32, 32], "inertia": 0.3, "seed": 7, "note": "é", "parent": None, "flag": True},
)
_NAMES = tuple(f"feature {number}" for number in range(300))  # more than a byte can refer to
OF_EVERY_OPCODE = Checkpoint(
    features=_NAMES,
    arrays={"long": np.zeros(100), "short": np.zeros(1)},
    settings={
        **{"none": None, "yes": True, "no": False, "one": 1, "two": 1_000, "four": -1, "long": 1 << 40, "half": 0.5},
        **{"text": "x" * 300, "nothing": [], "list": [0], "table": {"a": 0}, "first": _NAMES[0], "last": _NAMES[-1]},
    },
)
"""A model that is written with every opcode that may be read."""

# What Python's own unpickler would run, and what no unpickler should be given.

_TOUCH = f"touch {CANARY}"
_TEXT = bytes([0x8C, len(_TOUCH)]) + _TOUCH.encode()
_STATEMENT = f"open('{CANARY}', 'w').close()"
_PYTHON = bytes([0x8C, len(_STATEMENT)]) + _STATEMENT.encode()


class _Touches:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path(CANARY),)


_MAPPED = f"cbuiltins\nmap\ncos\nsystem\n]S'{_TOUCH}'\na".encode() + b"\x86\x81"
RUNNING: dict[str, bytes] = {
    "a global that is called": f"cos\nsystem\n(S'{_TOUCH}'\ntR.".encode(),
    "a global from the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + _TEXT + b"\x85R.",
    "a dotted global": b"\x80\x04\x8c\x08builtins\x8c\x0deval.__call__\x93" + _PYTHON + b"\x85R.",
    "an instance": f"(S'{_TOUCH}'\nios\nsystem\n.".encode(),
    "an object": f"(cos\nsystem\nS'{_TOUCH}'\no.".encode(),
    "in a list": f"](cos\nsystem\n(S'{_TOUCH}'\ntRe.".encode(),
    "as a key": f"}}cos\nsystem\n(S'{_TOUCH}'\ntRNs.".encode(),
    "and then something good": f"cos\nsystem\n(S'{_TOUCH}'\ntR0".encode() + encode_checkpoint(SAMPLE),
    "a new object": b"\x80\x02cbuiltins\nbytes\n" + _MAPPED + b"\x85\x81.",
    "a new object by name": b"\x80\x04cbuiltins\nbytes\n" + _MAPPED + b"\x85}\x92.",
    "a state that is set": (
        b"cfunctools\npartial\n(cos\nsystem\ntR(cos\nsystem\n(S'" + _TOUCH.encode() + b"'\nt}Ntb)R."
    ),
    **{
        f"as Python writes it with protocol {protocol}": pickle.dumps({"version": 1, "features": _Touches()}, protocol)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "by way of numpy": (
        b"\x80\x04\x8c\x1cnumpy.testing._private.utils\x8c\x09runstring\x93" + _PYTHON + b"}\x86R."
    ),
}
STREAMS: dict[str, bytes] = {
    **RUNNING,
    "empty": b"",
    "text": b"hello",
    "a global": b"cos\nsystem\n.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "an instance of nothing": b"(ios\nsystem\n.",
    "a reference": b"Pos.system\n.",
    "a reference on the stack": b"\x8c\x02osQ.",
    "an extension": b"\x80\x04\x82\x01.",
    "a buffer from elsewhere": b"\x80\x05\x97.",
    "a huge memo": b"\x80\x04]r\xff\xff\xff\x7f.",
    "a huge text": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fx.",
    "huge bytes": b"\x80\x04B\xff\xff\xff\x7fx.",
    "a huge integer": b"\x80\x04\x8b\xff\xff\xff\x7fx.",
    "a huge frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",
    "a huge number in digits": b"L" + b"9" * 100_000 + b"L\n.",
    "an unknown opcode": b"\x80\x04\xff.",
    "an empty stack": b"\x80\x04.",
    "a mark that is missing": b"\x80\x04}u.",
    "a memo that is missing": b"\x80\x04h\x07.",
    "a protocol of the future": b"\x80\x09N.",
    "a key that cannot be one": b"\x80\x04}]Ns.",
    "an append to a number": b"\x80\x04K\x01Na.",
    "a newline in its name": b"cos\nsys\ntem\n.",
    "an escape in its name": b"c\x1b[2J\n\x1b]0;owned\x07\n.",
    "something behind its end": encode_checkpoint(SAMPLE) + b"cos\nsystem\n.",
    "torn": encode_checkpoint(SAMPLE)[:-20],
    "a zip": b"PK\x03\x04" + bytes(60),
    "an array of numpy's": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
}

# Bombs: small files that would be large in memory, or take for ever.

BOMBS: dict[str, Callable[[], bytes]] = {
    "too large": lambda: bytes(LARGEST + 1),
    "empty lists": lambda: _stream(b"]" * (LARGEST - 3)),
    "empty tables": lambda: _stream(b"}" * (LARGEST - 3)),
    "marks": lambda: _stream(b"(" * (LARGEST - 4) + b"N"),
    "lists in lists": lambda: _stream(b"]" * (LARGEST // 2) + b"a" * (LARGEST // 2 - 4)),
    "memoized tables": lambda: _stream(b"}\x94" * (LARGEST // 2 - 2)),
    "a list of one list": lambda: _stream(b"]\x94(" + b"h\x00" * (LARGEST // 2 - 4) + b"e"),
    "numbers": lambda: _stream(b"](" + b"M\xff\x7f" * (LARGEST // 3 - 3) + b"e"),
    "just as many opcodes as may be": lambda: _stream(b"}" * (MOST_OPCODES - 2)),
    "a text of 8 MiB": lambda: pickle.dumps("\U0001f600" * (LARGEST // 4 - 10), protocol=4),
    "8 MiB of bytes": lambda: pickle.dumps(bytes(LARGEST - 100), protocol=4),
}


def _stream(opcodes: bytes) -> bytes:
    return b"\x80\x04" + opcodes + b"."


# Every opcode that there is.

_ARGUMENTS: Mapping[str, bytes] = {
    "uint1": b"\x01",
    "uint2": b"\x01\x00",
    "int4": b"\x01\x00\x00\x00",
    "uint4": b"\x01\x00\x00\x00",
    "uint8": b"\x01" + bytes(7),
    "stringnl": b"'os'\n",
    "stringnl_noescape": b"os\n",
    "stringnl_noescape_pair": b"os\nsystem\n",
    "unicodestringnl": b"os\n",
    "decimalnl_short": b"1\n",
    "decimalnl_long": b"1L\n",
    "floatnl": b"1.5\n",
    "float8": bytes(8),
    **{f"{kind}1": b"\x02os" for kind in ("string", "bytes", "unicodestring")},
    **{f"{kind}4": b"\x02\x00\x00\x00os" for kind in ("string", "bytes", "unicodestring")},
    **{f"{kind}8": b"\x02" + bytes(7) + b"os" for kind in ("bytes", "bytearray", "unicodestring")},
    "long1": b"\x01\x07",
    "long4": b"\x01\x00\x00\x00\x07",
}
OPCODES: dict[str, bytes] = {
    opcode.name: opcode.code.encode("latin-1") + (_ARGUMENTS[opcode.arg.name] if opcode.arg else b"")
    for opcode in pickletools.opcodes
}
"""Each with an argument where it takes one."""
