import ast
import dataclasses
import inspect
from typing import Any, get_type_hints

import pytest

from contract import config
from contract.config import Account, Attribution, BadSetting, Bounds, Bridge, Config, Inference, Loop, RiskLimits, Trust
from contract.errors import BadInput
from contract.schema.names import STRATEGIES

SECTIONS = get_type_hints(Config)


def test_every_setting_says_below_it_what_it_is() -> None:
    tree = ast.parse(inspect.getsource(config))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    undocumented = []
    for section, kind in SECTIONS.items():
        body = classes[kind.__name__].body
        for statement, following in zip(body, [*body[1:], ast.Pass()], strict=True):
            if isinstance(statement, ast.AnnAssign):
                said = following.value if isinstance(following, ast.Expr) else None
                if not (isinstance(said, ast.Constant) and isinstance(said.value, str) and said.value.endswith(".")):
                    undocumented.append(f"{section}.{ast.unparse(statement.target)}")
    assert undocumented == []


def test_every_section_is_frozen_and_says_what_it_is_about() -> None:
    for kind in (Config, *SECTIONS.values()):
        assert kind.__dataclass_params__.frozen, kind
    assert all(kind.__doc__ and kind.__doc__.endswith(".") for kind in SECTIONS.values())


@pytest.mark.parametrize(
    ("kind", "values", "key"),
    [
        (Account, {"initial_equity": 0.0}, "account.initial_equity"),
        (Account, {"periods_per_year": 0}, "account.periods_per_year"),
        (Account, {"day_zone": "Mars/Olympus"}, "account.day_zone"),
        (Account, {"day_zone": "../../etc/passwd"}, "account.day_zone"),
        (Account, {"day_zone": "Europe"}, "account.day_zone"),
        (Account, {"day_zone": ""}, "account.day_zone"),
        (Account, {"day_zone": "a\0b"}, "account.day_zone"),
        (Account, {"day_zone": "x" * 5000}, "account.day_zone"),
        (Attribution, {"strategy_of_symbol": {"AAPL": "turtles"}}, "attribution.strategy_of_symbol.AAPL"),
        (Bridge, {"interval_s": 0.0}, "bridge.interval_s"),
        (Bridge, {"lab_age_s": -1.0}, "bridge.lab_age_s"),
        (Bridge, {"clock_skew_s": -1.0}, "bridge.clock_skew_s"),
        (Bridge, {"valid_s": 14.0}, "bridge.valid_s"),
        (Bridge, {"least_effective": 8.5}, "bridge.least_effective"),
        (Bridge, {"turnover_limit": 0.0}, "bridge.turnover_limit"),
        (Bridge, {"keys": "tickers"}, "bridge.keys"),
        (Bridge, {"symbols": {"turtles": {"SPY": 1.0}}}, "bridge.symbols"),
        (Bridge, {"symbols": {"pairs_trading": {"SPY": -1.0, "QQQ": 2.0}}}, "bridge.symbols.pairs_trading"),
        (Bridge, {"symbols": {"pairs_trading": {}}}, "bridge.symbols.pairs_trading"),
        (RiskLimits, {"daily_loss": 0.0}, "risk.daily_loss"),
        (RiskLimits, {"drawdown": 1.5}, "risk.drawdown"),
        (RiskLimits, {"weekly_loss_amount": 0.0}, "risk.weekly_loss_amount"),
        (RiskLimits, {"losing_days": 0}, "risk.losing_days"),
        (RiskLimits, {"reduce_from": 1.0}, "risk.reduce_from"),
        (RiskLimits, {"cooldown_s": -1.0}, "risk.cooldown_s"),
        (RiskLimits, {"alert_win_rate": 0.0}, "risk.alert_win_rate"),
        (RiskLimits, {"kelly_fraction": 0.0}, "risk.kelly_fraction"),
        (Bounds, {"floor": 0.13}, "bounds.floor"),
        (Bounds, {"floor": -0.01}, "bounds.floor"),
        (Bounds, {"cap": 0.12}, "bounds.cap"),
        (Bounds, {"cap": 1.01}, "bounds.cap"),
        (Inference, {"interval_s": 0.0}, "inference.interval_s"),
        (Inference, {"min_interval_s": -1.0}, "inference.min_interval_s"),
        (Inference, {"interval_s": 1.0, "min_interval_s": 2.0}, "inference.min_interval_s"),
        (Trust, {"cap": 1.0}, "trust.cap"),
        (Trust, {"start": 0.0}, "trust.start"),
        (Trust, {"start": 0.6, "cap": 0.5}, "trust.start"),
        (Trust, {"eta": 0.5}, "trust.eta"),
        (Trust, {"base": {STRATEGIES[0]: 1.0}}, "trust.base"),
        (Trust, {"base": dict.fromkeys(STRATEGIES, 0.0)}, "trust.base"),
        (Trust, {"base": dict.fromkeys(STRATEGIES, 1.0) | {STRATEGIES[3]: -1.0}}, "trust.base"),
        (Loop, {"backoff_s": 0.0}, "loop.backoff_s"),
        (Loop, {"backoff_s": 2.0, "longest_backoff_s": 1.0}, "loop.longest_backoff_s"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(kind: Any, values: dict[str, Any], key: str) -> None:
    with pytest.raises(BadSetting) as caught:
        kind(**values)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"{key} is ")
    assert caught.value.hint.endswith(" was expected")
    assert "\n" not in str(caught.value)


def test_the_edges_are_allowed() -> None:
    n = len(STRATEGIES)
    assert Bounds(floor=1 / n, cap=1 / n).cap == 1 / n
    assert Bounds(floor=0.0, cap=1.0).floor == 0.0
    assert Loop(backoff_s=3.0, longest_backoff_s=3.0).longest_backoff_s == 3.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 10_000, 60),
        ([["x"] * 100] * 100, 120),
        (1 << 100_000, 60),
        ({"a": {"b": {"c": {"d": 1}}}}, 60),
    ],
    ids=["long text", "wide list", "endless number", "deep table"],
)
def test_a_value_is_shown_briefly_whatever_it_is(value: object, shown: int) -> None:
    error = BadSetting("loop.polling", value, "true or false")
    assert len(error.message) <= len("loop.polling is ") + shown
    assert isinstance(error, BadInput)


def test_the_base_is_in_the_order_of_the_strategies() -> None:
    assert Trust().base_weights == (1 / 8,) * 8
    base = {name: float(place) for place, name in enumerate(STRATEGIES)}
    assert Trust(base=dict(reversed(base.items()))).base_weights == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().bounds.floor = 0.1  # type: ignore[misc]
