"""Settings files that must be refused, each with words that the refusal has to hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attacks.confined import CANARY, Cases
from contract.configure import LARGEST_CONFIG, configure
from contract.schema.names import Root
from contract.system import OperatingSystem

STEPS = list(zip("abcdefghi", "bcdefghij", strict=True))
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in STEPS)
MERGE_BOMB = "a: &a {k: v}\n" + "".join(f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in STEPS)

MALFORMED: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    # What the file may be.
    "not YAML": ("loop: [", ("not plain YAML", "line 1")),
    "tabs": ("loop:\n\tpolling: true", ("not plain YAML", "line 2")),
    "two documents": ("loop: {}\n---\nloop: {}\n", ("not plain YAML",)),
    "python tag": ("loop: !!python/object/apply:os.system ['true']", ("tags", "line 1")),
    "a tag that would run": (f"loop: !!python/object/apply:os.system ['touch {CANARY}']", ("tags", "line 1")),
    "a tag that would make": ("loop: !!python/object/new:bytearray [100000000]", ("tags", "line 1")),
    "a tag of its own": ("%TAG ! tag:yaml.org,2002:python/\n---\nloop: !name:os.system x", ("tags", "line 3")),
    "innocent tag": ("loop: {polling: !!bool 'true'}", ("tags",)),
    "tag that PyYAML stumbles over": ("loop: {backoff_s: !!int ''}", ("tags",)),
    "another such tag": ("loop: {polling: !!bool maybe}", ("tags",)),
    "alias": ("loop: &x {polling: true}\nbounds: *x", ("aliases", "line 2")),
    "alias bomb": (BOMB, ("aliases",)),
    "merge bomb": (MERGE_BOMB, ("aliases",)),
    "itself": ("loop: &x [*x]", ("aliases",)),
    "deep nesting": ("[" * 1_000, ("nested too deeply",)),
    "deep nesting of tables": ("{a: " * 1_000, ("nested too deeply",)),
    "too large": (b"#" * ((128 << 10) + 1), ("131,072 bytes",)),
    "NUL": (b"loop:\0", ("not plain YAML", "#x0000")),
    "not UTF-8": (b"loop: \xff", ("not plain YAML", "0xff")),
    "UTF-16": ("loop: {}".encode("utf-16"), ("not plain YAML",)),
    "escape sequences": ('"\\e[2J\\n": {}', ("is no setting",)),
    # Sections.
    "a text": ("polling", ("does not hold sections",)),
    "a list": ("- loop", ("does not hold sections",)),
    "zero": ("0", ("does not hold sections",)),
    "a section that is a value": ("loop: true", ("loop is not a section",)),
    "a section that is a list": ("loop: [polling]", ("loop is not a section",)),
    "a section that is false": ("loop: false", ("loop is not a section",)),
    "unknown section": ("loops: {}", ("loops is no setting", "did you mean loop?")),
    "a section twice": ("loop: {}\nbounds: {}\nloop: {}", ("loop stands twice", "line 3")),
    "a key twice": ("loop:\n  polling: true\n  polling: false", ("polling stands twice", "line 3")),
    "a table as a key": ("? {a: 1}\n: 2", ("not plain YAML",)),
    # Settings.
    "unknown key": ("bounds: {flour: 0.1}", ("bounds.flour is no setting", "did you mean bounds.floor?")),
    "nothing like it": ("bounds: {zzzzzzzz: 0.1}", ("bounds.zzzzzzzz is no setting", "known are bounds.floor")),
    "a number as a key": ("bounds: {1: 0.1}", ("bounds.1 is no setting",)),
    "endless key": (f"bounds: {{{'x' * 900}: 0.1}}", ("bounds.xxx", "is no setting")),
    "text for a number": ("bounds: {cap: high}", ("bounds.cap is 'high'", "a finite number")),
    "quoted number": ("bounds: {cap: '0.3'}", ("bounds.cap is '0.3'", "a finite number")),
    "nothing for a number": ("bounds: {cap: }", ("bounds.cap is None", "a finite number")),
    "truth for a number": ("bounds: {cap: true}", ("bounds.cap is True", "a finite number")),
    "table for a number": ("bounds: {cap: {a: {b: {c: 1}}}}", ("bounds.cap is {", "a finite number")),
    "NaN": ("bounds: {cap: .nan}", ("bounds.cap is nan", "a finite number")),
    "infinity": ("bounds: {cap: .inf}", ("bounds.cap is inf", "a finite number")),
    "1e400": ("bounds: {cap: 1e400}", ("bounds.cap is inf", "a finite number")),
    "1.0e+400": ("bounds: {cap: 1.0e+400}", ("bounds.cap is inf", "a finite number")),
    "number for text": ("account: {day_zone: 5}", ("account.day_zone is 5", "text")),
    "day for text": ("account: {day_zone: 2026-01-31}", ("account.day_zone is datetime.date", "text")),
    "half a day": ("account: {periods_per_year: 252.5}", ("account.periods_per_year is 252.5", "a whole number")),
    "truth for a whole number": ("account: {periods_per_year: yes}", ("account.periods_per_year is True", "whole")),
    "beyond exactness": ("account: {periods_per_year: 9007199254740993}", ("account.periods_per_year is 9", "whole")),
    "endless number": (f"account: {{periods_per_year: {'9' * 5000}}}", ("not plain YAML", "4300")),
    "endless hexadecimal": (f"account: {{periods_per_year: 0x{'f' * 5000}}}", ("_per_year is a number too long",)),
    "endless hexadecimal number": (f"bounds: {{cap: 0x{'f' * 5000}}}", ("bounds.cap is a number too long",)),
    "endless minutes": (f"bounds: {{cap: {'1:' * 400}1.5}}", ("not plain YAML",)),
    "no such day": ("account: {day_zone: 2026-02-30}", ("not plain YAML",)),
    "number for truth": ("loop: {polling: 1}", ("loop.polling is 1", "true or false")),
    "text for a table": ("attribution: {strategy_of_symbol: AAPL}", ("strategy_of_symbol is 'AAPL'", "a table of n")),
    "number in a table": ("attribution: {strategy_of_symbol: {AAPL: 1}}", ("strategy_of_symbol.AAPL is 1", "text")),
    "a ticker that YAML takes for a truth value": (
        "attribution: {strategy_of_symbol: {ON: pairs_trading}}",
        ("a name in attribution.strategy_of_symbol is True", "text in quotes"),
    ),
    "a ticker that YAML takes for an octal number": (
        "attribution: {strategy_of_symbol: {0700: pairs_trading}}",
        ("a name in attribution.strategy_of_symbol is 448", "text in quotes"),
    ),
    "unknown strategy": (
        "attribution: {strategy_of_symbol: {AAPL: turtles}}",
        ("attribution.strategy_of_symbol.AAPL is 'turtles'", "one of turtle_trading"),
    ),
    "unknown zone": ("account: {day_zone: Mars}", ("account.day_zone is 'Mars'", "Europe/Zurich")),
    "no address": ("alerts: {url: example.org}", ("alerts.url is 'example.org'", "begins with https://")),
    "a time that is none": ("alerts: {timeout_s: 0}", ("alerts.timeout_s is 0.0", "over 0 up to 60")),
    "beyond its range": ("bounds: {cap: 1.5}", ("bounds.cap is 1.5", "a number from 1/8 to 1")),
    "wrong beside a default": ("loop: {backoff_s: 100}", ("loop.longest_backoff_s is 60.0", "at least loop.backoff_s")),
}

_ROOM = LARGEST_CONFIG - 100
BOMBS: dict[str, Callable[[], str]] = {
    "lists in lists": lambda: "a: " + "[" * _ROOM,
    "tables in tables": lambda: "{a: " * (_ROOM // 4),
    "lists by indentation": lambda: "- " * (_ROOM // 2),
    "sections without end": lambda: "".join(f"s{n}:\n" for n in range(_ROOM // 8)),
    "keys without end": lambda: "loop: {" + "".join(f"k{n}: 1, " for n in range(_ROOM // 12)) + "}",
    "anchors without end": lambda: "loop: [" + "".join(f"&a{n} 1, " for n in range(_ROOM // 12)) + "]",
    "a key of 128 KiB": lambda: "x" * _ROOM + ": 1",
    "a text of 128 KiB": lambda: "account: {day_zone: " + "x" * _ROOM + "}",
    "a number of 128 KiB": lambda: "bounds: {cap: " + "9" * _ROOM + "}",
    "a sexagesimal of 128 KiB": lambda: "bounds: {cap: " + "1:" * (_ROOM // 2) + "1}",
    "quotes without end": lambda: 'loop: "' + "\\n" * (_ROOM // 2),
    "questions without end": lambda: "? " * (_ROOM // 2),
}
"""Of no more bytes than a settings file may have."""


def cases(directory: Path) -> Cases:
    """For `confined`."""
    root = Root(directory)
    yield "good", lambda: configure(OperatingSystem(), root, {})
    for name, (content, _) in MALFORMED.items():
        root.config.write_bytes(content if isinstance(content, bytes) else content.encode())
        yield name, lambda: configure(OperatingSystem(), root, {})
    for name, make in BOMBS.items():
        root.config.write_text(make())
        yield name, lambda: configure(OperatingSystem(), root, {})
