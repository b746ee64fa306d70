"""Which process this is, so that another one on this machine can find out whether it still lives."""

import os
from pathlib import Path

PROC = Path("/proc")


def identity() -> str:
    """Boot, process namespace, process and its start: no other process is ever the same. Empty where the system does not say."""
    numbering, started = _numbering(), _started(os.getpid())
    return f"{numbering}/{os.getpid()}/{started}" if numbering and started else ""


def is_dead(process: str) -> bool:
    """Whether the process of an identity has certainly ended. One of another machine, or without an identity, may live."""
    parts = process.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != _numbering():
        return False
    return _started(int(parts[2])) != parts[3]


def _numbering() -> str:
    """Where process ids mean the same: this boot, this process namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; empty where there is none, or only its remains."""
    try:
        figures = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if figures[0] in ("Z", "X") else figures[19]
