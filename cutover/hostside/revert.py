"""The host's own revert: armed before V1 is stopped, put off while the controller renews it, gone when it disarms it.

It is a timer and a service on disk, both enabled, so a reboot does not lose them: whoever goes silent, this host goes
back by itself. Before it does, it raises the fencing token, so that a controller that comes back late is refused.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cutover.hostside.clock import now
from cutover.hostside.durable import read_json, sha256_bytes, write_atomically, write_json
from cutover.hostside.lease import check, raise_token
from cutover.hostside.place import Place
from cutover.hostside.systemd import systemctl_or_fail
from cutover.hostside.work import Work, work_off

UNITS = Path("/etc/systemd/system")
NAME = "cutover-revert"
DEFAULT = Path("/var/lib/cutover")

SERVICE = """\
[Unit]
Description=Go back to the version before the cutover, since it was not confirmed
[Service]
Type=oneshot
ExecStart={python} -I {agent} revert --state {state}
TimeoutStartSec={budget}
"""

# Each renewal starts the timer anew: systemd's limit on starts would take the timer away from a host renewed often.
TIMER = """\
[Unit]
Description=Revert the cutover {seconds} s after the controller was last heard of
StartLimitIntervalSec=0
[Timer]
OnActiveSec={seconds}
AccuracySec=100ms
Unit={name}.service
[Install]
WantedBy=timers.target
"""


def arm(
    place: Place, *, token: int, run: str, undo: Sequence[Mapping[str, Any]], confirm_s: float, budget_s: float
) -> dict[str, Any]:
    """Write down how to go back and start the timer (seconds) that will do it."""
    name = revert_unit(place.root)
    with place.working(), place.ruling():
        check(place, token)
        write_json(
            place.armed, {"run": run, "token": token, "armed_at": now(), "confirm_s": confirm_s, "undo": list(undo)}
        )
        service = SERVICE.format(python=sys.executable, agent=place.install(), state=place.root, budget=budget_s)
        timer = TIMER.format(seconds=confirm_s, name=name)
        write_atomically(UNITS / f"{name}.service", service.encode(), mode=0o644)
        write_atomically(UNITS / f"{name}.timer", timer.encode(), mode=0o644)
        systemctl_or_fail("--no-reload", "enable", f"{name}.timer")
        systemctl_or_fail("daemon-reload", deadline_s=30)
        systemctl_or_fail("restart", f"{name}.timer")
    return state(place)


def put_off(place: Place) -> None:
    """Start the timer anew, if a revert is armed; the lease is renewed with it."""
    with place.ruling():
        if place.armed.exists():
            systemctl_or_fail("restart", f"{revert_unit(place.root)}.timer")


def disarm(place: Place, *, token: int) -> dict[str, Any]:
    """Confirm: take the revert away."""
    with place.working(), place.ruling():
        check(place, token)
        _take_away(place)
    return state(place)


def revert(place: Place) -> dict[str, Any]:
    """Go back now: raise the token, work through what was armed, write down how it went."""
    from cutover.hostside.kinds import KINDS  # here, since arming and putting off need none

    with place.working():
        armed = read_json(place.armed)
        if armed is None:
            return {"reverted": False, "why": "nothing is armed"}
        raise_token(place, by="the host's own revert")
        record = place.run(armed["run"]) / "reverted.json"
        outcomes = list(work_off(KINDS, armed["undo"], Work(), keep_going=True, guard=nullcontext))
        ok = all(outcome["ok"] or step["optional"] for outcome, step in zip(outcomes, armed["undo"], strict=True))
        done = {"run": armed["run"], "at": now(), "ok": ok, "steps": outcomes}
        write_json(record, done)
        if done["ok"]:
            _take_away(place)  # else the timer stays enabled: after a reboot it tries again
        return {"reverted": True} | done


def state(place: Place) -> dict[str, Any]:
    """Whether a revert is armed, for which run, since when, after how many seconds of silence it goes off."""
    armed = read_json(place.armed)
    return (
        {"armed": False}
        if armed is None
        else {"armed": True} | {key: armed[key] for key in ("run", "armed_at", "confirm_s", "token")}
    )


def revert_unit(state_dir: Path | str) -> str:
    """Name of timer and service: the default state directory's is NAME, each other's has its own, so that two can be armed."""
    return NAME if Path(state_dir) == DEFAULT else f"{NAME}-{sha256_bytes(str(state_dir).encode())[:8]}"


def _take_away(place: Place) -> None:
    timer, service = (UNITS / f"{revert_unit(place.root)}.{kind}" for kind in ("timer", "service"))
    if timer.exists():
        systemctl_or_fail("--no-reload", "disable", "--now", timer.name)
    for path in (timer, service):
        path.unlink(missing_ok=True)
    place.armed.unlink(missing_ok=True)
    systemctl_or_fail("daemon-reload", deadline_s=30)
