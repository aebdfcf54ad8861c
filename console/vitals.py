"""What becomes of programs that run for long: their memory, what went wrong in their logs, and their files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np

from contract.schema.names import Root

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class Vitals:
    """To be fed now and then with the programs that run, name to process number."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)

    def look(self, now_s: float, running: Mapping[str, int]) -> None:
        for name, pid in running.items():
            resident_mib = memory_mib(pid)
            if resident_mib is not None:
                self._memory[name, pid].append((now_s, resident_mib))

    def lines(self) -> Iterator[str]:
        """Of each process what it holds, and how that grows in the later half of its life, when it has warmed up."""
        for (name, pid), looks in self._memory.items():
            seconds, mib = np.array(looks).T
            half = len(looks) // 2
            grown = f", {slope(seconds[half:], mib[half:]) * 3600:+.1f} MiB/h in the later half" if half >= 5 else ""
            yield f"{name:<12} pid {pid:<8} {mib[0]:6.1f} MiB at first, {mib[-1]:6.1f} at last{grown}"


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of the straight line that fits best."""
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def memory_mib(pid: int) -> float | None:
    """What of it is in memory; None where that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_MIB
    except (OSError, ValueError, IndexError):
        return None


def errors(root: Root, since: datetime) -> list[str]:
    """What the logs call an error."""
    stamp = f"{since:%Y-%m-%dT%H:%M:%SZ}"
    return [
        line
        for file in sorted(root.logs.glob("*.log*"))
        for line in file.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        if line[10:11] == "T" and line[20:].startswith(" ERROR ") and line[:20] >= stamp
    ]


def largest_files(root: Root, count: int) -> list[tuple[int, Path]]:
    """Size and path, the largest first."""
    files = [path for place in (root.state, root.runtime, root.logs) for path in place.rglob("*") if path.is_file()]
    return sorted(((path.stat().st_size, path) for path in files), reverse=True)[:count]
