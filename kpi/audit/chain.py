"""Follow the chain through the lines of one file: edited, removed, reordered, foreign and torn lines are found."""

import hashlib
from dataclasses import dataclass, field

from kpi.audit.records import GAP, GENESIS, TORN, Record, parse, record_hash
from kpi.findings import Finding

TORN_FOUND = "the last line is torn"


@dataclass
class Verification:
    """What reading the trail found: its end, every break of the chain, and the records of its newest part."""

    seq: int = 0
    hash: str = GENESIS
    records: list[Record] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    torn: bytes = b""  # what follows the last line end
    segments: int = 0  # sealed ones
    parsed: int = 0  # records that were followed one by one
    digested: int = 0  # records in sealed segments whose digest was compared
    unread: int = 0  # records in older sealed segments, of which only the size was compared

    @property
    def events(self) -> int:
        """All records that this verification covers."""
        return self.parsed + self.digested + self.unread

    def blame(self, where: str, found: str) -> None:
        """Note a break."""
        step = "keep the file as evidence, compare it with the last report's head, then start a new trail"
        self.problems.append(Finding("audit_chain", where, found, step))

    def breaks(self) -> list[str]:
        """The breaks in words, without the torn line that a crash leaves and the next start explains."""
        return [problem.found for problem in self.problems if not problem.found.startswith(TORN_FOUND)]


def follow(content: bytes, name: str, seen: Verification) -> list[Record]:
    """Follow the chain on from where `seen` is; the records of this file."""
    lines = content.split(b"\n")
    seen.torn = lines.pop()
    records: list[Record] = []
    unexplained: tuple[str, bytes] | None = None
    for number, line in enumerate(lines, 1):
        where = f"{name}, line {number}"
        record = parse(line)
        if record is None or (unexplained and not _explains(record, unexplained[1])):
            _blame_unexplained(seen, unexplained)
        unexplained = (where, line) if record is None else None
        if record is not None:
            _link(seen, record, where)
            records.append(record)
    _blame_unexplained(seen, unexplained)
    if seen.torn:
        where = f"{name}, line {len(lines) + 1}"
        seen.blame(where, f"{TORN_FOUND}: {len(seen.torn)} bytes without a line end")
    seen.parsed += len(records)
    return records


def _link(seen: Verification, record: Record, where: str) -> None:
    if record_hash(record) != record["hash"]:
        seen.blame(where, f"record {record['seq']} was edited: its hash does not match its content")
    elif record["prev"] != seen.hash or record["seq"] != seen.seq + 1:
        seen.blame(where, f"record {record['seq']} does not follow record {seen.seq}: removed or reordered")
    if record["event"] == GAP:
        seen.blame(where, f"an earlier break was found at a start: {record['details'].get('found')}")
    seen.seq, seen.hash = record["seq"], record["hash"]


def _explains(record: Record, line: bytes) -> bool:
    digest = hashlib.sha256(line).hexdigest()
    return bool(record["event"] == TORN and record["details"].get("sha256") == digest)


def _blame_unexplained(seen: Verification, torn: tuple[str, bytes] | None) -> None:
    if torn:
        seen.blame(torn[0], f"is not a record ({len(torn[1])} bytes)")
