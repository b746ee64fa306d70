"""What can befall a host: its cable is cut, its disk is full, it reboots."""

from cutover.core.errors import Problem, Unreachable
from lab import disk, machine, network, readiness
from lab.patience import until
from lab.settings import Lab
from lab.views import HostStatus, seat_of, status_of


def cut(name: str, *, lab: Lab | None = None) -> HostStatus:
    """Cut a host's cable: nothing comes in or out, connections in use hang. The host runs on."""
    seat = seat_of(name, lab)
    network.set_cable(seat, plugged=False)
    return status_of(seat)


def heal(name: str, *, lab: Lab | None = None, seconds: float = 15) -> HostStatus:
    """Plug a host's cable in again and take away what filled its disk; returns when it answers."""
    seat = seat_of(name, lab)
    network.set_cable(seat, plugged=True)
    disk.empty(seat)
    readiness.await_ready([seat], seconds=seconds)
    return status_of(seat)


def fill(name: str, *, leave_mb: int = 100, lab: Lab | None = None) -> HostStatus:
    """Make a host's disk full but for some megabytes, for every directory of it and for root as well."""
    seat = seat_of(name, lab)
    disk.fill(seat, leave_mb=leave_mb)
    return status_of(seat)


def reboot(name: str, *, lab: Lab | None = None, seconds: float = 120) -> HostStatus:
    """Reboot a host as its own `systemctl reboot` does; returns when it answers again."""
    seat = seat_of(name, lab)
    before = readiness.boot_id(seat)
    machine.execute(seat, ["systemctl", "--no-block", "reboot"])
    if not until(lambda: readiness.boot_id(seat) not in ("", before), seconds=seconds):
        found = f"has not rebooted within {seconds:g} s"
        raise Unreachable(Problem(host=name, path=str(seat.console), found=found, next="read its console there"))
    readiness.await_ready([seat], seconds=seconds)
    return status_of(seat)
