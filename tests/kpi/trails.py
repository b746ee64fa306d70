"""Write audit trails whose parts are sealed after a few records, and read back what is in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpi.audit import AuditTrail, Event, records_since

SEGMENT = 2000


@contextmanager
def writing(directory: Path, segment_bytes: int = SEGMENT) -> Iterator[AuditTrail]:
    trail = AuditTrail(directory, "test", segment_bytes)
    try:
        yield trail
    finally:
        trail.close()


def write(directory: Path, count: int, first: int = 0, segment_bytes: int = SEGMENT) -> None:
    with writing(directory, segment_bytes) as trail:
        for number in range(first, first + count):
            trail.record([Event("something", details={"number": number})])


def numbers(directory: Path) -> list[int]:
    records = records_since(directory, "")
    return [record["details"]["number"] for record in records if record["event"] == "something"]
