"""Tapes that something of their own is in the way of: left alone for a while, told once, and tried again."""

import errno
import time
from pathlib import Path

from kpi.audit import AuditTrail, Event

AGAIN_SECONDS = 60.0
# What stands in the way of one tape; a full disk, a lost one or a directory that may not be written concerns them all.
_OF_ONE_TAPE = {
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EPERM,
}


class Holding:
    """Written by the worker; `told` may be asked by the web thread."""

    def __init__(self, trail: AuditTrail, again_seconds: float = AGAIN_SECONDS) -> None:
        self._trail = trail
        self._again_seconds = again_seconds
        self._until: dict[Path, tuple[float, str]] = {}

    def hold(self, path: Path, event: str, why: str) -> None:
        """Leave this tape alone for a while; recorded when it begins or when there is another reason."""
        if self._until.get(path, (0.0, ""))[1] != why:
            self._trail.record([Event(event, "error", {"tape": _printable(path.name), "reason": _printable(why)})])
        present = {held: until for held, until in self._until.items() if held.exists()}
        self._until = {**present, path: (time.monotonic() + self._again_seconds, why)}

    def holds(self, path: Path) -> bool:
        """Whether it is not yet time to try this tape again."""
        return path in self._until and time.monotonic() < self._until[path][0]

    def free(self, path: Path) -> None:
        """Nothing is in its way any more."""
        if path in self._until:
            self._until = {held: until for held, until in self._until.items() if held != path}

    def told(self) -> dict[str, str]:
        """The tapes that are held, and why; one that is gone is not."""
        return {
            f"{path.parent.name}/{_printable(path.name)}": _printable(why)
            for path, (_, why) in self._until.items()
            if path.exists()
        }


def is_of_one_tape(error: OSError) -> bool:
    """Whether an error keeps back one tape and not the service."""
    return error.errno in _OF_ONE_TAPE


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)
