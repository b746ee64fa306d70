"""Back off from a tape that cannot be taken: reported once, left alone for a while, tried again."""

import errno
import time
from pathlib import Path

from kpi.audit import AuditTrail, Event

RETRY_SECONDS = 60.0
# Errors of one tape; a full disk, a lost disk or a directory without write permission concerns all tapes.
_OF_ONE_TAPE = {
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EPERM,
}


class Backoff:
    """Written by the worker; `reasons` is read by the web thread."""

    def __init__(self, trail: AuditTrail, retry_seconds: float = RETRY_SECONDS) -> None:
        self._trail = trail
        self._again_seconds = retry_seconds
        self._until: dict[Path, tuple[float, str]] = {}

    def hold(self, path: Path, event: str, why: str) -> None:
        """Leave this tape alone for a while; recorded when that begins or when the reason changes."""
        if self._until.get(path, (0.0, ""))[1] != why:
            self._trail.record([Event(event, "error", {"tape": _printable(path.name), "reason": _printable(why)})])
        present = {held: until for held, until in self._until.items() if held.exists()}
        self._until = {**present, path: (time.monotonic() + self._again_seconds, why)}

    def holds(self, path: Path) -> bool:
        """Whether it is not yet time to try this tape again."""
        return path in self._until and time.monotonic() < self._until[path][0]

    def free(self, path: Path) -> None:
        """Stop backing off from this tape."""
        if path in self._until:
            self._until = {held: until for held, until in self._until.items() if held != path}

    def reasons(self) -> dict[str, str]:
        """The tapes that are held back, and why; without those that are gone."""
        return {
            f"{path.parent.name}/{_printable(path.name)}": _printable(why)
            for path, (_, why) in self._until.items()
            if path.exists()
        }


def is_of_one_tape(error: OSError) -> bool:
    """Whether an error concerns one tape and not the service."""
    return error.errno in _OF_ONE_TAPE


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)
