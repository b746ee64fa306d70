"""The journal of a run: append-only, flushed to disk before anything goes on, each record chained to the one before.

It is the only record of what happened. Console, log, report and rollback read it; nothing else is kept in parallel.
"""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cutover.words.errors import Problem, UsageError
from cutover.words.record import BrokenChain, Record, parse

Listener = Callable[[Record], None]


def utc_now() -> str:
    """The moment, as ISO 8601 in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """Write records; every listener sees each one after it is on disk. Safe to use from several threads."""

    def __init__(self, path: Path, now: Callable[[], str] = utc_now) -> None:
        self.path = path
        self._now = now
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()
        self.records: list[Record] = read(path) if path.exists() else []
        self._file = _open(path, self.records)

    def listen(self, listener: Listener) -> None:
        """Have each later record shown to a listener (console, log)."""
        self._listeners.append(listener)

    def write(self, kind: str, **data: Any) -> None:
        """Append one record and flush it; returns when it would survive a crash."""
        self.write_all(kind, [data])

    def write_all(self, kind: str, several: Sequence[dict[str, Any]]) -> None:
        """Append records that belong together, with one flush for all of them."""
        with self._lock:
            fresh: list[Record] = []
            for data in several:
                before = fresh[-1] if fresh else self.records[-1] if self.records else None
                fresh.append(Record.following(before, self._now(), kind, data))
            _append(self._file, "".join(record.line() for record in fresh).encode())
            self.records += fresh
            for record in fresh:
                for listener in self._listeners:
                    listener(record)

    def of(self, *kinds: str) -> list[Record]:
        """All records of some kinds so far."""
        return [record for record in self.records if record.kind in kinds]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> list[Record]:
    """All whole records of a journal, its chain verified."""
    try:
        with path.open(newline="\n") as file:
            return list(parse(file, str(path)))
    except BrokenChain as broken:
        raise UsageError(
            Problem(
                path=str(path),
                found=str(broken),
                next="the journal was altered: compare it with the copies on the hosts before going on",
            )
        ) from broken


def _append(file: int, content: bytes) -> None:
    """Append all of it and flush it, or (disk full) none: a later record must never follow half of one."""
    size = os.fstat(file).st_size
    try:
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _open(path: Path, records: list[Record]) -> int:
    """Open for appending, with a torn last line cut off, and the directory flushed so that the file is found again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    os.ftruncate(file, sum(len(record.line().encode()) for record in records))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)
    return file
