"""What anybody can hold of the service's pages: so many connections for so long, and a share is left for root and its own user."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from kpi import web
from kpi.web import ANYBODYS, RESERVED, Web
from tests.waiting import wait_until


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The pages, with little patience for a connection."""
    monkeypatch.setattr(web, "WHOLE_SECONDS", 1.0)
    made = Web(("127.0.0.1", 0), lambda: (200, {"ready": True}), lambda: "metrics\n")
    made.start()
    yield made
    made.stop()


def is_open(connection: socket.socket) -> bool:
    """Whether the other side still holds a connection on which nothing was sent."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def opened(served: Web, many: int, stack: ExitStack) -> list[socket.socket]:
    """Connections that say nothing."""
    where = ("127.0.0.1", served.port)
    return [stack.enter_context(socket.create_connection(where, timeout=30)) for _ in range(many)]


def healthy(served: Web) -> bool:
    """Whether the page answers."""
    try:
        return bool(json.loads(urlopen(f"http://127.0.0.1:{served.port}/healthz", timeout=30).read())["ready"])
    except OSError:
        return False


def test_others_get_so_many_and_our_own_user_some_more(served: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WHOLE_SECONDS", 3600.0)
    whose = web._ours
    with ExitStack() as stack:
        monkeypatch.setattr(web, "_ours", lambda _port: frozenset())
        others = opened(served, ANYBODYS + 40, stack)
        wait_until(lambda: sum(map(is_open, others)) == ANYBODYS)
        monkeypatch.setattr(web, "_ours", whose)
        assert healthy(served)  # while all places of others are taken
        ours = opened(served, RESERVED + 5, stack)
        wait_until(lambda: sum(map(is_open, ours)) == RESERVED)
    wait_until(lambda: healthy(served))


def test_connections_that_others_have_closed_are_not_ours(served: Web) -> None:
    """Until they are forgotten, a minute later, the kernel says that they are root's."""
    for _ in range(5):
        with ExitStack() as stack:
            opened(served, 1, stack)
    with ExitStack() as stack:
        (one,) = opened(served, 1, stack)
        assert web._ours(served.port) == {one.getsockname()}


def test_a_connection_is_ended_however_slowly_it_speaks(served: Web) -> None:
    with ExitStack() as stack:
        (slow,) = opened(served, 1, stack)

        def is_over() -> bool:
            try:
                slow.send(b"G")
            except OSError:
                return True
            return False

        wait_until(is_over, every=0.1)
    assert healthy(served)
