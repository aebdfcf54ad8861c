"""Bytes that are nearly those of a good file: where no fuzzer guides, chance does."""

from __future__ import annotations

import random
from collections.abc import Sequence

WORDS = (
    *(b"NaN", b"Infinity", b"1e999", b"-0", b"null", b"true", b"[]", b"{}", b'""', b"9" * 30, b"\xff", b"\0", b'"'),
    *(b"\n", b"\r\n", b",", b";", b":", b"\xef\xbb\xbf", b"\x1b[2J", b"\\ud800", b"0001-01-01", b"9999-12-31T23:59:59"),
)


def mutated(seeds: Sequence[bytes], draw: random.Random) -> bytes:
    """One of them after a few changes: bits flipped, words put in, parts cut out, doubled, or taken from another."""
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.randint(1, 4)):
        start = draw.randint(0, len(data))
        end = min(len(data), start + draw.choice((1, 2, 4, 16, 64)))
        match draw.randrange(6):
            case 0 if data:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            case 1:
                data[start:start] = draw.choice(WORDS)
            case 2:
                data[start:end] = draw.choice(WORDS)
            case 3:
                del data[start:end]
            case 4:
                data[start:start] = data[start:end]
            case _:
                other = draw.choice(seeds)
                data[start:] = other[draw.randint(0, len(other)) :]
    return bytes(data)
