"""The lab comes up and goes down."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab import base, checks, host, machine, marks, network, owned, readiness, shared
from lab.inventory import Host, host_at, remove_inventory, write_inventory
from lab.lock import hold
from lab.mounts import mount_options, share, unmount_below
from lab.patience import until
from lab.settings import Lab, Seat

Tell = Callable[[str], None]


def _silent(_line: str) -> None:
    """Tells nobody."""


def up(
    count: int = 3,
    *,
    inventory: Path | None = None,
    group_vars: Mapping[str, object] | None = None,
    lab: Lab | None = None,
    tell: Tell = _silent,
    seconds: float = 120,
) -> tuple[Host, ...]:
    """Have `count` hosts running and reachable, and the inventory of all hosts of the lab written.

    Hosts that run are left alone; missing ones are made; what a crash left over is taken away first.
    """
    place = lab or Lab.from_environment()
    seats = place.seats(count)
    checks.require(place, count, base_built=base.is_built(place))
    began = time.monotonic()
    with hold(place.state, wait=False):
        marks.claim(place.state)
        shared.take(place)
        base_place = base.ensure(place, tell)
        _clear_leftovers(place, tell)
        _make_missing(seats, base_place, tell)
        readiness.await_ready((seat for seat in seats if network.cable_plugged(seat)), seconds=seconds)
        hosts = tuple(host_at(place.seat(number)) for number in sorted(host.numbers(place)))
        if inventory is not None:
            _remember_inventory(place, inventory.absolute())
            write_inventory(hosts, inventory, group_vars or {})
    tell(f"{len(hosts)} hosts are up ({time.monotonic() - began:.1f} s)")
    return hosts


def down(*, purge: bool = False, lab: Lab | None = None, tell: Tell = _silent) -> tuple[str, ...]:
    """Take away all hosts and all that the lab made; the cached base stays unless `purge`. Returns the hosts' names."""
    place = lab or Lab.from_environment()
    checks.require_root()
    owned.require(place)
    if purge:
        _refuse_base_in_use(place)
    fresh = not place.state.exists()  # there is no lab: only holding the directory makes it
    with hold(place.state, wait=False):
        seats = [place.seat(number) for number in sorted(host.numbers(place))]
        ending = [pid for seat in seats for pid in machine.processes(seat)]
        for seat in seats:
            host.remove(seat)
        network.remove_bridge(place)
        for directory in _inventories(place):
            remove_inventory(directory)
        unmount_below(place.hosts_dir)
        if fresh or marks.is_marked(place.state):
            marks.remove(place.state)
        shared.give_back(place)
    # They have ended; but the supervisors stay in the process table until this machine's PID 1 gets round to them.
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ending), seconds=10)
    if purge:
        base.purge(place)
    tell(f"{len(seats)} hosts taken away")
    return tuple(seat.name for seat in seats)


def _clear_leftovers(lab: Lab, tell: Tell) -> None:
    """Take away whatever is there of a host but does not run: a crash, a kill or a restart of the machine left it."""
    for seat in map(lab.seat, sorted(host.numbers(lab))):
        if not host.is_whole(seat):
            tell(f"taking away what is left of {seat.name}")
            host.remove(seat)


def _make_missing(seats: Sequence[Seat], base_place: Path, tell: Tell) -> None:
    lab = seats[0].lab
    if not lab.client_key.exists():
        host.make_key(lab.client_key, f"{lab.prefix} client")
    share(lab.hosts_dir)
    client_key = lab.client_key.with_suffix(".pub").read_text()
    network.lay_bridge(lab)
    missing = [seat for seat in seats if not host.is_whole(seat)]
    for seat in missing:
        host.make(seat, base_place, client_key)
    tell(f"{len(missing)} hosts made, {len(seats) - len(missing)} were there; waiting until they answer")


def _refuse_base_in_use(lab: Lab) -> None:
    """The base of a running host must not be pulled away: neither of this lab's nor of another's."""
    others = [
        where
        for where, options in mount_options("overlay")
        if f"lowerdir={lab.cache}/" in options and not where.is_relative_to(lab.state)
    ]
    if others:
        found = f"a host of another lab stands on it: {others[0]}"
        raise UsageError(Problem(path=str(lab.cache), found=found, next="take that lab down first"))


def _remember_inventory(lab: Lab, directory: Path) -> None:
    known = sorted({*map(str, _inventories(lab)), str(directory)})
    (lab.state / "inventories.json").write_text(json.dumps(known))


def _inventories(lab: Lab) -> tuple[Path, ...]:
    """The inventories that lab.up wrote, for lab.down to remove them."""
    record = lab.state / "inventories.json"
    return tuple(map(Path, json.loads(record.read_text()))) if record.exists() else ()
