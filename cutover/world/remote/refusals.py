"""Says in a person's words why a host could not be reached, and what to do next."""

import socket
from collections.abc import Callable

from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    PasswordRequiredException,
    SSHException,
)
from paramiko.ssh_exception import IncompatiblePeer, ProxyCommandFailure

from cutover.words.errors import Problem
from cutover.world.remote.known_hosts import UnknownHostKey

# What may be different a moment later: sshd restarts, or drops what is past its MaxStartups.
TRANSIENT = (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, EOFError)


def is_transient(error: Exception) -> bool:
    """Whether a second try can help: the connection was refused or dropped before the host had proven who it is."""
    if isinstance(error, TRANSIENT):
        return True
    return type(error) is SSHException and not isinstance(error.__cause__, TimeoutError) and "banner" in str(error)


def explain(error: Exception, *, host: str, at: str, user: str, seconds: float) -> Problem:
    """The problem behind `error` for `host`, met at `at`: address and port, of the host or of a jump host before it."""
    trust = f"invoke hosts.trust --hosts {host}"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            found, then = words(error)
            break
    else:
        found, then = (
            f"the SSH handshake with {{at}} failed: {str(error) or type(error).__name__}",
            "try `ssh -v {user}@{at}`",
        )
    fill = {"at": at, "user": user, "host": host, "trust": trust, "seconds": f"{seconds:.0f}"}
    return Problem(host=host, found=_fill(found, fill), next=_fill(then, fill))


def _fill(text: str, values: dict[str, str]) -> str:
    """Fill in by plain replacement: the texts of foreign errors may hold braces."""
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text


def _wrong_key(error: BadHostKeyException) -> tuple[str, str]:
    shown, pinned = error.key, error.expected_key
    found = (
        f"{{at}} shows another host key than the pinned one: {shown.get_name()} {shown.fingerprint}"
        f" instead of {pinned.get_name()} {pinned.fingerprint}"
    )
    return found, (
        "if the host was installed anew, compare on its console (`ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub`) and pin"
        " the new key with `{trust}`; if not, somebody may stand in between: do not go on"
    )


def _unknown_key(error: UnknownHostKey) -> tuple[str, str]:
    return (
        f"no host key is pinned for {error.name}; it shows {error.key.get_name()} {error.key.fingerprint}",
        "compare the fingerprint and pin it with `{trust}`",
    )


_WORDS: tuple[tuple[type[Exception], Callable[..., tuple[str, str]]], ...] = (
    (
        socket.gaierror,
        lambda _: (
            "the name of {at} does not resolve",
            "correct `ansible_host` of {host} in the inventory, or the resolver of this machine",
        ),
    ),
    (
        ConnectionRefusedError,
        lambda _: (
            "{at} refused the connection",
            "see that sshd runs there, and that `ansible_port` of {host} is right",
        ),
    ),
    (BadHostKeyException, _wrong_key),
    (UnknownHostKey, _unknown_key),
    (
        PasswordRequiredException,
        lambda _: ("the key file for {user}@{at} is locked by a passphrase", "load it into an agent: `ssh-add FILE`"),
    ),
    (
        AuthenticationException,
        lambda error: (
            f"authentication as {{user}} failed at {{at}} ({error})",
            "correct `ansible_user` or `ansible_ssh_private_key_file` of {host}, or authorize the public key there",
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
            "see that ProxyJump in ~/.ssh/config is right and that the jump host may forward there",
        ),
    ),
    (
        ProxyCommandFailure,
        lambda error: (f"the ProxyCommand to {{at}} failed: {error.error}", "run it by hand; see ~/.ssh/config"),
    ),
    (
        TimeoutError,
        lambda _: (
            "no answer from {at} within {seconds} s",
            "see that the host is up and that this machine may reach it there (firewall, VPN, ProxyJump)",
        ),
    ),
    (
        EOFError,
        lambda _: ("{at} closed the connection during the handshake", "see `journalctl -u ssh` there (MaxStartups?)"),
    ),
    (OSError, lambda error: (f"{{at}} cannot be reached: {error}", "see the network between this machine and {host}")),
)
