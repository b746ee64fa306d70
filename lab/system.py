"""The controller's system: runs commands, waits, locks directories, lists and undoes mounts."""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cutover.core.errors import Locked, Problem, Refused, UsageError

_MOUNTINFO = Path("/proc/self/mountinfo")


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 300) -> str:
    """Run one command and return its stdout; Refused when it fails or takes longer than `timeout` seconds."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise _failed(argv, f"timed out after {timeout:g} s") from late
    if done.returncode != 0:
        raise _failed(argv, f"exit status {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def _failed(argv: Sequence[str], why: str) -> Refused:
    return Refused(Problem(found=f"`{shlex.join(argv)}`: {why}", next="lab.down, then lab.up again"))


def until(true: Callable[[], bool], *, seconds: float, every: float = 0.05) -> bool:
    """Poll until the condition holds; False when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


@contextmanager
def hold(place: Path, *, wait: bool) -> Iterator[None]:
    """Make a directory and lock it; without `wait`, Locked when another process holds it.

    The lock is on the directory itself, which its holder may remove: then nothing is left behind, not even a lock file.
    """
    handle = _open(place)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                found = "another lab.up or lab.down is running"
                raise Locked(Problem(path=str(place), found=found, next="wait until it has ended")) from held
            if place.exists() and os.path.samestat(place.stat(), os.fstat(handle)):
                break
            os.close(handle)  # its holder removed the directory while we waited
            handle = _open(place)
        yield
    finally:
        os.close(handle)


def _open(place: Path) -> int:
    try:
        place.mkdir(parents=True, exist_ok=True)
        return os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        found = f"this directory cannot be made or opened: {error.strerror}"
        next_ = "set CUTOVER_LAB_DIR or CUTOVER_LAB_CACHE to another directory"
        raise UsageError(Problem(path=str(place), found=found, next=next_)) from error


class Mount(NamedTuple):
    """One line of the kernel's mount table."""

    place: Path
    kind: str
    options: str


def mounts() -> list[Mount]:
    """Every mount of this machine, oldest first."""
    table = []
    for line in os.fsdecode(_MOUNTINFO.read_bytes()).rstrip("\n").split("\n"):
        place, (kind, _, options) = line.split(" ")[4], line.split(" - ")[1].split(" ", 2)
        table.append(Mount(Path(_unescaped(place)), kind, _unescaped(options)))
    return table


def mounts_below(place: Path) -> tuple[Path, ...]:
    """The mount points at or below a directory, newest first: the order to unmount them in."""
    return tuple(mount.place for mount in reversed(mounts()) if mount.place.is_relative_to(place))


def share_mounts(place: Path) -> None:
    """Make what is unmounted below a directory vanish from other mount namespaces too.

    Each host has a copy of the mounts that were there when it started, which would keep the disks of the others in use.
    """
    place.mkdir(exist_ok=True)
    if place not in mounts_below(place):
        run(["mount", "--bind", str(place), str(place)])
    run(["mount", "--make-shared", str(place)])


def unmount_below(place: Path) -> None:
    """Unmount everything at or below a directory."""
    for path in mounts_below(place):
        run(["umount", str(path)])


def refuse_mounted(*places: Path) -> None:
    """Refused where something is mounted at or below one of these."""
    if left := [mount for place in places for mount in mounts_below(place)]:
        found = "a file system that no lab mounted is mounted here"
        raise Refused(
            Problem(path=str(each), found=found, next=f"`umount {shlex.quote(str(each))}`, then lab.down again")
            for each in left
        )


def remove_tree(place: Path) -> None:
    """Remove a file or a directory tree; Refused when something is mounted there, since that would be removed through the mount."""
    refuse_mounted(place)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _unescaped(word: str) -> str:
    """A word of the kernel's table: it writes spaces, tabs, line ends and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)
