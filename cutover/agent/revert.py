"""The host's own revert: armed before V1 is stopped, put off while the controller renews it, gone when it disarms it.

It is a timer and a service on disk, both enabled, so a reboot does not lose them: whoever goes silent, this host goes
back by itself. Before it does, it raises the fencing token, so that a controller that comes back late is refused.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cutover.agent.clock import ARM_S, now
from cutover.agent.durable import read_json, write_atomically, write_json
from cutover.agent.lease import check, raise_token
from cutover.agent.place import Place
from cutover.agent.systemd import show, show_each, systemctl_or_fail
from cutover.agent.work import Work, work_off

UNITS = Path("/etc/systemd/system")
NAME = "cutover-revert"

# What did not succeed is tried again, for as long as it is armed.
SERVICE = """\
[Unit]
Description=Go back to the version before the cutover, since it was not confirmed
StartLimitIntervalSec=0
[Service]
Type=oneshot
Restart=on-failure
RestartSec={again}
ExecStart={python} -I -S {agent} revert --state {state}
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
    with place.working(ARM_S), place.ruling():
        check(place, token)
        write_json(
            place.armed, {"run": run, "token": token, "armed_at": now(), "confirm_s": confirm_s, "undo": list(undo)}
        )
        _end_waiting(name)
        service = SERVICE.format(
            python=sys.executable, agent=place.install(), state=place.root, budget=budget_s, again=confirm_s
        )
        timer = TIMER.format(seconds=confirm_s, name=name)
        write_atomically(UNITS / f"{name}.service", service.encode(), mode=0o644)
        write_atomically(UNITS / f"{name}.timer", timer.encode(), mode=0o644)
        systemctl_or_fail("--no-reload", "enable", f"{name}.timer")
        _read_again(name)
        systemctl_or_fail("restart", f"{name}.timer")
    return state(place)


def put_off(place: Place) -> None:
    """Start the timer anew, if a revert is armed; the lease is renewed with it. One that waits for its next try waits for the timer."""
    name = revert_unit(place.root)
    with place.ruling():  # a revert that has not raised the token by now waits for us, and may be ended
        if place.armed.exists() and (UNITS / f"{name}.timer").exists():
            systemctl_or_fail("restart", f"{name}.timer")
            if show(f"{name}.service", ["SubState"])["SubState"] == "auto-restart":
                _end_waiting(name)


def disarm(place: Place, *, token: int) -> dict[str, Any]:
    """Confirm: take the revert away."""
    with place.working(ARM_S), place.ruling():
        check(place, token)
        _end_waiting(revert_unit(place.root))
        _take_away(place)
    return state(place)


def revert(place: Place) -> dict[str, Any]:
    """Go back now: raise the token, work through what was armed, write down how it went."""
    from cutover.agent.modules import KINDS

    with place.working():
        armed = read_json(place.armed)
        if armed is None:
            return {"reverted": False, "why": "nothing is armed"}
        record = place.run(armed["run"]) / "reverted.json"
        # Before the token is raised: who takes the lease after that must see that this host does not go forward any more.
        write_json(record, {"run": armed["run"], "at": now(), "ok": False, "steps": []})
        raise_token(place, by="the host's own revert")
        outcomes = list(work_off(KINDS, armed["undo"], Work(), keep_going=True, guard=nullcontext))
        # What was left as it is, since it may not be touched any more, would be left so at every later try.
        ok = all(
            outcome["ok"] or outcome["left"] or step["optional"]
            for outcome, step in zip(outcomes, armed["undo"], strict=True)
        )
        done = {"run": armed["run"], "at": now(), "ok": ok, "steps": outcomes}
        write_json(record, done)
        if done["ok"]:
            _take_away(place)  # else systemd starts it again, and after a reboot the timer does
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
    """Name of timer and service: each state directory has its own, so that two pairs of services can be armed on one host."""
    parts = (part.replace("-", "--") for part in Path(state_dir).parts[1:])
    return "-".join(
        (NAME, *(re.sub(r"[^\w.-]", lambda odd: f"_{ord(odd[0]):x}_", part, flags=re.ASCII) for part in parts))
    )


def _end_waiting(name: str) -> None:
    """End a revert that waits for its next try, or for the host. Only for who holds the host or the lease: none is at work then."""
    if (UNITS / f"{name}.service").exists():
        systemctl_or_fail("stop", f"{name}.service")
        # One that our signal ended in the moment it began has failed: systemd would remember that, the host count as degraded.
        if show(f"{name}.service", ["ActiveState"])["ActiveState"] == "failed":
            systemctl_or_fail("reset-failed", f"{name}.service")


def _read_again(name: str) -> None:
    """Have systemd read its units again if it still knows others of this name; new ones it finds by itself, and a reload costs it a lot."""
    known = show_each([f"{name}.service", f"{name}.timer"], ["NeedDaemonReload"])
    if any(unit["NeedDaemonReload"] == "yes" for unit in known.values()):
        systemctl_or_fail("daemon-reload", deadline_s=30)


def _take_away(place: Place) -> None:
    timer, service = (UNITS / f"{revert_unit(place.root)}.{kind}" for kind in ("timer", "service"))
    if timer.exists():
        systemctl_or_fail("--no-reload", "disable", "--now", timer.name)
    for path in (timer, service):
        path.unlink(missing_ok=True)
    place.armed.unlink(missing_ok=True)
    _read_again(revert_unit(place.root))
