"""Labs of the tests' own, beside whatever lab may be up on this machine."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import lab
from cutover.inventory.targets import Options, choose
from lab.provision import provision
from lab.system import hold
from tests.checkout import ROOT
from tests.lab.support import Hosts


@contextmanager
def lab_of_tests(prefix: str, third: int) -> Iterator[lab.Lab]:
    """An empty lab in a fixed place, so that what a killed run of the tests left is found again; two runs take turns."""
    cache = lab.Lab.from_environment().cache
    place = lab.Lab(prefix, IPv4Network(f"198.18.{third}.0/24"), Path(f"/var/lib/cutover-lab-tests-{prefix}"), cache)
    turn = place.state.with_suffix(".turn")
    with hold(turn, wait=True):
        lab.down(lab=place)
        try:
            yield place
        finally:
            lab.down(lab=place)
        turn.rmdir()


@contextmanager
def fleet_in_service(prefix: str, third: int, inventory: Path, variables: Mapping[str, object]) -> Iterator[Hosts]:
    """Three hosts with V1 in service under a stream of tapes."""
    with lab_of_tests(prefix, third) as place:
        made = lab.up(3, lab=place, inventory=inventory, group_vars=variables)
        provision(choose(Options(ROOT, "lab", str(inventory))), f"lab-{time.time_ns()}")
        hosts = Hosts(place, inventory, tuple(host.name for host in made))
        hosts.keep()
        yield hosts
