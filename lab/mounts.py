"""Mounts of the controller: lists them, undoes them, and removes a directory only when nothing is mounted below it."""

import shutil
from pathlib import Path

from cutover.words.errors import Problem, Refused
from lab.shell import run


def mounted() -> tuple[Path, ...]:
    """Every mount point, oldest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return tuple(Path(line.split()[4].encode().decode("unicode_escape")) for line in lines)


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


def remove_tree(place: Path) -> None:
    """Remove a directory and all in it, mounts undone first: what is behind a mount must not be removed through it."""
    unmount_below(place)
    if left := below(place):
        raise Refused(Problem(path=str(left[0]), found="still mounted", next="unmount it by hand, then lab.down"))
    if place.exists():
        shutil.rmtree(place)


def mount_options(kind: str) -> tuple[tuple[Path, str], ...]:
    """Mount point and options of every mount of one kind of file system."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        where, (fstype, _, options) = line.split()[4], line.split(" - ")[1].split(" ", 2)
        if fstype == kind:
            found.append((Path(where), options))
    return tuple(found)
