"""One hop of the route to a host: a login on a jump host, or on the host itself, as the SSH configuration has it."""

import getpass
import re
import socket
from dataclasses import dataclass
from pathlib import Path

SYSTEM = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))
DEFAULT_KEYS = tuple(Path(f"~/.ssh/id_{kind}") for kind in ("ed25519", "ecdsa", "rsa"))
_JUMP = re.compile(r"(?:(?P<user>[^@]+)@)?(?:\[(?P<literal>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+))?\Z")


@dataclass(frozen=True)
class SshTarget:
    """What is asked for before any configuration is read: the arguments of `ssh [-l user] [-p port] [-J jump] name`."""

    name: str
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    own_key: Path | None = None


@dataclass(frozen=True)
class Hop:
    """Where it leads, who logs in there with which keys, and which files know the host key under which name."""

    name: str  # as the inventory or a ProxyJump writes it
    address: str
    port: int
    user: str
    alias: str = ""  # HostKeyAlias
    keys: tuple[Path, ...] = DEFAULT_KEYS
    only_these_keys: bool = False
    agent: str = ""  # the socket of an agent; empty: none
    known_hosts: tuple[Path, ...] = SYSTEM
    jump: str = ""  # the jump hosts that lead there
    proxy_command: str = ""
    family: socket.AddressFamily = socket.AF_UNSPEC
    is_jump: bool = False
    set_in: str = ""  # where a person corrects the address

    @property
    def entry(self) -> str:
        """Its name in known_hosts."""
        return self.alias or entry_name(self.address, self.port)

    @property
    def at(self) -> str:
        """Address and port, for people."""
        return f"{self.address}:{self.port}"


Route = tuple[Hop, ...]  # the outermost jump host first, the host itself last


def entry_name(address: str, port: int) -> str:
    """How known_hosts names a host: `address`, or `[address]:port` for another port than 22."""
    return address if port == 22 else f"[{address}]:{port}"


def jump_hosts(jump: str) -> list[SshTarget]:
    """The jump hosts of a ProxyJump, in the order in which they are passed; none for `none`."""
    if jump.lower() in ("", "none"):
        return []
    return [_jump_host(text.strip()) for text in jump.split(",")]


def _jump_host(text: str) -> SshTarget:
    match = _JUMP.match(text)
    if match is None:
        raise ValueError(f"`{text}` is not a jump host ([user@]host[:port])")
    port = match["port"]
    return SshTarget(match["literal"] or match["name"], match["user"], int(port) if port else None)


def unconfigured(wanted: SshTarget, agent: str) -> Hop:
    """What ssh does without any configuration."""
    return Hop(
        name=wanted.name,
        address=wanted.name,
        port=wanted.port or 22,
        user=wanted.user or getpass.getuser(),
        keys=(wanted.own_key,) if wanted.own_key else DEFAULT_KEYS,
        agent=agent,
        jump=wanted.jump or "",
    )
