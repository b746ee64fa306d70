"""Opens Fabric connections, leg by leg along the way to a host: every host key on it is checked strictly."""

import logging
import queue
import random
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
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
from paramiko.ssh_exception import IncompatiblePeer, ProxyCommandFailure

from cutover.core.errors import Problem, Unreachable
from cutover.core.host import Host
from cutover.remote.deadline import Deadline, guarded
from cutover.remote.hop import Asked, Leg, Way, hops
from cutover.remote.keys import KeyLogin, LockedKey
from cutover.remote.known_hosts import KnownHosts, UnknownHostKey
from cutover.remote.ssh_config import ConfigError, SshConfig
from cutover.remote.trust import trust_command

# A TCP connection that is quick (no Nagle), notices a dead peer, and never takes longer than it may.

REACH = 5.0  # seconds for a host to answer at all: three tries of the kernel's (after 0, 1 and 3 s); a dead one holds the others up so long
USER_TIMEOUT = 15  # seconds that sent data may stay unacknowledged before the kernel gives the connection up
IDLE, INTERVAL, COUNT = 5, 5, 3  # TCP keepalive on an idle connection: dead after 5 + 3 x 5 s

_Found = tuple[int, int, int, str, Any]


def dial(address: str, port: int, deadline: Deadline, wanted: socket.AddressFamily = socket.AF_UNSPEC) -> socket.socket:
    """Connect to the first address of a name that answers; raises the OSError of the last one that did not."""
    failure: OSError = TimeoutError(f"no time left to connect to {address}")
    for family, kind, protocol, _, where in _resolve(address, port, deadline, wanted):
        sock = socket.socket(family, kind, protocol)
        try:
            _tune(sock)
            sock.settimeout(max(min(deadline.left, REACH), 0.001))
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
        ("TCP_USER_TIMEOUT", USER_TIMEOUT * 1000),
        ("TCP_KEEPIDLE", IDLE),
        ("TCP_KEEPINTVL", INTERVAL),
        ("TCP_KEEPCNT", COUNT),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _resolve(address: str, port: int, deadline: Deadline, family: socket.AddressFamily) -> Sequence[_Found]:
    """Resolve a name, in a thread of its own: the resolver knows no deadline."""
    try:
        return socket.getaddrinfo(address, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not a number
    answer: queue.SimpleQueue[Sequence[_Found] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(address, port, family=family, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.put(error)

    threading.Thread(target=ask, name=f"resolve-{address}", daemon=True).start()
    try:
        found = answer.get(timeout=max(deadline.left, 0.001))
    except queue.Empty:
        raise TimeoutError(f"the name {address} was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found


# Lets only a few connections begin at the same time, so that sshd's MaxStartups (10:30:100) drops none of them.

WIDTH = 8  # sshd begins to drop at random from ten unauthenticated connections on; a jump host sees all of ours
JITTER = 0.02  # seconds; what makes eight waiting connects start one after the other


class ConnectGate:
    """A turnstile shared by the transports of a run: `width` connects at once, the waiting ones started with jitter."""

    def __init__(self, width: int = WIDTH, jitter: float = JITTER) -> None:
        self._places = threading.BoundedSemaphore(width)
        self._jitter = jitter

    @contextmanager
    def place(self, deadline: float) -> Iterator[bool]:
        """Hold one place while connecting; yields False where none became free within `deadline` seconds."""
        began = time.monotonic()
        if not self._places.acquire(blocking=False):
            if not self._places.acquire(timeout=max(deadline, 0)):
                yield False
                return
            jitter = random.uniform(0, self._jitter)  # noqa: S311 - no secret: it only spreads the connects
            time.sleep(min(jitter, max(deadline - (time.monotonic() - began), 0)))
        try:
            yield True
        finally:
            self._places.release()


# Says in a person's words why a host could not be reached, and what to do next.

# What may be different a moment later: sshd restarts, or drops what is past its MaxStartups.
TRANSIENT = (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, EOFError)


def is_transient(error: Exception) -> bool:
    """Whether a second try can help: the connection was refused or dropped before the host had proven who it is."""
    if isinstance(error, TRANSIENT):
        return True
    return type(error) is SSHException and not isinstance(error.__cause__, TimeoutError) and "banner" in str(error)


def explain(error: Exception, *, host: Host, leg: Leg, seconds: float) -> Problem:
    """The problem behind `error` for `host`, met at a leg of the way to it: its own, or a jump host before it."""
    found, then = next((words for kind, words in _WORDS if isinstance(error, kind)), _handshake)(error)
    role = f" (the jump host of {host.name})" if leg.is_jump else ""
    if leg.is_jump:
        port_in, login_in = leg.set_in, f"{leg.set_in}, or `User` and `IdentityFile` for {leg.name} in ~/.ssh/config"
    else:
        port_in = f"`ansible_port` of {host.name}"
        login_in = f"`ansible_user` or `ansible_ssh_private_key_file` of {host.name}"
    fill = {
        "at": leg.at + role,
        "role": role,
        "user": leg.user,
        "host": host.name,
        "set_in": leg.set_in,
        "port_in": port_in,
        "login_in": login_in,
        "trust": trust_command(host.known_hosts, host.name),
        "replace": trust_command(host.known_hosts, host.name, replace=True),
        "try": " ".join(
            ["ssh -v", *([f"-J {leg.jump}"] if leg.jump else []), f"-p {leg.port} -l {leg.user} {leg.name}"]
        ),
        "seconds": f"{seconds:.0f}",
    }
    return Problem(host=host.name, found=_fill(found, fill), next=_fill(then, fill))


def _fill(text: str, values: dict[str, str]) -> str:
    """Fill in by plain replacement: the texts of foreign errors may hold braces."""
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text


def _handshake(error: Exception) -> tuple[str, str]:
    return f"the SSH handshake with {{at}} failed: {str(error) or type(error).__name__}", "try `{try}`"


def _wrong_key(error: BadHostKeyException) -> tuple[str, str]:
    shown, pinned = error.key, error.expected_key
    found = (
        f"{{at}} shows another host key than the pinned one: {shown.get_name()} {shown.fingerprint}"
        f" instead of {pinned.get_name()} {pinned.fingerprint}"
    )
    return found, (
        "ask the host's owner whether it was installed anew, and compare on its console"
        " (`ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub`); only then put the new key in the place of the old one with"
        " `{replace}`; if it was not, somebody may stand in between: do not go on"
    )


def _unknown_key(error: UnknownHostKey) -> tuple[str, str]:
    return (
        f"no host key is pinned for {error.name}{{role}}; it shows {error.key.get_name()} {error.key.fingerprint}",
        "compare the fingerprint on its console and pin it with `{trust}`",
    )


_WORDS: tuple[tuple[type[Exception], Callable[..., tuple[str, str]]], ...] = (
    (
        socket.gaierror,
        lambda _: ("the name of {at} does not resolve", "correct {set_in}, or the resolver of this machine"),
    ),
    (
        ConnectionRefusedError,
        lambda _: ("{at} refused the connection", "see that sshd runs there, and that its port is right: {port_in}"),
    ),
    (BadHostKeyException, _wrong_key),
    (UnknownHostKey, _unknown_key),
    (
        LockedKey,
        lambda error: (
            f"the key file for {{user}} at {{at}} is locked by a passphrase: {error.file}",
            f"load it into an agent: `ssh-add {shlex.quote(str(error.file))}`",
        ),
    ),
    (
        AuthenticationException,
        lambda error: (
            f"authentication as {{user}} failed at {{at}} ({error})",
            "correct {login_in}, or authorize the public key there",
        ),
    ),
    (
        IncompatiblePeer,
        lambda error: (
            f"{{at}} speaks no algorithm that is accepted here: {error}",
            "update sshd there, or its Ciphers, MACs and KexAlgorithms",
        ),
    ),
    (
        ChannelException,
        lambda error: (
            f"the jump host could not reach {{at}}: {error.text}",
            "see that {set_in} is right, and that the jump host before it may forward there",
        ),
    ),
    (
        ProxyCommandFailure,
        lambda error: (
            f"the ProxyCommand to {{at}} failed: {error.error}",
            f"run it by hand: {error.command}",
        ),
    ),
    (
        TimeoutError,
        lambda _: (
            "no answer from {at} within {seconds} s",
            "see that it is up and that this machine may reach it there (firewall, VPN, ProxyJump)",
        ),
    ),
    (
        EOFError,
        lambda _: ("{at} closed the connection during the handshake", "see `journalctl -u ssh` there (MaxStartups?)"),
    ),
    (OSError, lambda error: (f"{{at}} cannot be reached: {error}", "see the network between this machine and {host}")),
)


# The way to a host: which jump hosts are passed, in which order, as ssh itself would go.


def way_to(host: Host, config: SshConfig, deadline: Deadline) -> Way:
    """All legs to `host`, the outermost jump host first; ConfigError where the configuration gives none."""
    asked = Asked(host.address, host.user, host.port, host.proxy_jump, host.identity_file)
    target = config.leg(asked, deadline)
    target = replace(target, set_in=_where(target, f"`ansible_host` of {host.name}"))
    written = f"`ansible_ssh_common_args` of {host.name}" if host.proxy_jump else ""
    return (*_before(target, written, (), config, deadline), target)


def _before(leg: Leg, written: str, passed: tuple[str, ...], config: SshConfig, deadline: Deadline) -> Way:
    """The jump hosts before a leg. Only the first may have a way of its own: ssh reaches the others through the one before."""
    written = written or f"`ProxyJump` for {leg.name} in the SSH configuration"
    legs: list[Leg] = []
    for asked in hops(leg.jump):
        hop = config.leg(replace(asked, jump="none") if legs else asked, deadline)
        hop = replace(hop, is_jump=True, set_in=_where(hop, written))
        if legs:
            legs.append(replace(hop, jump="", proxy_command=""))
            continue
        chain = (*passed, f"{hop.user}@{hop.name}:{hop.port}")
        if chain[-1] in passed:
            raise ConfigError(
                f"the jump hosts go in a circle: {' -> '.join(chain)}",
                f"write `ProxyJump none` for {hop.name} in the SSH configuration, above what is meant for every host",
            )
        legs = [*_before(hop, "", chain, config, deadline), hop]
    return tuple(legs)


def _where(leg: Leg, written: str) -> str:
    """Where a person corrects the address of a leg."""
    if leg.address == leg.name:
        return written
    return f"`HostName` for {leg.name} in the SSH configuration (`ssh -G {leg.name}` shows it)"


# The SSH transport as this project wants it: quick and safe ciphers, and signals that are told apart.

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


def _note_signal(channel: Channel, message: Message) -> None:
    """Keep what `exit-signal` says, which Paramiko drops, then let Paramiko go on as always."""
    start = message.packet.tell()
    if message.get_text() == "exit-signal":
        message.get_boolean()
        channel.exit_signal = message.get_text()  # type: ignore[attr-defined]
    message.packet.seek(start)
    # The only place where a channel request can be seen.
    Channel._handle_request(channel, message)  # type: ignore[attr-defined]  # noqa: SLF001


# As above; a test of the contract suite ends a command by a signal, and so notices when Paramiko changes here.
_HANDLERS = "_channel_handler_table"
setattr(SignalAware, _HANDLERS, {**getattr(Transport, _HANDLERS), MSG_CHANNEL_REQUEST: _note_signal})


def exit_signal(channel: Channel) -> str | None:
    """Name of the signal that ended the command of `channel`, if one did."""
    return getattr(channel, "exit_signal", None)


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
