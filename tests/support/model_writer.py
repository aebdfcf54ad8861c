"""Publishes models on and on, and rolls one of three back, until it is killed. Says which serves."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from ai.model_store import publish_model, roll_back, sweep_model
from ai.policy import checkpoint_of, untrained
from contract.schema.names import Root
from contract.system import OperatingSystem

if __name__ == "__main__":
    system, root = OperatingSystem(), Root(Path(sys.argv[1]))
    sweep_model(system, root)
    while True:
        serving = publish_model(system, root, checkpoint_of(untrained()), {}, datetime.now(UTC), 0).generation
        if serving % 3 == 0:
            serving = roll_back(system, root).generation
        print(f"serving {serving}", flush=True)
