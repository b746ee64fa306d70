"""Mounts of the controller: lists them, undoes them, and removes a directory only when nothing is mounted below it."""

import os
import re
import shlex
import shutil
from pathlib import Path

from cutover.core.errors import Problem, Refused
from lab.shell import run


def mounted() -> tuple[Path, ...]:
    """Every mount point, oldest first."""
    return tuple(where for where, _, _ in _table())


def below(place: Path) -> tuple[Path, ...]:
    """The mount points at or below a directory, newest first: the order to undo them in."""
    return tuple(path for path in reversed(mounted()) if path.is_relative_to(place))


def share(place: Path) -> None:
    """Make what is unmounted below a directory vanish from other mount namespaces too.

    Each host has a copy of the mounts that were there when it started, which would keep the disks of the others in use.
    """
    place.mkdir(exist_ok=True)
    if place not in below(place):
        run(["mount", "--bind", str(place), str(place)])
    run(["mount", "--make-shared", str(place)])


def unmount_below(place: Path) -> None:
    """Undo every mount at or below a directory."""
    for path in below(place):
        run(["umount", str(path)])


def refuse_mounted(*places: Path) -> None:
    """Refused where something is mounted at or below one of these."""
    if left := [mount for place in places for mount in below(place)]:
        found = "something is mounted there that no lab mounted"
        raise Refused(
            Problem(path=str(each), found=found, next=f"`umount {shlex.quote(str(each))}`, then lab.down again")
            for each in left
        )


def remove_tree(place: Path) -> None:
    """Remove what is at a path, unless something is mounted there: what is behind a mount must not be removed through it."""
    refuse_mounted(place)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def mount_options(kind: str) -> tuple[tuple[Path, str], ...]:
    """Mount point and options of every mount of one kind of file system."""
    return tuple((where, options) for where, fstype, options in _table() if fstype == kind)


def _table() -> list[tuple[Path, str, str]]:
    """Mount point, kind and options of every mount, oldest first."""
    rows = []
    for line in os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).rstrip("\n").split("\n"):
        where, (fstype, _, options) = line.split(" ")[4], line.split(" - ")[1].split(" ", 2)
        rows.append((Path(_plain(where)), fstype, _plain(options)))
    return rows


def _plain(escaped: str) -> str:
    """A word of the kernel's table: it writes spaces, tabs, line ends and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), escaped)
