from __future__ import annotations

from datetime import UTC, date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from contract.equity_curve import equity_of_day
from contract.errors import BadInput
from contract.schema.names import Root
from contract.system import OperatingSystem

CURVE = """date,timestamp,equity,pnl_1d,drawdown,sharpe_30d,sortino_30d,win_rate_7d,trades_7d
2026-11-20,2026-11-20T12:00:00Z,10018.8,10,0,0,,,
2026-11-20,2026-11-20T20:00:00Z,10020.5,10,0,0,,,
2026-11-21,2026-11-21T12:00:00Z,9990,10,0,0,,,
0001-01-01,0001-01-01T00:00:00Z,1,,,,,,
"""


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    root.state.mkdir()
    return root


def test_the_last_row_of_each_day_of_the_zone_counts(root: Root) -> None:
    root.performance_metrics.write_text(CURVE)
    found = equity_of_day(OperatingSystem(), root, UTC)
    assert found == {date(2026, 11, 20): 10020.5, date(2026, 11, 21): 9990.0}
    found = equity_of_day(OperatingSystem(), root, ZoneInfo("Asia/Tokyo"))
    assert found == {date(2026, 11, 20): 10018.8, date(2026, 11, 21): 9990.0}


def test_without_a_curve_nothing_is_known(root: Root) -> None:
    assert equity_of_day(OperatingSystem(), root, UTC) == {}


def test_what_is_no_curve_is_refused(root: Root) -> None:
    root.performance_metrics.write_text("no,such,columns\n")
    with pytest.raises(BadInput):
        equity_of_day(OperatingSystem(), root, UTC)
