"""The names that processes share: paths below the root, and the order of the strategies."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.schema import names
from contract.schema.names import CHECKOUT, DAEMONS, MARKS_HEADER, PERFORMANCE_HEADER, PNL_HEADER, STRATEGIES, Root


def test_the_order_of_the_strategies_is_the_contract() -> None:
    assert STRATEGIES == (
        *("turtle_trading", "mean_reversion_rsi", "momentum_sma_crossover", "breakout_trading"),
        *("pairs_trading", "macd_momentum", "bollinger_bands", "vix_strategy"),
    )


def test_readers_by_position_find_the_ancestors_columns_first() -> None:
    assert PNL_HEADER[:8] == ("date", "timestamp", "symbol", "side", "qty", "price", "reason", "pnl")
    assert PERFORMANCE_HEADER[2:6] == ("equity", "pnl_1d", "drawdown", "sharpe_30d")
    for header in (PNL_HEADER, MARKS_HEADER, PERFORMANCE_HEADER, names.QUARANTINE_HEADER):
        assert len(set(header)) == len(header)


def test_the_root_is_the_flag_or_the_environment_or_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"TILLER_ROOT": "/from/environment"}
    assert Root.find("/from/flag", environment).path == Path("/from/flag")
    assert Root.find(None, environment).path == Path("/from/environment")
    assert Root.find(None, {}).path == Root.find("", {"TILLER_ROOT": ""}).path == CHECKOUT
    assert (CHECKOUT / "contract" / "schema" / "names.py").samefile(names.__file__)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Root.find("~/tiller", {}).path == Path("/home/somebody/tiller")


def test_a_root_that_is_not_absolute_is_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Root.find("here", {}).path == tmp_path / "here"


def test_every_file_has_a_place_of_its_own_below_the_root() -> None:
    root = Root(Path("/somewhere"))
    single = {name: getattr(root, name) for name, value in vars(Root).items() if isinstance(value, property)}
    of_each = {
        f"{name} of {daemon}": getattr(root, name)(daemon)
        for name in ("journal", "heartbeat", "lock", "log", "output")
        for daemon in DAEMONS
    }
    places = {**single, **of_each, "generation 41": root.generation(41)}
    assert len(set(places.values())) == len(places)
    assert all(place.is_relative_to(root.path) and place != root.path for place in places.values())
    directories = {root.state, root.runtime, root.logs, root.model, root.journals, root.heartbeats, root.locks}
    assert {place.parent for place in places.values()} <= {*directories, root.path}


def test_the_names_that_others_know() -> None:
    root = Root(Path("/r"))
    assert [str(place.relative_to(root.path)) for place in (root.allocations, root.rl_weights, root.checkpoint)] == [
        "runtime/allocations_override.json",
        "runtime/rl_strategy_weights.json",
        "state/rl_model/checkpoint_latest.pkl",
    ]
    assert root.generation(41).name == "checkpoint_000041.pkl"
