"""Answer GET /healthz and GET /metrics in threads of their own, so that a long tape does not silence the service.

Anybody on the host may connect. What they can hold is capped in number and time, so that files, processor and the pages are left
for the worker, for root and for the service's own user.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kpi.findings import Finding, UsageError

Answer = Callable[[], tuple[int, dict[str, Any]]]
Text = Callable[[], str]
STOP_SECONDS = 0.05  # the default of 0.5 would be added to every stop of the service
WHOLE_SECONDS = 5.0  # a connection, from its first byte to its last
ANYBODYS = 16  # connections at once
RESERVED = 16  # more, of root and of the service's own user


class Web:
    """The server; bound when made, so that a taken port is found before the service says it is ready."""

    def __init__(self, address: tuple[str, int], health: Answer, metrics: Text) -> None:
        try:
            self._server = _Server(address, _handler(health, metrics))
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            step = "stop what listens there (ss -ltnp), or change http.port"
            raise UsageError(Finding("address_taken", where, f"cannot listen: {error.strerror}", step)) from error
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._since: dict[socket.socket, float] = {}  # the connections that are open; the lock is for both
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a place for this connection; where there is none, it is closed."""
        with self._lock:
            full = len(self._since) >= ANYBODYS
            if full and (len(self._since) >= ANYBODYS + RESERVED or not _is_ours(client_address)):
                return False
            self._since[request] = time.monotonic()
        return True

    def service_actions(self) -> None:
        """End connections whose time is over; called between two looks for new ones."""
        with self._lock:
            late = [request for request, since in self._since.items() if time.monotonic() - since > WHOLE_SECONDS]
        for request in late:
            with suppress(OSError):  # the other side was quicker
                request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        """Close it, and give its place to others."""
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no error of the service, and would fill the journal; whatever else is wrong is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _is_ours(client_address: tuple[str, int]) -> bool:
    """Whether root or our own user is at the other end of a connection from this host (proc(5), /proc/net/tcp)."""
    number = int.from_bytes(socket.inet_aton(client_address[0]), "little")
    place = f"{number:08X}:{client_address[1]:04X}"
    entries = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines())
    return any(
        entry[1] == place and int(entry[7]) in (0, os.getuid()) for entry in entries if entry[1] != "local_address"
    )


def _handler(health: Answer, metrics: Text) -> type[BaseHTTPRequestHandler]:
    class WebHandler(BaseHTTPRequestHandler):
        """Two pages, read only."""

        timeout = WHOLE_SECONDS
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
