"""One real host of a lab of its own, for what only real systemd and real sshd can prove."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import lab
from cutover.core.host import Host
from cutover.remote.agent import HostAgent
from tests.labs import lab_of_tests

if TYPE_CHECKING:
    from cutover.remote.ssh import SshTransport


@dataclass
class RealHost:
    """A host of our own lab, as the controller reaches it."""

    place: lab.Lab
    host: Host

    def transport(self) -> "SshTransport":
        """A new connection."""
        from cutover.remote.connect import SshAccess
        from cutover.remote.ssh import SshTransport

        return SshTransport(self.host, SshAccess())

    def agent(self, state_dir: str) -> HostAgent:
        """A new connection with an agent that keeps its things in a directory of its own."""
        return HostAgent(self.transport(), state_dir=state_dir)

    def sh(self, script: str) -> str:
        """Run a script on the host, behind the agent's back; gives what it says."""
        done = lab.exec_in(self.host.name, ["sh", "-ec", script], lab=self.place)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def reboot(self) -> None:
        """Boot it anew; returns when it is reachable."""
        lab.reboot(self.host.name, lab=self.place)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHost]:
    """One host, made once."""
    inventory = tmp_path_factory.mktemp("inventory") / "lab"
    with lab_of_tests("cutlabu", 91) as place:
        (made,) = lab.up(1, lab=place, inventory=inventory)
        pin, key = inventory / "known_hosts", place.client_key
        address = str(place.slot(1).address)
        yield RealHost(place, Host(made.name, address, "lab", pin, user="deploy", identity_file=key))
