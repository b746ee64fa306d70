"""Logs in with a key, in an order that sshd's MaxAuthTries bears: the keys that were named, then what else an agent holds."""

import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from paramiko import AuthenticationException, PKey, SSHException, Transport
from paramiko.agent import AgentSSH
from paramiko.pkey import PublicBlob

from cutover.remote.ssh_config import Hop


class KeyLogin:
    """What Paramiko calls an authentication strategy: offers the keys of a hop, one after the other."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self._files = [path for path in (file.expanduser() for file in hop.keys) if path.is_file()]
        self._noted: list[str] = []

    def authenticate(self, transport: Transport) -> None:
        """Log in, or raise AuthenticationException with what was tried."""
        offered = 0
        with _agent_keys(self._hop.agent, self._noted) as held:
            for key in self._keys(held):
                offered += 1
                try:
                    further = transport.auth_publickey(self._hop.user, key)
                except AuthenticationException:
                    continue  # not this key; reported below, when it was the last one
                if further:
                    raise AuthenticationException(f"the key is accepted, but {' or '.join(further)} is required too")
                return
        tried = f"{offered} key{'' if offered == 1 else 's'} offered, none accepted" if offered else "no key to offer"
        raise AuthenticationException("; ".join([tried, *self._noted]))

    def _keys(self, held: Sequence[PKey]) -> Iterator[PKey]:
        """As a file names it, from the agent where that has it; then what else the agent has."""
        named: set[bytes] = set()
        for file in self._files:
            public = _public(file)
            in_agent = next((key for key in held if public and key.asbytes() == public), None)
            if in_agent is None and (loaded := self._load(file)) is not None:
                yield loaded
            elif in_agent is not None and public is not None:
                named.add(public)
                yield in_agent
        if not self._hop.only_these_keys:
            yield from (key for key in held if key.asbytes() not in named)

    def _load(self, file: Path) -> PKey | None:
        try:
            return PKey.from_path(file)
        except TypeError:
            # How the library says that a passphrase is needed.
            self._noted.append(f"{file} is locked by a passphrase: `ssh-add {shlex.quote(str(file))}` loads it")
        except Exception as error:  # noqa: BLE001 - any kind, by what the file holds; reported where no other key is accepted
            self._noted.append(f"{file} cannot be read as a key ({type(error).__name__})")
        return None


@contextmanager
def _agent_keys(path: str, noted: list[str]) -> Iterator[tuple[PKey, ...]]:
    """The keys of the agent behind a socket; it must stay open for as long as they are used."""
    agent = _Agent()
    try:
        if path:
            agent.connect(path)
    except (OSError, SSHException) as error:
        noted.append(f"no agent answers at {path}: {error}")
    try:
        yield agent.get_keys()
    finally:
        agent.close()


class _Agent(AgentSSH):
    """An agent at a given socket. Paramiko's own looks for that of SSH_AUTH_SOCK only."""

    def connect(self, path: str) -> None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
        except OSError:
            sock.close()
            raise
        self._connect(sock)  # type: ignore[attr-defined]  # the only way to hand it a socket

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]  # as above: types-paramiko leaves them out


def _public(file: Path) -> bytes | None:
    """The public half of a key, without a passphrase: the file's own where it is one, else FILE.pub."""
    for path in (file, file.with_name(f"{file.name}.pub")):
        with suppress(OSError, ValueError):  # none, not for us, or the private half: that is read next, and reported
            return PublicBlob.from_file(path).key_blob
    return None
