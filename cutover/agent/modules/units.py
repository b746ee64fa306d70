"""systemd units: bring one to the desired activity and enablement, and verify it with systemd and the kernel."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG

from cutover.agent.clock import FOREVER_S, KILLED_S, STOP_POLL_S
from cutover.agent.durable import sha256_bytes, sha256_file
from cutover.agent.paths import real, status
from cutover.agent.systemd import journal_of, reload_systemd, seconds_of, show, show_each, systemctl, systemctl_or_fail
from cutover.agent.work import Args, CannotChange, LeftAsItIs, State, Work


def look_unit(args: Args, _work: Work) -> State:
    """load, active, sub, enabled, main_pid, result, restarts, invocation, processes (pids in its cgroup), file, drop_ins, since.

    And stop_timeout_s: after how long systemd kills it when it does not stop (FOREVER_S where it never does); files_sha256:
    one digest over its unit file and drop-ins, by path and content.
    """
    seen = show(args["unit"])
    drop_ins = seen["DropInPaths"].split()
    return {
        "unit": args["unit"],
        "load": seen["LoadState"],
        "active": seen["ActiveState"],
        "sub": seen["SubState"],
        "enabled": seen["UnitFileState"] or "absent",
        "main_pid": int(seen["MainPID"]),
        "result": seen["Result"],
        "restarts": int(seen["NRestarts"]),
        "invocation": seen["InvocationID"],
        "processes": processes_of(seen["ControlGroup"]),
        "need_daemon_reload": seen["NeedDaemonReload"] == "yes",
        "file": seen["FragmentPath"],
        "drop_ins": drop_ins,
        "files_sha256": _digest_of([*([seen["FragmentPath"]] if seen["FragmentPath"] else []), *drop_ins]),
        "since": seen["ActiveEnterTimestamp"],
        "stop_timeout_s": seconds_of(seen["TimeoutStopUSec"]),
    }


def _digest_of(paths: Sequence[str]) -> str:
    """One digest over files, in their order, by path and content; one that systemd still knows of may be gone, or masked."""
    contents = []
    for path in paths:
        place = real(Path(path))
        seen = status(place)
        contents.append((path, sha256_file(place) if seen and S_ISREG(seen.st_mode) else "gone"))
    return sha256_bytes(repr(contents).encode())


def change_unit(args: Args, _desired: Args, before: State, work: Work) -> None:
    """Do what args ask for: want ("started" | "stopped") and enable (True | False | None = leave it).

    on_timeout says what becomes of a start that takes too long: "stop" it again, or "leave" it going.
    """
    unit, want, enable = args["unit"], args["want"], args["enable"]
    if before["need_daemon_reload"]:
        reload_systemd()
    if want == "stopped":
        _stop(unit, args, work, before["stop_timeout_s"])
    if enable is not None and before["load"] != "not-found":
        systemctl_or_fail("enable" if enable else "disable", unit)
    if want == "started" and before["active"] != "active":
        _start(unit, args, work)


def processes_of(control_group: str) -> list[int]:
    """Process ids in a unit's control group, asked of the kernel; empty when it is gone."""
    found: list[int] = []
    for hierarchy in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        root = Path(hierarchy + control_group)
        if control_group and (root / "cgroup.procs").exists():
            for folder, _, _ in os.walk(root):  # which passes over what has gone in the meantime
                found += _pids(Path(folder, "cgroup.procs"))
            break
    return sorted(set(found))


def _pids(listing: Path) -> list[int]:
    """Process ids in one control group; none where it went away between finding and reading it."""
    try:
        return [int(pid) for pid in listing.read_text().split()]
    except OSError as gone:
        if gone.errno in (errno.ENOENT, errno.ENODEV):
            return []
        raise


def look_unit_files(args: Args, _work: Work) -> State:
    """Whether systemd knows the units as they are on disk (stale: not read again, or remembered as failed though its file is gone)."""
    seen = show_each(args["units"], ["NeedDaemonReload", "LoadState", "ActiveState"])
    forgotten = {"LoadState": "not-found", "ActiveState": "failed"}
    stale = [
        unit for unit, state in seen.items() if state["NeedDaemonReload"] == "yes" or forgotten.items() <= state.items()
    ]
    return {"stale": stale}


def reload_unit_files(args: Args, _desired: Args, _before: State, _work: Work) -> None:
    """Have systemd read its unit files again, and forget how a unit ended that is not there any more."""
    reload_systemd()
    for unit in args["units"]:
        if show(unit, ["LoadState", "ActiveState"]) == {"LoadState": "not-found", "ActiveState": "failed"}:
            systemctl_or_fail("reset-failed", unit)


def refuse_while_running(unit: str) -> None:
    """Refuse what must not be done while a service runs: what it has written since is worth more than what was there before."""
    if show(unit, ["ActiveState"])["ActiveState"] not in ("inactive", "failed"):
        raise LeftAsItIs(f"{unit} is running and has written since: nothing was changed")


def _start(unit: str, args: Args, work: Work) -> None:
    systemctl("reset-failed", unit)  # starts by hand count toward the start limit; a unit not failed makes it complain
    done = systemctl("start", unit, deadline_s=work.seconds_left(args["timeout_s"]))
    if done.end == "deadline passed":
        if args.get("on_timeout", "stop") == "leave":  # on the way back: late is better than not at all
            raise CannotChange(f"{unit} was not ready within {done.seconds:.1f} s; its start goes on")
        systemctl_or_fail("stop", "--no-block", unit)
        raise CannotChange(f"{unit} was not ready within {done.seconds:.1f} s and was stopped again")
    if done.exit_code != 0:
        raise CannotChange(f"{unit} did not start: {done.stderr.strip()}\n{journal_of(unit, 15)}")


def _stop(unit: str, args: Args, work: Work, systemd_kills_s: float) -> None:
    systemctl_or_fail("stop", "--no-block", unit)
    timeout_s = args["timeout_s"]
    if _wait_until_settled(unit, work.seconds_left(timeout_s)):
        return
    if not args["force_stop"]:
        end = "never kills it" if systemd_kills_s == FOREVER_S else f"kills it {systemd_kills_s:g} s after it was asked"
        raise CannotChange(
            f"{unit} was asked to stop and is still running after {timeout_s:g} s;"
            f" not killed, since force is not allowed; systemd {end}"
        )
    systemctl_or_fail("kill", "--signal=SIGKILL", "--kill-whom=all", unit)
    if not _wait_until_settled(unit, work.seconds_left(KILLED_S)):
        raise CannotChange(f"{unit} is still there after SIGKILL")


def _wait_until_settled(unit: str, seconds: float) -> bool:
    """Wait for a stop to come through: not active, and no process left. Asks often, since this wait is the outage."""
    end = time.monotonic() + seconds
    while True:
        seen = show(unit, ["ActiveState", "ControlGroup"])
        if seen["ActiveState"] in ("inactive", "failed") and not processes_of(seen["ControlGroup"]):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(STOP_POLL_S)
