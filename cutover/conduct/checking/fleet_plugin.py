"""pytest plugin that gives each check its host: `host` (testinfra), `wanted` (the host's plan), once for each host.

testinfra's own plugin stays off (`-p no:pytest11.testinfra`): without a host it would quietly check this machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cutover.conduct.checking.ahead import gather, seat_of
from cutover.decide.plan import HostPlan
from cutover.world.remote.base import Shell


@dataclass(frozen=True)
class Checked:
    """The hosts that checks are run on, the plan that each is held against, and why others cannot be asked: their checks are errors."""

    shells: Mapping[str, Shell]
    plans: Mapping[str, HostPlan]
    unasked: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.plans, *self.unasked]


FLEET = pytest.StashKey[Checked]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "warn: a check whose failure is WARN, not FAIL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a host for everything that asks for `host` or `wanted`."""
    if metafunc.definition.path.name != "checks.py" or not {"host", "wanted"} & set(metafunc.fixturenames):
        return  # not ours: a test of another kind may well have a host of its own
    fleet = metafunc.config.stash.get(FLEET, None)
    if fleet is None or not fleet.names:
        raise pytest.UsageError(
            "checks need hosts: give --hosts PATTERN (and --inventory DIR); they are never run on this machine"
        )
    metafunc.parametrize("host_name", fleet.names, scope="session")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have all hosts asked at once, before the checks run one after another."""
    fleet = session.config.stash.get(FLEET, None)
    if fleet is not None and not session.config.option.collectonly:
        gather(session.items, {name: seat_of(shell) for name, shell in fleet.shells.items()}, fleet.plans)


@pytest.fixture(scope="session")
def host(host_name: str, request: pytest.FixtureRequest) -> Any:
    """The host as testinfra sees it, through its agent, as root."""
    return seat_of(_asked(host_name, request).shells[host_name]).host


@pytest.fixture(scope="session")
def wanted(host_name: str, request: pytest.FixtureRequest) -> HostPlan:
    """The plan that the host is held against: its variables, facts and steps."""
    return _asked(host_name, request).plans[host_name]


def _asked(host_name: str, request: pytest.FixtureRequest) -> Checked:
    """The fleet; an error of the check that wants a host which cannot be asked."""
    fleet = request.config.stash[FLEET]
    if host_name in fleet.unasked:
        pytest.fail(fleet.unasked[host_name], pytrace=False)
    return fleet
