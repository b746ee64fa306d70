"""Says in a person's words why a host could not be reached, and what to do next."""

import shlex
import socket
from collections.abc import Callable

from paramiko import AuthenticationException, BadHostKeyException, ChannelException, SSHException
from paramiko.ssh_exception import IncompatiblePeer, ProxyCommandFailure

from cutover.words.errors import Problem
from cutover.words.host import Host
from cutover.world.remote.keys import LockedKey
from cutover.world.remote.known_hosts import UnknownHostKey
from cutover.world.remote.leg import Leg
from cutover.world.trust import trust_command

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
