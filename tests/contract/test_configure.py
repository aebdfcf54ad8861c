import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from attacks.configs import MALFORMED
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract import configure as configure_module
from contract.config import Config
from contract.configure import COMMAND_LINE, DEFAULT, FILE, Configured, configure, values_of
from contract.configure import settings as known_settings
from contract.errors import BadInput
from contract.schema.names import STRATEGIES, Root
from contract.system import OperatingSystem

KINDS = known_settings()
DEFAULTS = values_of(Config())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return Root(tmp_path_factory.mktemp("configured"))


def read(
    root: Root,
    file: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Configured:
    root.config.unlink(missing_ok=True)
    if file is not None:
        root.config.write_bytes(file if isinstance(file, bytes) else file.encode())
    return configure(OperatingSystem(), root, environment or {}, flags)


def refused(
    root: Root,
    file: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> str:
    """The one line that says what is wrong."""
    with pytest.raises(BadInput) as caught:
        read(root, file, environment, flags)
    line = str(caught.value)
    assert line.isprintable()
    assert caught.value.hint
    return line


def variable(key: str) -> str:
    return f"TILLER__{key.replace('.', '__', 1).upper()}"


# Precedence.


def others(key: str) -> list[Any]:
    """Values other than the default that the setting takes."""
    default = DEFAULTS[key]
    match default:
        case bool():
            return [not default]
        case int():
            return [default + 1, default + 2]
        case float():
            return [default * 1.1, default * 0.9]
        case str():
            return ["Europe/Zurich", "Asia/Tokyo"] if key == "account.day_zone" else []
        case _:
            return [{"AAPL": STRATEGIES[0]}, {"KO": STRATEGIES[4], "PEP": STRATEGIES[4]}]


def accepted(key: str, value: Any) -> bool:
    try:
        configure(OperatingSystem(), Root(Path("/nowhere")), {}, {key: value})
    except BadInput:
        return False
    return True


TAKEN = {key: [DEFAULTS[key], *(value for value in others(key) if accepted(key, value))] for key in KINDS}


@st.composite
def layers(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """For each of the three places, some settings with values."""
    return {
        place: {key: draw(st.sampled_from(TAKEN[key])) for key in draw(st.sets(st.sampled_from(sorted(KINDS))))}
        for place in (FILE, "environment", COMMAND_LINE)
    }


@settings(derandomize=True, max_examples=60, deadline=None)
@given(made=layers())
def test_the_command_line_beats_the_environment_beats_the_file_beats_the_defaults(
    root: Root, made: dict[str, dict[str, Any]]
) -> None:
    tree: dict[str, dict[str, Any]] = {}
    for key, value in made[FILE].items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    environment = {variable(key): json.dumps(value) for key, value in made["environment"].items()}
    got = read(root, yaml.safe_dump(tree), environment, made[COMMAND_LINE])

    for key, value in values_of(got.config).items():
        if key in made[COMMAND_LINE]:
            expected = made[COMMAND_LINE][key], COMMAND_LINE
        elif key in made["environment"]:
            expected = made["environment"][key], variable(key)
        elif key in made[FILE]:
            expected = made[FILE][key], FILE
        else:
            expected = DEFAULTS[key], DEFAULT
        assert (value, got.origins[key]) == expected


def test_most_settings_take_part_in_the_property_above() -> None:
    assert sum(len(values) > 1 for values in TAKEN.values()) >= len(KINDS) * 0.8


def test_every_setting_can_be_read_back() -> None:
    assert DEFAULTS.keys() == KINDS.keys()
    assert DEFAULTS["bounds.cap"] == Config().bounds.cap


@pytest.mark.parametrize(
    "file",
    ["", "# a remark\n", "---\n", "loop:\n", "loop:\n  # polling: true\n", "{}", "\ufeffloop: {}\n", "\r\n"],
    ids=repr,
)
def test_a_file_that_sets_nothing_leaves_the_defaults(root: Root, file: str) -> None:
    assert read(root, file) == read(root)


def test_whole_numbers_serve_as_numbers_and_nothing_else_is_converted(root: Root) -> None:
    equity = read(root, "account: {initial_equity: 5000}").config.account.initial_equity
    assert (type(equity), equity) == (float, 5000.0)
    assert read(root, "account: {initial_equity: 1e5}").config.account.initial_equity == 100_000.0
    assert read(root, None, {"TILLER__BOUNDS__FLOOR": "1e-2"}).config.bounds.floor == 0.01
    assert read(root, None, {"TILLER__LOOP__POLLING": "yes"}).config.loop.polling is True


def test_only_variables_with_the_prefix_count(root: Root) -> None:
    assert read(root, None, {"TILLER_ROOT": "/x", "TILLER_NO_TORCH": "1", "LOOP__POLLING": "1"}) == read(root)


def test_a_setting_may_be_absent_where_its_type_says_so(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Limits:
        most: int | None = 3

    @dataclass(frozen=True)
    class Tree:
        limits: Limits = field(default_factory=Limits)

    Tree.__annotations__["limits"] = Limits
    monkeypatch.setattr(configure_module, "Config", Tree)
    assert values_of(read(root, "limits: {most: 5}").config) == {"limits.most": 5}
    assert values_of(read(root, "limits: {most: }").config) == {"limits.most": None}
    assert "limits.most is 'many'" in refused(root, "limits: {most: many}")


# What is refused.

@pytest.mark.parametrize(("file", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_is_one_line_that_names_it(root: Root, file: str | bytes, said: tuple[str, ...]) -> None:
    line = refused(root, file)
    assert line.startswith(f"{root.config}: ")
    assert len(line) < len(str(root.config)) + 1500
    for words in said:
        assert words in line


def test_a_table_may_be_quoted(root: Root) -> None:
    file = "attribution: {strategy_of_symbol: {'ON': pairs_trading, \"0700\": vix_strategy}}"
    table = read(root, file).config.attribution.strategy_of_symbol
    assert table == {"ON": "pairs_trading", "0700": "vix_strategy"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("TILLER__BOUNDS__CAP", "nan", "bounds.cap is 'nan'"),
        ("TILLER__BOUNDS__CAP", ".nan", "bounds.cap is nan"),
        ("TILLER__BOUNDS__CAP", "", "bounds.cap is None"),
        ("TILLER__BOUNDS__CAP", "[", "bounds.cap is '['"),
        ("TILLER__BOUNDS__CAP", "&a [*a]", "bounds.cap is '&a [*a]'"),
        ("TILLER__BOUNDS__CAP", "9", "bounds.cap is 9.0"),
        ("TILLER__BOUNDS__CAP", "\udcff", "bounds.cap is "),
        ("TILLER__ACCOUNT__DAY_ZONE", "Nowhere", "account.day_zone is 'Nowhere'"),
        ("TILLER__BOUNDS__CUP", "1", "bounds.cup is no setting"),
        ("TILLER__BOUNDS", "1", "bounds is no setting"),
        ("TILLER__", "1", "is no setting"),
        ("TILLER__BOUNDS__CAP__X", "1", "bounds.cap__x is no setting"),
        ("TILLER__ATTRIBUTION__STRATEGY_OF_SYMBOL", "{A: 1}", "attribution.strategy_of_symbol.A is 1"),
        ("TILLER__ATTRIBUTION__STRATEGY_OF_SYMBOL", "{A: x, A: y}", "attribution.strategy_of_symbol is '{A: x, A: y}'"),
    ],
)
def test_a_malformed_variable_is_one_line_that_names_it(root: Root, name: str, text: str, said: str) -> None:
    line = refused(root, None, {name: text})
    assert line.startswith(f"{name}: ")
    assert said in line


def test_a_wrong_flag_is_named_too(root: Root) -> None:
    assert refused(root, None, None, {"bounds.cap": 2.0}).startswith("command line: bounds.cap is 2.0")
    assert refused(root, None, None, {"bounds.cup": 2.0}).startswith("command line: bounds.cup is no setting")


def test_blame_falls_on_the_place_that_won(root: Root) -> None:
    assert refused(root, "bounds: {cap: 0.5}", {"TILLER__BOUNDS__CAP": "7"}).startswith("TILLER__BOUNDS__CAP: ")
    with_file = refused(root, "loop: {longest_backoff_s: 2}", {"TILLER__LOOP__BACKOFF_S": "5"})
    assert with_file.startswith(f"{root.config}: loop.longest_backoff_s is 2.0")
    assert refused(root, None, {"TILLER__LOOP__BACKOFF_S": "500"}).startswith("TILLER__LOOP__BACKOFF_S: ")


@pytest.mark.parametrize(("size", "fits"), [(64, True), (65, False)])
def test_the_cap_is_on_the_size(root: Root, monkeypatch: pytest.MonkeyPatch, size: int, fits: bool) -> None:
    monkeypatch.setattr(configure_module, "LARGEST_CONFIG", 64)
    if fits:
        read(root, b"#" * size)
    else:
        assert "larger than 64 bytes" in refused(root, b"#" * size)


YAML_LIKE = st.text(alphabet=":-[]{}&*!|>'\"%@`#,?<=~ \n\tabelnoptx0123456789.E+_\ufeff\0", max_size=60)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), YAML_LIKE.map(str.encode)))
@example(b"bounds: {cap: 0b_}")
@example(b"bounds: {cap: ._}")
@example(b"- = ")
def test_no_file_makes_it_stumble(root: Root, content: bytes) -> None:
    try:
        got = read(root, content)
    except BadInput as error:
        assert str(error).isprintable() and str(root.config) in str(error)
    else:
        assert all(origin in (DEFAULT, FILE) for origin in got.origins.values())


@settings(derandomize=True, max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(KINDS)), text=YAML_LIKE)
@example("bounds.cap", "!!int ''")
def test_no_variable_makes_it_stumble(root: Root, key: str, text: str) -> None:
    try:
        got = read(root, None, {variable(key): text})
    except BadInput as error:
        assert str(error).isprintable() and variable(key) in str(error)
    else:
        value = values_of(got.config)[key]
        assert got.origins[key] == variable(key)
        assert not isinstance(value, float) or math.isfinite(value)
