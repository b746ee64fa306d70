"""Memory and processor time of a unit: of its control group, and where that has no figure the sum over its processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from cutover.agent.modules.units import processes_of
from cutover.agent.systemd import show
from cutover.agent.work import Args, State, Work

MB = 1024.0**2
# A host on version 1 of control groups has no figures of this kind.
CGROUPS, PROC = Path("/sys/fs/cgroup"), Path("/proc")


def look_resources(args: Args, _work: Work) -> State:
    """memory_mb and cpu_seconds (cumulative) of args["unit"]; None where neither its control group nor a process gives it."""
    group = show(args["unit"], ["ControlGroup"])["ControlGroup"]
    return measure(group, processes_of(group))


def measure(group: str, pids: Sequence[int], cgroups: Path = CGROUPS, proc: Path = PROC) -> State:
    """The same of a control group with these processes, from the files of the kernel."""
    processes = [proc / str(pid) for pid in pids]
    memory = cpu = None
    if group.strip("/") and pids:  # the root's own figures would be those of the whole host
        memory, cpu = _memory_of(cgroups / group.strip("/")), _cpu_of(cgroups / group.strip("/"))
    # A group that has processes and used nothing is one that is not accounted, and no measurement.
    memory = memory or _sum(map(_resident_bytes, processes))
    cpu = cpu or _sum(map(_processor_seconds, processes))
    return {
        "memory_mb": None if memory is None else round(memory / MB, 3),
        "cpu_seconds": None if cpu is None else round(cpu, 6),
    }


def _memory_of(group: Path) -> float | None:
    """Bytes of the group without the cache of files, which the kernel takes back when it needs it and which is not a leak."""
    used, stat = _text(group / "memory.current").strip(), _named(group / "memory.stat")
    return float(used) - stat.get("active_file", 0) - stat.get("inactive_file", 0) if used.isdecimal() else None


def _cpu_of(group: Path) -> float | None:
    """Seconds of the group and of all that ever ran in it."""
    used = _named(group / "cpu.stat").get("usage_usec")
    return None if used is None else used / 1e6


def _resident_bytes(process: Path) -> float | None:
    """Memory that a process has; pages that it shares count in each process that shares them."""
    for line in _text(process / "status").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024.0
    return None


def _processor_seconds(process: Path) -> float | None:
    """Processor time of a process and of the children that it has waited for."""
    fields = _text(process / "stat").rpartition(")")[2].split()  # the name before it may hold anything
    return sum(map(float, fields[11:15])) / os.sysconf("SC_CLK_TCK") if len(fields) > 15 else None


def _sum(figures: Iterable[float | None]) -> float | None:
    """Of those that could be read; None where none could: nothing was measured then, and not a use of 0."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _named(path: Path) -> dict[str, float]:
    """The figures of a file that has one a line, by name."""
    pairs = (line.partition(" ") for line in _text(path).splitlines())
    return {name: float(value) for name, _, value in pairs if value.strip().isdecimal()}


def _text(path: Path) -> str:
    """What is in a file of the kernel; nothing where it is not there, or its process has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
