"""A host's disk: a sparse ext4 image of its own over the base, so that `df` on the host is true and a full disk is full."""

import errno
import fcntl
import os
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab.settings import Slot
from lab.system import mounts_below, run, until

SIZE_GB = 20
_FORGET_LOOP = 0x4C81  # LOOP_CTL_REMOVE of linux/loop.h


def attach(slot: Slot, base: Path) -> None:
    """Make the disk and mount the host's root file system: the base with the disk over it."""
    slot.directory.mkdir(parents=True)
    with slot.image.open("wb") as image:
        image.truncate(SIZE_GB << 30)
    # No journal: after a crash the disk is thrown away. No reserve: a full disk must be full for root as well.
    run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", str(slot.image)])
    slot.disk.mkdir()
    before = set(Path("/sys/block").glob("loop*"))
    run(["mount", "-o", "loop,discard,noatime", str(slot.image), str(slot.disk)])
    made = [device.name for device in _loops_on(slot.image) if device not in before]
    (slot.directory / "loop").write_text("\n".join(made))
    for part in ("upper", "work"):
        (slot.disk / part).mkdir(mode=0o755)
    slot.root.mkdir()
    options = f"lowerdir={base},upperdir={slot.disk}/upper,workdir={slot.disk}/work"
    run(["mount", "-t", "overlay", slot.machine, "-o", options, str(slot.root)])


def remove_loops(slot: Slot) -> None:
    """Remove the loop devices that `attach` made. One that is in use by now belongs to somebody else and stays."""
    made = slot.directory / "loop"
    until(lambda: not _loops_on(slot.image), seconds=5)
    for name in made.read_text().split() if made.exists() else ():
        with Path("/dev/loop-control").open("rb") as control:
            try:
                fcntl.ioctl(control, _FORGET_LOOP, int(name.removeprefix("loop")))
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENODEV):
                    raise


def fill(slot: Slot, *, leave_mb: int) -> None:
    """Fill the host's disk except for some megabytes. The filler lies outside of what the host sees."""
    if leave_mb < 0:
        raise UsageError(
            Problem(path="--leave-mb", found=f"{leave_mb} MB, expected 0 or more", next="choose 0 or more")
        )
    empty(slot)
    room = (free_mb(slot) - leave_mb) << 20
    if room > 0:
        with _filler(slot).open("wb") as filler:
            try:
                os.posix_fallocate(filler.fileno(), 0, room)
            except OSError as error:
                if error.errno != errno.ENOSPC:  # the host wrote meanwhile: its disk is full, as asked
                    raise


def empty(slot: Slot) -> None:
    """Remove the filler."""
    _filler(slot).unlink(missing_ok=True)


def is_filled(slot: Slot) -> bool:
    """Whether lab.fill has filled the disk."""
    return _filler(slot).exists()


def free_mb(slot: Slot) -> int:
    """Free space of the host's disk in megabytes, as the host sees it; 0 while it is not mounted."""
    if slot.disk not in mounts_below(slot.disk):
        return 0
    seen = os.statvfs(slot.disk)
    return seen.f_bavail * seen.f_frsize >> 20


def _filler(slot: Slot) -> Path:
    return slot.disk / "filler"


def _loops_on(image: Path) -> list[Path]:
    """The loop devices that an image backs."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    return [file.parents[1] for file in files if file.read_text().strip() == str(image)]
