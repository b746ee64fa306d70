"""Asks hosts which keys they show, without logging in; the jump hosts on the way are checked strictly as always."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabric import Connection
from paramiko import SSHException, Transport
from paramiko.ssh_exception import IncompatiblePeer

from cutover.core.errors import Unreachable
from cutover.core.host import Host
from cutover.remote.connect import SshAccess, explain, hang_up, let_go
from cutover.remote.deadline import Deadline, guarded
from cutover.remote.hop import Leg, Way
from cutover.remote.trust import HostKey, Shown

# One handshake for each, since a host shows one key at a time.
KINDS = (("ssh-ed25519",), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"), ("rsa-sha2-512",))


@dataclass(frozen=True)
class Stop:
    """A place on the way to hosts whose key is looked at: the last leg, a host's own or that of a jump host before it."""

    way: Way
    hosts: tuple[Host, ...]

    @property
    def is_jump(self) -> bool:
        """Whether it only stands before its hosts."""
        return self.way[-1].is_jump

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return " -> ".join(f"{leg.entry} ({leg.at})" for leg in self.way) if self.is_jump else self.hosts[0].name


def rounds(ways: Mapping[Host, Way]) -> list[list[Stop]]:
    """The stops by how many jump hosts stand before them: those of one round are reached through those of the rounds before."""
    most = max(map(len, ways.values()))
    return [_round({host: way for host, way in ways.items() if len(way) > before}, before) for before in range(most)]


def _round(ways: Mapping[Host, Way], before: int) -> list[Stop]:
    own = [Stop(way, (host,)) for host, way in ways.items() if len(way) == before + 1]
    seen = {_places(stop.way) for stop in own}
    jumps: dict[tuple[tuple[str, str], ...], Stop] = {}
    for host, way in ways.items():
        places = _places(way[: before + 1])
        if len(way) > before + 1 and places not in seen:
            behind = jumps[places].hosts if places in jumps else ()
            jumps[places] = Stop(way[: before + 1], (*behind, host))
    return [*jumps.values(), *own]


def _places(way: Way) -> tuple[tuple[str, str], ...]:
    return tuple((leg.entry, leg.at) for leg in way)


def scan(stop: Stop, access: SshAccess, *, deadline: float = 20.0) -> Shown:
    """The keys that a stop shows now, and the name under which known_hosts keeps them."""
    until = Deadline(deadline)
    host, leg = stop.hosts[0], stop.way[-1]
    keys: dict[str, HostKey] = {}
    with access.gate.place(until.left) as mine:
        before = access.open_way(stop.way[:-1], host, until) if mine else None
        try:
            if not mine:
                raise TimeoutError("too many other connections were being opened all the time")
            for kinds in KINDS:
                key = _ask(leg, before, access, kinds, until)
                if key is not None:
                    keys[key.kind] = key
        except (OSError, SSHException, EOFError) as error:
            raise Unreachable(explain(error, host=host, leg=leg, seconds=deadline)) from error
        finally:
            if before is not None:
                hang_up(before)
    return Shown(host.name, leg.entry, keys, stop.is_jump)


def _ask(
    leg: Leg, before: Connection | None, access: SshAccess, kinds: Sequence[str], until: Deadline
) -> HostKey | None:
    """One handshake that accepts just these kinds of key; None where the host has none of them."""
    sock = access.reach(leg, before, until)
    transport = Transport(sock)
    try:
        transport.get_security_options().key_types = kinds
        with guarded(until.left, transport.close):
            transport.start_client(timeout=until.left)
        key = transport.get_remote_server_key()
        return HostKey(key.get_name(), key.get_base64())
    except IncompatiblePeer:
        return None
    finally:
        let_go(sock, transport)
