"""The host itself: facts, users, disk, clock, log rotation, and what might restart services behind our back."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from cutover.agent import process
from cutover.agent.clock import SMALL_COMMAND_S, SYSTEMCTL_S, boot_id
from cutover.agent.paths import tree
from cutover.agent.systemd import show, show_each
from cutover.agent.work import Args, State, Work

# What is known to restart services without asking: needrestart in automatic mode, and unattended upgrades.
NEEDRESTART = ("/etc/needrestart/needrestart.conf", "/etc/needrestart/conf.d")
UPGRADERS = (
    "apt-daily-upgrade.timer", "unattended-upgrades.service", "dnf-automatic.timer", "dnf-automatic-install.timer",
)  # fmt: skip


def look_facts(_args: Args, _work: Work) -> State:
    """What the plan depends on: who logs in, operating system, kernel, machine, Python, systemd, boot, memory, processors."""
    import platform

    return {
        "user": os.environ.get("SUDO_USER", "root"),
        "hostname": platform.node(),
        "os": _os_name(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "python_minor": ".".join(map(str, sys.version_info[:2])),
        "systemd": process.run(["systemctl", "--version"], deadline_s=SYSTEMCTL_S).stdout.split("\n")[0],
        "pid_1": Path("/proc/1/comm").read_text().strip(),
        "boot_id": boot_id(),
        "processors": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20,
    }


def _os_name() -> str:
    """PRETTY_NAME of os-release (platform.freedesktop_os_release is new in Python 3.10)."""
    pairs = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines())
    return next((value.strip("\"'") for key, _, value in pairs if key == "PRETTY_NAME"), "unknown")


def look_user(args: Args, _work: Work) -> State:
    """Whether it exists."""
    try:
        pwd.getpwnam(args["user"])
    except KeyError:
        return {"exists": False}
    return {"exists": True}


def add_user(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Add it with a group of its own and no way to log in."""
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    argv = ["useradd", *options, "--home-dir", args["home"], args["user"]]
    process.run_or_fail(argv, deadline_s=work.seconds_left(SMALL_COMMAND_S))


def look_disk(args: Args, _work: Work) -> State:
    """free_bytes and free_inodes where args["path"] is, or would be made; read_only.

    With args["room_for"], a directory, what would be left of both after args["times"] copies of it: left_bytes, left_inodes.
    """
    path = _existing(Path(args["path"]))
    seen = os.statvfs(path)
    # Some file systems have no fixed number of inodes and report 0 of 0.
    inodes = seen.f_favail if seen.f_files else sys.maxsize
    free = seen.f_bavail * seen.f_frsize
    read_only = bool(seen.f_flag & os.ST_RDONLY)
    state = {"path": str(path), "free_bytes": free, "free_inodes": inodes, "read_only": read_only}
    if "room_for" in args:
        found, times = tree(Path(args["room_for"])).values(), args["times"]
        # A small file takes a whole block, and a sparse one is copied in full.
        needed = times * sum(max(one.st_size, one.st_blocks * 512) for one in found)
        state |= {"needed_bytes": needed, "left_bytes": free - needed, "left_inodes": inodes - times * len(found)}
    return state


def look_clock(_args: Args, work: Work) -> State:
    """offset_s against the controller (the transit of the request included), and whether the host's clock is synchronized."""
    offset = None if work.sent_at is None else round(work.received_at - work.sent_at, 3)
    return {"offset_s": offset, "synchronized": _kernel_clock_is_kept()}


def look_log_rotation(args: Args, _work: Work) -> State:
    """Whether logs are kept from growing without bound: journald always limits its own; files need a logrotate rule each."""
    rules = (Path("/etc/logrotate.conf"), *Path("/etc/logrotate.d").glob("*"))
    text = "\n".join(path.read_text(errors="replace") for path in rules if path.is_file())
    unrotated = [name for name in args["files"] if name not in text]
    journald = show("systemd-journald.service", ["ActiveState"])["ActiveState"]
    return {"journald": journald, "unrotated": unrotated}


def look_restart_risks(_args: Args, _work: Work) -> State:
    """Services and settings that may restart a unit in the middle of a run."""
    seen = show_each(UPGRADERS, ["ActiveState"])
    risks = [unit for unit in UPGRADERS if seen[unit]["ActiveState"] == "active"]
    if _needrestart_is_automatic():
        risks.append("needrestart restarts services automatically ($nrconf{restart} = 'a')")
    return {"risks": risks}


def look_writable(args: Args, _work: Work) -> State:
    """Whether a file can be written and flushed where args["path"] is, or would be made: one without a name, so that no trace is left."""
    import tempfile  # here, since it costs 10 ms that most requests need not pay

    try:
        with tempfile.TemporaryFile(dir=_existing(Path(args["path"]))) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as failure:
        return {"writable": False, "why": str(failure)}
    return {"writable": True}


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def _kernel_clock_is_kept() -> bool | None:
    """Whether someone disciplines the kernel's clock (its greatest error is known and below 16 s); None where it may not be asked.

    timedatectl says the same, but starts a service of its own for it, and a look must leave no trace.
    """
    import ctypes

    timex = (ctypes.c_long * 64)()  # struct timex: modes (0: only ask), offset, freq, maxerror (us), ...
    if ctypes.CDLL(None).adjtimex(timex) < 0:
        return None
    return timex[3] < 16_000_000


def _needrestart_is_automatic() -> bool:
    files = [Path(NEEDRESTART[0]), *Path(NEEDRESTART[1]).glob("*.conf")]
    lines = [line.strip() for path in files if path.is_file() for line in path.read_text(errors="replace").splitlines()]
    return any(line.startswith("$nrconf{restart}") and "'a'" in line for line in lines)
