"""What answers on the host's network: HTTP endpoints, and addresses, of others or of its own ports."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutover.agent import paths
from cutover.agent.clock import CONNECT_S, HTTP_ANSWER_S, HTTP_POLL_S
from cutover.agent.compare import differences
from cutover.agent.document import parsed
from cutover.agent.modules.units import processes_of
from cutover.agent.systemd import show
from cutover.agent.work import Args, State, Work

if TYPE_CHECKING:
    from http.client import HTTPConnection

BODY_MOST = 65536  # bytes
LISTEN = "0A"  # the state of a socket in /proc/net/tcp


def look_http(args: Args, _work: Work) -> State:
    """answers, status, body (parsed JSON, else text) of args["url"], without proxies or redirects to elsewhere.

    Whoever listens there gets no more of our time than args["answer_s"], and no more of our memory than BODY_MOST. With
    args["unit"] served_by says whether a process of that unit is who listens: before it runs, anybody may.
    """
    import http.client  # here, since it costs 10 ms that most requests need not pay
    from urllib.parse import urlsplit

    url, limit_s = urlsplit(args["url"]), args.get("answer_s", HTTP_ANSWER_S)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    asked = kind(url.hostname or "", url.port, timeout=limit_s + 1)
    late = threading.Event()
    timer = threading.Timer(limit_s, _hang_up, args=(asked, late))
    timer.start()
    try:
        asked.request("GET", f"{url.path or '/'}{'?' if url.query else ''}{url.query}", headers={"Connection": "close"})
        answer = asked.getresponse()
        content = answer.read(BODY_MOST + 1)
        if late.is_set() or (answer.length and len(content) <= BODY_MOST):
            raise http.client.IncompleteRead(content, answer.length)
        state = {"answers": True, "status": answer.status, "body": _body(content)}
    except (OSError, http.client.HTTPException) as failure:  # the latter: it answers, but not in HTTP, or broke off
        return _none(
            f"no whole answer within {limit_s:g} s" if late.is_set() else str(failure) or type(failure).__name__
        )
    finally:
        timer.cancel()
        asked.close()
    return state | ({"served_by": _server(url.port or kind.default_port, args["unit"])} if "unit" in args else {})


def _none(why: str) -> State:
    return {"answers": False, "status": "none", "why": why}


def _hang_up(asked: HTTPConnection, late: threading.Event) -> None:
    """End a question that takes too long; who waits for its answer is woken."""
    late.set()
    if asked.sock is not None:
        with suppress(OSError):  # it has just ended by itself
            asked.sock.shutdown(socket.SHUT_RDWR)


def _server(port: int, unit: str) -> str:
    """The unit, where one of its processes (or systemd for it) has the socket that listens on a port of this host; else "others"."""
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        rows = (row.split() for row in paths.text_of(Path(table)).splitlines()[1:])
        listening |= {
            f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == LISTEN
        }
    for process in (*processes_of(show(unit, ["ControlGroup"])["ControlGroup"]), 1):
        if listening & paths.open_files(process):
            return unit
    return "others"


def wait_for_http(args: Args, desired: Args, _before: State, work: Work) -> None:
    """Ask again until the endpoint shows what is desired, for at most args["wait_s"]; the second look shows the result."""
    end = time.monotonic() + work.seconds_left(args["wait_s"])
    while time.monotonic() < end:
        time.sleep(HTTP_POLL_S)
        if not differences(look_http(args, work), desired):
            return


def look_connections(args: Args, _work: Work) -> State:
    """Which of args["targets"] ("host:port") accept a connection from the host, and why the others cannot be reached."""
    unreachable = {}
    for target in args["targets"]:
        name, _, port = target.rpartition(":")
        try:
            socket.create_connection((name, int(port)), timeout=CONNECT_S).close()
        except OSError as failure:
            unreachable[target] = str(failure)
    reached = [target for target in args["targets"] if target not in unreachable]
    return {"tried": len(args["targets"]), "reached": reached, "unreachable": unreachable}


def _body(content: bytes) -> Any:
    text = content[:BODY_MOST].decode(errors="backslashreplace")
    try:
        return parsed(text)
    except ValueError:
        return text
