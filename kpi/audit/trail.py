"""Write the audit trail: one writer, each record on disk before its work counts as done, full parts sealed."""

import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from kpi import durable
from kpi.audit.appending import Appender
from kpi.audit.chain import Verification, follow
from kpi.audit.production import Production, production
from kpi.audit.records import (
    GAP,
    OPENED,
    TORN,
    Event,
    Record,
    as_line,
    make,
    parse,
    record_hash,
)
from kpi.audit.segments import INDEX, TRAIL, Segment, index_bytes, read_index, seal
from kpi.audit.verifying import HEAD, is_sealed, verify
from kpi.findings import Finding, UsageError

SEGMENT_BYTES = 1024 * 1024  # some 250 tapes; one part is followed in about 20 ms
BREAKS_NAMED = 20


class AuditTrail:
    """The writer. One at a time: a second one on the same directory is refused."""

    def __init__(self, directory: Path, actor: str, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory = directory
        self._actor = actor
        self._segment_bytes = segment_bytes
        self._lock = _lock(directory)
        self.production = Production()  # in the whole trail
        self.position: tuple[int, str] = (0, "")  # replaced as one, so that another thread never sees half of it
        try:
            durable.sweep(directory)
            segments, _, whole = read_index(index_bytes(directory))
            self._index = Appender(directory / INDEX) if (directory / INDEX).exists() else None
            if self._index:
                self._index.cut_back(whole)  # half an entry: its rotation is done again
            self._last = segments[-1] if segments else None
            self._file = Appender(directory / TRAIL)
            self._continue_chain(segments)
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def seq(self) -> int:
        """The number of the last record."""
        return self.position[0]

    @property
    def hash(self) -> str:
        """The hash of the last record."""
        return self.position[1]

    def record(self, events: Sequence[Event]) -> None:
        """Append these events as one write; when this returns they are on disk, when it raises none of them is."""
        if self._file.size >= self._segment_bytes:
            self._rotate()
        self._append(events)

    def close(self) -> None:
        """Give up the trail."""
        self._file.close()
        if self._index:
            self._index.close()
        os.close(self._lock)

    def _append(self, events: Sequence[Event]) -> None:
        records = self._chained(events)
        before, position = self._file.size, (records[-1]["seq"], records[-1]["hash"])
        self._file.append(b"".join(map(as_line, records)))
        try:
            self._write_head(position)
        except OSError:
            self._file.cut_back(before)  # the caller does it all again
            raise
        self.position, self.production = position, self.production.and_then(records)

    def _chained(self, events: Sequence[Event]) -> list[Record]:
        records: list[Record] = []
        seq, last = self.position
        for event in events:
            records.append(make(event, self._actor, seq + 1, last))
            seq, last = seq + 1, records[-1]["hash"]
        return records

    def _write_head(self, position: tuple[int, str]) -> None:
        head = dict(zip(("seq", "hash"), position, strict=True))
        durable.replace_lazily(self._directory / HEAD, durable.to_json(head))

    def _rotate(self) -> None:
        """Seal the full part and open the next; each step can be done again after a crash or on a full disk."""
        trail = self._directory / TRAIL
        if self._last is None or self._last.last_seq != self.seq:
            self._seal(trail.read_bytes())
        assert self._last is not None  # noqa: S101 - it was sealed just now, or before the interruption
        details = {"segment": self._last.name, "index": self._last.entry, **self.production.as_details()}
        opening = self._chained([Event(OPENED, details=details)])
        durable.replace_lazily(trail, as_line(opening[0]))
        durable.sync_directories([self._directory])
        self._file.close()
        self._file = Appender(trail)
        self.position = (opening[0]["seq"], opening[0]["hash"])
        self._write_head(self.position)

    def _seal(self, content: bytes) -> None:
        seen = Verification()
        if self._last:
            seen.seq, seen.hash = self._last.last_seq, self._last.hash
        start = seen.hash
        records = follow(content, TRAIL, seen)
        if (seen.seq, seen.hash) != self.position:
            seen.blame(TRAIL, f"ends at record {seen.seq}, and {self.seq} were written")
        segment = seal(content, records, start, seen.breaks()[:BREAKS_NAMED], self._last.entry if self._last else start)
        path = self._directory / segment.name
        durable.replace_lazily(path, content)
        path.chmod(0o444)
        durable.sync_directories([self._directory])
        self._index = self._index or Appender(self._directory / INDEX)
        self._index.append(segment.as_line())
        self._last = segment
        durable.sync_directories([self._directory])

    def _continue_chain(self, segments: list[Segment]) -> None:
        seen = verify(self._directory)
        self.position = (seen.seq, seen.hash)
        self.production = production(seen.records)
        if is_sealed((self._directory / TRAIL).read_bytes(), segments):
            self._rotate()
        self._mend(seen)
        explained = {
            one for record in seen.records if record["event"] == GAP for one in record["details"].get("found", [])
        }
        breaks = [
            found for found in seen.breaks() if found not in explained and not found.startswith("an earlier break")
        ]
        if breaks:
            # Recorded, so that going on does not hide it: verification finds this event for ever.
            self._append([Event(GAP, "error", {"found": breaks[:BREAKS_NAMED]})])
        else:
            self._write_head(
                self.position
            )  # of a new trail too, before its first record: a head that is missing later was removed

    def _mend(self, seen: Verification) -> None:
        """End a line that a crash tore: a whole record only misses its line end, half of one is named by the next."""
        if not seen.torn:
            return
        self._file.append(b"\n")
        record = parse(seen.torn)
        if record and record_hash(record) == record["hash"] and record["prev"] == seen.hash:
            self.position = (record["seq"], record["hash"])
            return
        details = {"sha256": hashlib.sha256(seen.torn).hexdigest(), "bytes": len(seen.torn)}
        self._append([Event(TORN, "error", details)])


def _lock(directory: Path) -> int:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        found = "another process writes this audit trail"
        step = "stop the other service, or give this one a root of its own"
        raise UsageError(Finding("audit_locked", str(directory / TRAIL), found, step)) from error
    return descriptor
