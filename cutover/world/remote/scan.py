"""Asks hosts which keys they show, without logging in; jump hosts on the way are checked strictly as always."""

from typing import Any

from paramiko import SSHException, Transport
from paramiko.ssh_exception import IncompatiblePeer

from cutover.words.errors import Unreachable
from cutover.words.host import Host
from cutover.world.remote.connecting import SshAccess, hang_up
from cutover.world.remote.deadline import Deadline, guarded
from cutover.world.remote.dial import dial
from cutover.world.remote.known_hosts import entry_name
from cutover.world.remote.refusals import explain
from cutover.world.trust import HostKey, Shown

# One handshake for each, since a host shows one key at a time.
KINDS = (("ssh-ed25519",), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"), ("rsa-sha2-512",))


def scan(host: Host, access: SshAccess, *, deadline: float = 20.0) -> Shown:
    """The keys that `host` shows now, and the name under which known_hosts keeps them."""
    until = Deadline(deadline)
    target = access.towards(host)
    at = f"{target.host}:{target.port}"
    keys = {}
    for kinds in KINDS:
        with access.gate.place(until.left) as mine:
            try:
                if not mine:
                    raise TimeoutError("too many other connections were being opened all the time")
                key = _ask(host, access, kinds, until)
            except (OSError, SSHException, EOFError) as error:
                problem = explain(error, host=host.name, at=at, user=target.user, seconds=deadline)
                raise Unreachable(problem) from error
        if key is not None:
            keys[key.kind] = key
    return Shown(host.name, entry_name(target.host, int(target.port)), keys)


def _ask(host: Host, access: SshAccess, kinds: tuple[str, ...], until: Deadline) -> HostKey | None:
    """One handshake that accepts just these kinds of key; None where the host has none of them."""
    target = access.towards(host)
    sock = _reach(target, host, access, until)
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
        transport.close()
        hang_up(target)


def _reach(target: Any, host: Host, access: SshAccess, until: Deadline) -> Any:
    """A socket, or a channel of the jump host before it, to the host itself."""
    if not target.gateway:
        return dial(target.host, int(target.port), until)
    if not isinstance(target.gateway, str):
        access.open_jumps(target, host, until)
    return target.open_gateway()
