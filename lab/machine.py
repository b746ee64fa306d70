"""A host as a running machine: systemd-nspawn in a control group of its own, supervised by a few lines of shell.

Every process of a host lives below its control group, so it is found again whatever became of the process that started it.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Refused, Unreachable
from lab import network
from lab.settings import Lab, Slot
from lab.system import mounts, until

_REBOOT = 133  # nspawn's exit status when the machine inside asked for a reboot
_PROPAGATE = Path("/run/systemd/nspawn/propagate")
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}


@dataclass(frozen=True)
class Executed:
    """Result of a command inside a host."""

    exit_code: int
    stdout: str
    stderr: str


def start(slot: Slot) -> None:
    """Start the host and its supervisor in a session of their own: they outlive the caller."""
    groups = _groups(slot)
    for group in groups:
        group.mkdir(exist_ok=True)
    argv = ["setsid", "--fork", "/bin/sh", "-c", supervisor(slot, groups)]
    with slot.console.open("ab") as out:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", env=_ENVIRONMENT, check=True)
    until(lambda: bool(processes(slot)), seconds=5, every=0.002)


def supervisor(slot: Slot, groups: Sequence[Path]) -> str:
    """The supervisor's script: join the host's control group, run the machine, and again whenever it asked for a reboot."""
    # CAP_SYS_RESOURCE: a server's root may raise limits, and sudo complains when it may not.
    machine = [
        "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--resolv-conf=off", "--timezone=off",
        "--link-journal=no", "--console=pipe", "--capability=CAP_SYS_RESOURCE", f"--directory={slot.root}",
        f"--machine={slot.machine}", f"--hostname={slot.name}", f"--network-namespace-path=/run/netns/{slot.machine}",
    ]  # fmt: skip
    joins = [f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))} || exit 1" for group in groups]
    loop = [f"while {shlex.join(machine)}; status=$?; [ $status -eq {_REBOOT} ]; do :; done", "exit $status"]
    return "\n".join([*joins, *loop])


def processes(slot: Slot) -> tuple[int, ...]:
    """Every process of the host, its supervisor included, by its PID on the controller."""
    found: list[int] = []
    for group in _groups(slot)[:1]:
        for directory, _, _ in os.walk(group):  # skips a group that goes away meanwhile
            with suppress(OSError):  # so does this: a group that went away has no process
                found += map(int, Path(directory, "cgroup.procs").read_text().split())
    return tuple(found)


def leader(slot: Slot) -> int | None:
    """The host's PID 1, by its PID on the controller; None while the host is off or between two boots."""
    depth = len(_process(os.getpid())[1]) + 1

    def leads(pid: int) -> bool:
        name, pids = _process(pid)
        return len(pids) == depth and pids[-1] == "1" and name == "systemd"  # nspawn's own child has PID 1 before it

    return next((pid for pid in processes(slot) if leads(pid)), None)


def execute(slot: Slot, argv: Sequence[str], *, stdin: str = "", timeout: float = 300) -> Executed:
    """Run a command as root inside the host, without SSH and without its network."""
    pid = leader(slot)
    if pid is None:
        found = f"{slot.name} is not running"
        raise Refused(Problem(host=slot.name, path=str(slot.console), found=found, next="lab.up starts it again"))
    inside = ["nsenter", f"--target={pid}", "--all", "--root", "--wd", *argv]
    try:
        done = subprocess.run(
            inside, input=stdin, capture_output=True, text=True, timeout=timeout, env=_ENVIRONMENT, check=False
        )
    except subprocess.TimeoutExpired as late:
        found = f"`{shlex.join(argv)}` timed out after {timeout:g} s"
        raise Refused(Problem(host=slot.name, found=found, next="read the host's journal")) from late
    return Executed(done.returncode, done.stdout, done.stderr)


def kill(slot: Slot) -> None:
    """Kill every process of the host, PID 1 first: nspawn then cleans up after itself."""
    if (pid := leader(slot)) is not None:
        _kill(pid)
        until(lambda: not processes(slot), seconds=3, every=0.01)

    def gone() -> bool:
        for pid in processes(slot):
            _kill(pid)
        return not processes(slot)

    if not until(gone, seconds=15):
        found = f"processes {processes(slot)} survive SIGKILL"
        raise Refused(Problem(host=slot.name, found=found, next="inspect them with ps, then lab.down again"))
    for group in _groups(slot):
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()
    propagate = _PROPAGATE / slot.machine
    if propagate.is_dir():
        propagate.rmdir()


def numbers(lab: Lab) -> set[int]:
    """Numbers of the hosts that have a control group."""
    ours = re.compile(rf"{lab.prefix}-lab([1-9][0-9]*)")
    names = [path.name for hierarchy in hierarchies() for path in hierarchy.iterdir()]
    return {int(match[1]) for name in names if (match := ours.fullmatch(name))}


def hierarchies() -> tuple[Path, ...]:
    """Where systemd keeps its control groups: its own hierarchy on a hybrid machine, and the unified one."""
    table = mounts()
    named = [one.place for one in table if one.kind == "cgroup" and "name=systemd" in one.options.split(",")]
    return (*named[:1], *[one.place for one in table if one.kind == "cgroup2"][:1])


def system_state(slot: Slot) -> str:
    """State of the host's systemd (`running`, `degraded`, `starting`, ...); `off` without a PID 1."""
    if leader(slot) is None:
        return "off"
    return execute(slot, ["systemctl", "is-system-running"]).stdout.strip() or "starting"


def boot_id(slot: Slot) -> str:
    """The kernel's id of this boot of the host; empty while it is between two."""
    if leader(slot) is None:
        return ""
    try:
        return execute(slot, ["cat", "/proc/sys/kernel/random/boot_id"], timeout=2).stdout.strip()
    except Refused:  # entering a host that is just going down can hang
        return ""


def ssh_answers(slot: Slot, timeout: float = 0.5) -> bool:
    """Whether an SSH server greets at the host's address."""
    try:
        with socket.create_connection((str(slot.address), 22), timeout) as wire:
            wire.settimeout(timeout)
            return wire.recv(4) == b"SSH-"
    except OSError:
        return False  # refused, no route, no answer: each of them means that it does not answer


def await_ready(slots: Iterable[Slot], *, seconds: float) -> None:
    """Wait until systemd is up and sshd answers on every host; Unreachable names those that are late or have ended.

    A host whose cable is cut needs its systemd only.
    """
    waiting = list(slots)

    def ready(slot: Slot) -> bool:
        if network.cable_plugged(slot) and not ssh_answers(slot):
            return False
        return system_state(slot) in ("running", "degraded")

    def all_ready() -> bool:
        waiting[:] = [slot for slot in waiting if not ready(slot)]
        return not waiting or any(not processes(slot) for slot in waiting)

    until(all_ready, seconds=seconds)
    late = []
    for slot in waiting:
        found = f"not ready after {seconds:g} s" if processes(slot) else "ended while it was starting"
        next_ = "read its console there; lab.down and lab.up make it anew"
        late.append(Problem(host=slot.name, path=str(slot.console), found=found, next=next_))
    if late:
        raise Unreachable(late)


def _groups(slot: Slot) -> tuple[Path, ...]:
    return tuple(hierarchy / slot.machine for hierarchy in hierarchies())


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended by itself meanwhile, which is what was wanted
        os.kill(pid, signal.SIGKILL)


def _process(pid: int) -> tuple[str, list[str]]:
    """A process's command name and its PIDs in each nested PID namespace; none when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return status["Name"].strip(), status["NSpid"].split()
    return "", []
