"""A real web server on this machine that takes alerts, refuses them, or never answers, as the test wants."""

from __future__ import annotations

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

PATIENCE_S = 20.0
TAKES, REFUSES, HANGS = "takes", "refuses", "hangs"


class Webhook:
    def __init__(self) -> None:
        self.manner = TAKES
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        """Every message, whatever was answered."""
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

    def hears(self) -> dict[str, Any]:
        return self.heard.get(timeout=PATIENCE_S)

    def __enter__(self) -> Webhook:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(webhook: Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            webhook.heard.put(json.loads(body))
            if webhook.manner == HANGS:
                webhook.over.wait()
                return
            self.send_response(204 if webhook.manner == TAKES else 503)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
