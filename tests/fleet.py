"""Three real hosts with V1 in service, a lab of the tests' own beside whatever lab may be up on this machine; and checkouts to work from.

What this needs is imported when a test asks for it: most tests need none of it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.support import Checkout, Hosts

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


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Hosts]":
    """Three hosts, made once by each worker of pytest-xdist that needs them."""
    from tests.labs import fleet_in_service

    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    inventory = tmp_path_factory.mktemp("environment") / "lab"
    with fleet_in_service(f"cutlabx{worker}", 100 + worker, inventory, VARIABLES) as hosts:
        yield hosts


@pytest.fixture
def hosts(fleet: "Hosts") -> "Hosts":
    """The hosts, each with V1 in service and nothing else."""
    fleet.reset()
    return fleet


@pytest.fixture
def checkout(tmp_path: Path, fleet: "Hosts") -> "Iterator[Checkout]":
    """A checkout that has never seen these hosts, with an inventory of its own that a test may change."""
    fresh = fresh_checkout(tmp_path / "checkout", fleet)
    yield fresh
    fresh.end()


@pytest.fixture
def other(tmp_path: Path, fleet: "Hosts") -> "Checkout":
    """Another machine with the same inventory."""
    return fresh_checkout(tmp_path / "other", fleet)


@pytest.fixture(scope="session")
def broken_release(fleet: "Hosts", tmp_path_factory: pytest.TempPathFactory) -> str:
    """The artifact of a release that breaks as a file on the host says; its tests pass unless the host says otherwise."""
    from tests.lab.support import build_broken

    return build_broken(fresh_checkout(tmp_path_factory.mktemp("broken") / "checkout", fleet))


def fresh_checkout(root: Path, fleet: "Hosts") -> "Checkout":
    """Another machine: a checkout and a copy of the inventory, and nothing of any run."""
    import shutil

    from tests.lab.support import Checkout

    checkout = Checkout(root, root / "environments" / "lab")
    shutil.copytree(fleet.inventory, checkout.inventory)
    return checkout
