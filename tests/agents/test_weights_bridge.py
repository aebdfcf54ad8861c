"""The bridge as a real process: what it tells the bot, whatever happens to the files around it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.bridge_world import BRIDGE, EQUAL, RISKY, SKEWED, bridge, lab, optimizer, rl, told, trade, verdicts
from support.broken_sources import BROKEN
from support.only_on_linux import only_on_linux
from support.processes import Running

from agents.bridge_decision import derive
from agents.bridge_keys import image
from contract import journal
from contract.read_allocations import read_allocations
from contract.schema.fields import by_name
from contract.schema.names import CHECKOUT, STRATEGIES, Root
from contract.system import OperatingSystem
from contract.tail import BLOCK

BRISK = {"bridge__interval_s": 0.1}
NEW = r"INFO bridge told "


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    for directory in (root.state, root.runtime):
        directory.mkdir()
    return root


@pytest.fixture
def running(root: Root) -> Iterator[Running]:
    with bridge(root, **BRISK) as process:
        process.complains(NEW + ".*source=equal_weight")
        yield process


def test_the_first_that_can_be_believed_is_told(root: Root, running: Running) -> None:
    for write, source in ((lab, "strategy_lab"), (optimizer, "portfolio_optimizer"), (rl, "rl_inference")):
        write(root)
        running.complains(f"{NEW}.*source={source}")
    found = told(root)
    assert found.strategy_allocations == SKEWED
    assert found.allocations == by_name(SKEWED)
    assert verdicts(root) == {
        **{"rl_inference": "chosen", "portfolio_optimizer": "in reserve"},
        **{"strategy_lab": "in reserve", "equal_weight": "in reserve"},
    }
    assert read_allocations(root.path) == (by_name(SKEWED), "ACTIVE")
    for path, source in ((root.rl_weights, "portfolio_optimizer"), (root.optimizer_weights, "strategy_lab")):
        path.unlink()
        running.complains(f"{NEW}.*source={source}")
    assert told(root).generation == 6


def test_every_failure_is_passed_over_with_its_reason(
    root: Root, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    optimizer(root)
    rl(root)
    running.complains(f"{NEW}.*source=rl_inference")
    table = []
    for name, broken in BROKEN.items():
        begun = time.monotonic()
        broken.do(root, datetime.now(UTC))
        running.complains(f"{NEW}.*source=portfolio_optimizer")
        took_ms = 1000 * (time.monotonic() - begun)
        found = told(root)
        first = found.considered[0]
        assert (first.source, first.verdict) == ("rl_inference", broken.verdict), name
        assert broken.reason in first.reason, name
        assert (found.source, found.risk.state) == ("portfolio_optimizer", "ACTIVE")
        table.append(f"{name:<24} {found.source:<20} {first.verdict:<16} {took_ms:6.0f} ms  {first.reason[:60]}")
        if root.rl_weights.is_dir():
            shutil.rmtree(root.rl_weights)
        rl(root)
        running.complains(f"{NEW}.*source=rl_inference")
    with capsys.disabled():
        print("", *table, sep="\n")


def test_a_loss_and_the_file_halt(root: Root, running: Running) -> None:
    trade(root, "2026-01-05T12:00:00Z", -600.0)
    running.complains(f"{NEW}.*risk=HALTED")
    assert read_allocations(root.path)[1] == "HALTED"
    assert (told(root).risk.scale, told(root).risk.reason) == (0.0, "daily loss 6.00% of 5.00%")
    root.halt.write_text("lunch")
    running.complains(f"{NEW}.*why=.*lunch")
    assert told(root).strategy_allocations == EQUAL  # never multiplied in


def test_what_others_write_there_does_not_stay(root: Root, running: Running) -> None:
    """As the ancestor's portfolio optimizer does."""
    before = told(root)
    root.allocations.write_text(json.dumps({"allocations": {"SPY": 1.0}, "timestamp": "2026-01-01"}))
    running.complains("WARNING bridge somebody else writes here")
    assert told(root).allocations == before.allocations
    root.allocations.unlink()
    running.complains("WARNING bridge somebody else writes here")
    assert told(root).generation == before.generation


def test_it_goes_on_where_it_was_killed(root: Root) -> None:
    with bridge(root, **BRISK) as first:
        rl(root)
        first.complains(f"{NEW}.*source=rl_inference")
        first.process.kill()
    before = told(root)
    with bridge(root, **BRISK) as second:
        rl(root, RISKY, generation=2)
        second.complains(f"{NEW}.*source=rl_inference")
        assert second.ends(signal.SIGTERM)[0] == 0
    after = told(root)
    assert (after.generation, after.metadata["source_generation"]) == ((before.generation or 0) + 1, 2)


def test_a_change_of_source_is_a_walk_over_restarts(root: Root) -> None:
    limits = {**BRISK, "bridge__turnover_limit": 0.2}

    def distance(weights: tuple[float, ...]) -> float:
        return sum(abs(one - other) for one, other in zip(weights, SKEWED, strict=True))

    rl(root)
    trade(root, "2026-01-05T12:00:00Z", 1.0)
    bridge(root, "--once", **limits).ended()
    root.rl_weights.unlink()
    optimizer(root)
    distances = []
    for day in (5, 5, 6, 7, 8, 9):
        trade(root, f"2026-01-{day:02d}T12:00:00Z", 1.0)
        bridge(root, "--once", **limits).ended()
        distances.append(round(distance(told(root).strategy_allocations), 9))
    whole = round(distance(RISKY), 9)
    assert distances == [0.2, 0.2, 0.4, 0.6, min(0.8, whole), min(1.0, whole)]
    assert whole == 0.8 and told(root).metadata["move"] is None


# What a bot sees.


def test_symbols_are_told_where_the_bot_wants_symbols(root: Root) -> None:
    rl(root)
    for number, name in enumerate(STRATEGIES):
        trade(root, "2026-01-05T12:00:00Z", 1.0, strategy=name, symbol=("SPY", "BTC-USD")[number % 2], qty=1, price=5)
    bridge(root, "--once", bridge__keys="symbols").ended()
    found = told(root)
    assert found.allocations == {"BTC-USD": pytest.approx(0.45), "SPY": pytest.approx(0.55)}
    assert found.strategy_allocations == SKEWED


def test_symbols_come_from_the_settings_where_they_say(root: Root) -> None:
    rl(root)
    root.config.write_text(f"bridge: {{keys: symbols, symbols: {{{STRATEGIES[0]}: {{GLD: 1, SPY: 3}}}}}}")
    bridge(root, "--once").ended()
    assert told(root).allocations == {"GLD": pytest.approx(0.25), "SPY": pytest.approx(0.75)}


def test_without_symbols_strategies_are_told_and_that_is_trouble(root: Root) -> None:
    bridge(root, "--once", bridge__keys="symbols").ended()
    assert told(root).allocations == by_name(EQUAL)
    assert "no symbols are known yet" in root.heartbeat("bridge").read_text()


def test_what_the_journal_holds_derives_the_publication_again(root: Root) -> None:
    rl(root)
    bridge(root, "--once").ended()
    root.rl_weights.unlink()
    optimizer(root, (1, 0, 0, 0, 0, 0, 0, 1))
    shares = {STRATEGIES[0]: {"SPY": 1.0}, STRATEGIES[1]: {"GLD": 2.0, "SPY": 1.0}}
    bridge(root, "--once", bridge__turnover_limit=0.3, bridge__keys="symbols", bridge__symbols=shares).ended()
    found = told(root)
    entry = journal.read(OperatingSystem(), root, "bridge", found.generation)
    assert entry is not None and found.generation == 2
    body = entry.body
    start = tuple(body["moved_from"].values())
    proposal = tuple(body["proposal"].values())
    weights = derive(proposal, start, body["bounds"]["floor"], body["bounds"]["cap"], body["turnover_limit"])
    assert weights == found.strategy_allocations == tuple(body["weights"].values())
    assert image(weights, body["shares"]) == found.allocations == body["allocations"]
    assert body["risk"] == vars(found.risk)
    assert body["source"] == found.source and len(body["source_sha256"]) == 64


# What it is.


def test_it_keeps_numpy_out(root: Root) -> None:
    """With every module of the bridge at work: trades, symbols, the journal."""
    trade(root, "2026-01-05T12:00:00Z", 1.0, strategy=STRATEGIES[0], symbol="SPY", qty=1, price=5)
    program = (
        "import sys; sys.argv = ['bridge', '--once', '--root', sys.argv[1]]\n"
        "from agents.weights_bridge import BRIDGE\n"
        "from contract import observer\n"
        "from contract.daemon import main\n"
        "assert main(BRIDGE) == 0\n"
        "print(sorted({'numpy', 'pandas', 'torch'} & set(sys.modules)))\n"
    )
    environment = {"PYTHONPATH": str(CHECKOUT), "TILLER__BRIDGE__KEYS": "symbols"}
    command = [sys.executable, "-c", program, str(root.path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@only_on_linux
def test_it_stays_small(root: Root) -> None:
    """Also when it meets a history of more than one block."""
    root.pnl_history.write_text("timestamp,pnl\n" + "2026-01-05T12:00:00Z,1.5\n" * (10 * BLOCK // 250))
    with bridge(root, **BRISK) as process:
        process.complains(NEW)
        rl(root)
        process.complains(f"{NEW}.*source=rl_inference")
        status = Path(f"/proc/{process.pid}/status").read_text()
        (peak_kib,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak_kib < 40 << 10


def test_there_is_one(root: Root, running: Running) -> None:
    with bridge(root) as second:
        assert second.ended() == 1
        assert "another bridge is running" in "".join(second.errors)


def test_the_way_out_of_a_signal_is_short(running: Running) -> None:
    code, took_s = running.ends(signal.SIGTERM)
    assert code == 0 and took_s < 5


def test_json_is_what_is_published(root: Root) -> None:
    done = subprocess.run(
        [sys.executable, str(BRIDGE), "--once", "--json", "--root", str(root.path)], capture_output=True, check=True
    )
    assert done.stdout == root.allocations.read_bytes()
