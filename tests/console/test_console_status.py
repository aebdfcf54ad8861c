import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.scripted_waits import START, ScriptedWaits

from console.main import main
from console.status import as_values, duration, lines, take
from contract.daemon import DONE
from contract.files import publish
from contract.schema.names import DAEMONS, EQUAL_WEIGHT, RL_INFERENCE, STRATEGIES, Root
from contract.schema.operations import DEGRADED, RUNNING, STOPPED, Heartbeat, encode_heartbeat
from contract.schema.weights import REDUCING, Allocations, Considered, Risk, encode_allocations

EQUAL = (1 / len(STRATEGIES),) * len(STRATEGIES)
TOLD = Allocations(
    allocations=dict(zip(STRATEGIES, EQUAL, strict=True)),
    source=EQUAL_WEIGHT,
    timestamp=START,
    valid_until=START + timedelta(minutes=10),
    risk=Risk(REDUCING, 0.5, "drawdown of 16%"),
    strategy_allocations=EQUAL,
    considered=(
        Considered(RL_INFERENCE, "stale", "published 3 h ago", 10800.0),
        Considered(EQUAL_WEIGHT, "taken", "", None),
    ),
)


@pytest.fixture
def system() -> ScriptedWaits:
    system = ScriptedWaits()
    system.elapsed_s = 300.0
    return system


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def page(system: ScriptedWaits, root: Root) -> list[str]:
    return list(lines(take(system, root)))


def beat(system: ScriptedWaits, root: Root, daemon: str, state: str, message: str = "", last_error: str = "") -> None:
    record = Heartbeat(daemon, os.getpid(), system.boot_id(), 1, START, state, 600.0, message, last_error)
    publish(system, root.heartbeat(daemon), encode_heartbeat(record))


def test_an_empty_root_says_what_is_missing(system: ScriptedWaits, root: Root) -> None:
    first, second, gap, *daemons = page(system, root)
    assert first == f"root       {root.path}"
    assert second == f"bot        nothing has been published: {root.allocations} does not exist"
    assert gap == ""
    assert [line.split(maxsplit=1) for line in daemons] == [[daemon, "never ran"] for daemon in DAEMONS]


def test_it_says_what_the_bot_is_told_by_whom_and_why(system: ScriptedWaits, root: Root) -> None:
    publish(system, root.allocations, encode_allocations(TOLD))
    _, told, risk, first, second, *rest = page(system, root)
    assert told == "bot        is told by equal_weight, 5 min ago"
    assert risk == "risk       REDUCING at scale 0.5 drawdown of 16%"
    assert first.split() == ["rl_inference", "stale", "published", "3", "h", "ago"]
    assert second.split() == ["equal_weight", "taken"]
    assert [line.split() for line in rest[: len(STRATEGIES)]] == [[name, "12.50%"] for name in STRATEGIES]


@pytest.mark.parametrize(("seconds", "stale"), [(600, False), (601, True), (-600, False)])
def test_it_says_when_the_writer_is_gone(system: ScriptedWaits, root: Root, seconds: float, stale: bool) -> None:
    publish(system, root.allocations, encode_allocations(TOLD))
    system.elapsed_s = seconds
    assert ("STALE" in page(system, root)[1]) is stale


def test_allocations_without_an_end_do_not_go_stale(system: ScriptedWaits, root: Root) -> None:
    publish(system, root.allocations, encode_allocations(replace(TOLD, valid_until=None)))
    system.elapsed_s = 1e7
    snapshot = take(system, root)
    assert "STALE" not in list(lines(snapshot))[1]
    assert as_values(snapshot)["allocations"]["valid_until"] is None


def torn(path: Path) -> None:
    path.write_text("{")


def its_own_link(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("broken", [torn, its_own_link, Path.mkdir, os.mkfifo])
def test_what_cannot_be_read_is_said_and_the_rest_is_shown(
    system: ScriptedWaits, root: Root, broken: Callable[[Path], None]
) -> None:
    for path in (root.allocations, root.heartbeat("bridge")):
        path.parent.mkdir(parents=True, exist_ok=True)
        broken(path)
    beat(system, root, "tracker", RUNNING, "all is well")
    _, told, _, *daemons = page(system, root)
    assert told.startswith(f"bot        {root.allocations}: ")
    by_name = {line.split()[0]: line for line in daemons}
    assert by_name["bridge"].split()[1] == "unreadable" and str(root.heartbeat("bridge")) in by_name["bridge"]
    assert by_name["tracker"].split()[1:] == ["alive", "5", "min", "ago", "all", "is", "well"]


def test_it_says_how_every_process_is(system: ScriptedWaits, root: Root) -> None:
    beat(system, root, "bridge", DEGRADED, "published", last_error="the optimizer is stale")
    beat(system, root, "trainer", STOPPED, "stopped")
    by_name = {line.split()[0]: line for line in page(system, root)[3:]}
    assert by_name["bridge"].split(maxsplit=5)[1:] == ["alive", "5", "min", "ago", "the optimizer is stale"]
    assert by_name["trainer"].split()[1:] == ["stopped", "5", "min", "ago", "stopped"]


NASTY = "\x1b]0;owned\x07\x1b[2J\r\nforged: all is well\x9b\u202e"


def test_nothing_in_a_file_can_reach_the_terminal_or_forge_a_line(system: ScriptedWaits, root: Root) -> None:
    quiet = len(page(system, root))
    nasty = replace(TOLD, risk=Risk(REDUCING, 0.5, NASTY), considered=(Considered(NASTY, NASTY, NASTY, None),))
    publish(system, root.allocations, encode_allocations(nasty))
    beat(system, root, "bridge", RUNNING, NASTY)
    beat(system, root, "tracker", DEGRADED, "", last_error=NASTY)
    shown = page(system, root)
    assert all(line.isprintable() for line in shown)
    assert len(shown) == quiet + 2 + len(STRATEGIES)
    assert sum(r"\x1b]0;owned" in line for line in shown) == 4


def test_the_same_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, system = Root(tmp_path), ScriptedWaits()
    publish(system, root.allocations, encode_allocations(TOLD))
    beat(system, root, "bridge", DEGRADED, "published", last_error=NASTY)
    assert main(["--root", str(tmp_path), "status", "--json"]) == DONE
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    told = json.loads(out)
    assert told["root"] == str(tmp_path)
    assert told["trouble"] == ""
    assert told["allocations"] == {
        "source": "equal_weight",
        "timestamp": "2026-01-31T08:00:00Z",
        "valid_until": "2026-01-31T08:10:00Z",
        "risk": {"state": "REDUCING", "scale": 0.5, "reason": "drawdown of 16%"},
        "strategy_allocations": dict.fromkeys(STRATEGIES, 0.125),
        "considered": [
            {"source": "rl_inference", "verdict": "stale", "reason": "published 3 h ago", "age_s": 10800.0},
            {"source": "equal_weight", "verdict": "taken", "reason": "", "age_s": None},
        ],
    }
    assert list(told["daemons"]) == list(DAEMONS)
    assert told["daemons"]["bridge"]["trouble"] == NASTY
    assert told["daemons"]["trainer"] == {"state": "never ran", "age_s": None, "trouble": ""}


def test_nothing_published_is_null_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(tmp_path), "status", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["allocations"] is None
    assert "nothing has been published" in told["trouble"]


def test_the_page_is_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path), "status"]) == DONE
    assert capsys.readouterr().out.splitlines() == list(lines(take(ScriptedWaits(), Root(tmp_path))))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172799, "48 h"),
        (172800, "2 days"),
        (8.64e8, "10000 days"),
        (-60, "-60 s"),
        (-7200, "-2 h"),
    ],
)
def test_a_duration_is_told_in_the_largest_unit_that_fits(seconds: float, told: str) -> None:
    assert duration(seconds) == told
