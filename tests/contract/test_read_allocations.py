import ast
import json
import math
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import read_allocations as module
from contract.files import publish
from contract.read_allocations import read_allocations
from contract.schema.names import EQUAL_WEIGHT, STRATEGIES, Root
from contract.schema.weights import ACTIVE, HALTED, REDUCING, Allocations, Risk, encode_allocations
from contract.system import OperatingSystem

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
EQUAL = dict.fromkeys(STRATEGIES, 1 / len(STRATEGIES))
SOURCE = Path(module.__file__)


def published(root: Path, state: str = ACTIVE, valid_s: float = 60.0) -> None:
    """As the bridge publishes it."""
    record = Allocations(
        allocations=EQUAL,
        source=EQUAL_WEIGHT,
        timestamp=NOW,
        valid_until=NOW + timedelta(seconds=valid_s),
        risk=Risk(state, 1.0, ""),
        strategy_allocations=tuple(EQUAL.values()),
    )
    publish(OperatingSystem(), Root(root).allocations, encode_allocations(record))


def written(root: Path, **changes: Any) -> bytes:
    """As anybody may have written it."""
    values = {"allocations": {"a": 1, "b": 3}, "risk": {"state": ACTIVE}, "valid_until": "2026-01-31T08:01:00Z"}
    text = json.dumps({**values, **changes}).encode()
    put(root, text)
    return text


def put(root: Path, content: bytes) -> None:
    path = Root(root).allocations
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("state", [ACTIVE, REDUCING, HALTED])
def test_fresh_allocations_come_with_the_state_of_the_guards(tmp_path: Path, state: str) -> None:
    published(tmp_path, state)
    assert read_allocations(tmp_path, NOW) == (EQUAL, state)
    assert read_allocations(str(tmp_path), NOW + timedelta(seconds=60)) == (EQUAL, state)


@pytest.mark.parametrize(("state", "told"), [(ACTIVE, "STALE"), (REDUCING, "STALE"), (HALTED, HALTED)])
def test_stale_allocations_are_the_last_known_and_a_halt_stays_one(tmp_path: Path, state: str, told: str) -> None:
    published(tmp_path, state)
    assert read_allocations(tmp_path, NOW + timedelta(seconds=60.001)) == (EQUAL, told)


@pytest.mark.parametrize(("valid_s", "told"), [(3600, ACTIVE), (-3600, "STALE")])
def test_without_a_time_it_is_the_clock_that_counts(tmp_path: Path, valid_s: float, told: str) -> None:
    age = (datetime.now(UTC) - NOW).total_seconds()
    published(tmp_path, ACTIVE, age + valid_s)
    assert read_allocations(tmp_path)[1] == told


def test_shares_are_made_to_sum_to_one(tmp_path: Path) -> None:
    written(tmp_path)
    assert read_allocations(tmp_path, NOW) == ({"a": 0.25, "b": 0.75}, ACTIVE)


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    written(tmp_path, future={"x": [1]}, schema=99)
    assert read_allocations(tmp_path, NOW)[1] == ACTIVE


MISSING: dict[str, dict[str, Any]] = {
    "no shares": {"allocations": {}},
    "zeros": {"allocations": {"a": 0.0, "b": 0}},
    "negative": {"allocations": {"a": -1, "b": 3}},
    "NaN": {"allocations": {"a": math.nan, "b": 1}},
    "infinity": {"allocations": {"a": math.inf, "b": 1}},
    "minus infinity": {"allocations": {"a": -math.inf, "b": 1}},
    "an endless sum": {"allocations": {"a": 1.5e308, "b": 1.5e308}},
    "a number of 400 digits": {"allocations": {"a": 10**400, "b": 1}},
    "a share that is a list": {"allocations": {"a": [1]}},
    "a share that is nothing": {"allocations": {"a": None}},
    "a share that is text": {"allocations": {"a": "much"}},
    "shares in a list": {"allocations": [1, 2]},
    "no risk": {"risk": None},
    "risk in text": {"risk": "ACTIVE"},
    "no state": {"risk": {}},
    "unknown state": {"risk": {"state": "FINE"}},
    "a state in a list": {"risk": {"state": ["ACTIVE"]}},
    "no time": {"valid_until": None},
    "a number for a time": {"valid_until": 1769846400},
    "not a time": {"valid_until": "soon"},
    "a time without a zone": {"valid_until": "2026-01-31T08:01:00"},
}


@pytest.mark.parametrize("changes", MISSING.values(), ids=MISSING.keys())
def test_what_is_not_valid_is_missing(tmp_path: Path, changes: dict[str, Any]) -> None:
    written(tmp_path, **changes)
    assert read_allocations(tmp_path, NOW) == ({}, "MISSING")


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b'"text"', b"7", b"\xff\xfe", b"\0", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000],
    ids=["empty", "null", "list", "text", "number", "not UTF-8", "NUL", "deep lists", "deep objects", "endless"],
)
def test_what_is_not_an_object_is_missing(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, content)
    assert read_allocations(tmp_path, NOW) == ({}, "MISSING")


def test_no_file_is_missing(tmp_path: Path) -> None:
    assert read_allocations(tmp_path, NOW) == ({}, "MISSING")
    Root(tmp_path).allocations.mkdir(parents=True)
    assert read_allocations(tmp_path, NOW) == ({}, "MISSING")


def test_a_file_torn_anywhere_is_missing(tmp_path: Path) -> None:
    published(tmp_path)
    whole = Root(tmp_path).allocations.read_bytes()
    for end in range(0, len(whole.rstrip()), 5):
        put(tmp_path, whole[:end])
        assert read_allocations(tmp_path, NOW) == ({}, "MISSING")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(allocations=JSON, risk=JSON | st.just({"state": ACTIVE}), until=JSON | st.just("9999-01-01T00:00:00Z"))
def test_whatever_it_holds_the_answer_can_be_used(
    tmp_path_factory: pytest.TempPathFactory, allocations: Any, risk: Any, until: Any
) -> None:
    root = tmp_path_factory.getbasetemp() / "used"
    root.mkdir(exist_ok=True)
    written(root, allocations=allocations, risk=risk, valid_until=until)
    weights, state = read_allocations(root, NOW)
    assert state in (ACTIVE, REDUCING, HALTED, "STALE", "MISSING")
    assert (state == "MISSING") == (weights == {})
    if weights:
        assert math.isclose(sum(weights.values()), 1.0)
        assert min(weights.values()) >= 0


def test_it_is_copied_alone_and_needs_the_standard_library_only(tmp_path: Path) -> None:
    shutil.copy(SOURCE, tmp_path / "copied.py")
    published(tmp_path, REDUCING)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from datetime import UTC, datetime\n"
        "from copied import read_allocations\n"
        f"print(read_allocations({str(tmp_path)!r}, datetime(2026, 1, 31, 8, tzinfo=UTC)))\n"
        f"print(read_allocations({str(tmp_path / 'nowhere')!r}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=30
    )
    assert run.stderr == ""
    first, second = map(ast.literal_eval, run.stdout.splitlines())
    assert first == (EQUAL, REDUCING)
    assert second == ({}, "MISSING")


def test_it_is_short_enough_to_be_read_before_it_is_copied() -> None:
    assert len(SOURCE.read_text().splitlines()) <= 35
