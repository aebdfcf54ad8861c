"""What a process says while it runs: one line an event, to a rotating file and to standard error."""

from __future__ import annotations

import logging
import sys
import time
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from contract.errors import one_line

LARGEST_LOG = 5 << 20
KEPT_LOGS = 3


class Log:
    """Events with fields: `log.info("published", generation=7)` writes `published generation=7`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        self._logger.debug(_line(event, fields))

    def info(self, event: str, **fields: object) -> None:
        self._logger.info(_line(event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self._logger.warning(_line(event, fields))

    def error(self, event: str, **fields: object) -> None:
        self._logger.error(_line(event, fields))

    def crash(self, error: BaseException) -> None:
        """A mistake of ours, with its traceback: the only event of more than one line."""
        self._logger.error(_line("unexpected error", {"error": repr(error)}), exc_info=error)

    def close(self) -> None:
        for handler in self._logger.handlers:
            try:
                handler.close()
            except OSError:
                pass  # what is left to be written cannot be


def _line(event: str, fields: dict[str, object]) -> str:
    return " ".join([event, *(f"{name}={_value(value)}" for name, value in fields.items())])


def _value(value: object) -> str:
    text = one_line(f"{value:.6g}" if isinstance(value, float) else str(value))
    return f'"{text}"' if " " in text or not text else text


def open_log(name: str, file: Path | None, *, verbose: bool = False) -> Log:
    """A log of its own for one process; without a file it speaks to standard error alone."""
    logger = logging.Logger(name, logging.DEBUG if verbose else logging.INFO)
    formatter = _Formatter(f"%(asctime)s %(levelname)s {name} %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(_QuietRotation(file, maxBytes=LARGEST_LOG, backupCount=KEPT_LOGS, encoding="utf-8", delay=True))
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    return Log(logger)


class _Formatter(logging.Formatter):
    """A traceback keeps its lines, and what an error says in it can break neither them nor a terminal."""

    def formatException(self, ei: Any) -> str:
        return "\n".join(map(one_line, super().formatException(ei).split("\n")))


class _QuietRotation(RotatingFileHandler):
    """A log that cannot be written must not stop the work: the line still goes to standard error."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        pass
