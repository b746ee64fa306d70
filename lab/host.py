"""Makes and removes one host: its disk, its identity, its cable, its machine."""

import shutil
import uuid
from pathlib import Path

from lab import disk, machine, network
from lab.settings import USER, Lab, Slot, number_of
from lab.system import remove_tree, run, unmount_below


def make(slot: Slot, base: Path, client_key: str) -> None:
    """Make a host from nothing and start it."""
    disk.attach(slot, base)
    _identify(slot, client_key)
    network.connect(slot)
    machine.start(slot)
    _made(slot).touch()


def remove(slot: Slot) -> None:
    """Remove a host as far as it exists, also what a crash has left of it."""
    machine.kill(slot)
    network.disconnect(slot)
    unmount_below(slot.directory)
    disk.remove_loops(slot)
    remove_tree(slot.directory)


def is_complete(slot: Slot) -> bool:
    """Whether the host runs and all of it exists; anything else is a leftover."""
    return bool(machine.processes(slot)) and _made(slot).exists()


def numbers(lab: Lab) -> set[int]:
    """Numbers of all hosts of which anything exists, running or left over."""
    return stored(lab) | network.numbers(lab) | machine.numbers(lab)


def stored(lab: Lab) -> set[int]:
    """Numbers of the hosts that have a directory in the lab's state."""
    kept = [path.name for path in lab.hosts_dir.iterdir()] if lab.hosts_dir.exists() else []
    return {number for name in kept if (number := number_of(name)) is not None}


def make_key(path: Path, comment: str) -> None:
    """Make an SSH key without a passphrase."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def _identify(slot: Slot, client_key: str) -> None:
    """Give the host what differs from host to host: a name, a machine id, an SSH host key; and the user's key."""
    make_key(slot.host_key, f"{slot.name} {slot.lab.prefix}")
    etc = slot.root / "etc"
    (etc / "hostname").write_text(f"{slot.name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{slot.address} {slot.name}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    for suffix, mode in (("", 0o600), (".pub", 0o644)):
        key = etc / "ssh" / f"{slot.host_key.name}{suffix}"
        shutil.copyfile(slot.host_key.with_name(slot.host_key.name + suffix), key)
        key.chmod(mode)
    home = slot.root / "home" / USER
    ssh, authorized = home / ".ssh", home / ".ssh" / "authorized_keys"
    ssh.mkdir(mode=0o700)
    authorized.write_text(client_key)
    authorized.chmod(0o600)
    for path in (ssh, authorized):
        shutil.chown(path, home.stat().st_uid, home.stat().st_gid)


def _made(slot: Slot) -> Path:
    return slot.directory / "made"  # written last: a host that an interrupted lab.up left half made has none
