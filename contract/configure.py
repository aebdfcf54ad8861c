"""Where settings come from: the command line beats `TILLER__SECTION__KEY`, which beats `config.yaml`, which beats
the defaults.

A setting that is not known, or has the wrong type, is refused by name: a misspelt limit must not be a limit that is
not there.
"""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract import plain_yaml
from contract.config import BadSetting, Config
from contract.errors import BadInput
from contract.files import read_bytes
from contract.schema.names import Root
from contract.system import System

ENVIRONMENT_PREFIX = "TILLER__"
LARGEST_CONFIG = 128 << 10
LARGEST_WHOLE = 1 << 53
"""Up to it every whole number is a floating-point number too."""
DEFAULT, FILE, COMMAND_LINE = "default", "config.yaml", "command line"


@dataclass(frozen=True)
class Configured:
    """The settings, and where each came from: `section.key` to `default`, `config.yaml`, a variable or a flag."""

    config: Config
    origins: Mapping[str, str]


def configure(
    system: System, root: Root, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> Configured:
    """Merge all four. `flags` maps `section.key` to a value."""
    content = read_bytes(system, root.config, largest=LARGEST_CONFIG) or b""
    sections = typing.get_type_hints(Config)
    kinds = settings()
    values: dict[str, dict[str, Any]] = {section: {} for section in sections}
    origins = dict.fromkeys(kinds, DEFAULT)
    origin = FILE
    try:
        for origin, key, value in _layers(content, environment, flags or {}):
            section, _, name = _known(key, kinds).partition(".")
            if origin.startswith(ENVIRONMENT_PREFIX):
                value = _plain(value, key)
            values[section][name] = _typed(key, value, kinds[key])
            origins[key] = origin
    except BadInput as error:
        raise _blaming(error, origin, root) from None
    try:
        return Configured(Config(**{name: kind(**values[name]) for name, kind in sections.items()}), origins)
    except BadSetting as error:
        raise _blaming(error, _culprit(error.key, origins), root) from None


def _culprit(key: str, origins: Mapping[str, str]) -> str:
    """Where the setting was made. A default is wrong only beside another setting of its section, made elsewhere."""
    own = [origin for name, origin in origins.items() if f"{key}.".startswith(f"{name}.")]
    section = f"{key.partition('.')[0]}."
    beside = [origin for name, origin in origins.items() if name.startswith(section)]
    return next(origin for origin in own + beside if origin != DEFAULT)


def _blaming(error: BadInput, origin: str, root: Root) -> BadInput:
    """The error with the place where the setting was made."""
    if origin == FILE:
        return BadInput(error.message, path=root.config, hint=error.hint)
    return BadInput(f"{origin}: {error.message}", hint=error.hint)


def settings() -> dict[str, Any]:
    """Every setting, `section.key`, with its type."""
    return {
        f"{section}.{key}": hint
        for section, kind in typing.get_type_hints(Config).items()
        for key, hint in typing.get_type_hints(kind).items()
    }


def values_of(config: Config) -> dict[str, Any]:
    """Every setting, `section.key`, with its value."""
    return {key: getattr(getattr(config, key.partition(".")[0]), key.partition(".")[2]) for key in settings()}


def _layers(
    content: bytes, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Origin, key and value, weakest first; of a variable the text, as it stands."""
    for key, value in _from_yaml(content):
        yield FILE, key, value
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".", 1)
            yield name, key, text
    for key, value in flags.items():
        yield COMMAND_LINE, key, value


def _from_yaml(content: bytes) -> Iterator[tuple[str, Any]]:
    try:
        tree = plain_yaml.load(content.decode("utf-8-sig"))
    except ValueError as error:
        raise BadInput(f"is not plain YAML: {error}", hint="write sections, and below each its key: value") from None
    if not isinstance(tree, dict | None):
        raise BadInput("does not hold sections", hint="write a section, then its keys indented below it")
    for section, body in (tree or {}).items():
        _known(str(section), typing.get_type_hints(Config))
        if not isinstance(body, dict | None):
            raise BadInput(f"{section} is not a section", hint="its keys belong indented below it")
        for key, value in (body or {}).items():
            yield f"{section}.{key}", value


def _plain(text: str, key: str) -> Any:
    try:
        return plain_yaml.load(text)
    except ValueError:
        raise BadInput(f"{key} is {text[:60]!r}", hint="a plain value, or {name: value}, was expected") from None


def _known(name: str, known: Iterable[str]) -> str:
    known = list(known)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        section = f"{name.partition('.')[0]}."
        beside = [key for key in known if key.startswith(section)] or sorted({key.partition(".")[0] for key in known})
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(beside)}"
        raise BadInput(f"{name[:60]} is no setting", hint=hint)
    return name


def _typed(key: str, value: Any, kind: Any) -> Any:
    """The value as its setting's type wants it: whole numbers serve as numbers, nothing else is converted."""
    if isinstance(kind, types.UnionType):  # `X | None`
        return None if value is None else _typed(key, value, typing.get_args(kind)[0])
    if typing.get_origin(kind) is not None and isinstance(value, dict):  # Mapping[str, X]
        entry_kind = typing.get_args(kind)[1]
        return {_name(key, name): _typed(f"{key}.{name}", entry, entry_kind) for name, entry in value.items()}
    if type(value) is int and kind in (int, float):
        fits = abs(value) <= LARGEST_WHOLE
    else:
        fits = type(value) is kind and (kind is not float or math.isfinite(value))
    if fits:
        return float(value) if kind is float else value
    names = {float: "a finite number", int: "a whole number", bool: "true or false", str: "text"}
    raise BadSetting(key, value, names.get(kind, "a table of name: value"))


def _name(key: str, name: Any) -> str:
    if type(name) is not str:  # YAML takes ON, NO and 0700 for a truth value and a number
        raise BadSetting(f"a name in {key}", name, "text in quotes")
    return name
