"""The agent's command line on a host: `serve` answers a controller's requests; `work` and `revert` are what units of its own run.

A request is a JSON line in, its answer a JSON line out, one after another over one connection until the input ends. Starting
Python for each cost ten times what most of them do. Nothing is kept between two of them but what Python has loaded, and
nothing is changed on the host by being there: a controller that hangs up, or goes silent, ends it.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from cutover.agent import batch, lease, process, revert
from cutover.agent.clock import SILENCE_S, boot_id, now, process_age
from cutover.agent.durable import make_directory, read_json, write_json
from cutover.agent.state_dir import KNOWN_RUNS, Refusal, StateDir, journal_heads, note_head
from cutover.agent.work import CannotChange, Work, look_at, work_off

MEASURING = {"command", "http"}  # a command of the release measures; waiting for an endpoint changes nothing
# Why a disk cannot be written to: the state of the host, and not a bug of ours.
UNWRITABLE = {
    errno.ENOSPC: "no space left on the disk that holds",
    errno.EDQUOT: "no space left in the quota of",
    errno.EROFS: "read-only file system:",
}

Request = Mapping[str, Any]
Answer = dict[str, Any]


def look(_state_dir: StateDir, request: Request) -> Answer:
    """Look at what the steps are about; change nothing."""
    from cutover.agent.modules import MODULES

    work = Work(deadline=time.monotonic() + request["deadline_s"], sent_at=request["sent_at"])
    return {"states": {step["id"]: look_at(MODULES, step, work) for step in request["steps"]}, "at": now()}


def measure(_state_dir: StateDir, request: Request) -> Answer:
    """Run commands and probes outside any run. Steps that could change the host are refused."""
    from cutover.agent.modules import MODULES

    if others := {step["kind"] for step in request["steps"] if not step["probe"]} - MEASURING:
        raise Refusal("usage", f"not for measuring: {', '.join(sorted(others))}")
    work = Work(deadline=time.monotonic() + request["deadline_s"], sent_at=request["sent_at"])
    return {"outcomes": list(work_off(MODULES, request["steps"], work, keep_going=True, guard=nullcontext))}


def shell(_state_dir: StateDir, request: Request) -> Answer:
    """Run shell text for a check: as root, with a clean environment, and with all of its output, since half a listing misleads."""
    return process.run(("sh", "-c", request["script"]), deadline_s=request["deadline_s"])._asdict()


def begin(state_dir: StateDir, request: Request) -> Answer:
    """Take the lease for a run and keep the run's plan for this host, so that it can be rolled back from anywhere.

    Without a plan the run is not applied, but taken up again to go back once more.
    """
    folder = state_dir.run(request["run"])
    if "plan" in request:
        _refuse_application(state_dir, request["run"], folder)
    before = lease.current(state_dir)["token"]
    taken = lease.acquire(
        state_dir, run=request["run"], holder=request["holder"], nonce=request["nonce"], seconds=request["lease_s"],
        claim=request["claim"],
    )  # fmt: skip
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        note_head(folder, request.get("head"))
        if "plan" in request:
            write_json(folder / "plan.json", request["plan"])
            write_json(folder / "approval.json", request["approval"])
        else:
            revert.put_off(state_dir)  # a rollback must not meet the host's own next attempt
        # Uploads arrive as the user who logs in.
        make_directory(state_dir.incoming, mode=0o700, uid=int(os.environ.get("SUDO_UID", "0")))
        state_dir.remove_partial_uploads()
        return {"lease": taken, "reverted": read_json(folder / "reverted.json")}
    except BaseException:
        if taken["token"] != before:  # whoever asked is given no token to give back
            lease.release(state_dir, token=taken["token"])
        raise


def _refuse_application(state_dir: StateDir, run: str, folder: Path) -> None:
    """A run that this host went back from is not applied again; nor is any while it is about to go back from another."""
    state, reverted = read_json(folder / "state.json") or {}, read_json(folder / "reverted.json")
    if reverted is not None or state.get("status") == "rollback":
        how, at = ("by itself", reverted["at"]) if reverted is not None else ("by a rollback", state["at"])
        raise Refusal("spent", f"run {run} is spent: this host went back from it {how} at {at}; make a new plan")
    armed = revert.state(state_dir)
    if armed["armed"] and armed["run"] != run:
        why = f"this host goes back by itself from run {armed['run']}, which was never confirmed; roll that run back first"
        raise Refusal("unsettled", why)


def renew(state_dir: StateDir, request: Request) -> Answer:
    """Prolong the lease and put off the armed revert."""
    renewed = lease.renew(state_dir, token=request["token"], seconds=request["lease_s"])
    revert.put_off(state_dir)
    return {"lease": renewed}


def release(state_dir: StateDir, request: Request) -> Answer:
    """Give the lease back."""
    return {"lease": lease.release(state_dir, token=request["token"])}


def record(state_dir: StateDir, request: Request) -> Answer:
    """Keep how far a run has come on this host (a small document that the next controller reads)."""
    with state_dir.lease_lock():
        lease.check(state_dir, request["token"])
        write_json(state_dir.run(request["run"]) / "state.json", request["state"])
        note_head(state_dir.run(request["run"]), request.get("head"))
    return {}


def status(state_dir: StateDir, _request: Request) -> Answer:
    """Lease, armed revert, and the runs that this host remembers, newest first."""
    runs = sorted((path for path in state_dir.runs.glob("*") if (path / "plan.json").exists()), reverse=True)
    return {
        "lease": lease.current(state_dir),
        "revert": revert.state(state_dir),
        "runs": [_known(path) for path in runs[:KNOWN_RUNS]],
        "boot_id": boot_id(),
        "at": now(),
    }


def _known(folder: Path) -> dict[str, Any]:
    """What the host remembers of a run: the batches that were begun, in order, its last state, whether the host reverted."""
    begun = sorted((folder / "batches").glob("*"), key=lambda path: path.stat().st_mtime_ns)
    reverted = read_json(folder / "reverted.json")
    return {
        "run": folder.name,
        "batches": [path.name for path in begun],
        "state": read_json(folder / "state.json"),
        "reverted": None if reverted is None else {"at": reverted["at"], "ok": reverted["ok"]},
        "heads": journal_heads(folder),
    }


def plan(state_dir: StateDir, request: Request) -> Answer:
    """The plan of a run as this host keeps it, and its signed approval."""
    folder = state_dir.run(request["run"])
    return {"plan": read_json(folder / "plan.json"), "approval": read_json(folder / "approval.json")}


VERBS: dict[str, Callable[[StateDir, Request], Answer]] = {
    **{verb.__name__: verb for verb in (look, measure, shell, begin, renew, release, record, status, plan)},
    **{verb.__name__: verb for verb in (revert.arm, revert.disarm)},
    "apply": batch.start,
}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request; a silence that is too long ends the process by SIGALRM."""
    late = process_age()  # the first was sent before this start, which must not count as an offset of the host's clock
    while True:
        signal.alarm(SILENCE_S)
        line = requests.readline()
        signal.alarm(0)
        if not line:
            return
        request = {**json.loads(line), "received_at": time.time() - late}
        late = 0.0
        # A name that is no text, as the user of a service may give to a file, must not make the answer unreadable.
        answers.write(json.dumps(answered(request), ensure_ascii=False).encode(errors="replace") + b"\n")
        answers.flush()


def answered(request: Request) -> Answer:
    """The answer to one request: {"ok": true, ...}, or {"ok": false, "reason", "message"} where the host refuses or we failed."""
    try:
        state_dir = StateDir(Path(request["state_dir"]))
        state_dir.refuse_shared()
        return {"ok": True, **VERBS[request["verb"]](state_dir, request)}
    except Refusal as refusal:
        return {"ok": False, "reason": refusal.reason, "message": str(refusal)}
    except CannotChange as failure:  # systemd does not answer, a unit was killed: expected, so without a traceback
        return {"ok": False, "reason": "failed", "message": str(failure)}
    except Exception as failure:  # noqa: BLE001 - a bug in one request is reported to its sender, and ends no other
        if isinstance(failure, OSError) and failure.errno in UNWRITABLE:
            path = str(failure.filename or request["state_dir"])
            return {"ok": False, "reason": "unwritable", "message": f"{UNWRITABLE[failure.errno]} {path}", "path": path}
        import traceback

        return {"ok": False, "reason": "failed", "message": traceback.format_exc()}


def main() -> int:
    """Serve, or do the work of a unit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # secrets are in its memory
    # Only our own code calls this, and argparse costs 12 ms.
    verb, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
    if verb == "serve":
        serve(sys.stdin.buffer, sys.stdout.buffer)
    elif verb == "work":
        batch.work_through(StateDir(Path(options["--state"])), Path(options["--folder"]))
    else:
        done = revert.revert(StateDir(Path(options["--state"])))
        json.dump(done, sys.stdout)
        return 0 if done.get("ok", True) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
