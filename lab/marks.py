"""The mark on a lab's state directory: what does not carry it was not made by a lab, and nothing of it is ever removed."""

import os
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab.mounts import refuse_mounted, remove_tree

_NAME = ".cutover-lab"
_TEXT = "Made by lab.up; lab.down removes this directory with everything in it.\n"


def is_marked(place: Path) -> bool:
    """Whether a lab made the directory, or was given it empty."""
    return (place / _NAME).is_file()


def problems(place: Path) -> tuple[Problem, ...]:
    """Why a directory cannot be a lab's: somebody else's things are in it."""
    if not place.exists() or is_marked(place):
        return ()
    if not place.is_dir():
        found = "not a directory"
    elif any(place.iterdir()):
        found = "there are files in it that no lab made (a lab's own directory carries a mark)"
    else:
        return ()
    next_ = "set CUTOVER_LAB_DIR to a directory that is empty or does not exist yet, since lab.down removes all that is in it"
    return (Problem(path=str(place), found=found, next=next_),)


def claim(place: Path) -> None:
    """Put the mark on an empty directory, before anything else comes into it."""
    if found := problems(place):
        raise UsageError(found)
    (place / _NAME).write_text(_TEXT)


def remove(place: Path) -> None:
    """Remove a marked directory with all in it, the mark last: what is interrupted can be done again. A mount at it stays, empty."""
    others = [path for path in place.iterdir() if path.name != _NAME]
    refuse_mounted(*others)  # before the first of them goes
    for path in others:
        remove_tree(path)
    (place / _NAME).unlink(missing_ok=True)
    if not os.path.ismount(place):
        place.rmdir()
