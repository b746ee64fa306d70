"""A TCP connection that is quick (no Nagle), notices a dead peer, and never takes longer than it may."""

import queue
import socket
import threading
from collections.abc import Sequence
from typing import Any

from cutover.world.remote.deadline import Deadline

REACH = 5.0  # seconds for a host to answer at all: three tries of the kernel's (after 0, 1 and 3 s); a dead one holds the others up so long
USER_TIMEOUT = 15  # seconds that sent data may stay unacknowledged before the kernel gives the connection up
IDLE, INTERVAL, COUNT = 5, 5, 3  # TCP keepalive on an idle connection: dead after 5 + 3 x 5 s

_Found = tuple[int, int, int, str, Any]


def dial(address: str, port: int, deadline: Deadline, wanted: socket.AddressFamily = socket.AF_UNSPEC) -> socket.socket:
    """Connect to the first address of a name that answers; raises the OSError of the last one that did not."""
    failure: OSError = TimeoutError(f"no time left to connect to {address}")
    for family, kind, protocol, _, where in _resolve(address, port, deadline, wanted):
        sock = socket.socket(family, kind, protocol)
        try:
            _tune(sock)
            sock.settimeout(max(min(deadline.left, REACH), 0.001))
            sock.connect(where)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _tune(sock: socket.socket) -> None:
    """Set before the handshake, which gains from it as well."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux only; elsewhere (a laptop with macOS) the deadlines of the calls remain.
    for option, value in (
        ("TCP_USER_TIMEOUT", USER_TIMEOUT * 1000),
        ("TCP_KEEPIDLE", IDLE),
        ("TCP_KEEPINTVL", INTERVAL),
        ("TCP_KEEPCNT", COUNT),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _resolve(address: str, port: int, deadline: Deadline, family: socket.AddressFamily) -> Sequence[_Found]:
    """Resolve a name, in a thread of its own: the resolver knows no deadline."""
    try:
        return socket.getaddrinfo(address, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not a number
    answer: queue.SimpleQueue[Sequence[_Found] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(address, port, family=family, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.put(error)

    threading.Thread(target=ask, name=f"resolve-{address}", daemon=True).start()
    try:
        found = answer.get(timeout=max(deadline.left, 0.001))
    except queue.Empty:
        raise TimeoutError(f"the name {address} was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found
