"""Read records of the trail from a moment on, opening only the segments that can have some."""

from collections.abc import Iterator
from pathlib import Path

from kpi.audit.records import Record, parse
from kpi.audit.segments import TRAIL, index_bytes, read_index


def records_since(directory: Path, moment: str) -> Iterator[Record]:
    """Records from a moment on (as `clock.stamp` writes it); lines that are not records are left to `verify`."""
    # The active part first: one that is sealed while we look is then known under both names, and is skipped once.
    active = _records(directory / TRAIL, moment)
    first = active[0]["seq"] if active else None
    for segment in read_index(index_bytes(directory))[0]:
        if segment.last_at >= moment and (first is None or segment.last_seq < first):
            yield from _records(directory / segment.name, moment)
    yield from active


def older_than(directory: Path, seq: int) -> Iterator[list[Record]]:
    """The records before this one, a sealed segment at a time, the newest first."""
    for segment in reversed(read_index(index_bytes(directory))[0]):
        if segment.last_seq < seq:
            yield _records(directory / segment.name, "")


def _records(path: Path, moment: str) -> list[Record]:
    if not path.is_file():
        return []
    parsed = (parse(line) for line in path.read_bytes().split(b"\n"))
    return [record for record in parsed if record is not None and record["at"] >= moment]
