"""Every record of the schema: how it is parsed and written, and all that it may be, as hypothesis strategies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.schema import account, alerts, judgement, model, operations, risk, supervision, weights
from contract.schema.names import SOURCES, STRATEGIES

texts = st.text(max_size=20)
counts = st.integers(0, 10**12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1e300)
unit = st.floats(0, 1)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC) | zones)  # noqa: DTZ001
days = st.dates()
weights_of_eight = st.tuples(*[shares] * len(STRATEGIES)).filter(lambda found: 0 < sum(found) < 1e308)
normal_weights = weights_of_eight.map(lambda found: tuple(share / sum(found) for share in found))
proposals = st.dictionaries(texts, shares, min_size=1, max_size=5).filter(lambda found: 0 < sum(found.values()) < 1e308)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def objects(*but_for: str) -> SearchStrategy[dict[str, Any]]:
    return st.dictionaries(texts.filter(lambda name: name not in but_for), json_values, max_size=3)


risks = st.builds(weights.Risk, st.sampled_from(weights.RISK_STATES), unit, texts)
experts = st.builds(judgement.Expert, weights_of_eight, numbers)
held_days = st.lists(st.builds(judgement.Held, days, weights_of_eight, weights_of_eight), max_size=3).map(tuple)
trainings = st.builds(
    model.Training,
    *(times, st.sampled_from(model.OUTCOMES), st.none() | counts, counts, numbers, counts, shares, counts, counts),
    *(st.dictionaries(texts, numbers, max_size=3), objects(), texts),
)
ranked_strategies = st.lists(
    st.builds(
        account.RankedStrategy,
        *(st.sampled_from(STRATEGIES), numbers, numbers, numbers),
        *[st.none() | numbers] * 3,
        st.booleans(),
        texts.filter(bool),
    ),
    unique_by=lambda entry: entry.strategy,
    max_size=4,
).map(tuple)
accounts = st.builds(
    risk.Account,
    *[numbers] * 4,
    counts,
    *[st.none() | st.integers(-(1 << 63), 1 << 63)] * 3,
    *[st.booleans()] * 2,
    st.builds(risk.Results, counts, counts, shares, shares, counts, texts),
)
trips = st.builds(risk.Trip, texts, numbers, numbers, texts, times)
breakers = st.builds(
    risk.Breaker,
    accounts,
    st.none() | trips,
    st.none() | texts,
    alerts=st.lists(texts, max_size=3).map(tuple),
    recorded=st.lists(texts, max_size=3).map(tuple),
    recorded_day=st.none() | st.integers(-(10**6), 10**6),
)
children = st.builds(supervision.Child, st.none() | st.integers(1, 10**9), counts, texts)
seen = st.builds(
    alerts.Seen,
    *(st.none() | texts, st.none() | texts, st.none() | counts, counts),
    *(st.none() | st.dictionaries(texts, texts, max_size=3), counts),
)
alert_messages = st.builds(alerts.Alert, st.sampled_from(alerts.EVENTS), times, texts)
checkpoint_names = st.from_regex(r"[^./\\][^/\\]*", fullmatch=True).filter(str.isprintable)


class Kind(NamedTuple):
    """One kind of record."""

    parse: Callable[[bytes, Path], Any]
    encode: Callable[[Any], bytes | str]
    records: SearchStrategy[Any]

    def encoded(self, record: Any) -> bytes:
        written = self.encode(record)
        return written if isinstance(written, bytes) else written.encode()


KINDS = {
    "rl_weights": Kind(
        weights.parse_rl_weights,
        weights.encode_rl_weights,
        st.builds(
            weights.RlWeights,
            *(weights_of_eight, times, st.none() | times, st.booleans(), st.none() | counts, objects()),
        ),
    ),
    "optimizer_weights": Kind(
        weights.parse_optimizer_weights,
        weights.encode_optimizer_weights,
        st.builds(weights.OptimizerWeights, proposals, texts, times, *[st.none() | numbers] * 3, texts),
    ),
    "lab_weights": Kind(
        weights.parse_lab_weights,
        weights.encode_lab_weights,
        st.builds(weights.LabWeights, proposals, st.none() | times, texts, texts),
    ),
    "allocations": Kind(
        weights.parse_allocations,
        weights.encode_allocations,
        st.builds(
            weights.Allocations,
            *(proposals, st.sampled_from(SOURCES), times, st.none() | times, risks, normal_weights),
            st.lists(st.builds(weights.Considered, texts, texts, texts, st.none() | numbers), max_size=3).map(tuple),
            *(st.none() | counts, objects("considered", "generation")),
        ),
    ),
    "weight_history": Kind(
        weights.parse_weight_history,
        weights.encode_weight_history,
        st.builds(
            weights.WeightHistory,
            st.lists(st.builds(weights.PublishedWeights, times, weights_of_eight, objects()), max_size=3).map(tuple),
            st.none() | times,
        ),
    ),
    "trust": Kind(
        judgement.parse_trust,
        judgement.encode_trust,
        st.builds(
            judgement.Trust,
            *(unit, numbers, numbers, experts, experts, numbers),
            st.builds(judgement.AccountPath, numbers, numbers, numbers, shares),
            *(st.none() | days, st.none() | days, counts, texts, held_days),
        ),
    ),
    "report": Kind(
        judgement.parse_report,
        judgement.encode_report,
        st.builds(
            judgement.Report, times, st.sampled_from(judgement.VERDICTS), objects("schema", "timestamp", "verdict")
        ),
    ),
    "manifest": Kind(
        model.parse_manifest,
        model.encode_manifest,
        st.builds(
            model.Manifest,
            *(counts, checkpoint_names, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(1)),
            *(st.lists(texts, max_size=3).map(tuple), times, st.none() | counts, objects()),
        ),
    ),
    "training_log": Kind(
        model.parse_training_log,
        model.encode_training_log,
        st.builds(model.TrainingLog, st.lists(trainings, max_size=2).map(tuple), objects()),
    ),
    "portfolio": Kind(
        account.parse_portfolio,
        account.encode_portfolio,
        st.builds(
            account.Portfolio,
            *(numbers, numbers),
            st.dictionaries(texts, st.builds(account.Position, numbers, shares), max_size=4),
            st.none() | times,
        ),
    ),
    "strategy_performance": Kind(
        account.parse_strategy_performance,
        partial(account.encode_strategy_performance, cycle=3),
        ranked_strategies.flatmap(
            lambda ranked: st.builds(
                account.StrategyPerformance,
                st.none() | times,
                st.just(ranked),
                st.integers(0, len(ranked)).map(lambda first: tuple(entry.strategy for entry in ranked[:first])),
            )
        ),
    ),
    "risk_state": Kind(
        risk.parse_risk_state,
        risk.encode_risk_state,
        st.builds(risk.RiskState, breakers, st.none() | objects().filter(bool), st.lists(texts, max_size=3).map(tuple)),
    ),
    "risk_event": Kind(
        risk.parse_risk_event,
        risk.encode_risk_event,
        st.builds(risk.RiskEvent, times, st.sampled_from(risk.EVENT_KINDS), texts, numbers, numbers, texts),
    ),
    "resume_request": Kind(
        risk.parse_resume_request, risk.encode_resume_request, st.builds(risk.ResumeRequest, times, texts)
    ),
    "heartbeat": Kind(
        operations.parse_heartbeat,
        operations.encode_heartbeat,
        st.builds(
            operations.Heartbeat,
            *(texts, st.integers(1, 10**9), texts, counts, times, st.sampled_from(operations.HEARTBEAT_STATES)),
            *(shares, texts, texts),
        ),
    ),
    "journal_entry": Kind(
        operations.parse_journal_entry,
        operations.encode_journal_entry,
        st.builds(operations.JournalEntry, texts, counts, times, objects()),
    ),
    "wanted": Kind(
        supervision.parse_wanted,
        supervision.encode_wanted,
        st.builds(supervision.Wanted, st.lists(texts, max_size=3).map(tuple), st.none() | numbers),
    ),
    "processes": Kind(
        supervision.parse_processes,
        supervision.encode_processes,
        st.builds(
            supervision.Processes,
            *(st.integers(1, 10**9), texts, st.dictionaries(texts, children, max_size=3)),
        ),
    ),
    "alerts_state": Kind(
        alerts.parse_alerts_state,
        alerts.encode_alerts_state,
        st.builds(alerts.AlertsState, seen, st.lists(alert_messages, max_size=3).map(tuple)),
    ),
}
