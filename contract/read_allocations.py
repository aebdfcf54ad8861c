"""What a bot needs to read its allocations: import this, or copy it. Standard library only.

    weights, state = read_allocations("/path/to/tiller")

`state` is ACTIVE, REDUCING or HALTED as the guards say, STALE where the file has outlived `valid_until` (its writer
died: the weights are the last known), and MISSING, with no weights, where there is nothing to go by.
"""

import json
import math
from datetime import UTC, datetime
from pathlib import Path


def read_allocations(root: str | Path, now: datetime | None = None) -> tuple[dict[str, float], str]:
    path = Path(root) / "runtime" / "allocations_override.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        weights = {str(name): float(share) for name, share in told["allocations"].items()}
        state, valid_until = told["risk"]["state"], datetime.fromisoformat(told["valid_until"])
        fresh = (now or datetime.now(UTC)) <= valid_until
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}, "MISSING"
    total = sum(weights.values())
    if not (0 < total < math.inf and all(share >= 0 for share in weights.values())):
        return {}, "MISSING"
    if state not in ("ACTIVE", "REDUCING", "HALTED"):
        return {}, "MISSING"
    return {name: share / total for name, share in weights.items()}, state if fresh or state == "HALTED" else "STALE"
