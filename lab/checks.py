"""What the controller must be and have before a lab is made; asked before anything is touched."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab import owned
from lab.settings import Lab

DEBIAN_PACKAGES = ("systemd-container", "debootstrap", "iproute2", "openssh-client", "e2fsprogs")

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
    "losetup": "util-linux",
    "mount": "mount",
}
_BASE_MB = 1500  # while it is built; 220 MB afterwards
_HOST_MB = 100  # a fresh host takes 15; the rest is for what is installed on it


@dataclass(frozen=True)
class Facts:
    """What is asked of the controller."""

    platform: str
    root: bool
    missing: tuple[str, ...]  # programs
    filesystems: tuple[str, ...]
    free_mb: Mapping[Path, int]  # by directory
    foreign: tuple[Problem, ...] = ()  # what stands in the lab's place and is another's; only root can see it


def look(lab: Lab) -> Facts:
    """Ask the controller."""
    linux = sys.platform == "linux"
    root = linux and os.geteuid() == 0
    return Facts(
        platform=sys.platform,
        root=root,
        missing=tuple(program for program in _PROGRAMS if shutil.which(program, path=_path()) is None),
        filesystems=tuple(Path("/proc/filesystems").read_text().split()) if linux else (),
        free_mb={place: shutil.disk_usage(_existing(place)).free >> 20 for place in (lab.state, lab.cache)},
        foreign=owned.problems(lab) if root else (),
    )


def problems(lab: Lab, facts: Facts, count: int, *, base_built: bool) -> tuple[Problem, ...]:
    """Everything that stands in the way of a lab of `count` hosts."""
    if facts.platform != "linux":
        found = f"this is {facts.platform}; the lab needs Linux"
        return (Problem(found=found, next="run the lab on a Linux machine or in a virtual one"),)
    found_problems = []
    if not facts.root:
        found_problems.append(Problem(found="not root; the lab makes namespaces and mounts", next="run it with sudo"))
    if facts.missing:
        packages = " ".join(sorted({_PROGRAMS[program] for program in facts.missing}))
        found = f"not installed: {', '.join(facts.missing)}"
        found_problems.append(Problem(found=found, next=f"apt-get install {packages}"))
    if "overlay" not in facts.filesystems and not shutil.which("modprobe", path=_path()):
        found = "the kernel has no overlay file system"
        found_problems.append(Problem(path="/proc/filesystems", found=found, next="use a kernel with overlayfs"))
    found_problems += [*facts.foreign, *_disk(lab, facts, count, base_built)]
    return tuple(found_problems)


def require(lab: Lab, count: int, *, base_built: bool) -> None:
    """End with every problem at once, before anything is made."""
    if found := problems(lab, look(lab), count, base_built=base_built):
        raise UsageError(found)


def _disk(lab: Lab, facts: Facts, count: int, base_built: bool) -> list[Problem]:
    wanted = {lab.state: _HOST_MB * count, lab.cache: 0 if base_built else _BASE_MB}
    variables = {lab.state: "CUTOVER_LAB_DIR", lab.cache: "CUTOVER_LAB_CACHE"}
    return [
        Problem(
            path=str(place),
            found=f"{facts.free_mb[place]} MB free, {need} MB wanted for {count} hosts",
            next=f"free some space, or set {variables[place]} to a directory on another disk",
        )
        for place, need in wanted.items()
        if facts.free_mb[place] < need
    ]


def _existing(place: Path) -> Path:
    """The directory itself, or the nearest one above it that can be seen."""
    return next(path for path in (place, *place.parents) if _seen(path))


def _seen(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # without root one may not look everywhere; that root is missing is told anyway
        return False


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # a login without sbin still finds mkfs and losetup


def require_root() -> None:
    """Looking at a lab and taking it away needs root, and nothing else."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UsageError(
            Problem(found="not root; the lab lives in namespaces and mounts of root's", next="run it with sudo")
        )
