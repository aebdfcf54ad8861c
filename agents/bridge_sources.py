"""What the sources of weights propose, and whether the bridge may believe them.

A source is passed over where it is missing, stale, from the future, unusable (torn, not finite, negative, empty, for
other strategies), has collapsed, or says itself that it had no model. After any of these but the first two, which time
alone explains, it must be good twice, an interval apart, before it is believed again: so that nothing flaps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from contract.config import Config
from contract.errors import BadInput, RetryLater, TillerError
from contract.files import read_record
from contract.schema.fields import Weights, format_time
from contract.schema.names import PORTFOLIO_OPTIMIZER, RL_INFERENCE, STRATEGIES, STRATEGY_LAB, Root
from contract.schema.weights import parse_lab_weights, parse_optimizer_weights, parse_rl_weights
from contract.system import System
from trading.simplex import effective_number

USABLE = "usable"
MISSING, STALE, FUTURE, UNUSABLE = "missing", "stale", "from the future", "unusable"
NO_MODEL, COLLAPSED, RECOVERING = "no model", "collapsed", "recovering"


class Proposal(NamedTuple):
    """What a file says. `good_for_s` is None for weights that do not age."""

    weights: Mapping[str, float]
    timestamp: datetime | None
    valid_until: datetime | None = None
    good_for_s: float | None = None
    generation: int | None = None
    model_loaded: bool = True


class Reading(NamedTuple):
    """One look at one source. `weights` are as proposed, and stand there only where the verdict is USABLE."""

    source: str
    verdict: str
    reason: str
    age_s: float | None = None
    weights: Weights = ()
    timestamp: datetime | None = None
    generation: int | None = None
    sha256: str = ""


Parse = Callable[[bytes, Path], Proposal]


class Sources:
    """Remembers which of them have to show again that they are good."""

    def __init__(self) -> None:
        self._good_since_s: dict[str, float | None] = {}

    def consult(self, system: System, root: Root, config: Config) -> tuple[Reading, ...]:
        """All three, the first to be asked first."""
        now, now_s = system.now(), system.monotonic()
        files: tuple[tuple[str, Path, Parse], ...] = (
            (RL_INFERENCE, root.rl_weights, _rl(config)),
            (PORTFOLIO_OPTIMIZER, root.optimizer_weights, _optimizer(config)),
            (STRATEGY_LAB, root.lab_weights, _lab(config)),
        )
        readings = (_read(system, source, path, parse, config, now) for source, path, parse in files)
        return tuple(self._recovered(reading, config.bridge.interval_s, now_s) for reading in readings)

    def _recovered(self, reading: Reading, interval_s: float, now_s: float) -> Reading:
        if reading.verdict in (MISSING, STALE):
            return reading
        if reading.verdict != USABLE:
            self._good_since_s[reading.source] = None
            return reading
        if reading.source not in self._good_since_s:
            return reading
        since_s = self._good_since_s[reading.source]
        if since_s is not None and now_s - since_s >= interval_s:
            del self._good_since_s[reading.source]
            return reading
        self._good_since_s[reading.source] = now_s if since_s is None else since_s
        return reading._replace(verdict=RECOVERING, reason="good again: must be so twice", weights=())


def _read(system: System, source: str, path: Path, parse: Parse, config: Config, now: datetime) -> Reading:
    def parse_and_hash(text: bytes, path: Path) -> tuple[Proposal, str]:
        return parse(text, path), hashlib.sha256(text).hexdigest()

    try:
        found = read_record(system, path, parse_and_hash)
        if found is None:
            return Reading(source, MISSING, f"{path.name} does not exist")
        proposal, sha256 = found
        reading = _judge(source, proposal, config, now)
    except RetryLater as error:
        return Reading(source, UNUSABLE, error.message)
    except TillerError as error:
        return Reading(source, UNUSABLE, f"{error.message} ({error.hint})" if error.hint else error.message)
    return reading._replace(timestamp=proposal.timestamp, generation=proposal.generation, sha256=sha256)


def _judge(source: str, proposal: Proposal, config: Config, now: datetime) -> Reading:
    bridge = config.bridge
    age_s = None if proposal.timestamp is None else (now - proposal.timestamp).total_seconds()
    if not proposal.model_loaded:
        return Reading(source, NO_MODEL, "says itself that no model was loaded", age_s)
    if age_s is not None and proposal.timestamp is not None:
        when = format_time(proposal.timestamp)
        if age_s < -bridge.clock_skew_s:
            return Reading(source, FUTURE, f"of {when}", age_s)
        if proposal.valid_until is not None and now > proposal.valid_until:
            return Reading(source, STALE, f"of {when}, valid until {format_time(proposal.valid_until)}", age_s)
        if proposal.valid_until is None and proposal.good_for_s is not None and age_s > proposal.good_for_s:
            return Reading(source, STALE, f"of {when}, good for {proposal.good_for_s:g} s", age_s)
    weights = _by_strategy(proposal.weights, config.attribution.strategy_of_symbol)
    effective = effective_number(weights)
    if effective < bridge.least_effective:
        reason = f"{effective:.2f} effective strategies, at least {bridge.least_effective:g} were expected"
        return Reading(source, COLLAPSED, reason, age_s)
    return Reading(source, USABLE, "", age_s, weights)


def _by_strategy(shares: Mapping[str, float], strategy_of_symbol: Mapping[str, str]) -> Weights:
    """Shares of exactly the eight strategies; or of symbols, each of which the settings give to a strategy."""
    if any(name in STRATEGIES for name in shares):
        missing = [name for name in STRATEGIES if name not in shares]
        foreign = [name for name in shares if name not in STRATEGIES]
        if missing or foreign:
            wrong = f"{missing[0]} is missing" if missing else f"{foreign[0][:60]!r} is no strategy"
            raise BadInput(f"weights: {wrong}", hint="exactly the eight strategies were expected")
        return tuple(shares[name] for name in STRATEGIES)
    weights = dict.fromkeys(STRATEGIES, 0.0)
    for symbol, share in shares.items():
        if symbol not in strategy_of_symbol:
            hint = "give it one in attribution.strategy_of_symbol"
            raise BadInput(f"weights: {symbol[:60]!r} is neither a strategy nor a symbol of one", hint=hint)
        weights[strategy_of_symbol[symbol]] += share
    return tuple(weights.values())


def _rl(config: Config) -> Parse:
    def parse(text: bytes, path: Path) -> Proposal:
        found = parse_rl_weights(text, path)
        weights = dict(zip(STRATEGIES, found.weights, strict=True))
        good_for_s, generation = config.bridge.rl_age_s, found.generation
        return Proposal(weights, found.timestamp, found.valid_until, good_for_s, generation, found.model_loaded)

    return parse


def _optimizer(config: Config) -> Parse:
    def parse(text: bytes, path: Path) -> Proposal:
        found = parse_optimizer_weights(text, path)
        return Proposal(found.weights, found.timestamp, good_for_s=config.bridge.optimizer_age_s)

    return parse


def _lab(config: Config) -> Parse:
    def parse(text: bytes, path: Path) -> Proposal:
        found = parse_lab_weights(text, path)
        typed = not found.writer  # by a person, whose word stands until the file changes
        return Proposal(found.weights, found.timestamp, good_for_s=None if typed else config.bridge.lab_age_s)

    return parse
