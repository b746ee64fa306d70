"""Answer requests one after another over one connection: a JSON line in, a JSON line out, until the input ends.

Starting Python for each request cost ten times what most requests do. Nothing is kept between two of them but what Python
has loaded, and nothing is changed on the host by being there: who hangs up, or goes silent, ends it.
"""

import errno
import json
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from cutover.agent.clock import SILENCE_S, process_age
from cutover.agent.place import Refusal
from cutover.agent.work import CannotChange

# What a disk may be that cannot be written to: the host's affair, and no bug of ours.
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
    )  # the first request was sent when we were started; what that took is no fault of the host's clock
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
    except OSError as failure:
        if (words := UNWRITABLE.get(failure.errno or 0)) is None:
            return _failed()
        path = str(failure.filename or request.get("state_dir", ""))
        return {"ok": False, "reason": "unwritable", "message": f"{words} {path}", "path": path}
    except CannotChange as said:  # systemd does not answer, a unit was killed: said in full, and nothing to trace
        return {"ok": False, "reason": "failed", "message": str(said)}
    except Exception:  # noqa: BLE001 - a bug in one request is told to who asked, and ends no other
        return _failed()


def _failed() -> dict[str, Any]:
    """What went wrong, and where: a surprise, or a bug of ours."""
    import traceback

    return {"ok": False, "reason": "failed", "message": traceback.format_exc()}
