"""A batch of steps, worked through under a named transient unit, with a result on disk that outlives any connection."""

import base64
import errno
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cutover.agent import heads, process
from cutover.agent.clock import now
from cutover.agent.durable import read_json, write_json
from cutover.agent.lease import check
from cutover.agent.place import Place, Refusal
from cutover.agent.systemd import show
from cutover.agent.work import CannotChange, Work, work_off

Request = Mapping[str, Any]


def start(place: Place, request: Request) -> dict[str, Any]:
    """Run a batch to its end and give its result. Asked again for the same batch, it waits for or gives the first result."""
    folder = place.run(request["run"]) / "batches" / request["batch"]
    if _only_looks(request):  # nothing is changed, so a lost connection can just ask again
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        return {"result": _work(place, request)}
    result = folder / "result.json"
    unit = unit_name(request["run"], request["batch"])
    with (
        place.ruling()
    ):  # until the unit is there: who asks for the same batch meanwhile must not find a folder without one
        check(place, request["token"])
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            try:
                write_json(folder / "request.json", request)
            except BaseException:  # nothing was begun, and who asks again must not wait for it
                folder.rmdir()
                raise
            try:
                _launch(place, unit, folder, request["deadline_s"])
            except BaseException:  # nobody will read the request
                (folder / "request.json").unlink(missing_ok=True)
                raise
    heads.note(folder.parent.parent, request.get("head"))  # while the unit is at work, which costs the outage nothing
    _wait(unit, result, request["deadline_s"])
    (folder / "request.json").unlink(missing_ok=True)  # where the unit was ended before it read it
    return {"result": _result(unit, result)}


def work_through(place: Place, folder: Path) -> None:
    """The transient unit's own work. The request may carry secrets, and is on disk no longer than it takes to read it."""
    request = read_json(folder / "request.json")
    (folder / "request.json").unlink()
    write_json(folder / "result.json", _work(place, request))


def _work(place: Place, request: Request) -> dict[str, Any]:
    """Work off the steps: each holds the host, with the token checked first."""
    from cutover.agent.modules import KINDS

    files = {digest: base64.b64decode(content) for digest, content in request["files"].items()}
    work = Work(
        files=files,
        deadline=time.monotonic() + request["deadline_s"],
        sent_at=request["sent_at"],
        received_at=request["received_at"],
        only_looks=_only_looks(request),
    )
    outcomes: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"batch": request["batch"], "started_at": now(), "outcomes": outcomes, "refused": None}

    @contextmanager
    def guarded() -> Iterator[None]:
        with place.working(work.seconds_left()):
            check(place, request["token"])
            yield

    try:
        outcomes.extend(work_off(KINDS, request["steps"], work, keep_going=request["keep_going"], guard=guarded))
    except Refusal as refusal:
        answer["refused"] = {"reason": refusal.reason, "message": str(refusal)}
    return answer | {"finished_at": now()}


def _only_looks(request: Request) -> bool:
    return all(step["probe"] for step in request["steps"])


def unit_name(run: str, batch: str) -> str:
    """Name of the transient unit: what `systemctl list-units 'cutover-*'` shows while the batch runs."""
    return f"cutover-{run}-{batch}.service"


def _launch(place: Place, unit: str, folder: Path, deadline_s: float) -> None:
    ended = process.run(
        [
            "systemd-run", "--quiet", "--collect", f"--unit={unit}",
            f"--property=RuntimeMaxSec={deadline_s + 5}", "--property=TimeoutStopSec=5",
            sys.executable, "-I", "-S", str(place.install()), "work", "--state", str(place.root), "--folder", str(folder),
        ],
        deadline_s=15,
    )  # fmt: skip
    if ended.exit_code != 0:
        raise CannotChange(f"systemd-run {unit}: {ended.end} {ended.exit_code}: {ended.stderr.strip()}")


def _wait(unit: str, result: Path, deadline_s: float) -> None:
    """Wait for the result; give up when the unit is gone without one, or its deadline is well past."""
    begun = asked = time.monotonic()
    while not result.exists() and (waited := time.monotonic() - begun) < deadline_s + 10:
        # The longer it takes, the less a moment matters; and each look costs the host what the work could use.
        time.sleep(max(0.01, min(0.5, waited * 0.02)))
        if time.monotonic() - asked > max(1.0, waited * 0.1):
            asked = time.monotonic()
            if show(unit, ["ActiveState"])["ActiveState"] in ("inactive", "failed") and not result.exists():
                return


def _result(unit: str, result: Path) -> dict[str, Any]:
    answer: dict[str, Any] | None = read_json(result)
    if answer is None:
        said = process.run(
            ["journalctl", "--no-pager", "-o", "cat", "-n", "20", "-u", unit], deadline_s=5
        ).stdout.strip()
        if os.strerror(errno.ENOSPC) in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(result))
        last = said.splitlines()[-1] if said else "it was killed, or the host was started anew"
        raise CannotChange(f"{unit} ended without a result: {last}")
    return answer
