"""The inventory of the lab, in Ansible's format: hosts.yml, pinned host keys, variables of the group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.settings import USER, Slot

GROUP = "lab"
_NOTE = "# Written by lab.up and removed by lab.down.\n"
_VARIABLES = f"group_vars/{GROUP}/main.yml"


@dataclass(frozen=True)
class LabHost:
    """How to reach one host of the lab."""

    name: str
    address: str
    user: str
    key_file: Path
    host_key: str  # "ssh-ed25519 AAAA..."


def host_at(slot: Slot) -> LabHost:
    """The host of a slot; without its key when it is only half made."""
    public = slot.host_key.with_suffix(".pub")
    host_key = " ".join(public.read_text().split()[:2]) if public.exists() else ""
    return LabHost(slot.name, str(slot.address), USER, slot.lab.client_key, host_key)


def write_inventory(hosts: Sequence[LabHost], directory: Path, group_vars: Mapping[str, object]) -> None:
    """Write the inventory of these hosts, with the variables of their group."""
    import yaml

    group = {
        "hosts": {host.name: {"ansible_host": host.address} for host in hosts},
        "vars": {"ansible_user": hosts[0].user, "ansible_ssh_private_key_file": str(hosts[0].key_file)},
    }
    texts = {
        "hosts.yml": _NOTE + yaml.safe_dump({"all": {"children": {GROUP: group}}}, sort_keys=False),
        "known_hosts": "".join(f"{host.address} {host.host_key}\n" for host in hosts),
        _VARIABLES: _NOTE + yaml.safe_dump(dict(group_vars), sort_keys=False),
    }
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def remove_inventory(directory: Path) -> None:
    """Remove what write_inventory wrote, and the directories that are empty then."""
    for name in ("hosts.yml", "known_hosts", _VARIABLES):
        (directory / name).unlink(missing_ok=True)
    for place in (directory / "group_vars" / GROUP, directory / "group_vars", directory):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
