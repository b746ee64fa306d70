"""Sealed segments: parts of the trail that nothing is added to any more, and the chained index that names them."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kpi.audit.records import GENESIS, Record

TRAIL = "trail.jsonl"
INDEX = "segments.jsonl"
PATTERN = "trail-*.jsonl"


@dataclass(frozen=True)
class Segment:
    """One line of the index. `start` and `hash` are where the chain enters and leaves it; `entry` chains the index."""

    name: str
    first_seq: int
    last_seq: int
    start: str
    hash: str
    size: int
    sha256: str
    first_at: str  # of all its records the earliest and the latest, whatever the clock did meanwhile
    last_at: str
    breaks: list[str]
    prev: str
    entry: str

    def as_line(self) -> bytes:
        """As it is in the index."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode() + b"\n"


def seal(content: bytes, records: list[Record], start: str, breaks: list[str], prev: str) -> Segment:
    """The index entry for a part of the trail that is full."""
    moments = [record["at"] for record in records]
    known: dict[str, Any] = {
        "name": name_of(records[0]["seq"]),
        "first_seq": records[0]["seq"],
        "last_seq": records[-1]["seq"],
        "start": start,
        "hash": records[-1]["hash"],
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "first_at": min(moments),
        "last_at": max(moments),
        "breaks": breaks,
        "prev": prev,
    }
    return Segment(**known, entry=_entry_hash(known))


def name_of(first_seq: int) -> str:
    """How the segment is called that begins with this record."""
    return f"trail-{first_seq:012d}.jsonl"


def index_bytes(directory: Path) -> bytes:
    """The index as it is now."""
    path = directory / INDEX
    return path.read_bytes() if path.is_file() else b""


def read_index(content: bytes) -> tuple[list[Segment], list[tuple[str, str]], int]:
    """All sealed segments, what is wrong with the index (where, what), and up to which byte its lines are whole."""
    lines = content.split(b"\n")
    torn = lines.pop()  # of a rotation that was cut short; it is done again
    segments: list[Segment] = []
    problems: list[tuple[str, str]] = []
    last, seq, end = GENESIS, 0, GENESIS
    for number, line in enumerate(lines, 1):
        where = f"{INDEX}, line {number}"
        segment = _parse(line)
        if segment is None:
            problems.append((where, f"is not an entry of the index ({len(line)} bytes)"))
            continue
        known = {name: value for name, value in asdict(segment).items() if name != "entry"}
        if _entry_hash(known) != segment.entry:
            problems.append((where, f"the entry of {segment.name} was edited: its hash does not match its content"))
        elif (segment.prev, segment.start) != (last, end) or (segment.first_seq != seq + 1 and not segment.breaks):
            problems.append((where, f"{segment.name} does not follow what is before it: removed or reordered"))
        last, seq, end = segment.entry, segment.last_seq, segment.hash
        segments.append(segment)
    return segments, problems, len(content) - len(torn)


def _entry_hash(known: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(known, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _parse(line: bytes) -> Segment | None:
    try:
        segment = Segment(**json.loads(line))
    except (ValueError, TypeError):
        return None
    kinds = Segment.__annotations__ | {"breaks": list}
    return segment if all(isinstance(getattr(segment, name), kind) for name, kind in kinds.items()) else None
