"""Who does the job: what each needs on disk beforehand (not measured), and the one command that is measured."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import lab

HERE = Path(__file__).parent
TOY = HERE / "toy"
ENVIRONMENT = "bench"
SHELL, OURS, PYINFRA, ANSIBLE = "shell over OpenSSH", "this engine", "pyinfra", "ansible-core"


@dataclass(frozen=True)
class ToyFleet:
    """Running hosts, and the checkout whose inventory `bench` names them."""

    checkout: Path
    hosts: tuple[lab.LabHost, ...]

    @property
    def names(self) -> list[str]:
        """The hosts' names."""
        return [host.name for host in self.hosts]


@dataclass(frozen=True)
class ColdCommand:
    """A cold process: its words, its directory, its environment besides PATH and HOME, and what to do once it has ended."""

    argv: tuple[str, ...]
    cwd: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[], None] = lambda: None

    @property
    def environment(self) -> dict[str, str]:
        """PATH, HOME and what the contender needs: nothing else of ours reaches it."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**kept, "LANG": "C.UTF-8", **self.extra}


Prepare = Callable[[ToyFleet, Path, str], ColdCommand]  # hosts, an empty directory, the mark of this one run


def contenders(root: Path, venv: Path) -> dict[str, Prepare]:
    """All four by name, the plain shell first. `venv` is where ansible-core and pyinfra are installed."""
    return {
        SHELL: _shell,
        OURS: lambda fleet, _place, mark: _ours(root, fleet, mark),
        PYINFRA: lambda fleet, place, mark: _pyinfra(venv, fleet, place, mark),
        ANSIBLE: lambda fleet, place, mark: _ansible(venv, fleet, place, mark),
    }


def write_mark(checkout: Path, mark: str) -> None:
    """Set the service and the mark for all hosts of the checkout's inventory (JSON is YAML)."""
    path = checkout / "inventory" / ENVIRONMENT / "group_vars" / "lab" / "main.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cutover_service": "toy", "toy_mark": mark}))


def _shell(fleet: ToyFleet, place: Path, mark: str) -> ColdCommand:
    config, script = place / "ssh_config", place / "script"
    script.write_text((HERE / "shell" / "host.bash").read_text() + (TOY / "wait.bash").read_text())
    hosts = [
        f"Host {host.name}\n  HostName {host.address}\n  User {host.user}\n  IdentityFile {host.key_file}\n"
        for host in fleet.hosts
    ]
    known = f"  StrictHostKeyChecking yes\n  UserKnownHostsFile {_known(fleet, place)}\n"
    config.write_text("".join([*hosts, "Host *\n  IdentitiesOnly yes\n  BatchMode yes\n", known]))
    return ColdCommand(("sh", str(HERE / "shell" / "all.sh"), str(config), str(script), mark, *fleet.names), place)


def _ours(root: Path, fleet: ToyFleet, mark: str) -> ColdCommand:
    write_mark(fleet.checkout, mark)
    argv = (sys.executable, "-m", "bench.ours", str(fleet.checkout))
    return ColdCommand(argv, fleet.checkout, {"PYTHONPATH": str(root)})


def _pyinfra(venv: Path, fleet: ToyFleet, place: Path, mark: str) -> ColdCommand:
    shutil.copy(HERE / "with_pyinfra" / "deploy.py", place)
    known = _known(fleet, place)
    hosts = [
        (host.name, {
            "ssh_hostname": host.address, "ssh_user": host.user, "ssh_key": str(host.key_file),
            "ssh_known_hosts_file": str(known), "ssh_strict_host_key_checking": "yes",
        })
        for host in fleet.hosts
    ]  # fmt: skip
    (place / "inventory.py").write_text(f"fleet = {hosts!r}\n")
    data = ("--data", f"toy={TOY}", "--data", f"mark={mark}")
    return ColdCommand((str(venv / "bin" / "pyinfra"), "-y", *data, "inventory.py", "deploy.py"), place)


def _ansible(venv: Path, fleet: ToyFleet, place: Path, mark: str) -> ColdCommand:
    hosts = {
        host.name: {
            "ansible_host": host.address, "ansible_user": host.user, "ansible_ssh_private_key_file": str(host.key_file),
        }
        for host in fleet.hosts
    }  # fmt: skip
    inventory = {"all": {"hosts": hosts, "vars": {"toy_mark": mark, "toy": str(TOY)}}}
    (place / "inventory.yml").write_text(json.dumps(inventory))
    sockets = place / "s"
    (place / "ansible.cfg").write_text(
        f"[defaults]\ninventory = inventory.yml\nforks = {len(hosts)}\ninterpreter_python = /usr/bin/python3\nlocal_tmp = {place}/local\n"
        "[ssh_connection]\npipelining = true\n"
        f"ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={_known(fleet, place)}\n"
        f"control_path_dir = {sockets}\n"
    )

    def end_masters() -> None:
        """End the connections that OpenSSH keeps for a minute, or the next round would find them warm."""
        for socket in sockets.glob("*"):
            subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "any"], check=True, capture_output=True, timeout=10)

    argv = (str(venv / "bin" / "ansible-playbook"), str(HERE / "with_ansible" / "job.yml"))
    return ColdCommand(argv, place, {"LC_ALL": "C.UTF-8", "HOME": str(place)}, end_masters)


def _known(fleet: ToyFleet, place: Path) -> Path:
    """The hosts' keys, pinned: every contender checks them."""
    path = place / "known_hosts"
    path.write_text("".join(f"{host.address} {host.host_key}\n" for host in fleet.hosts))
    return path
