"""Opens Fabric connections, hop by hop along the route to a host: every host key on it is checked strictly."""

import logging
import queue
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fabric import Config, Connection
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    Channel,
    ChannelException,
    Message,
    ProxyCommand,
    SSHException,
    Transport,
)
from paramiko.common import MSG_CHANNEL_REQUEST

from cutover.core.errors import Problem, Unreachable
from cutover.core.host import Host
from cutover.remote.keys import KeyLogin
from cutover.remote.known_hosts import BadCertificate, KnownHosts, RevokedHostKey, UnknownHostKey, trust_command
from cutover.remote.ssh_config import ConfigError, Hop, Route, route_to
from cutover.remote.timeouts import (
    CHANNEL_S,
    CONNECTS,
    DIAL_S,
    KEEPALIVE_S,
    PROXY_EXIT_S,
    TCP_IDLE_S,
    TCP_INTERVAL_S,
    TCP_PROBES,
    UNACKNOWLEDGED_S,
)
from cutover.remote.transport import Deadline, DeadlinePassed, guarded

# A TCP connection that is quick (no Nagle), notices a dead peer, and never takes longer than it may.

_Addresses = Sequence[tuple[int, int, int, str, Any]]


def dial(address: str, port: int, deadline: Deadline, wanted: socket.AddressFamily = socket.AF_UNSPEC) -> socket.socket:
    """Connect to the first address of a name that answers; raises the OSError of the last one that did not."""
    failure: OSError = TimeoutError(f"no time left to connect to {address}")
    for family, kind, protocol, _, where in _resolve(address, port, deadline, wanted):
        sock = socket.socket(family, kind, protocol)
        try:
            _tune(sock)
            sock.settimeout(min(deadline.left, DIAL_S))
            sock.connect(where)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _tune(sock: socket.socket) -> None:
    """Set before the handshake, which gains from it as well."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux only; elsewhere (a laptop with macOS) the deadlines of the calls remain.
    for option, value in (
        ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_S * 1000),
        ("TCP_KEEPIDLE", TCP_IDLE_S),
        ("TCP_KEEPINTVL", TCP_INTERVAL_S),
        ("TCP_KEEPCNT", TCP_PROBES),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _resolve(address: str, port: int, deadline: Deadline, family: socket.AddressFamily) -> _Addresses:
    """Resolve a name, in a thread of its own: the resolver knows no deadline."""
    answer: queue.SimpleQueue[_Addresses | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(address, port, family=family, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.put(error)

    threading.Thread(target=ask, name=f"resolve-{address}", daemon=True).start()
    try:
        found = answer.get(timeout=deadline.left)
    except queue.Empty:
        raise TimeoutError(f"the name {address} was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found


# What a failed connect means to a person, and what to do next.


def is_transient(error: BaseException | None) -> bool:
    """Whether a second try can help: sshd restarts, or drops what is past its MaxStartups, before it has proven who it is."""
    if isinstance(error, (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, EOFError)):
        return True
    return type(error) is SSHException and not isinstance(error.__cause__, TimeoutError) and "banner" in str(error)


# The first class that fits: what was found, what to do next.
_MEANINGS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        BadHostKeyException,
        (
            "{at} shows another host key than the pinned one: {error.key.algorithm_name} {error.key.fingerprint}"
            " instead of {error.expected_key.algorithm_name} {error.expected_key.fingerprint}"
        ),
        (
            "ask the host's owner whether it was reinstalled, and compare on its console"
            " (`ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub`); only then replace the old key with `{trust} --replace`;"
            " if it was not, somebody may stand in between: do not continue"
        ),
    ),
    (
        RevokedHostKey,
        "the host key that {at} shows is revoked: {error.key.algorithm_name} {error.key.fingerprint}",
        "give the host a new key; whoever has the revoked one may stand in between: do not continue",
    ),
    (
        BadCertificate,
        "the host certificate that {at} shows does not prove who it is: {error.why}",
        "have the authority sign the key of that host for its name, or pin the key itself with `{trust}`",
    ),
    (
        UnknownHostKey,
        "no host key is pinned for {error.name}{role}; it shows {error.key.algorithm_name} {error.key.fingerprint}",
        "compare the fingerprint on its console and pin it with `{trust}`",
    ),
    (
        AuthenticationException,
        "authentication as {hop.user} failed at {at} ({error})",
        "correct {login_in}, or authorize the public key there",
    ),
    (
        ChannelException,
        "the jump host could not reach {at}: {error.text}",
        "see that {set_in} is right, and that the jump host before it may forward there",
    ),
    (
        TimeoutError,
        "no answer from {at} within {seconds:.0f} s",
        "see that it is up and that this machine may reach it there (firewall, VPN, ProxyJump)",
    ),
    (
        OSError,
        "{at} cannot be reached: {error}",
        "see that sshd runs there, that {set_in} is right, and the network between this machine and {host.name}",
    ),
    (Exception, "the SSH handshake with {at} failed: {said}", "try `ssh -v -p {hop.port} -l {hop.user} {hop.name}`"),
)


def explain(error: Exception, *, host: Host, hop: Hop, seconds: float) -> Problem:
    """The problem behind `error` for `host`, met at a hop of the route to it: its own, or a jump host before it."""
    role, address, login_in = "", "ansible_host", f"`ansible_user` or `ansible_ssh_private_key_file` of {host.name}"
    if hop.is_jump:
        role, address = f" (the jump host of {host.name})", "ansible_ssh_common_args"
        login_in = f"`User` and `IdentityFile` for {hop.name} in ~/.ssh/config"
    values = {
        "at": hop.at + role,
        "role": role,
        "error": error,
        "said": str(error) or type(error).__name__,
        "hop": hop,
        "host": host,
        "set_in": f"`{address}` of {host.name} (or what `ssh -G {host.address}` shows)",
        "login_in": login_in,
        "trust": trust_command(host.known_hosts, host.name),
        "seconds": seconds,
    }
    found, next_step = next(texts for kind, *texts in _MEANINGS if isinstance(error, kind))
    return Problem(host=host.name, found=found.format(**values), next=next_step.format(**values))


# The SSH transport as this project wants it: quick and safe ciphers, and signals by their names.

# Paramiko logs each refused key and each lost connection with a traceback; ours are errors with a problem instead.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# AES-GCM first: it encrypts and authenticates in one pass, and was never slower here than CTR with an HMAC. What
# Paramiko would take besides (CBC, 3DES, SHA-1, MD5) is left out.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")


class SignalAware(Transport):
    """A Paramiko transport whose channels keep the name of the signal that ended their command."""

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, **options)
        security = self.get_security_options()
        security.ciphers = CIPHERS
        security.digests = MACS


class CertificateFirst(SignalAware):
    """A transport that asks the host for a certificate before its key."""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The kinds of host keys, in the order in which they are wanted."""
        return tuple(sorted(super().preferred_keys, key=lambda kind: "-cert-" not in kind))


def _note_signal(channel: Channel, message: Message) -> None:
    """Keep what `exit-signal` says, which Paramiko drops, then let Paramiko go on as always."""
    ahead = Message(message.get_remainder())
    if ahead.get_text() == "exit-signal":
        ahead.get_boolean()
        channel.exit_signal = ahead.get_text()  # type: ignore[attr-defined]
    # The only place where a channel request can be seen.
    Channel._handle_request(channel, message)  # type: ignore[attr-defined]  # noqa: SLF001


# As above; a test of the contract suite ends a command by a signal, and so notices when Paramiko changes here.
_HANDLERS = "_channel_handler_table"
setattr(SignalAware, _HANDLERS, {**getattr(Transport, _HANDLERS), MSG_CHANNEL_REQUEST: _note_signal})


class SshAccess:
    """What all connections of a run share: the known host keys, and how many are opened at once."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(CONNECTS)  # so that sshd's MaxStartups drops none
        self._known: dict[tuple[Path, ...], KnownHosts] = {}
        self._lock = threading.Lock()

    @contextmanager
    def place(self, host: Host, deadline: Deadline) -> Iterator[None]:
        """Hold one of the few places while connecting; DeadlinePassed where none becomes free in time."""
        if not self._places.acquire(timeout=deadline.left):
            raise DeadlinePassed(host.name, "too many other connections were being opened all the time")
        try:
            yield
        finally:
            self._places.release()

    def open(self, host: Host, deadline: Deadline) -> Connection:
        """Open a connection to `host`, hop by hop; raises Unreachable, with the reason as the error's cause."""
        if host.identity_file and not host.identity_file.expanduser().is_file():
            problem = Problem(
                host=host.name,
                path=str(host.identity_file),
                found="the key file is missing on this machine",
                next="correct `ansible_ssh_private_key_file` of the host, or put the key there",
            )
            raise Unreachable(problem)
        *jumps, own = self.route(host, deadline)
        return self._open_hop(own, self.open_hops(jumps, host, deadline), host, deadline)

    def route(self, host: Host, deadline: Deadline) -> Route:
        """All hops to a host, the host's own last; Unreachable where the SSH configuration gives none."""
        try:
            return route_to(host, deadline)
        except ConfigError as error:
            found, next_step = error.args
            raise Unreachable(Problem(host=host.name, found=found, next=next_step)) from error

    def open_hops(self, hops: Sequence[Hop], host: Host, deadline: Deadline) -> Connection | None:
        """Log in on one hop after the other; returns the last one's connection. None where there is no hop."""
        connection: Connection | None = None
        for hop in hops:
            connection = self._open_hop(hop, connection, host, deadline)
        return connection

    def reach(self, hop: Hop, before: Connection | None, deadline: Deadline) -> Any:
        """What SSH is spoken over: a channel of the jump host before, a ProxyCommand, or a socket."""
        if before is not None:
            return before.transport.open_channel(
                "direct-tcpip", (hop.address, hop.port), ("", 0), timeout=deadline.left
            )
        if hop.proxy_command:
            return ProxyCommand(shlex.join(("sh", "-c", f"exec {hop.proxy_command}")))
        return dial(hop.address, hop.port, deadline, hop.family)

    def _known_to(self, host: Host, hop: Hop) -> KnownHosts:
        """The keys pinned in the host's environment, over those that ssh would know."""
        files = (host.known_hosts, *hop.known_hosts)
        with self._lock:
            if files not in self._known:
                self._known[files] = KnownHosts(host.known_hosts, hop.known_hosts)
            return self._known[files]

    def _open_hop(self, hop: Hop, before: Connection | None, host: Host, deadline: Deadline) -> Connection:
        gateway = False if before is None else before  # None would have Fabric look for one by itself
        # Lazy, so that no ~/.fabric.yml changes what a plan means; of its own, since threads may not share one.
        config = Config(lazy=True)
        connection = Connection(
            hop.address, user=hop.user, port=hop.port, gateway=gateway, config=config, connect_kwargs={}
        )
        known = self._known_to(host, hop)
        try:
            certified = known.teach(connection.client, hop)
            waits = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout"), deadline.left)
            connection.connect_kwargs = {
                "auth_strategy": KeyLogin(hop),
                "transport_factory": CertificateFirst if certified else SignalAware,
                "channel_timeout": CHANNEL_S,
                **waits,
            }
            with guarded(deadline.left, lambda: hang_up(connection)):
                if before is None:
                    connection.connect_kwargs["sock"] = self.reach(hop, None, deadline)
                connection.open()
            connection.transport.set_keepalive(KEEPALIVE_S)
        except Exception as error:  # noqa: BLE001 - Paramiko raises bare Exception too; none is lost, all become the cause
            hang_up(connection)
            # The guard ends a stalled handshake by closing the socket, which shows as any kind of error.
            reason = TimeoutError(str(error)) if deadline.passed else error
            raise Unreachable(explain(reason, host=host, hop=hop, seconds=deadline.spent)) from reason
        return connection


def hang_up(connection: Connection) -> None:
    """End a connection and the jump hosts under it at once, whatever state the network is in."""
    each: Any = connection
    while isinstance(each, Connection):
        transport: Transport | None = each.client.get_transport()
        close_socket(transport.sock if transport is not None else each.connect_kwargs.get("sock"), transport)
        each = each.gateway


def close_socket(sock: Any, transport: Transport | None) -> None:
    """End what SSH is spoken over, and the transport over it where there is one."""
    if isinstance(sock, socket.socket):
        with suppress(OSError):  # it is not connected any more
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
        transport.join(PROXY_EXIT_S)  # its thread ends the command, and must find it not yet reaped
    try:
        proxy.process.wait(PROXY_EXIT_S)
    except subprocess.TimeoutExpired:
        proxy.process.kill()
        proxy.process.wait(PROXY_EXIT_S)
    for pipe in (proxy.process.stdin, proxy.process.stdout, proxy.process.stderr):
        if pipe is not None:
            pipe.close()
