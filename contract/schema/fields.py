"""Reading and writing JSON objects: tolerant of what is new, strict about what is there.

A key that nobody asks for is ignored, so that newer writers can serve older readers. A value that is asked for and
wrong is a `BadInput` that names file, field, value and what would be right. NaN and infinity are never taken from a
file, nor written to one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

from contract.errors import BadInput
from contract.schema.names import STRATEGIES

Weights = tuple[float, ...]
"""Eight numbers, in the order of `STRATEGIES`."""

MOST_VALUES = 500_000
"""In one file. An empty list takes three bytes there and a hundred in memory; nothing of ours comes near."""
_SHOWN = 60
_DEEPEST = 32
"""Levels of objects and lists in what is kept as it is: far more than anybody needs, and few enough to write again."""


def encode(values: Mapping[str, Any]) -> bytes:
    """JSON as every file of ours is written: indented by two, in the order given, a newline at the end."""
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


def encode_line(values: Mapping[str, Any]) -> str:
    """One line of a journal."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False)


def format_time(moment: datetime) -> str:
    """ISO-8601 in UTC with a `Z`."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be written: {moment}")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def by_name(weights: Sequence[float]) -> dict[str, float]:
    return dict(zip(STRATEGIES, weights, strict=True))


class Fields:
    """One JSON object, read field by field."""

    def __init__(self, values: Mapping[str, Any], path: Path, prefix: str = "") -> None:
        self._values = values
        self._path = path
        self._prefix = prefix

    @classmethod
    def parse(cls, text: bytes, path: Path) -> Fields:
        if sum(map(text.count, (b",", b"[", b"{"))) > MOST_VALUES:
            hint = "its writer should replace it whole"
            raise BadInput(f"holds more than {MOST_VALUES:,} values", path=path, hint=hint)
        try:
            values = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_no_twins)
        except RecursionError:
            raise BadInput("is nested too deeply", path=path, hint="a flat JSON object was expected") from None
        except ValueError as error:  # covers JSONDecodeError, UnicodeDecodeError and integers of endless length
            reason = "is empty" if not text.strip() else f"is not valid JSON: {str(error)[: 2 * _SHOWN]}"
            raise BadInput(reason, path=path, hint="its writer should replace it whole") from None
        if not isinstance(values, dict):
            raise BadInput(f"holds {_kind(values)}", path=path, hint="a JSON object was expected")
        return cls(values, path)

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    @property
    def values(self) -> Mapping[str, Any]:
        return self._values

    def as_it_is(self, *but_for: str) -> dict[str, Any]:
        """The object without some of its names: kept for people and for the record, and fit to be written again."""
        kept = {name: value for name, value in self._values.items() if name not in but_for}
        for name, value in kept.items():
            if not _can_be_written(value, _DEEPEST):
                self._refuse(name, "finite numbers and shallow nesting were expected")
        return kept

    def number(self, name: str, *, at_least: float = -math.inf, at_most: float = math.inf) -> float:
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(name, "a number was expected")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._refuse(name, "a finite number was expected")
        if not at_least <= number <= at_most:
            up_to = "on" if math.isinf(at_most) else f"to {at_most:g}"
            self._refuse(name, f"a number from {at_least:g} {up_to} was expected")
        return number

    def whole(self, name: str, *, at_least: int = 0) -> int:
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            self._refuse(name, f"a whole number from {at_least} on was expected")
        return value

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str):
            self._refuse(name, "text was expected")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.text(name)
        if value not in choices:
            self._refuse(name, f"one of {', '.join(choices)} was expected")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            self._refuse(name, "true or false was expected")
        return value

    def time(self, name: str) -> datetime:
        """ISO-8601; without a zone it is UTC."""
        try:
            moment = datetime.fromisoformat(self.text(name))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self._refuse(name, "a time such as 2026-01-31T08:00:00Z was expected")

    def day(self, name: str) -> date:
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            self._refuse(name, "a day such as 2026-01-31 was expected")

    def maybe_day(self, name: str) -> date | None:
        return self.day(name) if name in self else None

    def maybe_number(self, name: str) -> float | None:
        return self.number(name) if name in self else None

    def maybe_whole(self, name: str) -> int | None:
        return self.whole(name) if name in self else None

    def maybe_text(self, name: str, default: str = "") -> str:
        return self.text(name) if name in self else default

    def maybe_time(self, name: str) -> datetime | None:
        return self.time(name) if name in self else None

    def section(self, name: str) -> Fields:
        value = self._values.get(name)
        if not isinstance(value, dict):
            self._refuse(name, "an object was expected")
        return Fields(value, self._path, f"{self._prefix}{name}.")

    def maybe_section(self, name: str) -> Fields:
        """The object; an empty one where it is missing."""
        return self.section(name) if name in self else Fields({}, self._path, f"{self._prefix}{name}.")

    def sections(self, name: str) -> list[Fields]:
        """A list of objects; empty where it is missing."""
        return [
            Fields(self._expect(value, dict, entry, "an object was expected"), self._path, f"{self._prefix}{entry}.")
            for entry, value in self._entries(name)
        ]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where it is missing."""
        return tuple(
            self._expect(value, str, entry, "text was expected") for entry, value in self._entries(name)
        )

    def numbers(self) -> dict[str, float]:
        """The whole object as names and finite numbers."""
        return {name: self.number(name) for name in self._values}

    def shares(self) -> dict[str, float]:
        """The whole object as a proposal: names and finite, non-negative numbers, not all of them zero."""
        found = {name: self.number(name, at_least=0.0) for name in self._values}
        total = sum(found.values())
        if not 0.0 < total < math.inf:
            field = self._prefix.rstrip(".") or "weights"
            hint = "a positive, finite sum was expected"
            raise BadInput(f"{field}: the sum is {total:g}", path=self._path, hint=hint)
        return found

    def strategy_weights(self) -> Weights:
        """The whole object as a proposal for exactly the eight strategies."""
        missing = [name for name in STRATEGIES if name not in self._values]
        foreign = [name for name in self._values if name not in STRATEGIES]
        if missing or foreign:
            field = self._prefix.rstrip(".") or "weights"
            wrong = f"{missing[0]!r} is missing" if missing else f"{_shown(foreign[0])} is no strategy"
            raise BadInput(f"{field}: {wrong}", path=self._path, hint=f"the names are {', '.join(STRATEGIES)}")
        found = self.shares()
        return tuple(found[name] for name in STRATEGIES)

    def _entries(self, name: str) -> Iterator[tuple[str, Any]]:
        """The entries of a list, each with its own name; none where it is missing."""
        found: list[Any] = self._expect(self._values.get(name, []), list, name, "a list was expected")
        return ((f"{name}[{i}]", value) for i, value in enumerate(found))

    def _expect(self, value: Any, kind: type, name: str, expected: str) -> Any:
        if not isinstance(value, kind):
            self._complain(name, value, expected)
        return value

    def _refuse(self, name: str, expected: str) -> NoReturn:
        if name not in self._values:
            raise BadInput(f"{self._prefix}{name} is missing", path=self._path, hint=expected)
        self._complain(name, self._values[name], expected)

    def _complain(self, name: str, value: Any, expected: str) -> NoReturn:
        raise BadInput(f"{self._prefix}{_clipped(name)} is {_shown(value)}", path=self._path, hint=expected)


def _can_be_written(value: Any, levels: int) -> bool:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_can_be_written(part, levels - 1) for part in inner)
    return not isinstance(value, float) or math.isfinite(value)


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):  # a number too long to be written out, or a list too deep
        return _kind(value)
    return _clipped(text)


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return values
