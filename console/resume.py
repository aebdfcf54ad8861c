"""`tiller resume --reason "..."`: ask the bridge to end a trip of the circuit breaker."""

from __future__ import annotations

import argparse
import json
import os
from datetime import timedelta

from contract.config import RiskLimits
from contract.configure import configure
from contract.daemon import DONE, NOTHING_TO_DO
from contract.errors import BadInput, one_line
from contract.files import publish, read_record
from contract.pulse import ALIVE, feel
from contract.schema.fields import format_time
from contract.schema.names import Root
from contract.schema.risk import ResumeRequest, Trip, encode_resume_request, parse_risk_state
from contract.system import OperatingSystem, System
from trading.risk import cooldown_left_s

NAME = "resume"
SUMMARY = "Ask the bridge to end a trip of the circuit breaker, and say why."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", type=_reason, required=True, help="what was found; it is kept with the event")


def run(options: argparse.Namespace) -> int:
    system, root = OperatingSystem(), Root.find(options.root)
    risk = configure(system, root, os.environ).config.risk  # before anything is asked for that could not be told
    tripped, trip = _trip(system, root)
    if tripped:
        request = ResumeRequest(system.now(), options.reason)
        publish(system, root.resume, encode_resume_request(request))
    said = _said(system, root, risk, tripped, trip)
    if options.json:
        print(json.dumps({"asked": tripped, "said": said}, indent=2))
    else:
        print(*map(one_line, said), sep="\n")
    return DONE if tripped else NOTHING_TO_DO


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say what was found")
    return text.strip()


def _trip(system: System, root: Root) -> tuple[bool, Trip | None]:
    """Whether the breaker is tripped, and by what; a state that cannot be read is a trip, as it is to the bridge."""
    try:
        state = read_record(system, root.risk_state, parse_risk_state)
    except BadInput:
        return True, None
    trip = state.breaker.trip if state else None
    return trip is not None, trip


def _said(system: System, root: Root, risk: RiskLimits, tripped: bool, trip: Trip | None) -> list[str]:
    said = []
    if not tripped:
        said.append("nothing to resume: the circuit breaker is not tripped")
    else:
        said.append(f"asked the bridge to resume after: {trip.reason}" if trip else "asked the bridge to resume")
        left_s = cooldown_left_s(trip, risk, system.now()) if trip else 0.0
        if left_s > 0:
            at = (system.now() + timedelta(seconds=left_s)).replace(microsecond=0)
            said.append(f"the cooldown ends at {format_time(at)}; it takes effect then")
        if feel(system, root, "bridge").state != ALIVE:
            said.append("no bridge is running: it takes effect when one does")
    if os.path.lexists(root.halt):
        said.append(f"{root.halt} halts as long as it exists: remove it")
    return said
