"""The inventory of the lab, in Ansible's shape: hosts.yml, pinned host keys, variables of the group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.settings import USER, Seat

GROUP = "lab"
_NOTE = "# Written by lab.up and removed by lab.down.\n"


@dataclass(frozen=True)
class Host:
    """How to reach one host of the lab."""

    name: str
    address: str
    user: str
    key_file: Path
    host_key: str  # "ssh-ed25519 AAAA..."


def host_at(seat: Seat) -> Host:
    """The host of a place; without its key when it is only half made."""
    public = seat.host_key.with_suffix(".pub")
    host_key = " ".join(public.read_text().split()[:2]) if public.exists() else ""
    return Host(seat.name, str(seat.address), USER, seat.lab.client_key, host_key)


def hosts_yml(hosts: Iterable[Host]) -> str:
    """The text of hosts.yml."""
    import yaml

    listed = tuple(hosts)
    variables = {
        "ansible_user": listed[0].user,
        "ansible_ssh_private_key_file": str(listed[0].key_file),
    }
    group = {"hosts": {host.name: {"ansible_host": host.address} for host in listed}, "vars": variables}
    return _NOTE + yaml.safe_dump({"all": {"children": {GROUP: group}}}, sort_keys=False)


def known_hosts(hosts: Iterable[Host]) -> str:
    """The text of known_hosts: every host's own key, pinned."""
    return "".join(f"{host.address} {host.host_key}\n" for host in hosts)


def write_inventory(hosts: Iterable[Host], directory: Path, group_vars: Mapping[str, object]) -> None:
    """Write the inventory of these hosts, with the variables of their group."""
    import yaml

    listed = tuple(hosts)
    texts = {
        "hosts.yml": hosts_yml(listed),
        "known_hosts": known_hosts(listed),
        f"group_vars/{GROUP}/main.yml": _NOTE + yaml.safe_dump(dict(group_vars), sort_keys=False),
    }
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def remove_inventory(directory: Path) -> None:
    """Remove what write_inventory wrote, and the directories that are empty then."""
    for name in ("hosts.yml", "known_hosts", f"group_vars/{GROUP}/main.yml"):
        (directory / name).unlink(missing_ok=True)
    for place in (directory / "group_vars" / GROUP, directory / "group_vars", directory):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
