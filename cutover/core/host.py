"""A host as the inventory describes it: how to reach it, and what is set for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OLDEST_PYTHON = (3, 9)  # that a host may have: our agent runs on it; what a release needs is said by the release


@dataclass(frozen=True)
class Host:
    """One host. None means: not written in the inventory, so `~/.ssh/config` or its default decides."""

    name: str
    address: str
    environment: str
    known_hosts: Path
    port: int | None = None
    user: str | None = None
    identity_file: Path | None = None
    proxy_jump: str | None = None
    python: str = "/usr/bin/python3"
    groups: tuple[str, ...] = ()  # without `all`; weakest first, as their variables apply
    variables: Mapping[str, Any] = field(default_factory=dict, hash=False)  # without the connection variables
    origins: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)  # variable -> file:line: path

    @property
    def reached(self) -> str:
        """How it is reached, as far as the inventory says: user@address:port over which host, with which Python."""
        whom = f"{self.user}@{self.address}" if self.user else self.address
        where = f"{whom}:{self.port}" if self.port else whom
        return f"{where}{f' over {self.proxy_jump}' if self.proxy_jump else ''} with {self.python}"

    @property
    def names(self) -> dict[str, Any]:
        """What every variable and template may refer to besides the declared variables, under Ansible's names."""
        return {"inventory_hostname": self.name, "ansible_host": self.address, "group_names": list(self.groups)}
