"""Who does the job: what each needs on disk beforehand (not measured), and the one command that is measured."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.ground import ENVIRONMENT, Ground
from bench.toys import TOY

HERE = Path(__file__).parent
FLOOR, OURS = "shell over OpenSSH", "this engine"


@dataclass(frozen=True)
class Command:
    """A cold process: its words, where it starts, what is in its environment besides PATH, and what to do once it has ended."""

    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Contender:
    """Its name, and how it gets ready: (hosts, an empty directory, the mark of this one run) -> the command to measure."""

    name: str
    ready: Callable[[Ground, Path, str], Command]


def contenders(root: Path, venv: Path) -> list[Contender]:
    """All four, the floor first. `venv` is where ansible-core and pyinfra are installed."""
    return [
        Contender(FLOOR, _shell),
        Contender(OURS, lambda ground, _place, mark: _ours(root, ground, mark)),
        Contender("pyinfra", lambda ground, place, mark: _pyinfra(venv, ground, place, mark)),
        Contender("ansible-core", lambda ground, place, mark: _ansible(venv, ground, place, mark)),
    ]


def _shell(ground: Ground, place: Path, mark: str) -> Command:
    (place / "script").write_text((HERE / "shell" / "host.bash").read_text() + (TOY / "wait.bash").read_text())
    config = "".join(
        f"Host {host.name}\n  HostName {host.address}\n  User {host.user}\n  IdentityFile {host.key_file}\n"
        for host in ground.hosts
    )
    common = f"Host *\n  IdentitiesOnly yes\n  BatchMode yes\n  StrictHostKeyChecking yes\n  UserKnownHostsFile {_known(ground, place)}\n"
    (place / "ssh_config").write_text(config + common)
    return Command(
        ("sh", str(HERE / "shell" / "all.sh"), str(place / "ssh_config"), str(place / "script"), mark, *ground.names),
        place,
    )


def _ours(root: Path, ground: Ground, mark: str) -> Command:
    group_vars(ground.checkout, mark)
    environment = {"PYTHONPATH": str(root)}
    return Command((sys.executable, "-m", "bench.ours", str(ground.checkout)), ground.checkout, environment)


def group_vars(checkout: Path, mark: str) -> None:
    """Set the mark for all hosts of the checkout's inventory (JSON is YAML)."""
    place = checkout / "inventory" / ENVIRONMENT / "group_vars" / "lab"
    (place / "main.yml").write_text(json.dumps({"toy_mark": mark}))


def _pyinfra(venv: Path, ground: Ground, place: Path, mark: str) -> Command:
    shutil.copy(HERE / "with_pyinfra" / "deploy.py", place)
    known = _known(ground, place)
    hosts = [
        (host.name, {
            "ssh_hostname": host.address, "ssh_user": host.user, "ssh_key": str(host.key_file),
            "ssh_known_hosts_file": str(known), "ssh_strict_host_key_checking": "yes",
        })
        for host in ground.hosts
    ]  # fmt: skip
    (place / "inventory.py").write_text(f"fleet = {hosts!r}\n")
    data = ("--data", f"toy={TOY}", "--data", f"mark={mark}")
    return Command((str(venv / "bin" / "pyinfra"), "-y", *data, "inventory.py", "deploy.py"), place)


def _ansible(venv: Path, ground: Ground, place: Path, mark: str) -> Command:
    hosts = {
        host.name: {
            "ansible_host": host.address,
            "ansible_user": host.user,
            "ansible_ssh_private_key_file": str(host.key_file),
        }
        for host in ground.hosts
    }
    (place / "inventory.yml").write_text(
        json.dumps({"all": {"hosts": hosts, "vars": {"toy_mark": mark, "toy": str(TOY)}}})
    )
    sockets = place / "s"
    (place / "ansible.cfg").write_text(
        f"[defaults]\ninventory = inventory.yml\nforks = {len(hosts)}\ninterpreter_python = /usr/bin/python3\nlocal_tmp = {place}/local\n"
        "[ssh_connection]\npipelining = true\n"
        f"ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={_known(ground, place)}\n"
        f"control_path_dir = {sockets}\n"
    )
    argv = (str(venv / "bin" / "ansible-playbook"), str(HERE / "with_ansible" / "job.yml"))
    return Command(argv, place, {"LC_ALL": "C.UTF-8", "HOME": str(place)}, after=lambda: _end_masters(sockets))


def _known(ground: Ground, place: Path) -> Path:
    """The hosts' keys, pinned: every contender checks them."""
    path = place / "known_hosts"
    path.write_text("".join(f"{host.address} {host.host_key}\n" for host in ground.hosts))
    return path


def _end_masters(sockets: Path) -> None:
    """End the connections that OpenSSH keeps for a minute, or the next round would find them warm."""
    for socket in sockets.glob("*"):
        subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "any"], check=True, capture_output=True, timeout=10)


def environment_of(command: Command) -> dict[str, str]:
    """PATH and HOME, and what the contender asks for: nothing else of ours reaches it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **command.environment}
