"""Making and taking away one host: its disk, its identity, its cable, its machine."""

import shutil
import uuid
from pathlib import Path

from lab import disk, machine, network
from lab.mounts import remove_tree, unmount_below
from lab.settings import USER, Lab, Seat, number_of
from lab.shell import run


def make(seat: Seat, base_place: Path, client_key: str) -> None:
    """Make a host from nothing and start it."""
    disk.attach(seat, base_place)
    _identify(seat, client_key)
    network.connect(seat)
    machine.start(seat)
    _mark(seat).touch()


def remove(seat: Seat) -> None:
    """Take a host away, as far as it is there: also what a crash has left of it."""
    machine.kill(seat)
    network.disconnect(seat)
    unmount_below(seat.directory)
    disk.forget_loops(seat)
    remove_tree(seat.directory)


def is_whole(seat: Seat) -> bool:
    """Whether the host runs and all of it is there; anything else is a leftover."""
    return bool(machine.processes(seat)) and _mark(seat).exists()


def numbers(lab: Lab) -> set[int]:
    """Numbers of all hosts of which anything is there, running or left over."""
    return stored(lab) | network.numbers(lab) | machine.numbers(lab)


def stored(lab: Lab) -> set[int]:
    """Numbers of the hosts that have a directory in the lab's state."""
    kept = [path.name for path in lab.hosts_dir.iterdir()] if lab.hosts_dir.exists() else []
    return {number for name in kept if (number := number_of(name)) is not None}


def make_key(path: Path, comment: str) -> None:
    """Make an ssh key without a passphrase."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def _identify(seat: Seat, client_key: str) -> None:
    """Give the host a name, a machine id, ssh host keys and the user's key: what differs from host to host."""
    make_key(seat.host_key, f"{seat.name} {seat.lab.prefix}")
    etc = seat.root / "etc"
    (etc / "hostname").write_text(f"{seat.name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{seat.address} {seat.name}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    for suffix, mode in (("", 0o600), (".pub", 0o644)):
        key = etc / "ssh" / f"{seat.host_key.name}{suffix}"
        shutil.copyfile(seat.host_key.with_name(seat.host_key.name + suffix), key)
        key.chmod(mode)
    ssh = seat.root / "home" / USER / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "authorized_keys").write_text(client_key)
    (ssh / "authorized_keys").chmod(0o600)
    for path in (ssh, ssh / "authorized_keys"):
        owner = (seat.root / "home" / USER).stat()
        shutil.chown(path, owner.st_uid, owner.st_gid)


def _mark(seat: Seat) -> Path:
    return seat.directory / "made"  # written last: a host that an interrupted lab.up left half made has none
