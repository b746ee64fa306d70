"""A lab of these tests' own: three real hosts with V1 in service, beside whatever lab may be up on this machine."""

import os
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

import lab
from cutover.inventory.targets import Options, choose
from lab.provision import provision
from lab.system import hold
from tests.checkout import ROOT
from tests.lab.support import BrokenRelease, Checkout, Hosts, build_broken

COUNT = 3
# Quick where a person would wait, and few rows: what is tested is not how long a tape takes.
VARIABLES: dict[str, object] = {
    "cutover_service": "abaco",
    "abaco_environment": "lab",
    "abaco_connections": [],
    "people_checklist": "shown",
    "cutover_bake_s": 1,
    "cutover_bake_every_s": 0.3,
    "lab_tape_every_s": 0.2,
    "lab_tape_rows": 50,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real hosts need root on Linux; elsewhere these tests are skipped, and say why."""
    if sys.platform == "linux" and os.geteuid() == 0:
        return
    skipped = pytest.mark.skip(reason="real hosts need root on Linux: run the tests with sudo")
    for item in items:
        if item.get_closest_marker("lab") or item.get_closest_marker("faults"):
            item.add_marker(skipped)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Three hosts, made once; the state is in a fixed place, so that what a killed run of these tests left is found again."""
    cache = lab.Lab.from_environment().cache
    here = lab.Lab("cutlabx", IPv4Network("198.18.90.0/24"), Path("/var/lib/cutover-lab-tests-cutlabx"), cache)
    inventory = tmp_path_factory.mktemp("environment") / "lab"
    turn = here.state.with_suffix(".turn")
    with hold(turn, wait=True):  # another run of these tests on this machine goes first
        yield from _in_service(here, inventory)
        turn.rmdir()


def _in_service(here: lab.Lab, inventory: Path) -> Iterator[Hosts]:
    lab.down(lab=here)
    try:
        made = lab.up(COUNT, lab=here, inventory=inventory, group_vars=VARIABLES)
        provision(choose(Options(ROOT, "lab", str(inventory))), f"lab-{time.time_ns()}")
        hosts = Hosts(here, inventory, tuple(host.name for host in made))
        hosts.keep()
        yield hosts
    finally:
        lab.down(lab=here)


@pytest.fixture
def hosts(fleet: Hosts) -> Hosts:
    """The hosts, each with V1 in service and nothing else."""
    fleet.reset()
    return fleet


@pytest.fixture
def checkout(tmp_path: Path, fleet: Hosts) -> Iterator[Checkout]:
    """A checkout that has never seen these hosts, with an inventory of its own that a test may change."""
    fresh = fresh_checkout(tmp_path / "checkout", fleet)
    yield fresh
    fresh.end()


@pytest.fixture
def other(tmp_path: Path, fleet: Hosts) -> Checkout:
    """Another machine with the same inventory."""
    return fresh_checkout(tmp_path / "other", fleet)


@pytest.fixture(scope="session")
def broken_release(fleet: Hosts, tmp_path_factory: pytest.TempPathFactory) -> BrokenRelease:
    """A release that breaks as a file on the host says; its tests pass unless the host says otherwise."""
    return build_broken(fresh_checkout(tmp_path_factory.mktemp("broken") / "checkout", fleet))


def fresh_checkout(root: Path, fleet: Hosts) -> Checkout:
    """Another machine: a checkout and a copy of the inventory, and nothing of any run."""
    import shutil

    checkout = Checkout(root, root / "environments" / "lab")
    shutil.copytree(fleet.inventory, checkout.inventory)
    return checkout
