"""A lab of the fault suite's own: three real hosts with V1 under a stream of tapes, and short times.

The quick half (mark `lab`) is part of every test run; the whole (mark `faults`) runs with `./invokew test --faults`.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ground import Ground
from tests.faults.plays import CONFIRM_S
from tests.faults.running import Results
from tests.fleet import fresh_checkout
from tests.lab.support import Hosts
from tests.labs import fleet_in_service

VARIABLES: dict[str, object] = {
    "cutover_service": "abaco",
    "abaco_environment": "lab",
    "abaco_connections": [],
    "people_checklist": "shown",
    "cutover_bake_s": 0,
    "cutover_bake_every_s": 0.2,
    "cutover_lease_s": 10,
    "cutover_confirm_s": CONFIRM_S,
    "cutover_renew_s": 1,
    "lab_tape_every_s": 0.5,
    "lab_tape_rows": 50,
}


@pytest.fixture(scope="session")
def seed() -> int:
    """What all choices of the suite follow; printed, and `./invokew test --faults --seed N` replays it."""
    chosen = int(os.environ.get("CUTOVER_FAULTS_SEED") or time.time_ns() % 1_000_000)
    sys.stderr.write(f"\nfaults: seed {chosen}\n")
    return chosen


@pytest.fixture(scope="session")
def results(seed: int, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Where each experiment is put on record."""
    kept = os.environ.get("CUTOVER_FAULTS_RESULTS")
    return Results(Path(kept) if kept else tmp_path_factory.mktemp("faults"), seed)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Three hosts, made once."""
    inventory = tmp_path_factory.mktemp("environment") / "lab"
    with fleet_in_service("cutlabf", 92, inventory, VARIABLES) as hosts:
        hosts.reset()
        yield hosts


@pytest.fixture(scope="session")
def grounds(fleet: Hosts, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ground]:
    """A ground for each host alone, each with a machine of its own, and one for all of them (`all`)."""
    folder = tmp_path_factory.mktemp("machines")
    names = {**{name: (name,) for name in fleet.names}, "all": fleet.names}
    return {name: Ground(fleet, fresh_checkout(folder / name, fleet), hosts) for name, hosts in names.items()}


@pytest.fixture(scope="session")
def others(fleet: Hosts, grounds: dict[str, Ground], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ground]:
    """The same on other machines."""
    folder = tmp_path_factory.mktemp("others")
    return {name: Ground(fleet, fresh_checkout(folder / name, fleet), one.names) for name, one in grounds.items()}
