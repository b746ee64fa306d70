"""Opens Fabric connections, leg by leg along the way to a host: every host key on it is checked strictly."""

import shlex
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fabric import Config, Connection
from paramiko import ProxyCommand, Transport

from cutover.words.errors import Problem, Unreachable
from cutover.words.host import Host
from cutover.world.remote.deadline import Deadline, guarded
from cutover.world.remote.dial import dial
from cutover.world.remote.gate import ConnectGate
from cutover.world.remote.keys import KeyLogin
from cutover.world.remote.known_hosts import KnownHosts
from cutover.world.remote.leg import Leg, Way
from cutover.world.remote.refusals import explain
from cutover.world.remote.ssh_config import ConfigError, SshConfig
from cutover.world.remote.way import way_to
from cutover.world.remote.wire import SignalAware

KEEPALIVE = 10  # seconds; keeps what stands between (NAT, firewalls) from forgetting an idle connection
CHANNEL_TIMEOUT = 10  # seconds for a session or a forwarding to open


class SshAccess:
    """What all connections of a run share: the SSH configuration, the known host keys, and the gate of connects."""

    def __init__(
        self, *, gate: ConnectGate | None = None, ssh_config: Path | None = None, system: Sequence[Path] | None = None
    ) -> None:
        self.gate = gate or ConnectGate()
        self._system = system  # in place of the files that the SSH configuration names
        self._known: dict[tuple[Path, ...], KnownHosts] = {}
        self._lock = threading.Lock()
        self._config = SshConfig(ssh_config)
        # Lazy, so that no ~/.fabric.yml changes what a plan means; Fabric reads no SSH configuration either.
        self._fabric = Config(lazy=True)

    def open(self, host: Host, deadline: Deadline) -> Connection:
        """Open a connection to `host`, leg by leg; raises Unreachable, with the reason as the error's cause."""
        if host.identity_file and not host.identity_file.expanduser().is_file():
            raise Unreachable(_no_key_file(host))
        *jumps, own = self.way(host, deadline)
        return self._open_leg(own, self.open_way(jumps, host, deadline), host, deadline)

    def way(self, host: Host, deadline: Deadline) -> Way:
        """All legs to a host, the host's own last."""
        try:
            return way_to(host, self._config, deadline)
        except ConfigError as error:
            found, then = error.args
            raise Unreachable(Problem(host=host.name, found=found, next=then)) from error
        except TimeoutError as error:
            problem = Problem(host=host.name, found=str(error), next="see what it waits for in the SSH configuration")
            raise Unreachable(problem) from error

    def open_way(self, legs: Sequence[Leg], host: Host, deadline: Deadline) -> Connection | None:
        """Log in on one leg after the other; gives the last one's connection. None where there is no leg."""
        before: Connection | None = None
        for leg in legs:
            before = self._open_leg(leg, before, host, deadline)
        return before

    def reach(self, leg: Leg, before: Connection | None, deadline: Deadline) -> Any:
        """What SSH is spoken over: a channel of the jump host before, a ProxyCommand, or a socket."""
        if before is not None:
            return before.transport.open_channel(
                "direct-tcpip", (leg.address, leg.port), ("", 0), timeout=deadline.left
            )
        if leg.proxy_command:
            return ProxyCommand(shlex.join(("sh", "-c", f"exec {leg.proxy_command}")))
        return dial(leg.address, leg.port, deadline, leg.family)

    def known(self, host: Host, leg: Leg) -> KnownHosts:
        """The keys pinned in the host's environment, over those that ssh would know."""
        system = tuple(leg.known_hosts if self._system is None else self._system)
        files = (host.known_hosts, *system)
        with self._lock:
            if files not in self._known:
                self._known[files] = KnownHosts(host.known_hosts, system)
            return self._known[files]

    def forget_keys(self) -> None:
        """Read the known host keys anew at next use: more have been pinned."""
        with self._lock:
            self._known.clear()

    def _open_leg(self, leg: Leg, before: Connection | None, host: Host, deadline: Deadline) -> Connection:
        gateway = False if before is None else before  # None would have Fabric look for one by itself
        hop = Connection(
            leg.address, user=leg.user, port=leg.port, gateway=gateway, config=self._fabric, connect_kwargs={}
        )
        known = self.known(host, leg)
        try:
            known.teach(hop.client, leg)
            hop.connect_kwargs = {
                "auth_strategy": KeyLogin(leg),
                "transport_factory": SignalAware,
                **{f"{wait}_timeout": max(deadline.left, 0.001) for wait in ("banner", "auth")},
                "channel_timeout": CHANNEL_TIMEOUT,
                "timeout": max(deadline.left, 0.001),
            }
            with guarded(deadline.left, lambda: hang_up(hop)):
                if before is None:
                    hop.connect_kwargs["sock"] = self.reach(leg, None, deadline)
                hop.open()
            hop.transport.set_keepalive(KEEPALIVE)
        except Exception as error:  # noqa: BLE001 - Paramiko raises bare Exception too; none is lost, all become the cause
            hang_up(hop)
            # The guard ends a stalled handshake by closing the socket, which shows as any kind of error.
            reason = TimeoutError(str(error)) if deadline.passed else error
            raise Unreachable(explain(reason, host=host, leg=leg, seconds=deadline.spent)) from reason
        return hop


def hang_up(connection: Connection) -> None:
    """End a connection and the jump hosts under it at once, whatever state the network is in."""
    hop: Any = connection
    while isinstance(hop, Connection):
        transport: Transport | None = hop.client.get_transport()
        let_go(transport.sock if transport is not None else hop.connect_kwargs.get("sock"), transport)
        hop = hop.gateway


def let_go(sock: Any, transport: Transport | None) -> None:
    """End what SSH is spoken over, and the transport over it where there is one."""
    if isinstance(sock, socket.socket):
        with suppress(OSError):  # not connected any more: as wished
            sock.shutdown(socket.SHUT_RDWR)  # wakes whoever reads or writes; the transport's thread closes it
    if transport is not None:
        transport.close()
    elif sock is not None:
        sock.close()
    if isinstance(sock, ProxyCommand):
        _reap(sock, transport)


def _reap(proxy: ProxyCommand, transport: Transport | None) -> None:
    """Wait for a ProxyCommand to end and close its pipes, which Paramiko leaves to chance."""
    if transport is not None:
        transport.join(2)  # its thread ends the command, and must find it not yet reaped
    try:
        proxy.process.wait(2)
    except subprocess.TimeoutExpired:
        proxy.process.kill()
        proxy.process.wait(2)
    for pipe in (proxy.process.stdin, proxy.process.stdout, proxy.process.stderr):
        if pipe is not None:
            pipe.close()


def _no_key_file(host: Host) -> Problem:
    return Problem(
        host=host.name,
        path=str(host.identity_file),
        found="the key file is missing on this machine",
        next="correct `ansible_ssh_private_key_file` of the host, or put the key there",
    )
