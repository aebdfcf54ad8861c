"""Directory events from watchdog, reduced to one call: something changed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class DirectoryWatch:
    """Calls `wake` after every change in one directory (not below it)."""

    def __init__(self, directory: Path, wake: Callable[[], None]) -> None:
        self._observer = Observer()
        try:
            # Resolved, because a watch on a symbolic link hears nothing of the directory behind it.
            self._observer.schedule(_Handler(wake), str(directory.resolve()), recursive=False)
            self._observer.start()
        except BaseException:
            self._observer.stop()  # a thread and a descriptor are open already, and we shall be asked again
            raise

    def is_alive(self) -> bool:
        """Both threads must live: where the directory is deleted and made again, the observer outlives its emitter."""
        emitters = list(self._observer.emitters)
        return self._observer.is_alive() and bool(emitters) and all(e.is_alive() for e in emitters)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


class _Handler(FileSystemEventHandler):
    """An exception in here would kill the observer's thread, so nothing but the wake happens here."""

    ENDS_OF_WRITES = ("moved", "created", "closed", "modified", "deleted")

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in self.ENDS_OF_WRITES:  # not `opened`: our own reading would wake us for ever
            self._wake()
