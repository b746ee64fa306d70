"""One record of the audit trail: what it says, its hash, and how it is read and written as a line."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from kpi import clock

Record = dict[str, Any]
GENESIS = "0" * 64
TORN = "torn_line_found"
GAP = "gap_found"
OPENED = "segment_opened"
ENDS = ("run_completed", "run_failed")
_FIELDS = {"seq": int, "at": str, "event": str, "status": str, "details": dict, "prev": str, "hash": str}


@dataclass(frozen=True)
class Event:
    """Something that happened, to be recorded; `details` is free."""

    name: str
    status: str = "ok"
    details: dict[str, Any] = field(default_factory=dict)


def record_hash(record: Record) -> str:
    """The hash of a record over everything in it but the hash itself."""
    content = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def make(event: Event, actor: str, seq: int, prev: str) -> Record:
    """The record of an event, chained to the one before."""
    record: Record = {
        "seq": seq,
        "at": clock.stamp(),
        "event": event.name,
        "status": event.status,
        "actor": actor,
        "details": event.details,
        "prev": prev,
    }
    record["hash"] = record_hash(record)
    return record


def as_line(record: Record) -> bytes:
    """A record as it is in the file, its line end included."""
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def parse(line: bytes) -> Record | None:
    """The record in a line; None when the line is not a record."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in _FIELDS.items())
    return record if whole else None
