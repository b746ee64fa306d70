"""The audit trail: JSON lines, each chained to the one before by its hash, on disk before the work counts as done.

`trail.jsonl` is only ever appended to. `head.json` beside it says how far it had come, so that a trail which was cut
short is found. A line that a crash tore stays where it is; the next record names it, and only such a line is accepted.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpi import clock, durable
from kpi.findings import Finding, UsageError

TRAIL = "trail.jsonl"
HEAD = "head.json"
GENESIS = "0" * 64
TORN = "torn_line_found"
GAP = "gap_found"
Record = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """Something that happened, to be recorded; `details` is free."""

    name: str
    status: str = "ok"
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Verification:
    """What reading the whole trail found: its end, its records, and every break of the chain."""

    seq: int = 0
    hash: str = GENESIS
    records: list[Record] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)

    def blame(self, where: str, found: str) -> None:
        """Note a break."""
        step = "keep the file as evidence, compare it with the last report's head, then start a new trail"
        self.problems.append(Finding("audit_chain", where, found, step))


def record_hash(record: Record) -> str:
    """The hash of a record over everything in it but the hash itself."""
    content = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class AuditTrail:
    """The writer. One at a time: a second one on the same directory is refused."""

    def __init__(self, directory: Path, actor: str) -> None:
        self._directory = directory
        self._actor = actor
        self._descriptor = os.open(directory / TRAIL, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            found = "another process writes this audit trail"
            step = "stop the other service, or give this one a root of its own"
            raise UsageError(Finding("audit_locked", str(directory / TRAIL), found, step)) from error
        self.seq, self.hash = 0, GENESIS
        try:
            self._continue_chain()
        except BaseException:
            os.close(self._descriptor)
            raise

    def record(self, events: Sequence[Event]) -> None:
        """Append these events as one write; when this returns they are on disk."""
        lines = []
        seq, last = self.seq, self.hash
        for event in events:
            seq += 1
            record: Record = {
                "seq": seq,
                "at": clock.stamp(),
                "event": event.name,
                "status": event.status,
                "actor": self._actor,
                "details": event.details,
                "prev": last,
            }
            last = record["hash"] = record_hash(record)
            lines.append(json.dumps(record, sort_keys=True, ensure_ascii=False))
        durable.append(self._descriptor, ("\n".join(lines) + "\n").encode())
        self.seq, self.hash = seq, last
        self._write_head()

    def close(self) -> None:
        """Give up the trail."""
        os.close(self._descriptor)

    def _write_head(self) -> None:
        head = {"seq": self.seq, "hash": self.hash}
        durable.replace_lazily(self._directory / HEAD, durable.to_json(head))

    def _continue_chain(self) -> None:
        seen = verify(self._directory)
        self.seq, self.hash = seen.seq, seen.hash
        torn = _torn_tail(self._directory / TRAIL)
        if torn is not None and _is_next(torn, seen):
            durable.append(self._descriptor, b"\n")  # the record is whole, only its line end is missing
            self.seq, self.hash = seen.seq, seen.hash
        elif torn is not None:
            durable.append(self._descriptor, b"\n")
            details = {"sha256": hashlib.sha256(torn).hexdigest(), "bytes": len(torn)}
            self.record([Event(TORN, "error", details)])
        breaks = [problem.found for problem in seen.problems if not problem.found.startswith(_TORN_FOUND)]
        if breaks:
            # Recorded, so that going on does not hide it: verification finds this event for ever.
            self.record([Event(GAP, "error", {"found": breaks[:20]})])
        else:
            self._write_head()  # of a new trail too, before its first record: a head that is missing later was removed


_WRITING_S = 0.05  # far longer than one record takes to write
_TORN_FOUND = "the last line is torn"


def verify(directory: Path) -> Verification:
    """Read the whole trail and find every break: edited, removed, reordered, cut short."""
    seen = Verification()
    # The head is read before the trail: a service in use may write both while we read, and the trail comes first.
    head = _parse_head(directory / HEAD)
    lines = _read_trail(directory / TRAIL).split(b"\n")
    ended = lines.pop() if lines else b""
    unexplained: tuple[str, bytes] | None = None
    for number, line in enumerate(lines, 1):
        where = f"{TRAIL}, line {number}"
        record = _parse(line)
        if record is None:
            if unexplained:
                seen.blame(*_unexplained(unexplained))
            unexplained = (where, line)
            continue
        if unexplained and not _explains(record, unexplained[1]):
            seen.blame(*_unexplained(unexplained))
        unexplained = None
        _link(seen, record, where)
    if unexplained:
        seen.blame(*_unexplained(unexplained))
    if ended:
        seen.blame(f"{TRAIL}, line {len(lines) + 1}", f"{_TORN_FOUND}: {len(ended)} bytes without a line end")
    _compare_head(head, seen)
    return seen


def _read_trail(path: Path) -> bytes:
    """The trail's bytes. A last line without its end may be one that is being written: then it is read once more."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        time.sleep(_WRITING_S)
        content = path.read_bytes()
    return content


def _link(seen: Verification, record: Record, where: str) -> None:
    if record_hash(record) != record["hash"]:
        seen.blame(where, f"record {record['seq']} was edited: its hash does not match its content")
    elif record["prev"] != seen.hash or record["seq"] != seen.seq + 1:
        seen.blame(where, f"record {record['seq']} does not follow record {seen.seq}: removed or reordered")
    if record["event"] == GAP:
        seen.blame(where, f"an earlier break was found at a start: {record['details'].get('found')}")
    seen.seq, seen.hash = record["seq"], record["hash"]
    seen.records.append(record)


def _compare_head(head: tuple[int, str] | None, seen: Verification) -> None:
    if head is None:
        if seen.records:
            seen.blame(HEAD, "missing or unreadable, so a cut trail could not be noticed")
        return
    seq, digest = head
    if seq > seen.seq:
        seen.blame(TRAIL, f"the trail was cut: the head is at record {seq}, the trail ends at {seen.seq}")
    elif seq and not any(one["seq"] == seq and one["hash"] == digest for one in reversed(seen.records)):
        seen.blame(TRAIL, f"record {seq} is not the one that the head names")


def records_since(directory: Path, moment: str) -> Iterator[Record]:
    """Records from a moment on (as `clock.stamp` writes it); lines that are no records are left to `verify`."""
    path = directory / TRAIL
    if not path.is_file():
        return
    for line in path.read_bytes().split(b"\n"):
        record = _parse(line)
        if record is not None and record["at"] >= moment:
            yield record


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    wanted = {"seq": int, "at": str, "event": str, "status": str, "details": dict, "prev": str, "hash": str}
    whole = isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in wanted.items())
    return record if whole else None


def _parse_head(path: Path) -> tuple[int, str] | None:
    try:
        head = json.loads(path.read_bytes())
        return int(head["seq"]), str(head["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the caller reports it


def _torn_tail(path: Path) -> bytes | None:
    tail = path.read_bytes().rsplit(b"\n", 1)[-1]
    return tail or None


def _is_next(torn: bytes, seen: Verification) -> bool:
    record = _parse(torn)
    if record is None or record_hash(record) != record["hash"] or record["prev"] != seen.hash:
        return False
    seen.seq, seen.hash = record["seq"], record["hash"]
    return True


def _explains(record: Record, line: bytes) -> bool:
    digest = hashlib.sha256(line).hexdigest()
    return bool(record["event"] == TORN and record["details"].get("sha256") == digest)


def _unexplained(torn: tuple[str, bytes]) -> tuple[str, str]:
    return torn[0], f"is no record ({len(torn[1])} bytes)"
