"""Looking at the lab: what stands, and what is inside a host, seen from the controller."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab import checks, disk, host, machine, network, owned, readiness
from lab.inventory import Host, host_at
from lab.machine import Executed
from lab.settings import Lab, Seat, number_of


@dataclass(frozen=True)
class HostStatus:
    """How one host is."""

    host: Host
    system: str  # what its systemd says of itself; "off" when it does not run
    boot_id: str  # another one after each reboot
    cable: bool  # False after lab.cut
    ssh: bool
    disk_free_mb: int
    filled: bool  # True after lab.fill


def status(lab: Lab | None = None) -> tuple[HostStatus, ...]:
    """How every host is, leftovers of an earlier lab included; none when the lab is down."""
    place = lab or Lab.from_environment()
    checks.require_root()
    owned.require(place)
    return tuple(status_of(place.seat(number)) for number in sorted(host.numbers(place)))


def status_of(seat: Seat) -> HostStatus:
    """How the host of a place is."""
    plugged = network.cable_plugged(seat)
    space = disk.space(seat)
    return HostStatus(
        host=host_at(seat),
        system=readiness.system_state(seat),
        boot_id=readiness.boot_id(seat),
        cable=plugged,
        ssh=plugged and readiness.ssh_answers(seat),
        disk_free_mb=space.free_mb,
        filled=space.filled,
    )


def exec_in(
    name: str, argv: Sequence[str], *, stdin: str = "", timeout: float = 30, lab: Lab | None = None
) -> Executed:
    """Run a command as root inside a host without SSH: it also works on a host that is cut off."""
    return machine.execute(seat_of(name, lab), argv, stdin=stdin, timeout=timeout)


def root_of(name: str, lab: Lab | None = None) -> Path:
    """Where the root file system of a host is on the controller. Its /run, /tmp, /proc are not in it: use exec_in."""
    return seat_of(name, lab).root


def seat_of(name: str, lab: Lab | None = None) -> Seat:
    """The place of a host that is there; UsageError with those that are, when it is not."""
    place = lab or Lab.from_environment()
    checks.require_root()
    owned.require(place)
    there = host.numbers(place)
    if (number := number_of(name)) is not None and number in there:
        return place.seat(number)
    known = ", ".join(place.seat(each).name for each in sorted(there)) or "none: lab.up makes them"
    raise UsageError(Problem(host=name, found="no such host in the lab", next=f"choose one of: {known}"))
