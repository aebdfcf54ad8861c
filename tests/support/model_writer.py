"""Publishes models on and on, and rolls one of three back, until it is killed.

Says which serves, and each call to the system before it makes it; each model and its manifest hold the same number.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

if __package__ in (None, ""):
    sys.path[:1] = [str(Path(__file__).resolve().parents[number]) for number in (2, 1)]

from ai.model_store import publish_model, roll_back, sweep_model
from ai.policy import checkpoint_of, untrained
from contract.schema.names import Root
from support.announcing import Announcing

if __name__ == "__main__":
    system, root = Announcing(lambda call: print(call, flush=True)), Root(Path(sys.argv[1]))
    sweep_model(system, root)
    for number in count():
        model = checkpoint_of(untrained(), settings={"number": number})
        serving = publish_model(system, root, model, {"number": number}, datetime.now(UTC), 0).generation
        if serving % 3 == 0:
            serving = roll_back(system, root).generation
        print(f"serving {serving}", flush=True)
