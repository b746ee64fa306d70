"""A lock on a directory that its holder may remove: nothing is left behind, not even the lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutover.core.errors import Locked, Problem, UsageError


@contextmanager
def hold(place: Path, *, wait: bool) -> Iterator[None]:
    """Make the directory and hold it alone; without `wait`, Locked when another process holds it."""
    handle = _open(place)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                found = "another lab.up or lab.down is at work"
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
        next_ = "choose one with CUTOVER_LAB_DIR or CUTOVER_LAB_CACHE that can"
        raise UsageError(Problem(path=str(place), found=found, next=next_)) from error
