"""What is written is read again as it was, and nothing that is read can fail to be written."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.schema_records import KINDS, Kind

from contract import schema
from contract.errors import BadInput
from contract.schema import weights
from contract.schema.fields import by_name, encode, encode_line, format_time
from contract.schema.names import SCHEMA_VERSION, STRATEGIES

HERE = Path("/runtime/file.json")
few = settings(derandomize=True, deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def test_every_parser_is_tested() -> None:
    modules = [importlib.import_module(f"contract.schema.{found.name}") for found in iter_modules(schema.__path__)]
    parsers = {name.removeprefix("parse_") for module in modules for name in vars(module) if name.startswith("parse_")}
    assert parsers - {"performance_metrics"} == set(KINDS), "which is no JSON: see tests/fuzz"


@every_kind
@few
@given(data=st.data())
def test_what_is_written_is_read_again(kind: Kind, data: st.DataObject) -> None:
    record = data.draw(kind.records)
    written = kind.encoded(record)
    assert kind.parse(written, HERE) == record
    assert json.loads(written)["schema"] == SCHEMA_VERSION
    assert kind.encoded(kind.parse(written, HERE)) == written


@pytest.mark.parametrize("kind", [KINDS[name] for name in KINDS if name != "report"])  # whose keys are all its own
@few
@given(data=st.data())
def test_what_readers_do_not_know_they_ignore(kind: Kind, data: st.DataObject) -> None:
    record = data.draw(kind.records)
    values = json.loads(kind.encoded(record))
    values["a key of tomorrow"] = [float("nan"), {"deep": [[[]]]}]
    assert kind.parse(json.dumps(values).encode(), HERE) == record


@every_kind
@few
@given(data=st.data())
def test_byte_order_marks_and_white_space_change_nothing(kind: Kind, data: st.DataObject) -> None:
    record = data.draw(kind.records)
    written = kind.encoded(record).replace(b"\n", b"\r\n")
    assert kind.parse(b"\xef\xbb\xbf \t" + written + b"\r\n\n", HERE) == record


# Anything may stand in a file. What is no record is a `BadInput`; what is one can be written.

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**400)
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "2026-01-01", "0001-01-01T00:00:00+23:00", *STRATEGIES]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def must_be_refused_or_written(kind: Kind, text: bytes) -> None:
    try:
        record = kind.parse(text, HERE)
    except BadInput as error:
        assert error.path == HERE and error.hint and str(error).isprintable() and len(str(error)) < 400
        return
    try:
        kind.encoded(record)
    except BadInput as error:
        assert "sum" in error.message  # weights that do not sum to 1 may be read, and are never written


@every_kind
@few
@given(text=st.binary(max_size=60))
def test_no_bytes_surprise_a_parser(kind: Kind, text: bytes) -> None:
    must_be_refused_or_written(kind, text)


@every_kind
@few
@given(value=anything)
def test_no_json_surprises_a_parser(kind: Kind, value: Any) -> None:
    must_be_refused_or_written(kind, json.dumps(value).encode())


@every_kind
@few
@given(data=st.data())
def test_no_value_in_a_good_file_surprises_a_parser(kind: Kind, data: st.DataObject) -> None:
    values = json.loads(kind.encoded(data.draw(kind.records)))
    part: Any = values
    while True:
        places = list(part) if isinstance(part, dict) else list(range(len(part)))
        place = data.draw(st.sampled_from(places))
        if not isinstance(part[place], dict | list) or not part[place] or data.draw(st.booleans()):
            break
        part = part[place]
    if data.draw(st.booleans()):
        part[place] = data.draw(anything)
    else:
        del part[place]
    must_be_refused_or_written(kind, json.dumps(values).encode())


@every_kind
@few
@given(data=st.data())
def test_no_part_of_a_file_passes_for_the_whole(kind: Kind, data: st.DataObject) -> None:
    written = kind.encoded(data.draw(kind.records)).rstrip()
    torn = written[: data.draw(st.integers(0, len(written) - 1))]
    with pytest.raises(BadInput, match=r"is empty|is not valid JSON"):
        kind.parse(torn, HERE)


def test_who_changes_the_weights_of_a_program_takes_its_name_off() -> None:
    parse, encode_lab = weights.parse_lab_weights, weights.encode_lab_weights
    written = encode_lab(weights.LabWeights({"SPY": 0.25, "GLD": 0.75}, writer="lab", reason="it said so"))
    assert parse(written, HERE).writer == "lab"
    changed = parse(written.replace(b"0.25", b"0.5"), HERE)
    assert (changed.writer, changed.reason) == ("", "it said so")


# What cannot be written


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_written(number: float) -> None:
    for write in (encode, encode_line):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write({"weight": number})


def test_a_line_of_a_journal_is_one_line() -> None:
    assert encode_line({"text": "a\nb\u2028c", "number": 1}) == '{"text":"a\\nb\\u2028c","number":1}'


def test_times_are_written_in_utc() -> None:
    moment = datetime.fromisoformat("2026-11-20T23:12:19.5+02:00")
    assert format_time(moment) == "2026-11-20T21:12:19.500000Z"
    assert format_time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="without a zone"):
        format_time(moment.replace(tzinfo=None))


@pytest.mark.parametrize("count", [7, 9])
def test_weights_of_another_number_of_strategies_are_not_written(count: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        by_name((1 / count,) * count)


@pytest.mark.parametrize("sum_of_all", [0.999999, 1.00000001, 0.0])
def test_allocations_that_do_not_sum_to_one_are_not_written(sum_of_all: float) -> None:
    record = weights.Allocations(
        allocations={"SPY": 1.0},
        source="equal_weight",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        valid_until=None,
        risk=weights.Risk(),
        strategy_allocations=(sum_of_all / 8,) * 8,
    )
    with pytest.raises(BadInput, match=r"strategy weights sum to .* \(project them first"):
        weights.encode_allocations(record)
