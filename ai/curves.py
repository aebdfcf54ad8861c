"""Curves of a training for TensorBoard, where its package is installed.

    .venv/bin/tensorboard --logdir logs/tensorboard
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, Protocol


class Curves(Protocol):
    def add(self, step: int, scalars: Mapping[str, float], now: datetime) -> None: ...

    def close(self) -> None: ...


class NoCurves:
    def add(self, step: int, scalars: Mapping[str, float], now: datetime) -> None:
        pass

    def close(self) -> None:
        pass


class EventFile:
    """One run. A disk that takes no more events must not end the training that they tell of."""

    def __init__(self, directory: Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event: Any = event_pb2.Event
        self._summary: Any = summary_pb2.Summary
        self._writer: Any = EventFileWriter(str(directory))

    def add(self, step: int, scalars: Mapping[str, float], now: datetime) -> None:
        values = [
            self._summary.Value(tag=name, simple_value=value) for name, value in scalars.items() if isfinite(value)
        ]
        event = self._event(wall_time=now.timestamp(), step=step, summary=self._summary(value=values))
        with suppress(OSError):
            self._writer.add_event(event)

    def close(self) -> None:
        with suppress(OSError):
            self._writer.close()


def open_curves(directory: Path, run: str) -> Curves:
    """Where the curves of one run go: nowhere if there is no TensorBoard, or no place for its file."""
    if find_spec("tensorboard") is not None:
        with suppress(OSError):
            return EventFile(directory / run)
    return NoCurves()
