"""A host as a running machine: systemd-nspawn in a control group of its own, supervised by a few lines of shell.

Everything of a host lives below its control group, so that all of it is found again, whatever became of who started it.
"""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Refused
from lab.patience import until
from lab.settings import Lab, Seat

_REBOOT = 133  # nspawn's exit status when the machine inside asked for a reboot
_PROPAGATE = Path("/run/systemd/nspawn/propagate")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8", "HOME": "/root"}


@dataclass(frozen=True)
class Executed:
    """What a command inside a host came to."""

    exit_code: int
    stdout: str
    stderr: str


def start(seat: Seat) -> None:
    """Start the host and its supervisor, in a session of its own: it outlives whoever called."""
    groups = _groups(seat)
    for group in groups:
        group.mkdir(exist_ok=True)
    with seat.console.open("ab") as console:
        subprocess.run(
            ["setsid", "--fork", "/bin/sh", "-c", supervision(seat, groups)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd="/",
            env=_ENVIRONMENT,
            check=True,
        )
    until(lambda: bool(processes(seat)), seconds=5, every=0.002)


def supervision(seat: Seat, groups: Sequence[Path]) -> str:
    """The supervisor: joins the host's control group, runs the machine, and again whenever it asked for a reboot."""
    machine = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--boot",
        f"--directory={seat.root}",
        f"--machine={seat.machine}",
        f"--hostname={seat.name}",
        f"--network-namespace-path=/run/netns/{seat.machine}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        "--capability=CAP_SYS_RESOURCE",  # a server's root may raise limits, and sudo complains when it may not
    ]
    joins = [f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))} || exit 1" for group in groups]
    loop = [f"while {shlex.join(machine)}; status=$?; [ $status -eq {_REBOOT} ]; do :; done", "exit $status"]
    return "\n".join([*joins, *loop])


def processes(seat: Seat) -> tuple[int, ...]:
    """Every process of the host, its supervisor included, as the controller numbers them."""
    found: list[int] = []
    for group in _groups(seat)[:1]:
        for directory, _, _ in os.walk(group):  # passes over a group that goes away while we look
            with suppress(OSError):  # so does this: a group that went away holds no process
                found += map(int, Path(directory, "cgroup.procs").read_text().split())
    return tuple(found)


def leader(seat: Seat) -> int | None:
    """The host's PID 1, as the controller numbers it; None while the host is off or between two boots."""
    depth = len(_numbers(os.getpid())) + 1

    def leads(pid: int) -> bool:
        seen = _numbers(pid)
        return len(seen) == depth and seen[-1] == "1" and _name(pid) == "systemd"  # nspawn's own child has it before

    return next((pid for pid in processes(seat) if leads(pid)), None)


def execute(seat: Seat, argv: Sequence[str], *, stdin: str = "", timeout: float = 30) -> Executed:
    """Run a command as root inside the host, without SSH and without its network."""
    pid = leader(seat)
    if pid is None:
        found = f"{seat.name} is not running"
        raise Refused(Problem(host=seat.name, path=str(seat.console), found=found, next="lab.up starts it again"))
    enter = ["nsenter", f"--target={pid}", "--all", "--root", "--wd"]
    try:
        done = subprocess.run(
            [*enter, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**_ENVIRONMENT, "PATH": _ENVIRONMENT["PATH"] + ":/sbin:/bin"},
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        found = f"`{shlex.join(argv)}` not done after {timeout:g} s"
        raise Refused(Problem(host=seat.name, found=found, next="look at the host's journal")) from late
    return Executed(done.returncode, done.stdout, done.stderr)


def kill(seat: Seat) -> None:
    """End every process of the host at once, PID 1 first: nspawn then tidies up after itself."""
    if (pid := leader(seat)) is not None:
        _kill(pid)
        until(lambda: not processes(seat), seconds=3, every=0.01)

    def gone() -> bool:
        for pid in processes(seat):
            _kill(pid)
        return not processes(seat)

    if not until(gone, seconds=15):
        found = f"processes {processes(seat)} do not end"
        raise Refused(Problem(host=seat.name, found=found, next="look at them with ps, then lab.down again"))
    for group in _groups(seat):
        _remove_group(group)
    propagate = _PROPAGATE / seat.machine
    if propagate.is_dir():
        propagate.rmdir()


def numbers(lab: Lab) -> set[int]:
    """Numbers of the hosts that have a control group."""
    ours = re.compile(rf"{lab.prefix}-lab([1-9][0-9]*)")
    names = [path.name for hierarchy in _hierarchies() for path in hierarchy.iterdir()]
    return {int(match[1]) for name in names if (match := ours.fullmatch(name))}


def _groups(seat: Seat) -> tuple[Path, ...]:
    return tuple(hierarchy / seat.machine for hierarchy in _hierarchies())


def _hierarchies() -> tuple[Path, ...]:
    """Where systemd keeps its control groups: its own hierarchy on a hybrid machine, and the unified one."""
    named, unified = [], []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, (kind, _, options) = line.split()[4], line.split(" - ")[1].split(" ", 2)
        if kind == "cgroup" and "name=systemd" in options.split(","):
            named.append(Path(place))
        if kind == "cgroup2":
            unified.append(Path(place))
    return tuple(named[:1] + unified[:1])


def _remove_group(group: Path) -> None:
    for directory, _, _ in os.walk(group, topdown=False):
        Path(directory).rmdir()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended by itself meanwhile, which is what was wanted
        os.kill(pid, signal.SIGKILL)


def _numbers(pid: int) -> list[str]:
    """A process's numbers in each nested PID namespace; none when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[1:]
    return []


def _name(pid: int) -> str:
    """What a process calls itself; empty when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
