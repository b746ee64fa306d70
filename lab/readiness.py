"""Whether a host can be worked with: its systemd has come up, and its sshd answers over the wire."""

import socket
from collections.abc import Iterable

from cutover.core.errors import Problem, Refused, Unreachable
from lab import machine, network
from lab.patience import until
from lab.settings import Seat


def system_state(seat: Seat) -> str:
    """What the host's systemd says of itself (`running`, `degraded`, `starting`, ...); `off` without a PID 1."""
    if machine.leader(seat) is None:
        return "off"
    told = machine.execute(seat, ["systemctl", "is-system-running"]).stdout.strip()
    return told or "starting"


def ssh_answers(seat: Seat, timeout: float = 0.5) -> bool:
    """Whether an SSH server greets at the host's address."""
    try:
        with socket.create_connection((str(seat.address), 22), timeout) as wire:
            wire.settimeout(timeout)
            return wire.recv(4) == b"SSH-"
    except OSError:
        return False  # refused, no route, no answer: each of them means that it does not answer


def boot_id(seat: Seat) -> str:
    """The kernel's name for this boot of the host; empty while it is between two."""
    if machine.leader(seat) is None:
        return ""
    try:
        return machine.execute(seat, ["cat", "/proc/sys/kernel/random/boot_id"], timeout=2).stdout.strip()
    except Refused:  # entering a host that is just going down can hang
        return ""


def await_ready(seats: Iterable[Seat], *, seconds: float) -> None:
    """Wait until every host is ready; Unreachable names those that are not in time, or have ended meanwhile."""
    waiting = list(seats)

    def all_ready() -> bool:
        waiting[:] = [seat for seat in waiting if not _ready(seat)]
        return not waiting or any(not machine.processes(seat) for seat in waiting)

    until(all_ready, seconds=seconds, every=0.05)
    if waiting:
        raise Unreachable(_late(seat, seconds) for seat in waiting)


def _ready(seat: Seat) -> bool:
    if network.cable_plugged(seat) and not ssh_answers(seat):
        return False
    return system_state(seat) in ("running", "degraded")


def _late(seat: Seat, seconds: float) -> Problem:
    found = f"not ready after {seconds:g} s" if machine.processes(seat) else "ended while it was starting"
    after = "read its console there; lab.down and lab.up make it anew"
    return Problem(host=seat.name, path=str(seat.console), found=found, next=after)
