"""Whether what inference noted in its journal is what follows: from its rows, and from its features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ai.checkpoint import LARGEST, decode_checkpoint
from ai.feature_table import SHARED
from ai.following import features_after
from ai.model_store import read_prior
from ai.policy import Policy, policy_of
from ai.publication import differences
from contract.book.daily import BookKind
from contract.book.reader import HistoryReader
from contract.config import Config
from contract.equity_curve import equity_of_day
from contract.errors import BadInput, TillerError
from contract.files import read_guarded
from contract.rows import Attribution
from contract.schema.fields import Fields
from contract.schema.names import Root
from contract.system import System

CLOSE_ENOUGH = 1e-6
"""How far features that are computed again may be from the noted ones."""


class Finding(NamedTuple):
    """Of one step of the derivation."""

    step: str
    holds: bool | None
    """None where it cannot be told any more."""
    says: str


def check(system: System, root: Root, config: Config, body: Mapping[str, Any]) -> Iterator[Finding]:
    """Both steps, of a publication that a model made."""
    yield _from_rows(system, root, config, body)
    yield _from_features(system, root, body)


def _from_rows(system: System, root: Root, config: Config, body: Mapping[str, Any]) -> Finding:
    step = "rows -> features"
    noted = Fields(body, root.journals)
    made_of, features = noted.section("input"), noted.section("features")
    rows, marks = made_of.whole("rows"), made_of.whole("marks")
    zone = ZoneInfo(config.account.day_zone)
    reader = HistoryReader(system, root, Attribution(config.attribution.strategy_of_symbol), zone)
    try:
        if not reader.read_first(rows, marks) or reader.input().sha256 != made_of.text("sha256"):
            return Finding(step, None, f"the {rows} rows and {marks} marks are not there any more, or not as they were")
        curve = {} if noted.text("book") == BookKind.MARKS else equity_of_day(system, root, zone)
    except TillerError as error:
        return Finding(step, None, str(error))
    book = reader.daily(config.account.initial_equity, curve)
    _, found = features_after(book, len(book.dates))
    apart = np.array([features.number(name) for name in SHARED]) - found
    worst = int(np.argmax(np.abs(apart)))
    said = f"{len(SHARED)} of {len(SHARED)} features from {rows} rows and {marks} marks again, within {CLOSE_ENOUGH:g}"
    if abs(apart[worst]) > CLOSE_ENOUGH:
        said = f"{SHARED[worst]} differs most, by {apart[worst]:.3g}"
    return Finding(step, bool(abs(apart[worst]) <= CLOSE_ENOUGH), said)


def _from_features(system: System, root: Root, body: Mapping[str, Any]) -> Finding:
    step = "features -> weights"
    model = Fields(body, root.journals).section("model")
    try:
        policy = _policy(system, root, model.whole("generation"), model.text("sha256"))
    except TillerError as error:
        return Finding(step, None, f"the model cannot be asked again: {error}")
    apart = differences(body, policy, root.journals)
    says = apart[0] if apart else "trust, both experts and what was published, to the last bit"
    return Finding(step, not apart, says)


def _policy(system: System, root: Root, generation: int, digest: str) -> Policy:
    """The model that was noted, wherever it is kept."""
    prior = read_prior()
    if prior.manifest.sha256 == digest:
        return prior.policy
    path = root.generation(generation)
    content = read_guarded(system, path, largest=LARGEST)
    if content is None or sha256(content).hexdigest() != digest:
        raise BadInput("is gone" if content is None else "is another model by now", path=path)
    return policy_of(decode_checkpoint(content, path))
