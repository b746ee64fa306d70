"""The audit trail: JSON lines, each chained to the one before by its hash, on disk before the work counts as done.

`trail.jsonl` is only ever appended to. `head.json` beside it says how far it had come, so that a trail which was cut
short is found. A line that a crash tore stays where it is; the next record names it, and only such a line is accepted.
A part that is full is sealed: it keeps its bytes as `trail-<first record>.jsonl`, read-only, an entry of the chained
index `segments.jsonl` has its digest and its head, and the first record of the next part names that entry. So a long
history is verified by what is new, the digests of what is sealed, and the index; `verify(full=True)` follows all of it.
"""

from kpi.audit.chain import Verification
from kpi.audit.production import Production, is_production, is_production_end, production
from kpi.audit.records import ENDS, GAP, GENESIS, OPENED, TORN, Event, Record, record_hash
from kpi.audit.reviewing import older_than, records_since
from kpi.audit.segments import INDEX, TRAIL
from kpi.audit.trail import SEGMENT_BYTES, AuditTrail
from kpi.audit.verifying import HEAD, verify

__all__ = [
    "ENDS",
    "GAP",
    "GENESIS",
    "HEAD",
    "INDEX",
    "OPENED",
    "SEGMENT_BYTES",
    "TORN",
    "TRAIL",
    "AuditTrail",
    "Event",
    "Production",
    "Record",
    "Verification",
    "is_production",
    "is_production_end",
    "older_than",
    "production",
    "record_hash",
    "records_since",
    "verify",
]
