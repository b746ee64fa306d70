"""A host's disk: a sparse ext4 image of its own over the base, so that `df` on the host is true and full is full."""

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab.mounts import below
from lab.patience import until
from lab.settings import Seat
from lab.shell import run

SIZE_GB = 20
_FORGET_LOOP = 0x4C81  # LOOP_CTL_REMOVE of linux/loop.h


@dataclass(frozen=True)
class Space:
    """The host's disk as the host sees it."""

    free_mb: int
    filled: bool


def attach(seat: Seat, base: Path) -> None:
    """Make the disk and mount the host's root file system: the base, with the disk over it."""
    seat.directory.mkdir(parents=True)
    with seat.image.open("wb") as image:
        image.truncate(SIZE_GB << 30)
    # No journal and no reserve: after a crash the disk is thrown away, and root must see it full as well.
    run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", str(seat.image)])
    seat.disk.mkdir()
    before = set(_loops())
    run(["mount", "-o", "loop,discard,noatime", str(seat.image), str(seat.disk)])
    (seat.directory / "loop").write_text("\n".join(set(_backed_by(seat.image)) - before))
    for part in ("upper", "work"):
        (seat.disk / part).mkdir(mode=0o755)
    seat.root.mkdir()
    options = f"lowerdir={base},upperdir={seat.disk}/upper,workdir={seat.disk}/work"
    run(["mount", "-t", "overlay", seat.machine, "-o", options, str(seat.root)])


def forget_loops(seat: Seat) -> None:
    """Take away the loop device that the mount made. One that is in use by then belongs to somebody else."""
    note = seat.directory / "loop"
    until(lambda: not _backed_by(seat.image), seconds=5)
    for name in note.read_text().split() if note.exists() else ():
        with Path("/dev/loop-control").open("rb") as control:
            try:
                fcntl.ioctl(control, _FORGET_LOOP, int(name.removeprefix("loop")))
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENODEV):
                    raise


def fill(seat: Seat, *, leave_mb: int) -> None:
    """Fill the host's disk but for some megabytes. The filler lies beside what the host sees."""
    if leave_mb < 0:
        raise UsageError(
            Problem(path="--leave-mb", found=f"{leave_mb} MB left free asked for", next="choose 0 or more")
        )
    empty(seat)
    room = (space(seat).free_mb - leave_mb) << 20
    if room > 0:
        with _filler(seat).open("wb") as filler:
            try:
                os.posix_fallocate(filler.fileno(), 0, room)
            except OSError as error:
                if error.errno != errno.ENOSPC:  # the host wrote meanwhile: its disk is full, as was asked
                    raise


def empty(seat: Seat) -> None:
    """Take the filler away."""
    _filler(seat).unlink(missing_ok=True)


def space(seat: Seat) -> Space:
    """Free space of the host's disk; nothing when it is not mounted."""
    if seat.disk not in below(seat.disk):
        return Space(0, filled=False)
    seen = os.statvfs(seat.disk)
    return Space(seen.f_bavail * seen.f_frsize >> 20, _filler(seat).exists())


def _filler(seat: Seat) -> Path:
    return seat.disk / "filler"


def _backed_by(image: Path) -> list[str]:
    """The loop devices that stand on an image."""
    notes = Path("/sys/block").glob("loop*/loop/backing_file")
    return [note.parts[3] for note in notes if note.read_text().strip() == str(image)]


def _loops() -> list[str]:
    return [path.name for path in Path("/sys/block").glob("loop*")]
