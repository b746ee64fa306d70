"""What the controller needs before a lab is made; checked before anything is touched."""

import os
import shutil
import sys
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab import base, ownership
from lab.settings import Lab

PROGRAMS = {  # and the Debian package that has it
    "systemd-nspawn": "systemd-container", "debootstrap": "debootstrap", "ip": "iproute2", "ssh-keygen": "openssh-client",
    "mkfs.ext4": "e2fsprogs", "nsenter": "util-linux", "losetup": "util-linux", "mount": "mount",
}  # fmt: skip
_BASE_MB = 1500  # while it is built; 220 MB afterwards
_HOST_MB = 100  # a fresh host takes 15; the rest is for what is installed on it


_NOT_ROOT = Problem(found="not root, which may make namespaces and mounts", next="run it with sudo")


def require(lab: Lab, count: int) -> None:
    """UsageError with everything that prevents a lab of `count` hosts."""
    if found := problems(lab, count):
        raise UsageError(found)


def require_root() -> None:
    """UsageError without root, which is all that showing and removing a lab needs."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UsageError(_NOT_ROOT)


def problems(lab: Lab, count: int) -> list[Problem]:
    """Everything that prevents a lab of `count` hosts; disks and other people's things only as root, who may see them."""
    if sys.platform != "linux":
        found = f"this machine runs {sys.platform}, expected Linux"
        return [Problem(found=found, next="run the lab on a Linux machine or in a virtual one")]
    result = []
    if missing := [program for program in PROGRAMS if not _installed(program)]:
        packages = " ".join(sorted({PROGRAMS[program] for program in missing}))
        result.append(Problem(found=f"not installed: {', '.join(missing)}", next=f"apt-get install {packages}"))
    filesystems = Path("/proc/filesystems")
    if "overlay" not in filesystems.read_text().split() and not _installed("modprobe"):
        found = "the kernel has no overlay file system"
        result.append(Problem(path=str(filesystems), found=found, next="use a kernel with overlayfs"))
    if os.geteuid() != 0:
        return [_NOT_ROOT, *result]
    return [*result, *ownership.problems(lab), *_disk(lab, count)]


def _disk(lab: Lab, count: int) -> list[Problem]:
    needs = [
        (lab.state, _HOST_MB * count, "CUTOVER_LAB_DIR"),
        (lab.cache, 0 if base.place(lab).is_dir() else _BASE_MB, "CUTOVER_LAB_CACHE"),
    ]
    result = []
    for place, need, variable in needs:
        existing = next(path for path in (place, *place.parents) if path.exists())
        if (free := shutil.disk_usage(existing).free >> 20) < need:
            found = f"{free} MB free, {need} MB needed for {count} hosts"
            next_ = f"free some space, or set {variable} to a directory on another disk"
            result.append(Problem(path=str(place), found=found, next=next_))
    return result


def _installed(program: str) -> bool:
    """Whether the program is on PATH or in sbin: a login without sbin still finds mkfs and losetup."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None
