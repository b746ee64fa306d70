"""Answer GET /healthz and GET /metrics in a thread of their own, so that a long tape does not silence the service."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kpi.findings import Finding, UsageError

Answer = Callable[[], tuple[int, dict[str, Any]]]
Text = Callable[[], str]
STOP_SECONDS = 0.05  # the default of 0.5 would be added to every stop of the service


class Web:
    """The server; bound when made, so that a taken port is found before the service says it is ready."""

    def __init__(self, address: tuple[str, int], health: Answer, metrics: Text) -> None:
        try:
            self._server = ThreadingHTTPServer(address, _handler(health, metrics))
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            step = "stop what listens there (ss -ltnp), or change http.port"
            raise UsageError(Finding("address_taken", where, f"cannot listen: {error.strerror}", step)) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_SECONDS,), name="web", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give up the port."""
        self._server.shutdown()
        self._server.server_close()


def _handler(health: Answer, metrics: Text) -> type[BaseHTTPRequestHandler]:
    class WebHandler(BaseHTTPRequestHandler):
        """Two pages, read only."""

        timeout = 5
        server_version = "abaco-kpi"

        def do_GET(self) -> None:
            if self.path == "/healthz":
                status, document = health()
                self._answer(status, "application/json", json.dumps(document) + "\n")
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics())
            else:
                self._answer(404, "text/plain; charset=utf-8", "only /healthz and /metrics are here\n")

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes every few seconds would drown the journal."""

    return WebHandler
