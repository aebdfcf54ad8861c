import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.scripted_waits import START, ScriptedWaits

from console.main import main
from console.page import as_values, duration, plain
from console.snapshot import take
from contract.config import Config
from contract.daemon import DONE
from contract.files import publish
from contract.schema.judgement import AccountPath, Expert, Trust, encode_trust
from contract.schema.model import REFUSED, Manifest, Training, TrainingLog, encode_manifest, encode_training_log
from contract.schema.names import DAEMONS, EQUAL_WEIGHT, RL_INFERENCE, STRATEGIES, Root
from contract.schema.operations import DEGRADED, RUNNING, STOPPED, Heartbeat, encode_heartbeat
from contract.schema.risk import Account, Breaker, Results, RiskState, Trip, encode_risk_state
from contract.schema.supervision import Wanted, encode_wanted
from contract.schema.weights import (
    REDUCING,
    Allocations,
    Considered,
    Risk,
    RlWeights,
    encode_allocations,
    encode_rl_weights,
)

BREAKER = Breaker(Account(9e3, 9e3, 9e3, 1e4, results=Results(trades=70)), alerts=("losing_days",))
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
    return list(plain(take(system, root), Config()))


def said_of(system: ScriptedWaits, root: Root, label: str) -> str:
    """What stands behind a label."""
    return next(line[13:] for line in page(system, root) if line.split(" ")[0] == label)


def beat(system: ScriptedWaits, root: Root, daemon: str, state: str, message: str = "", last_error: str = "") -> None:
    record = Heartbeat(daemon, os.getpid(), system.boot_id(), 1, START, state, 600.0, message, last_error)
    publish(system, root.heartbeat(daemon), encode_heartbeat(record))


def test_an_empty_root_says_what_is_missing(system: ScriptedWaits, root: Root) -> None:
    *facts, gap = page(system, root)[: -len(DAEMONS)]
    daemons = page(system, root)[-len(DAEMONS) :]
    assert facts == [
        f"root         {root.path}",
        f"bot          nothing has been published: {root.allocations} does not exist",
        "breaker      has seen nothing of the account yet",
        "model        generation 0, the prior that ships",
        "trust        not begun",
        "book         no trades seen yet, 0 quarantined",
    ]
    assert gap == ""
    assert [line.split(maxsplit=1) for line in daemons] == [[daemon, "never ran"] for daemon in DAEMONS]


def test_it_says_what_the_bot_is_told_by_whom_and_why(system: ScriptedWaits, root: Root) -> None:
    publish(system, root.allocations, encode_allocations(TOLD))
    _, told, risk, first, second, *_ = page(system, root)
    assert told == "bot          is told by equal_weight, 5 min ago"
    assert risk == "risk         REDUCING at scale 0.5 drawdown of 16%"
    assert first.split() == ["rl_inference", "stale", "published", "3", "h", "ago"]
    assert second.split() == ["equal_weight", "taken"]
    shares = [line.split() for line in page(system, root) if line.endswith("%") and line.startswith(" ")]
    assert shares == [[name, "12.50%"] for name in STRATEGIES]


@pytest.mark.parametrize(("seconds", "stale"), [(600, False), (601, True), (-600, False)])
def test_it_says_when_the_writer_is_gone(system: ScriptedWaits, root: Root, seconds: float, stale: bool) -> None:
    publish(system, root.allocations, encode_allocations(TOLD))
    system.elapsed_s = seconds
    assert ("STALE" in page(system, root)[1]) is stale


def test_allocations_without_an_end_do_not_go_stale(system: ScriptedWaits, root: Root) -> None:
    publish(system, root.allocations, encode_allocations(replace(TOLD, valid_until=None)))
    system.elapsed_s = 1e7
    snapshot = take(system, root)
    assert "STALE" not in list(plain(snapshot, Config()))[1]
    assert as_values(snapshot, Config())["allocations"]["valid_until"] is None


def test_a_full_disk_is_said(system: ScriptedWaits, root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(system, root.allocations, encode_allocations(TOLD))
    assert not [line for line in page(system, root) if line.startswith("disk")]
    assert as_values(take(system, root), Config())["disk"]["full"] is False
    beat(system, root, "bridge", RUNNING)
    system.elapsed_s = 601
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    _, disk, told, *_ = page(system, root)
    assert disk == "disk         FULL: nothing new is said; free some space, and all goes on by itself"
    assert told == "bot          is told by equal_weight, 10 min ago, STALE: its writer does not renew it"
    assert as_values(take(system, root), Config())["disk"] == {"free_bytes": 4096, "full": True}


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
    _, told, *others = page(system, root)
    assert told.startswith(f"bot          {root.allocations}: ")
    by_name = {line.split(" ")[0]: line for line in others}
    assert by_name["bridge"].split()[1] == "unreadable" and str(root.heartbeat("bridge")) in by_name["bridge"]
    assert by_name["tracker"].split()[1:] == ["alive", "5", "min", "ago", "all", "is", "well"]


def test_it_says_how_every_process_is(system: ScriptedWaits, root: Root) -> None:
    beat(system, root, "bridge", DEGRADED, "published", last_error="the optimizer is stale")
    beat(system, root, "trainer", STOPPED, "stopped")
    by_name = {line.split(" ")[0]: line for line in page(system, root)}
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
    assert len(shown) == quiet + 3 + len(STRATEGIES)
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
        "generation": None,
        "timestamp": "2026-01-31T08:00:00Z",
        "valid_until": "2026-01-31T08:10:00Z",
        "stale": True,
        "risk": {"state": "REDUCING", "scale": 0.5, "reason": "drawdown of 16%"},
        "strategy_allocations": dict.fromkeys(STRATEGIES, 0.125),
        "considered": [
            {"source": "rl_inference", "verdict": "stale", "reason": "published 3 h ago", "age_s": 10800.0},
            {"source": "equal_weight", "verdict": "taken", "reason": "", "age_s": None},
        ],
    }
    assert list(told["daemons"]) == list(DAEMONS)
    assert told["daemons"]["bridge"]["trouble"] == NASTY
    assert told["daemons"]["trainer"] == {
        **{"state": "never ran", "age_s": None, "trouble": "", "pid": None, "starts": None}
    }


def test_nothing_published_is_null_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(tmp_path), "status", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["allocations"] is None
    assert "nothing has been published" in told["trouble"]


def test_the_page_is_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path), "status"]) == DONE
    assert capsys.readouterr().out.splitlines() == page(ScriptedWaits(), Root(tmp_path))


# The model, trust, the breaker, the book, and what should run.


def test_a_model_that_was_promoted(system: ScriptedWaits, root: Root) -> None:
    manifest = Manifest(4, "checkpoint_000004.pkl", "0f" * 32, 10, (), START, parent=2, replaces=3)
    publish(system, root.manifest, encode_manifest(manifest))
    assert said_of(system, root, "model") == "generation 4, trained 5 min ago, in the place of 3"


def test_the_last_training_and_the_next(system: ScriptedWaits, root: Root) -> None:
    publish(system, root.risk_state, encode_risk_state(RiskState(BREAKER, None)))
    assert said_of(system, root, "next") == "training is due: the first, with 70 trades"
    training = Training(START, REFUSED, None, 10, 1.0, 0, 1.0, 60, 500, reason="not shown to be better")
    publish(system, root.training_log, encode_training_log(TrainingLog((training,))))
    assert said_of(system, root, "training") == "the last, 5 min ago: refused: not shown to be better"
    assert said_of(system, root, "next") == "training is not due: 10 trades of 50 since the last, 168 h left"
    assert as_values(take(system, root), Config())["training"]["due"] is False


def test_trust_and_its_evidence(system: ScriptedWaits, root: Root) -> None:
    expert = Expert(EQUAL, 0.0)
    trust = Trust(0.625, 0.5, 3.0, expert, expert, 0.0, AccountPath(), None, None, 1200, "")
    publish(system, root.trust, encode_trust(trust))
    assert said_of(system, root, "trust") == "62.5% in the policy after 1,200 live days; e-value against the base 20.1"


def test_the_breaker(system: ScriptedWaits, root: Root) -> None:
    publish(system, root.risk_state, encode_risk_state(RiskState(BREAKER, None)))
    assert said_of(system, root, "breaker") == "closed; equity 9,000.00, 10.0% below its peak; alert: losing days"
    publish(system, root.risk_state, encode_risk_state(RiskState(replace(BREAKER, halt="lunch"), None)))
    assert said_of(system, root, "breaker") == f"halted by {root.halt}: remove it to go on"
    trip = Trip("daily_loss", 0.06, 0.05, "daily loss 6% of 5%", START)
    publish(system, root.risk_state, encode_risk_state(RiskState(replace(BREAKER, trip=trip), None)))
    said = "tripped 5 min ago: daily loss 6% of 5%; tiller resume ends it"
    assert said_of(system, root, "breaker") == said


def test_the_book_and_what_could_not_be_read_of_it(system: ScriptedWaits, root: Root) -> None:
    metadata = {"book": "marks", "input": {"rows": 1400, "last_timestamp": "2026-01-30T20:00:00Z"}}
    publish(system, root.rl_weights, encode_rl_weights(RlWeights(EQUAL, START, None, True, 1, metadata)))
    publish(system, root.risk_state, encode_risk_state(RiskState(BREAKER, None)))
    publish(system, root.quarantine, b"file,offset,reason,row\na,1,b,c\n")
    said = "70 trades, 1,400 rows up to 2026-01-30T20:00:00Z, by marks, 1 quarantined"
    assert said_of(system, root, "book") == said


def test_a_program_that_should_run_and_does_not_is_unwell(system: ScriptedWaits, root: Root) -> None:
    beat(system, root, "bridge", STOPPED)
    beat(system, root, "lab", STOPPED)
    publish(system, root.wanted, encode_wanted(Wanted(("bridge", "trainer"))))
    assert take(system, root).unwell == {"bridge": "stopped"}


def test_settings_that_make_no_sense_are_said_and_the_rest_is_shown(
    system: ScriptedWaits, root: Root, capsys: pytest.CaptureFixture[str]
) -> None:
    root.config.write_text("bounds: {cup: 1}")
    assert main(["--root", str(root.path), "status"]) == DONE
    assert "settings     " in capsys.readouterr().out


@pytest.mark.parametrize("broken", [torn, Path.mkdir])
def test_each_file_that_cannot_be_read_is_named(
    system: ScriptedWaits, root: Root, broken: Callable[[Path], None]
) -> None:
    for path in (root.manifest, root.trust, root.training_log, root.risk_state):
        path.parent.mkdir(parents=True, exist_ok=True)
        broken(path)
        assert any(str(path) in line for line in page(system, root))


def test_in_tables_it_says_the_same(system: ScriptedWaits, root: Root) -> None:
    rich = pytest.importorskip("rich.console")
    from console.tables import drawn

    publish(system, root.allocations, encode_allocations(TOLD))
    beat(system, root, "bridge", DEGRADED, "", last_error=NASTY + "[red]")
    console = rich.Console(width=200, record=True, file=io.StringIO())
    console.print(drawn(take(system, root), Config()))
    shown = [" ".join(line.replace("━", "").split()) for line in console.export_text().splitlines()]
    assert shown == [" ".join(line.split()) for line in page(system, root)]


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


def test_on_a_small_terminal_nothing_that_runs_is_cut_off(system: ScriptedWaits, root: Root) -> None:
    rich_console = pytest.importorskip("rich.console")
    from console.tables import drawn

    publish(system, root.allocations, encode_allocations(replace(TOLD, risk=Risk(REDUCING, 0.5, "a long reason " * 9))))
    for daemon in DAEMONS[:4]:
        beat(system, root, daemon, RUNNING, "all is well")
    shown = {}
    for rows in (60, 24):
        console = rich_console.Console(file=io.StringIO(), width=80, height=rows)
        console.print(drawn(take(system, root), Config(), rows))
        shown[rows] = console.file.getvalue().splitlines()
        (risk,) = (line for line in shown[rows] if line.startswith("risk"))
        assert len(risk) == 80 and risk.endswith("…")
        assert sum(line.endswith("all is well") for line in map(str.rstrip, shown[rows])) == 4
        assert all(any(name in line for line in shown[rows]) for name in STRATEGIES)
    assert len(shown[24]) <= 24 < len(shown[60])
    assert any("never ran" in line for line in shown[60]) and not any("never ran" in line for line in shown[24])
