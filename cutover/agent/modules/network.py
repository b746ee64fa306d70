"""What answers on the host's network: HTTP endpoints, and addresses, of others or of its own ports."""

from __future__ import annotations

import json
import time
from typing import Any

from cutover.agent.clock import CONNECT_S, HTTP_ANSWER_S, HTTP_POLL_S
from cutover.agent.compare import differences
from cutover.agent.work import Args, State, Work


def look_http(args: Args, _work: Work) -> State:
    """answers, status, body (parsed JSON, else text) of args["url"], without proxies or redirects to elsewhere."""
    import http.client  # here, since it costs 20 ms that most requests need not pay
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        """A redirect is an answer with its own status; the endpoint asked about is the only one that is asked."""

        def redirect_request(self, *_: Any) -> None:
            """Go nowhere."""

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)
    try:
        try:
            answer = opener.open(args["url"], timeout=args.get("answer_s", HTTP_ANSWER_S))
        except urllib.error.HTTPError as refused:  # it is the answer as well
            answer = refused
        with answer:
            return {"answers": True, "status": answer.status, "body": _body(answer.read())}
    except (OSError, http.client.HTTPException) as failure:  # the latter: it answers, but not in HTTP, or broke off
        return {"answers": False, "status": "none", "why": str(failure) or type(failure).__name__}


def wait_for_http(args: Args, desired: Args, _before: State, work: Work) -> None:
    """Ask again until the endpoint shows what is desired, for at most args["wait_s"]; the second look shows the result."""
    end = time.monotonic() + work.seconds_left(args["wait_s"])
    while time.monotonic() < end:
        time.sleep(HTTP_POLL_S)
        if not differences(look_http(args, work), desired):
            return


def look_connections(args: Args, _work: Work) -> State:
    """Which of args["targets"] ("host:port") accept a connection from the host, and why the others cannot be reached."""
    import socket

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
    text = content[:65536].decode(errors="backslashreplace")
    try:
        return json.loads(text)
    except ValueError:
        return text
