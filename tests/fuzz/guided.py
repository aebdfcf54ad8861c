"""One target under a fuzzer that is guided by what the code covers: `python -m fuzz.guided TARGET SECONDS`.

What it learns is kept in .fuzz/TARGET, and is where the next run goes on. An input that makes the target fail is left
in tests/fuzz/findings, where the tests run it from then on.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import atheris

CHECKOUT = Path(__file__).resolve().parents[2]
READERS = ["contract", "ai.checkpoint", "ai.policy", "json", "csv", "pickletools", "yaml"]
LONGEST = 4096
PATIENCE_S = 120
"""With one input, on a machine that may have much else to do. Watched like this, deep recursion is slow."""

with atheris.instrument_imports(include=READERS):
    from fuzz.targets import TARGETS


def main(name: str, seconds: int) -> None:
    learnt, findings = CHECKOUT / ".fuzz" / name, Path(__file__).with_name("findings")
    learnt.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    for seed in TARGETS[name].seeds():
        (learnt / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = (
        *(f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-rss_limit_mb=1024", "-print_final_stats=1"),
        *(f"-timeout={PATIENCE_S}", f"-report_slow_units={PATIENCE_S}", f"-artifact_prefix={findings}/{name}-"),
    )
    atheris.Setup([sys.argv[0], *options, str(learnt)], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
