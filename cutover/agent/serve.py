"""Answer requests one after another over one connection: a JSON line in, a JSON line out, until the input ends.

Starting Python for each request cost ten times what most requests do. Nothing is kept between two of them but what Python
has loaded, and nothing is changed on the host by being there: a controller that hangs up, or goes silent, ends it.
"""

from __future__ import annotations

import errno
import json
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from cutover.agent.clock import SILENCE_S, process_age
from cutover.agent.state_dir import Refusal
from cutover.agent.work import CannotChange

# Why a disk cannot be written to: the state of the host, and not a bug of ours.
UNWRITABLE = {
    errno.ENOSPC: "no space left on the disk that holds",
    errno.EDQUOT: "no space left in the quota of",
    errno.EROFS: "read-only file system:",
}

Answerer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def serve(answer: Answerer, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request with {"ok": true, ...}, or {"ok": false, "reason", "message"} where the host refuses or we failed."""
    late = (
        process_age()
    )  # the first request was sent before this start, which must not count as an offset of the host's clock
    while line := _next(requests):
        request = {**json.loads(line), "received_at": time.time() - late}
        late = 0.0
        answers.write(json.dumps(answered(answer, request)).encode() + b"\n")
        answers.flush()


def _next(requests: BinaryIO) -> bytes:
    """The next request; a silence that is too long ends the process by SIGALRM."""
    signal.alarm(SILENCE_S)
    line = requests.readline()
    signal.alarm(0)
    return line


def answered(answer: Answerer, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request, whatever comes of it."""
    try:
        return {"ok": True, **answer(request)}
    except Refusal as refusal:
        return {"ok": False, "reason": refusal.reason, "message": str(refusal), "details": refusal.details}
    except CannotChange as failure:  # systemd does not answer, a unit was killed: expected, so without a traceback
        return {"ok": False, "reason": "failed", "message": str(failure)}
    except Exception as failure:  # noqa: BLE001 - a bug in one request is reported to its sender, and ends no other
        if isinstance(failure, OSError) and failure.errno in UNWRITABLE:
            path = str(failure.filename or request.get("state_dir", ""))
            return {"ok": False, "reason": "unwritable", "message": f"{UNWRITABLE[failure.errno]} {path}", "path": path}
        import traceback

        return {"ok": False, "reason": "failed", "message": traceback.format_exc()}
