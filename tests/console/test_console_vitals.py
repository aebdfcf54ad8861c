import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from support.only_on_linux import only_on_linux

from console import vitals
from console.vitals import KIB_A_DAY, KIB_A_DAY_OF_TRACKER, SWING, Growth, Vitals, errors, memory_mib, said, slope
from contract.schema.names import Root

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
EVERY_S = 6.0
Watch = Callable[..., list[Growth]]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Looks, one every `EVERY_S`, at a process that holds so many MiB; and what is made of them."""

    def watched(
        mib: Iterable[float], stages: Iterable[Mapping[str, str | None]] = (), name: str = "bridge"
    ) -> list[Growth]:
        seen, stages = Vitals(days_a_minute=16.0), chain(stages, iter(dict, None))
        for look, (held, stage) in enumerate(zip(mib, stages, strict=False)):
            monkeypatch.setattr(vitals, "memory_mib", lambda pid, held=held: held)
            seen.look(EVERY_S * look, {name: 7}, stage)
        return list(seen.growths())

    return watched


def test_the_slope_is_that_of_the_line() -> None:
    x = np.arange(20.0)
    assert slope(x, 3.0 * x - 7.0) == pytest.approx(3.0)


@only_on_linux
def test_memory_is_that_of_the_process() -> None:
    mine = memory_mib(os.getpid())
    assert mine is not None and 10 < mine < 4000
    assert memory_mib(2**31 - 1) is None


def test_growth_is_that_of_the_later_half(watch: Watch) -> None:
    (growth,) = watch([*range(20, 30), *[30.0 + i for i in range(10)]])
    assert growth == Growth("bridge", 7, 20.0, 39.0, pytest.approx(10.0), pytest.approx(0.9), pytest.approx(6.1125))
    assert said(growth).split() == (
        "bridge pid 7 20.0 MiB at first, 39.0 at last, "
        "+10.00 MiB/min in the last 0.9 min, NOT FLAT: 6.1 MiB were allowed".split()
    )


@pytest.mark.parametrize(("name", "kib_a_day"), [("bridge", KIB_A_DAY), ("tracker", KIB_A_DAY_OF_TRACKER)])
@pytest.mark.parametrize(("minutes", "of_it"), [(1, 1.0), (16, 0.25)])
def test_flat_is_what_rises_by_no_more_than_is_allowed(
    watch: Watch, minutes: int, of_it: float, name: str, kib_a_day: float
) -> None:
    looks = np.arange(2 * minutes * 60 / EVERY_S + 1)
    allowed = SWING * 30.0 * of_it + kib_a_day * 16.0 * minutes / 1024
    for rise, is_flat in ((0.98 * allowed, True), (1.02 * allowed, False), (-9.0, True)):
        (growth,) = watch(30.0 + rise * looks * EVERY_S / 60 / minutes, name=name)
        assert growth.is_flat is is_flat
        assert ("NOT FLAT" in said(growth)) is not is_flat


def test_a_few_looks_say_nothing(watch: Watch) -> None:
    (growth,) = watch(range(30, 49))
    assert growth.is_flat and growth.per_minute_mib is None
    assert said(growth).endswith("48.0 at last, not looked at for long enough")


def test_a_new_stage_begins_anew_and_what_is_held_for_a_while_does_not_count(watch: Watch) -> None:
    young, at_work, old = ({"bridge": stage} for stage in ("young", None, "old"))
    held = [50.0] * 9 + [500.0] * 4 + [400.0] * 12 + [700.0] * 3 + [400.0] * 12
    stages = [young] * 9 + [at_work] * 4 + [old] * 12 + [at_work] * 3 + [old] * 12
    (growth,) = watch(held, stages)
    assert (growth.first_mib, growth.last_mib, growth.per_minute_mib) == (400.0, 400.0, 0.0)


def test_errors_are_those_of_this_run(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.logs.mkdir()
    (root.logs / "bridge.log").write_text(
        "2026-01-31T11:59:59Z ERROR bridge before\n2026-01-31T12:00:00Z ERROR bridge now\n"
        "2026-01-31T12:00:01Z INFO bridge ERROR in words\nTraceback ERROR \n"
    )
    (root.logs / "lab.log.1").write_text("2026-01-31T12:00:02Z ERROR lab rotated\n")
    assert errors(root, NOON) == ["2026-01-31T12:00:00Z ERROR bridge now", "2026-01-31T12:00:02Z ERROR lab rotated"]
