"""Asks hosts which keys they show, without logging in; the jump hosts before them are checked strictly as always."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabric import Connection
from paramiko import PKey, SSHException, Transport
from paramiko.ssh_exception import IncompatiblePeer

from cutover.core.errors import Unreachable
from cutover.core.host import Host
from cutover.remote.connect import SshAccess, close_socket, explain, hang_up
from cutover.remote.known_hosts import ShownKeys
from cutover.remote.ssh_config import Hop, Route
from cutover.remote.timeouts import SCAN_S
from cutover.remote.transport import Deadline, guarded

# One handshake for each, since a host shows one key at a time.
KINDS = (("ssh-ed25519",), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"), ("rsa-sha2-512",))


@dataclass(frozen=True)
class ScanTarget:
    """A machine whose keys are shown: the last hop of `route`, a host itself or a jump host before `hosts`."""

    route: Route
    hosts: tuple[Host, ...]

    @property
    def is_jump(self) -> bool:
        """Whether it only stands before its hosts."""
        return self.route[-1].is_jump

    @property
    def name(self) -> str:
        """What distinguishes it from the others."""
        return " -> ".join(f"{hop.entry} ({hop.at})" for hop in self.route) if self.is_jump else self.hosts[0].name


def rounds(routes: Mapping[Host, Route]) -> list[list[ScanTarget]]:
    """The targets by how many jump hosts stand before them: those of one round are reached through those of the rounds before."""
    return [_round(routes, number) for number in range(max(map(len, routes.values())))]


def _round(routes: Mapping[Host, Route], number: int) -> list[ScanTarget]:
    jumps: dict[tuple[tuple[str, str], ...], ScanTarget] = {}
    own = []
    for host, route in routes.items():
        if len(route) == number + 1:
            own.append(ScanTarget(route, (host,)))
        elif len(route) > number:
            before = route[: number + 1]
            machines = tuple((hop.entry, hop.at) for hop in before)
            behind = jumps[machines].hosts if machines in jumps else ()
            jumps[machines] = ScanTarget(before, (*behind, host))
    return [*jumps.values(), *own]


def scan(target: ScanTarget, access: SshAccess) -> ShownKeys:
    """The keys that a machine shows now, and the name under which known_hosts keeps them."""
    until = Deadline(SCAN_S)
    host, hop = target.hosts[0], target.route[-1]
    keys: dict[str, PKey] = {}
    with access.place(host, until):
        before = access.open_hops(target.route[:-1], host, until)
        try:
            for kinds in KINDS:
                key = _ask(hop, before, access, kinds, until)
                if key is not None:
                    keys[key.get_name()] = key
        except (OSError, SSHException, EOFError) as error:
            raise Unreachable(explain(error, host=host, hop=hop, seconds=until.seconds)) from error
        finally:
            if before is not None:
                hang_up(before)
    return ShownKeys(host.name, hop.entry, keys)


def _ask(hop: Hop, before: Connection | None, access: SshAccess, kinds: Sequence[str], until: Deadline) -> PKey | None:
    """One handshake that accepts just these kinds of key; None where the host has none of them."""
    sock = access.reach(hop, before, until)
    transport = Transport(sock)
    try:
        transport.get_security_options().key_types = kinds
        with guarded(until.left, transport.close):
            transport.start_client(timeout=until.left)
        return transport.get_remote_server_key()
    except IncompatiblePeer:
        return None
    finally:
        close_socket(sock, transport)
