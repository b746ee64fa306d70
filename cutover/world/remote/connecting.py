"""Opens Fabric connections: ~/.ssh/config and its jump hosts honoured, every host key on the way checked strictly."""

import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fabric import Config, Connection  # type: ignore[import-untyped]
from paramiko import ProxyCommand, SSHConfig, Transport

from cutover.words.errors import Problem, Unreachable
from cutover.words.host import Host
from cutover.world.remote.deadline import Deadline, guarded
from cutover.world.remote.dial import dial
from cutover.world.remote.gate import ConnectGate
from cutover.world.remote.known_hosts import SYSTEM, KnownHosts, entry_name
from cutover.world.remote.refusals import explain
from cutover.world.remote.wire import SignalAware

SSH_CONFIGS = (Path("~/.ssh/config"), Path("/etc/ssh/ssh_config"))
KEEPALIVE = 10  # seconds; keeps what stands between (NAT, firewalls) from forgetting an idle connection
CHANNEL_TIMEOUT = 10  # seconds for a session or a forwarding to open


class SshAccess:
    """What all connections of a run share: the SSH configuration, the known host keys, and the gate of connects."""

    def __init__(
        self, *, gate: ConnectGate | None = None, ssh_config: Path | None = None, system: Sequence[Path] = SYSTEM
    ) -> None:
        self.gate = gate or ConnectGate()
        self._system = system
        self._known: dict[Path, KnownHosts] = {}
        self._lock = threading.Lock()
        files = (
            [ssh_config] if ssh_config else [path.expanduser() for path in SSH_CONFIGS if path.expanduser().is_file()]
        )
        self._text = "".join(f"Host *\n{path.read_text(encoding='utf-8')}\n" for path in files)
        self._config = _fabric(self._text)

    def open(self, host: Host, deadline: Deadline) -> Connection:
        """Open a connection to `host`, hop by hop; raises Unreachable, with the reason as the error's cause."""
        if host.identity_file and not host.identity_file.expanduser().is_file():
            raise Unreachable(_no_key_file(host))
        target = self.towards(host)
        self.open_jumps(target, host, deadline)
        self._open_hop(target, host, deadline, chosen_key=host.identity_file is not None)
        return target

    def open_jumps(self, target: Connection, host: Host, deadline: Deadline) -> None:
        """Open the jump hosts before `target`, outermost first."""
        jumps, hop = [], target.gateway
        while isinstance(hop, Connection):
            jumps.append(hop)
            hop = hop.gateway
        for jump in reversed(jumps):
            self._open_hop(jump, host, deadline, chosen_key=False)

    def known(self, host: Host) -> KnownHosts:
        """The keys pinned in the host's environment, over the system's."""
        with self._lock:
            if host.known_hosts not in self._known:
                self._known[host.known_hosts] = KnownHosts(host.known_hosts, self._system)
            return self._known[host.known_hosts]

    def towards(self, host: Host) -> Connection:
        """An unopened connection to `host`, with the jump hosts before it as its chain of gateways."""
        # What the inventory says stands first, as with `ssh -p` and `ssh -l`: a ProxyCommand may use it (%p, %r).
        given = "".join(f"{key} {value}\n" for key, value in (("Port", host.port), ("User", host.user)) if value)
        config = _fabric(f"Host *\n{given}{self._text}")
        looked_up: dict[str, str] = config.base_ssh_config.lookup(host.address)
        jumps = host.proxy_jump or looked_up.get("proxyjump", "none")
        gateway: Any = None
        # Fabric would chain several jump hosts in the reverse of ssh's order, so the chain is made here.
        for jump in () if jumps.lower() == "none" else jumps.split(","):
            before = self._outer_gateway(jump, host) if gateway is None else gateway
            gateway = Connection(jump.strip(), config=self._config, gateway=before, connect_kwargs={})
        identity = {"key_filename": str(host.identity_file.expanduser())} if host.identity_file else {}
        if gateway is None and (host.proxy_jump or "proxyjump" in looked_up):
            gateway = False  # `none`: go straight, whatever else the configuration says
        return Connection(_literal(host.address), config=config, gateway=gateway, connect_kwargs=dict(identity))

    def _outer_gateway(self, jump: str, host: Host) -> Any:
        """A ProxyCommand may lead to the first jump host; a ProxyJump of its own would be a loop under `Host *`."""
        name = jump.strip().rsplit("@", 1)[-1].split(":")[0]
        command: str | None = self._config.base_ssh_config.lookup(name).get("proxycommand")
        return command if command and name != host.address else False

    def _open_hop(self, hop: Connection, host: Host, deadline: Deadline, *, chosen_key: bool) -> None:
        at, known = f"{hop.host}:{hop.port}", self.known(host)
        try:
            self._ready(hop, known, deadline, chosen_key=chosen_key)
            with guarded(deadline.left, lambda: hang_up(hop)):
                hop.open()
            hop.transport.set_keepalive(KEEPALIVE)
        except Exception as error:  # noqa: BLE001 - Paramiko raises bare Exception too; none is lost, all become the cause
            hang_up(hop)
            # The guard ends a stalled handshake by closing the socket, which shows as any kind of error.
            reason = TimeoutError(str(error)) if deadline.passed else error
            problem = explain(reason, host=host.name, at=at, user=hop.user, seconds=deadline.spent)
            raise Unreachable(problem) from reason

    def _ready(self, hop: Connection, known: KnownHosts, deadline: Deadline, *, chosen_key: bool) -> None:
        """Set what Fabric leaves open: host keys, timeouts, algorithms, the socket."""
        known.teach(hop.client, entry_name(hop.host, int(hop.port)))
        files = [file for file in hop.connect_kwargs.get("key_filename", []) if Path(file).expanduser().is_file()]
        hop.connect_timeout = None  # or Fabric refuses `timeout`, which holds for fractions of a second too
        hop.connect_kwargs = {
            "key_filename": files,  # ssh passes over a missing IdentityFile; Paramiko would fail
            "look_for_keys": not chosen_key and not files,
            "allow_agent": hop.ssh_config.get("identitiesonly", "no") != "yes",
            "transport_factory": SignalAware,
            **{f"{wait}_timeout": max(deadline.left, 0.001) for wait in ("banner", "auth")},
            "channel_timeout": CHANNEL_TIMEOUT,
            "timeout": max(deadline.left, 0.001),
        }
        if not hop.gateway:
            hop.connect_kwargs["sock"] = dial(hop.host, int(hop.port), deadline)


def hang_up(connection: Connection) -> None:
    """End a connection and the jump hosts under it at once, whatever state the network is in."""
    hop: Any = connection
    while isinstance(hop, Connection):
        transport: Transport | None = hop.client.get_transport()
        sock = transport.sock if transport is not None else hop.connect_kwargs.get("sock")
        if isinstance(sock, socket.socket):
            with suppress(OSError):  # not connected any more: as wished
                sock.shutdown(socket.SHUT_RDWR)  # wakes whoever reads or writes; the transport's thread closes it
        if transport is not None:
            transport.close()
        elif sock is not None:
            sock.close()
        if isinstance(sock, ProxyCommand):
            _reap(sock, transport)
        hop = hop.gateway


def _fabric(ssh_config: str) -> Config:
    """Fabric's settings with this SSH configuration; lazy, so that no ~/.fabric.yml changes what a plan means."""
    return Config(lazy=True, ssh_config=SSHConfig.from_text(ssh_config))


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


def _literal(address: str) -> str:
    """Fabric takes `a:1` for host and port, and `[a:b::1]` for an IPv6 address."""
    return f"[{address}]" if address.count(":") > 1 and not address.startswith("[") else address


def _no_key_file(host: Host) -> Problem:
    return Problem(
        host=host.name,
        path=str(host.identity_file),
        found="the key file is missing on this machine",
        next="correct `ansible_ssh_private_key_file` of the host, or put the key there",
    )
