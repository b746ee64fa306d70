"""The network of a lab: one bridge, and per host a network namespace with a cable (a veth pair) to the bridge."""

import re
from pathlib import Path

from lab.settings import Lab, Slot
from lab.system import run

_NAMESPACES = Path("/run/netns")
_LINKS = Path("/sys/class/net")


def make_bridge(lab: Lab) -> None:
    """Make the bridge where it is missing. Nothing is routed beyond it: the hosts reach this machine and each other."""
    if bridge_exists(lab):
        return
    _ip(
        f"link add {lab.bridge} type bridge",
        f"link set {lab.bridge} addrgenmode none",
        f"addr add {lab.bridge_address} dev {lab.bridge}",
        f"link set {lab.bridge} up",
    )


def remove_bridge(lab: Lab) -> None:
    """Remove the bridge if it exists."""
    if bridge_exists(lab):
        _ip(f"link del {lab.bridge}")


def bridge_exists(lab: Lab) -> bool:
    """Whether there is a link with the bridge's name."""
    return (_LINKS / lab.bridge).exists()


def connect(slot: Slot) -> None:
    """Make a host's namespace and its cable; the address lives in the namespace and so survives a reboot."""
    prefix = slot.lab.network.prefixlen
    _ip(
        f"netns add {slot.machine}",
        f"link add {slot.link} type veth peer name host0 netns {slot.machine}",
        f"link set {slot.link} addrgenmode none",
        f"link set {slot.link} master {slot.lab.bridge}",
        f"link set {slot.link} up",
    )
    _ip(
        f"link set host0 address {slot.mac} addrgenmode none",
        f"addr add {slot.address}/{prefix} dev host0",
        "link set lo up",
        "link set host0 up",
        namespace=slot.machine,
    )


def disconnect(slot: Slot) -> None:
    """Remove a host's cable and namespace, as far as they exist."""
    if (_LINKS / slot.link).exists():
        _ip(f"link del {slot.link}")
    if (_NAMESPACES / slot.machine).exists():
        _ip(f"netns del {slot.machine}")


def set_cable(slot: Slot, *, plugged: bool) -> None:
    """Plug a host's cable in, or cut it: both ends lose their carrier."""
    _ip(f"link set {slot.link} {'up' if plugged else 'down'}")


def cable_plugged(slot: Slot) -> bool:
    """Whether the host's cable exists and is not cut."""
    flags = _LINKS / slot.link / "flags"
    return flags.exists() and bool(int(flags.read_text(), 16) & 1)


def numbers(lab: Lab) -> set[int]:
    """Numbers of the hosts that have a cable or a namespace."""
    names = [path.name for place in (_LINKS, _NAMESPACES) if place.exists() for path in place.iterdir()]
    ours = re.compile(rf"{lab.prefix}-(?:h|lab)([1-9][0-9]*)")
    return {int(match[1]) for name in names if (match := ours.fullmatch(name))}


def _ip(*lines: str, namespace: str = "") -> None:
    where = ["-netns", namespace] if namespace else []
    run(["ip", *where, "-batch", "-"], stdin="".join(f"{line}\n" for line in lines))
