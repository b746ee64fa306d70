"""A batch of steps, applied under a named transient unit, with a result on disk that outlives any connection."""

from __future__ import annotations

import base64
import errno
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cutover.agent import process
from cutover.agent.clock import RESULT_EXTRA_S, SYSTEMCTL_S, UNIT_EXTRA_S, now
from cutover.agent.durable import read_json, write_json
from cutover.agent.lease import check
from cutover.agent.state_dir import Refusal, StateDir, note_head
from cutover.agent.systemd import journal_of, show
from cutover.agent.work import CannotChange, Work, work_off

Request = Mapping[str, Any]


def start(state_dir: StateDir, request: Request) -> dict[str, Any]:
    """Run a batch to its end and return its result. Asked again for the same batch, it waits for or returns the first result."""
    folder = state_dir.run(request["run"]) / "batches" / request["batch"]
    if _only_looks(request):  # nothing is changed, so after a lost connection it may simply be asked again
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        return {"result": _work(state_dir, request)}
    result = folder / "result.json"
    unit = unit_name(request["run"], request["batch"])
    # Until the unit is there: who asks for the same batch meanwhile must not find a folder without one.
    with state_dir.lease_lock():
        check(state_dir, request["token"])
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            try:
                write_json(folder / "request.json", request)
            except BaseException:  # nothing was begun, and who asks again must not wait for it
                folder.rmdir()
                raise
            try:
                _launch(state_dir, unit, folder, request["deadline_s"])
            except BaseException:  # nobody will read the request
                (folder / "request.json").unlink(missing_ok=True)
                raise
    note_head(folder.parent.parent, request.get("head"))  # while the unit is at work, which costs the outage nothing
    _wait(unit, result, request["deadline_s"])
    (folder / "request.json").unlink(missing_ok=True)  # where the unit was ended before it read it
    return {"result": _result(unit, result)}


def work_through(state_dir: StateDir, folder: Path) -> None:
    """The transient unit's own work. The request may carry secrets, and is on disk no longer than it takes to read it."""
    request = read_json(folder / "request.json")
    (folder / "request.json").unlink()
    write_json(folder / "result.json", _work(state_dir, request))


def _work(state_dir: StateDir, request: Request) -> dict[str, Any]:
    """Apply the steps: each holds the host, with the token checked first."""
    from cutover.agent.modules import MODULES

    work = Work(
        files={digest: base64.b64decode(content) for digest, content in request["files"].items()},
        deadline=time.monotonic() + request["deadline_s"],
        sent_at=request["sent_at"],
        received_at=request["received_at"],
    )
    outcomes: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"batch": request["batch"], "started_at": now(), "outcomes": outcomes, "refused": None}

    @contextmanager
    def guarded() -> Iterator[None]:
        with state_dir.host_lock(work.seconds_left()):
            check(state_dir, request["token"])
            yield

    try:
        outcomes.extend(work_off(MODULES, request["steps"], work, keep_going=request["keep_going"], guard=guarded))
    except Refusal as refusal:
        answer["refused"] = {"reason": refusal.reason, "message": str(refusal)}
    return {**answer, "finished_at": now()}


def _only_looks(request: Request) -> bool:
    return all(step["probe"] for step in request["steps"])


def unit_name(run: str, batch: str) -> str:
    """Name of the transient unit: what `systemctl list-units 'cutover-*'` shows while the batch runs."""
    return f"cutover-{run}-{batch}.service"


def _launch(state_dir: StateDir, unit: str, folder: Path, deadline_s: float) -> None:
    agent = [sys.executable, "-I", "-S", str(state_dir.install())]
    process.run_or_fail(
        [
            "systemd-run", "--quiet", "--collect", f"--unit={unit}",
            f"--property=RuntimeMaxSec={deadline_s + UNIT_EXTRA_S}", f"--property=TimeoutStopSec={UNIT_EXTRA_S}",
            *agent, "work", "--state", str(state_dir.root), "--folder", str(folder),
        ],
        deadline_s=SYSTEMCTL_S,
    )  # fmt: skip


def _wait(unit: str, result: Path, deadline_s: float) -> None:
    """Wait for the result; give up when the unit is gone without one, or its deadline is well past."""
    start = asked = time.monotonic()
    while not result.exists() and (waited := time.monotonic() - start) < deadline_s + RESULT_EXTRA_S:
        # The longer it takes, the less a moment matters; and each look costs the host what the work could use.
        time.sleep(max(0.01, min(0.5, waited * 0.02)))
        if time.monotonic() - asked > max(1.0, waited * 0.1):
            asked = time.monotonic()
            if show(unit, ["ActiveState"])["ActiveState"] in ("inactive", "failed") and not result.exists():
                return


def _result(unit: str, result: Path) -> dict[str, Any]:
    answer: dict[str, Any] | None = read_json(result)
    if answer is None:
        printed = journal_of(unit, 20)
        if os.strerror(errno.ENOSPC) in printed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(result))
        last = printed.splitlines()[-1] if printed else "it was killed, or the host was restarted"
        raise CannotChange(f"{unit} ended without a result: {last}")
    return answer
