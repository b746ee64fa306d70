"""One leg of the way to a host: a login on a jump host, or on the host itself, as the SSH configuration has it."""

import getpass
import re
import socket
from dataclasses import dataclass
from pathlib import Path

SYSTEM = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))
DEFAULT_KEYS = tuple(Path(f"~/.ssh/id_{kind}") for kind in ("ed25519", "ecdsa", "rsa"))
_HOP = re.compile(r"(?:(?P<user>[^@]+)@)?(?:\[(?P<literal>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+))?\Z")


@dataclass(frozen=True)
class Asked:
    """What is asked for before any configuration is read: the words of `ssh [-l user] [-p port] [-J jump] name`."""

    name: str
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    own_key: Path | None = None


@dataclass(frozen=True)
class Leg:
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


Way = tuple[Leg, ...]  # the outermost jump host first, the host itself last


def entry_name(address: str, port: int) -> str:
    """How known_hosts names a host: `address`, or `[address]:port` for another port than 22."""
    return address if port == 22 else f"[{address}]:{port}"


def hops(jump: str) -> list[Asked]:
    """The jump hosts of a ProxyJump, in the order in which they are passed; none for `none`."""
    if jump.lower() in ("", "none"):
        return []
    return [_hop(text.strip()) for text in jump.split(",")]


def _hop(text: str) -> Asked:
    match = _HOP.match(text)
    if match is None:
        raise ValueError(f"`{text}` is no jump host")
    port = match["port"]
    return Asked(match["literal"] or match["name"], match["user"], int(port) if port else None)


def unconfigured(asked: Asked, agent: str) -> Leg:
    """What ssh does without any configuration."""
    return Leg(
        name=asked.name,
        address=asked.name,
        port=asked.port or 22,
        user=asked.user or getpass.getuser(),
        keys=(asked.own_key,) if asked.own_key else DEFAULT_KEYS,
        agent=agent,
        jump=asked.jump or "",
    )
