"""One record of the audit trail: what it says, its hash, and how it is read and written as a line."""

import hashlib
import json
from collections.abc import Sequence
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
    """A record as it stands in the file, its line end included."""
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def is_production_end(record: Record) -> bool:
    """Whether a run on a production tape ended with this record, accepted or not."""
    return record["event"] in ENDS and not record["details"].get("canary")


def ended_runs(records: Sequence[Record]) -> int:
    """How many production runs the trail has seen end, by the records of its newest part.

    The record that opens a part says how many had ended before it. A trail that began before parts said so is counted from
    its next part on: the number is there for its growth.
    """
    openings = [at for at, record in enumerate(records) if record["event"] == OPENED]
    newest = records[openings[-1] :] if openings else records
    before = newest[0]["details"].get("ended_runs", 0) if openings else 0
    return int(before) + sum(map(is_production_end, newest))


def parse(line: bytes) -> Record | None:
    """The record in a line; None when the line is no record."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in _FIELDS.items())
    return record if whole else None
