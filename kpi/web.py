"""Answer GET /healthz and GET /metrics in threads of their own, so that a long tape does not silence the service.

Anybody on the host may connect. What they can hold is capped in number and time, so that files, processor and the pages are left
for the worker, for root and for the service's own user.
"""

import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
AT_ONCE = 128  # accepted before it is known whose they are: far less than the files that we may open
ESTABLISHED = "01"  # the state of a socket in /proc/net/tcp


class Web:
    """The server; bound when made, so that a taken port is found before the service says it is ready."""

    def __init__(self, address: tuple[str, int], health: Answer, metrics: Text) -> None:
        try:
            self._server = _Server(address, _handler(health, metrics))
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            step = "stop what listens there (ss -ltnp), or change http.port"
            raise UsageError(Finding("address_taken", where, f"cannot listen: {error.strerror}", step)) from error
        self._thread = threading.Thread(target=self._server.serve, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give up the port."""
        self._server.stopping.set()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096  # as net.core.somaxconn of Linux, which bounds it

    def __init__(self, *arguments: Any) -> None:
        self.stopping = threading.Event()
        self._since: dict[socket.socket, float] = {}  # the connections that are open; the lock is for both
        self._lock = threading.Lock()
        super().__init__(*arguments)
        self.socket.setblocking(False)

    def serve(self) -> None:
        """Take connections until `stopping`, as many at once as may be: whose they are is one question for all of them."""
        while not self.stopping.is_set():
            select.select([self.socket], [], [], STOP_SECONDS)
            waiting = [*self._waiting()]
            ours = _ours(self.server_address[1]) if len(self._since) + len(waiting) > ANYBODYS else frozenset()
            for request, client in waiting:
                if self._has_place(request, is_ours=client in ours):
                    self._answer(request, client)
                else:
                    request.close()
            self._end_late()

    def _waiting(self) -> Iterator[tuple[socket.socket, tuple[str, int]]]:
        for _ in range(AT_ONCE):
            try:
                request, client = self.socket.accept()
            except OSError:  # none waits any more, or it went away while it waited
                return
            yield request, client

    def _answer(self, request: socket.socket, client: tuple[str, int]) -> None:
        try:
            self.process_request(request, client)
        except Exception:  # noqa: BLE001 - whatever it is (no thread can be started), it ends this connection alone; it is logged
            self.handle_error(request, client)
            self.shutdown_request(request)

    def _has_place(self, request: socket.socket, *, is_ours: bool) -> bool:
        with self._lock:
            if len(self._since) >= (ANYBODYS + RESERVED if is_ours else ANYBODYS):
                return False
            self._since[request] = time.monotonic()
        return True

    def _end_late(self) -> None:
        """End connections whose time is over."""
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
        """Log what went wrong, but for connections that the other side broke: anybody could fill the journal with those."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _ours(port: int) -> frozenset[tuple[str, int]]:
    """The ends of connections to a port of ours that root or our own user holds open (proc(5), /proc/net/tcp); none where unknown.

    The kernel gives a connection that its owner has closed to root: of those that are open alone it says whose they are.
    """
    found = set()
    try:
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError as unknown:  # no more files may be opened: the next round asks again, and this thread must not end
        sys.stderr.write(f"whose connections wait is not known: {unknown}\n")
        return frozenset()
    for line in lines:
        _, end, other_end, state, *_, owner = line.split()[:8]
        if state == ESTABLISHED and int(other_end.partition(":")[2], 16) == port and int(owner) in (0, os.getuid()):
            address, _, number = end.partition(":")
            found.add((socket.inet_ntoa(int(address, 16).to_bytes(4, "little")), int(number, 16)))
    return frozenset(found)


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
