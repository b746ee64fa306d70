"""The journal of a run: append-only, flushed to disk before anything goes on, each record chained to the one before.

It is the only record of what happened. Console, log, report and rollback read it; nothing else is kept in parallel.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cutover.core.errors import Locked, Problem, UsageError
from cutover.core.times import written
from cutover.journal.record import BrokenChain, Record, parse

Listener = Callable[[Record], None]
ROOM = 2**18  # bytes for each host; a whole run with its way back took 100 to 200 KB for each (lab, 2026-11)
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of fallocate(2): blocks behind the end of a file, which stays where it is


def utc_now() -> str:
    """The moment, as ISO 8601 in UTC, with milliseconds."""
    return written(datetime.now(UTC))


def utc_stamp() -> str:
    """The moment as part of a name, of a directory or a file."""
    return utc_now().replace("-", "").replace(":", "")


class Journal:
    """Write records; every listener sees each one after it is on disk. Safe to use from several threads."""

    def __init__(self, path: Path, now: Callable[[], str] = utc_now) -> None:
        self.path = path
        self._now = now
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()
        # A rollback does not wait for room on this machine's disk: what cannot be written is written with what comes after it.
        self.goes_on_unwritten = False
        self.unwritten: list[Record] = []
        self._file = _open(path)
        try:
            self.records: list[Record] = read(path)
        except UsageError:
            os.close(self._file)
            raise
        whole = sum(len(record.line().encode()) for record in self.records)
        if os.fstat(self._file).st_size != whole:  # a torn last line; a truncation gives reserved room back
            os.ftruncate(self._file, whole)

    def listen(self, listener: Listener) -> None:
        """Have each later record shown to a listener (console, log)."""
        self._listeners.append(listener)

    def write(self, kind: str, **data: Any) -> None:
        """Append one record and flush it; returns when it would survive a crash."""
        self.write_all(kind, [data])

    def write_all(self, kind: str, several: Sequence[dict[str, Any]]) -> None:
        """Append records that belong together, with one flush for all of them; none, and nothing is flushed."""
        if not several:
            return
        with self._lock:
            fresh: list[Record] = []
            for data in several:
                before = fresh[-1] if fresh else self.records[-1] if self.records else None
                fresh.append(Record.following(before, self._now(), kind, data))
            try:
                _append(self._file, "".join(record.line() for record in (*self.unwritten, *fresh)).encode())
                self.unwritten = []
            except OSError as refused:
                if not self.goes_on_unwritten:
                    refused.filename = str(self.path)
                    raise
                self.unwritten += fresh
            self.records += fresh
            for record in fresh:
                self._show(record)

    def reserve(self, hosts: int) -> bool:
        """Keep room on disk for all that a run of so many hosts may still write, also after it is closed. False: there is none.

        Where the file system or the system cannot reserve (NFS, ZFS, macOS), none is kept, and none asked for.
        """
        import errno  # as ctypes: only where a run comes to phase 3

        try:
            import ctypes

            allocate = ctypes.CDLL(None, use_errno=True).fallocate  # os.posix_fallocate would move the end
        except (ImportError, OSError, AttributeError):
            return True
        size, code = os.fstat(self._file).st_size, errno.EINTR
        while code == errno.EINTR:
            failed = allocate(self._file, KEEP_SIZE, ctypes.c_long(size), ctypes.c_long(ROOM * hosts))
            code = ctypes.get_errno() if failed else 0
        return code not in (errno.ENOSPC, errno.EDQUOT)

    def _show(self, record: Record) -> None:
        """Show a record to the listeners. One that fails (a closed terminal, text that it cannot show) ends no run: it is dropped."""
        for listener in list(self._listeners):
            if listener not in self._listeners:  # it was dropped while it was shown that another had been
                continue
            try:
                listener(record)
            except (OSError, UnicodeError) as gone:
                self._listeners.remove(listener)
                self.write("listener.lost", listener=type(listener).__name__, found=f"{type(gone).__name__}: {gone}")

    def of(self, *kinds: str) -> list[Record]:
        """All records of some kinds so far."""
        return [record for record in self.records if record.kind in kinds]

    @property
    def head(self) -> dict[str, Any] | None:
        """Which journal this is (its first hash), and how far it has come; hosts keep it, so that a cut is noticed."""
        with self._lock:
            return _head(self.records[: len(self.records) - len(self.unwritten)])

    def refuse_cut(self, heads: Iterable[dict[str, Any]]) -> None:
        """Close it and raise UsageError where it lacks a record that it had, by what hosts know of it."""
        if cut := max((head["seq"] for head in heads if self._lacks(head)), default=0):
            self.close()
            found = f"it has {len(self.records)} records, and a host knows record {cut}, which is not among them"
            next_ = "its end was cut off: `./invokew rollback` goes back by what the hosts hold"
            raise UsageError(Problem(path=str(self.path), found=found, next=next_))

    def _lacks(self, head: dict[str, Any]) -> bool:
        if not self.records or head["journal"] != self.records[0].hash:  # another machine's journal of the same run
            return False
        return bool(len(self.records) < head["seq"]) or self.records[head["seq"] - 1].hash != head["hash"]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> list[Record]:
    """All whole records of a journal, its chain verified."""
    try:
        with path.open(newline="\n") as file:
            return list(parse(file, str(path)))
    except BrokenChain as broken:
        next_ = "the journal was altered: compare it with the copies on the hosts before going on"
        raise UsageError(Problem(path=str(path), found=str(broken), next=next_)) from broken


def is_held(path: Path) -> bool:
    """Whether a process on this machine has a journal open for writing now, by its lock, which a process that died does not hold."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back at once: closing the file does it
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def head_of(path: Path) -> dict[str, Any] | None:
    """How far a journal has come that another command writes; None where there is none. Kept elsewhere, it ties both together."""
    return _head(read(path) if path.exists() else [])


def _head(records: Sequence[Record]) -> dict[str, Any] | None:
    return {"journal": records[0].hash, "seq": records[-1].seq, "hash": records[-1].hash} if records else None


def _append(file: int, content: bytes) -> None:
    """Append all of it and flush it, or (disk full) none: a later record must never follow half of one."""
    size = os.fstat(file).st_size
    try:
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    except OSError:
        if os.fstat(file).st_size != size:  # a truncation gives reserved room back
            os.ftruncate(file, size)
        raise


def _open(path: Path) -> int:
    """Open for appending, alone, and with the directory flushed so that the file is found again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two writers would break the chain; it ends with the process
    except BlockingIOError:
        os.close(file)
        found = "another process on this machine is at work on this run"
        next_ = "see which with `./invokew status`; stop it where it runs (Ctrl-C takes the safe path), or end it if it hangs"
        raise Locked(Problem(path=str(path), found=found, next=next_)) from None
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)
    return file
