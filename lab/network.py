"""The wires of a lab: one bridge, and per host a network namespace with a cable to the bridge."""

import re
from pathlib import Path

from lab.settings import Lab, Seat
from lab.shell import run

_NAMESPACES = Path("/run/netns")
_LINKS = Path("/sys/class/net")


def lay_bridge(lab: Lab) -> None:
    """Make the bridge where it is missing. Nothing is routed beyond it: the hosts see this machine and each other."""
    if bridge_laid(lab):
        return
    _ip(
        f"link add {lab.bridge} type bridge",
        f"link set {lab.bridge} addrgenmode none",
        f"addr add {lab.bridge_address} dev {lab.bridge}",
        f"link set {lab.bridge} up",
    )


def connect(seat: Seat) -> None:
    """Make a host's namespace and its cable; the address lives in the namespace and so survives a reboot."""
    prefix = seat.lab.network.prefixlen
    _ip(
        f"netns add {seat.machine}",
        f"link add {seat.link} type veth peer name host0 netns {seat.machine}",
        f"link set {seat.link} addrgenmode none",
        f"link set {seat.link} master {seat.lab.bridge}",
        f"link set {seat.link} up",
    )
    _ip(
        f"link set host0 address {seat.mac} addrgenmode none",
        f"addr add {seat.address}/{prefix} dev host0",
        "link set lo up",
        "link set host0 up",
        namespace=seat.machine,
    )


def set_cable(seat: Seat, *, plugged: bool) -> None:
    """Cut a host's cable, or plug it in again: both ends lose their carrier."""
    _ip(f"link set {seat.link} {'up' if plugged else 'down'}")


def cable_plugged(seat: Seat) -> bool:
    """Whether the host's cable is there and not cut."""
    flags = _LINKS / seat.link / "flags"
    return flags.exists() and bool(int(flags.read_text(), 16) & 1)


def disconnect(seat: Seat) -> None:
    """Take a host's cable and namespace away, as far as they are there."""
    if (_LINKS / seat.link).exists():
        _ip(f"link del {seat.link}")
    if (_NAMESPACES / seat.machine).exists():
        _ip(f"netns del {seat.machine}")


def remove_bridge(lab: Lab) -> None:
    """Take the bridge away, if it is there."""
    if bridge_laid(lab):
        _ip(f"link del {lab.bridge}")


def bridge_laid(lab: Lab) -> bool:
    """Whether there is a link of the bridge's name."""
    return (_LINKS / lab.bridge).exists()


def numbers(lab: Lab) -> set[int]:
    """Numbers of the hosts that have a cable or a namespace."""
    names = [path.name for place in (_LINKS, _NAMESPACES) if place.exists() for path in place.iterdir()]
    ours = re.compile(rf"{lab.prefix}-(?:h|lab)([1-9][0-9]*)")
    return {int(match[1]) for name in names if (match := ours.fullmatch(name))}


def _ip(*lines: str, namespace: str = "") -> None:
    where = ["-netns", namespace] if namespace else []
    run(["ip", *where, "-batch", "-"], stdin="".join(f"{line}\n" for line in lines))
