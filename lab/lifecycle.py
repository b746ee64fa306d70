"""The lab comes up and goes down; faults and views of its hosts."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Unreachable, UsageError
from lab import base, disk, host, machine, network, ownership, preflight
from lab.inventory import LabHost, host_at, remove_inventory, write_inventory
from lab.machine import Executed
from lab.settings import Lab, Slot
from lab.system import hold, mounts, share_mounts, unmount_below, until

Progress = Callable[[str], None]


def up(
    count: int = 3,
    *,
    inventory: Path | None = None,
    group_vars: Mapping[str, object] | None = None,
    lab: Lab | None = None,
    progress: Progress = lambda _line: None,
    seconds: float = 120,
) -> tuple[LabHost, ...]:
    """Have `count` hosts running and reachable within `seconds`, and the inventory of all hosts of the lab written.

    Running hosts stay as they are; missing ones are made; what a crash left over is removed first.
    """
    lab = lab or Lab.from_environment()
    slots = lab.slots(count)
    preflight.require(lab, count)
    began = time.monotonic()
    with hold(lab.state, wait=False):
        ownership.mark(lab.state)
        ownership.record(lab)
        base_dir = base.ensure(lab, progress)
        _remove_leftovers(lab, progress)
        _make_missing(slots, base_dir, progress)
        machine.await_ready((slot for slot in slots if network.cable_plugged(slot)), seconds=seconds)
        hosts = tuple(host_at(slot) for slot in _existing(lab))
        if inventory is not None:
            _remember_inventory(lab, inventory.absolute())
            write_inventory(hosts, inventory, group_vars or {})
    progress(f"{len(hosts)} hosts are up ({time.monotonic() - began:.1f} s)")
    return hosts


def down(*, purge: bool = False, lab: Lab | None = None, progress: Progress = lambda _line: None) -> tuple[str, ...]:
    """Remove all hosts and everything that the lab made; the cached base stays unless `purge`. Returns the hosts' names."""
    lab = _own(lab)
    if purge:
        _refuse_base_in_use(lab)
    fresh = not lab.state.exists()  # there is no lab, and holding the directory makes it
    with hold(lab.state, wait=False):
        slots = _existing(lab)
        ending = [pid for slot in slots for pid in machine.processes(slot)]
        for slot in slots:
            host.remove(slot)
        network.remove_bridge(lab)
        for directory in _inventories(lab):
            remove_inventory(directory)
        unmount_below(lab.hosts_dir)
        if fresh or ownership.is_marked(lab.state):
            ownership.remove_marked(lab.state)
        ownership.forget(lab)
    # They have ended, but the supervisors stay in the process table until this machine's PID 1 reaps them.
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ending), seconds=10)
    if purge:
        base.purge(lab)
    progress(f"{len(slots)} hosts removed")
    return tuple(slot.name for slot in slots)


# Faults: what can happen to a host


def cut(name: str, *, lab: Lab | None = None) -> "HostStatus":
    """Cut a host's cable: nothing comes in or out, open connections hang. The host keeps running."""
    slot = slot_of(name, lab)
    network.set_cable(slot, plugged=False)
    return _status(slot)


def heal(name: str, *, lab: Lab | None = None, seconds: float = 15) -> "HostStatus":
    """Plug a host's cable in again and remove what filled its disk; returns when it answers."""
    slot = slot_of(name, lab)
    network.set_cable(slot, plugged=True)
    disk.empty(slot)
    machine.await_ready([slot], seconds=seconds)
    return _status(slot)


def fill(name: str, *, leave_mb: int = 100, lab: Lab | None = None) -> "HostStatus":
    """Make a host's disk full except for some megabytes, for every directory of it and for root as well."""
    slot = slot_of(name, lab)
    disk.fill(slot, leave_mb=leave_mb)
    return _status(slot)


def reboot(name: str, *, lab: Lab | None = None, seconds: float = 120) -> "HostStatus":
    """Reboot a host as its own `systemctl reboot` does; returns when it answers again."""
    slot = slot_of(name, lab)
    before = machine.boot_id(slot)
    machine.execute(slot, ["systemctl", "--no-block", "reboot"])
    if not until(lambda: machine.boot_id(slot) not in ("", before), seconds=seconds):
        found = f"not rebooted within {seconds:g} s"
        raise Unreachable(Problem(host=name, path=str(slot.console), found=found, next="read its console there"))
    machine.await_ready([slot], seconds=seconds)
    return _status(slot)


# Views: what exists, and what is inside a host


@dataclass(frozen=True)
class HostStatus:
    """State of one host."""

    host: LabHost
    system: str  # state of its systemd; "off" when it does not run
    boot_id: str  # another one after each reboot
    cable: bool  # False after lab.cut
    ssh: bool
    disk_free_mb: int
    filled: bool  # True after lab.fill


def status(lab: Lab | None = None) -> tuple[HostStatus, ...]:
    """State of every host, leftovers of an earlier lab included; none when the lab is down."""
    return tuple(map(_status, _existing(_own(lab))))


def exec_in(
    name: str, argv: Sequence[str], *, stdin: str = "", timeout: float = 300, lab: Lab | None = None
) -> Executed:
    """Run a command as root inside a host without SSH: it also works on a host whose cable is cut."""
    return machine.execute(slot_of(name, lab), argv, stdin=stdin, timeout=timeout)


def root_of(name: str, lab: Lab | None = None) -> Path:
    """Where the root file system of a host is on the controller. Its /run, /tmp, /proc are not in it: use exec_in."""
    return slot_of(name, lab).root


def slot_of(name: str, lab: Lab | None = None) -> Slot:
    """The slot of a host that exists; UsageError with the names of those that do."""
    existing = {slot.name: slot for slot in _existing(_own(lab))}
    if name in existing:
        return existing[name]
    known = ", ".join(existing) or "none: lab.up makes them"
    raise UsageError(Problem(host=name, found="no such host in the lab", next=f"choose one of: {known}"))


def _status(slot: Slot) -> HostStatus:
    plugged = network.cable_plugged(slot)
    return HostStatus(
        host=host_at(slot),
        system=machine.system_state(slot),
        boot_id=machine.boot_id(slot),
        cable=plugged,
        ssh=plugged and machine.ssh_answers(slot),
        disk_free_mb=disk.free_mb(slot),
        filled=disk.is_filled(slot),
    )


def _own(lab: Lab | None) -> Lab:
    """The lab that is meant, when we are root and nothing in its place belongs to somebody else."""
    lab = lab or Lab.from_environment()
    preflight.require_root()
    ownership.require(lab)
    return lab


def _existing(lab: Lab) -> list[Slot]:
    return [lab.slot(number) for number in sorted(host.numbers(lab))]


def _remove_leftovers(lab: Lab, progress: Progress) -> None:
    """Remove whatever exists of a host that does not run: a crash, a kill or a restart of the machine left it."""
    for slot in _existing(lab):
        if not host.is_complete(slot):
            progress(f"removing what is left of {slot.name}")
            host.remove(slot)


def _make_missing(slots: Sequence[Slot], base_dir: Path, progress: Progress) -> None:
    lab = slots[0].lab
    if not lab.client_key.exists():
        host.make_key(lab.client_key, f"{lab.prefix} client")
    share_mounts(lab.hosts_dir)
    client_key = lab.client_key.with_suffix(".pub").read_text()
    network.make_bridge(lab)
    missing = [slot for slot in slots if not host.is_complete(slot)]
    for slot in missing:
        host.make(slot, base_dir, client_key)
    progress(f"{len(missing)} hosts made, {len(slots) - len(missing)} were running; waiting until they answer")


def _refuse_base_in_use(lab: Lab) -> None:
    """UsageError where a host of another lab runs on a base of this cache: it must not be removed under it."""
    for mount in mounts():
        on_it = mount.kind == "overlay" and f"lowerdir={lab.cache}/" in mount.options
        if on_it and not mount.place.is_relative_to(lab.state):
            found = f"a host of another lab uses it: {mount.place}"
            raise UsageError(Problem(path=str(lab.cache), found=found, next="take that lab down first"))


def _remember_inventory(lab: Lab, directory: Path) -> None:
    known = sorted({*map(str, _inventories(lab)), str(directory)})
    (lab.state / "inventories.json").write_text(json.dumps(known))


def _inventories(lab: Lab) -> tuple[Path, ...]:
    """The inventories that lab.up wrote, for lab.down to remove them."""
    written = lab.state / "inventories.json"
    return tuple(map(Path, json.loads(written.read_text()))) if written.exists() else ()
