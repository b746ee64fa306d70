"""The host's own revert: armed before the old release is stopped, put off while the controller renews it, removed when it disarms it.

It is a timer and a service on disk, so that a reboot does not lose them: whatever becomes of the controller, this host reverts
by itself. Before it does, it raises the fencing token, so that a controller that comes back late is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cutover.agent.clock import ARM_S, now
from cutover.agent.durable import read_json, remove, write_atomically, write_json
from cutover.agent.lease import check, raise_token
from cutover.agent.state_dir import Refusal, StateDir, revert_unit
from cutover.agent.systemd import reload_systemd, show, show_each, systemctl_or_fail
from cutover.agent.work import Work, work_off

UNITS = Path("/etc/systemd/system")

# A revert that failed is tried again, for as long as it is armed.
SERVICE = """\
[Unit]
Description=Go back to the release before the cutover, which was not confirmed
StartLimitIntervalSec=0
[Service]
Type=oneshot
Restart=on-failure
RestartSec={again}
ExecStart={python} -I -S {agent} revert --state {state}
TimeoutStartSec={budget}
# It writes files of any owner, asks systemd, and looks at processes, ports and health: what no way back needs is taken away.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SYS_PTRACE
KeyringMode=private
LimitCORE=0
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
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


def arm(state_dir: StateDir, request: Mapping[str, Any]) -> dict[str, Any]:
    """Write down how to go back (`undo`) and start the timer that does it after `confirm_s` seconds, for `budget_s` at most."""
    name, confirm_s = revert_unit(state_dir.root), request["confirm_s"]
    with state_dir.host_lock(ARM_S), state_dir.lease_lock():
        check(state_dir, request["token"])
        armed = {key: request[key] for key in ("run", "token", "confirm_s", "undo")}
        write_json(state_dir.armed, {**armed, "armed_at": now()})
        _stop_retry(name)
        places = {"python": sys.executable, "agent": state_dir.install(), "state": state_dir.root}
        service = SERVICE.format(**places, budget=request["budget_s"], again=confirm_s)
        timer = TIMER.format(seconds=confirm_s, name=name)
        write_atomically(UNITS / f"{name}.service", service.encode(), mode=0o644)
        write_atomically(UNITS / f"{name}.timer", timer.encode(), mode=0o644)
        systemctl_or_fail("--no-reload", "enable", f"{name}.timer")
        _reload_if_stale(name)
        systemctl_or_fail("restart", f"{name}.timer")
    return state(state_dir)


def put_off(state_dir: StateDir) -> None:
    """Restart the timer, if a revert is armed; a revert that waits for its next attempt waits for the timer instead."""
    name = revert_unit(state_dir.root)
    with state_dir.lease_lock():  # a revert that has not raised the token by now waits for us, and may be ended
        if state_dir.armed.exists() and (UNITS / f"{name}.timer").exists():
            systemctl_or_fail("restart", f"{name}.timer")
            if show(f"{name}.service", ["SubState"])["SubState"] == "auto-restart":
                _stop_retry(name)


def disarm(state_dir: StateDir, request: Mapping[str, Any]) -> dict[str, Any]:
    """Confirm the cutover on this host: remove the revert."""
    with state_dir.host_lock(ARM_S), state_dir.lease_lock():
        check(state_dir, request["token"])
        _stop_retry(revert_unit(state_dir.root))
        _remove(state_dir)
    return state(state_dir)


def revert(state_dir: StateDir) -> dict[str, Any]:
    """Go back now: raise the token, work through what was armed, write down how it went."""
    from cutover.agent.modules import MODULES

    with _taken_from_a_step(state_dir):
        armed = read_json(state_dir.armed)
        if armed is None:
            return {"reverted": False, "why": "nothing is armed"}
        record = state_dir.run(armed["run"]) / "reverted.json"
        # Before the token is raised: who takes the lease after that must see that this host does not go forward any more.
        write_json(record, {"run": armed["run"], "at": now(), "ok": False, "steps": []})
        raise_token(state_dir, by="the host's own revert")
        outcomes = list(work_off(MODULES, armed["undo"], Work(), keep_going=True, guard=nullcontext))
        # What was left as it is, since it may not be touched any more, would be left so at every later attempt.
        ok = all(outcome["ok"] or outcome["left"] or step["optional"] for outcome, step in zip(outcomes, armed["undo"]))
        done = {"run": armed["run"], "at": now(), "ok": ok, "steps": outcomes}
        write_json(record, done)
        if ok:
            _remove(state_dir)  # else systemd starts it again, and after a reboot the timer does
        return {"reverted": True, **done}


@contextmanager
def _taken_from_a_step(state_dir: StateDir) -> Iterator[None]:
    """Hold the host. A step of the run that does not end in time is stopped with its batch: nobody waits for its result any more."""
    with ExitStack() as held:
        try:
            held.enter_context(state_dir.host_lock(ARM_S))
        except Refusal:
            armed = read_json(state_dir.armed)
            if armed is not None:
                systemctl_or_fail("stop", f"cutover-{armed['run']}-*.service")
            held.enter_context(state_dir.host_lock(ARM_S))
        yield


def state(state_dir: StateDir) -> dict[str, Any]:
    """Whether a revert is armed, for which run, since when, after how many seconds of silence it goes off."""
    armed = read_json(state_dir.armed)
    if armed is None:
        return {"armed": False}
    return {"armed": True, **{key: armed[key] for key in ("run", "armed_at", "confirm_s", "token")}}


def _stop_retry(name: str) -> None:
    """Stop a revert that waits for its next attempt, or for the host. Only while holding the host or the lease: none is at work then."""
    if (UNITS / f"{name}.service").exists():
        systemctl_or_fail("stop", f"{name}.service")
        # One that was stopped in the moment it began counts as failed: systemd would remember that, and call the host degraded.
        if show(f"{name}.service", ["ActiveState"])["ActiveState"] == "failed":
            systemctl_or_fail("reset-failed", f"{name}.service")


def _reload_if_stale(name: str) -> None:
    """Reload systemd if it still knows other units of this name; new ones it finds by itself, and a reload costs it a lot."""
    known = show_each([f"{name}.service", f"{name}.timer"], ["NeedDaemonReload"])
    if any(unit["NeedDaemonReload"] == "yes" for unit in known.values()):
        reload_systemd()


def _remove(state_dir: StateDir) -> None:
    timer, service = (UNITS / f"{revert_unit(state_dir.root)}.{kind}" for kind in ("timer", "service"))
    if timer.exists():
        systemctl_or_fail("--no-reload", "disable", "--now", timer.name)
    for path in (timer, service, state_dir.armed):
        remove(path)
    _reload_if_stale(revert_unit(state_dir.root))
