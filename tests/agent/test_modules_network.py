"""What answers on a host: waits end, refusals are answers, nothing is followed elsewhere."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cutover.agent.modules import network
from cutover.agent.work import State
from tests.agent.doing import do, look
from tests.contract.sshd import free_port
from tests.waiting import PATIENCE_S


class Service(BaseHTTPRequestHandler):
    """A service that becomes ready after a number of questions."""

    asked = 0
    ready_at = 1

    def do_GET(self) -> None:
        """Answer by path."""
        type(self).asked += 1
        status, body = 200, json.dumps({"ready": self.asked >= self.ready_at})
        if self.path == "/status/503":
            status = 503
        if self.path == "/text":
            body = "not json"
        if self.path == "/elsewhere":
            status = 302
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/healthz")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Service.asked, Service.ready_at = 0, 1
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def speaking(answer: bytes) -> Iterator[str]:
    """A listener that says the same to one who connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def wait(url: str, desired: dict[str, Any], wait_s: float) -> State:
    return do("http", {"url": url, "wait_s": wait_s}, desired)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/healthz", 200, {"ready": True}), ("/status/503", 503, {"ready": True}), ("/text", 200, "not json")],
)
def test_status_and_body_are_seen(url: str, path: str, status: int, body: Any) -> None:
    assert look("http", url=url + path) == {"answers": True, "status": status, "body": body}


def test_a_redirect_is_not_followed(url: str) -> None:
    assert look("http", url=f"{url}/elsewhere")["status"] == 302
    assert Service.asked == 1


def test_a_proxy_of_the_environment_is_not_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert look("http", url=f"{url}/healthz")["answers"] is True


def test_a_refused_connection_is_no_answer_and_says_why() -> None:
    seen = look("http", url=f"http://127.0.0.1:{free_port()}/healthz")
    assert (seen["answers"], seen["status"], "refused" in seen["why"]) == (False, "none", True)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"])
def test_what_does_not_speak_http_to_the_end_is_no_answer(answer: bytes) -> None:
    with speaking(answer) as url:
        seen = look("http", url=url)
    assert (seen.get("answers"), "error" in seen) == (False, False)


def test_a_wait_ends_as_soon_as_the_endpoint_shows_what_is_desired(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "HTTP_POLL_S", 0.001)
    Service.ready_at = 4
    outcome = wait(f"{url}/healthz", {"status": 200, "body.ready": True}, 20)
    assert (outcome["ok"], outcome["changed"]) == (True, True)
    assert Service.asked == Service.ready_at + 1  # the second look, and none in between


@pytest.mark.parametrize("there", [True, False])
def test_a_wait_that_sees_nothing_ends_with_what_was_seen_last(url: str, there: bool) -> None:
    Service.ready_at = 10**9
    outcome = wait(f"{url}/healthz" if there else f"http://127.0.0.1:{free_port()}/", {"body.ready": True}, 0.1)
    assert (outcome["changed"], outcome["ok"]) == (True, False)
    assert outcome["after"].get("body") == ({"ready": False} if there else None)


def test_a_probe_asks_once(url: str) -> None:
    Service.ready_at = 2
    assert do("http", {"url": f"{url}/healthz", "wait_s": 20}, {"body.ready": True}, probe=True)["ok"] is False
    assert Service.asked == 1


def test_one_that_accepts_and_says_nothing_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = look("http", url=f"http://127.0.0.1:{silent.getsockname()[1]}/", answer_s=0.1)
    assert seen == {"answers": False, "status": "none", "why": "no whole answer within 0.1 s"}


def test_every_address_is_named_as_reached_or_not(url: str) -> None:
    there, closed = url.removeprefix("http://"), f"127.0.0.1:{free_port()}"
    seen = look("connections", targets=[there, closed])
    assert (seen["tried"], seen["reached"], list(seen["unreachable"])) == (2, [there], [closed])


def test_an_answer_without_an_end_takes_no_more_than_its_time_and_its_bytes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            for first in (b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1 << 20)):
                peer, _ = listener.accept()
                with peer, suppress(OSError):
                    peer.sendall(first)
                    while True:
                        peer.sendall(b"x")
                        time.sleep(0.02)

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert look("http", url=url, answer_s=0.5)["why"] == "no whole answer within 0.5 s"
        assert len(look("http", url=url, answer_s=PATIENCE_S)["body"]) == 65536
        thread.join()


def test_who_listens_must_be_of_the_unit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "show", lambda *_: {"ControlGroup": "/x"})
    for processes, by in (([os.getpid()], "a.service"), ([], "others")):
        monkeypatch.setattr(network, "processes_of", lambda _, found=processes: found)
        assert look("http", url=url, unit="a.service")["served_by"] == by
