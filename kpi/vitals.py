"""What the kernel says of a process and its disk: memory, processor time, age, free space."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int | None:
    """Resident memory of a process and its children; None where it cannot be read."""
    sizes = [_resident_kb(process) for process in _family(pid)]
    known = [size for size in sizes if size is not None]
    return sum(known) * 1024 if known else None


def memory_mb(pid: int) -> float | None:
    """The same in MB."""
    size = memory_bytes(pid)
    return None if size is None else round(size / 1024.0**2, 1)


def started_at() -> float:
    """When this process began, in seconds since 1970."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return int(boot.split()[1]) + int(fields[19]) / _TICKS


def cpu_seconds() -> float:
    """Processor time that this process and the children it waited for have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def free_bytes(path: Path) -> int | None:
    """What may still be written where this path is; None where it cannot be asked."""
    try:
        seen = os.statvfs(path)
    except OSError:
        return None  # shown as a missing sample
    return seen.f_bavail * seen.f_frsize


def _family(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(child) for child in listed.read_text().split()]
    except OSError:
        children = []  # the kernel may not list them; the service itself has none
    return [pid, *(one for child in children for one in _family(child))]


def _resident_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None  # the caller says that it could not be measured
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
