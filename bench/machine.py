"""The machine and the versions that the figures belong to. Neither host names nor paths."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

OURS = ("fabric", "paramiko", "pytest", "pytest-testinfra")
THEIRS = ("pyinfra", "ansible-core")


@dataclass(frozen=True)
class Machine:
    """What it is, how busy it was with other things before the measurement began, and when that was."""

    what: str
    load: float
    at: str


def look() -> Machine:
    """Ask this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    what = f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}"
    return Machine(what, os.getloadavg()[0], datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def versions(venv: Path) -> dict[str, str]:
    """Who took part, by version."""
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True, timeout=10).stderr.split(",")[0]
    ask = f"from importlib.metadata import version\nfor name in {THEIRS!r}: print(version(name))"
    told = subprocess.run(
        [str(venv / "bin" / "python"), "-c", ask], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    ours = {name: version(name) for name in OURS}
    return {
        "OpenSSH": ssh.removeprefix("OpenSSH_").split()[0],
        "Python": sys.version.split()[0],
        **dict(zip(THEIRS, told, strict=True)),
        **ours,
    }
