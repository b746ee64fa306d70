"""Verify the trail: the newest part record by record, sealed segments by their digests; all of it where asked."""

import hashlib
import json
import time
from pathlib import Path

from kpi.audit.chain import Verification, follow
from kpi.audit.records import OPENED, Record
from kpi.audit.segments import INDEX, PATTERN, TRAIL, Segment, index_bytes, name_of, read_index

HEAD = "head.json"
WRITING_S = 0.05  # far longer than one record takes to write
TRIES = 20
DIGEST_BYTES = (
    256 * 1024 * 1024
)  # of sealed segments, newest first; older ones are compared by size unless all is asked


def verify(directory: Path, *, full: bool = False, newest: bool = False) -> Verification:
    """Find every break: edited, removed, reordered, cut short. Quick: sealed segments are not followed again.

    `newest` follows the part that is written just now and compares sealed ones by their size alone: for a snapshot every few
    seconds, between the verifications that read more.
    """
    # The head is read before the trail: a service in use may write both while we read, and the trail comes first.
    head = _parse_head(directory / HEAD)
    files = sorted(
        path.name for path in directory.glob(PATTERN)
    )  # before the index: a segment is there before its entry
    segments, active, seen = _snapshot(directory)
    if is_sealed(active, segments):
        active = b""  # a rotation that is not complete: this is the last segment, still under its first name
    elif segments and not active:
        seen.blame(TRAIL, "missing or empty, though segments were sealed before it")
    _judge_strays(files, segments, seen)
    # The last one is followed also where not all are asked for, so that its records are at hand.
    followed = segments if full else [] if newest and active else segments[-1:]
    opened = _judge_segments(directory, segments, seen, {one.name for one in followed}, 0 if newest else DIGEST_BYTES)
    seen.records += follow(active, TRAIL, seen)
    _judge_opening(seen, seen.records[opened:], segments, TRAIL if active else "")
    _judge_head(directory, head, seen, segments)
    return seen


def is_sealed(active: bytes, segments: list[Segment]) -> bool:
    """Whether the active file is the last sealed segment, because the rotation was interrupted after the sealing."""
    if not segments or len(active) != segments[-1].size:
        return False
    return hashlib.sha256(active).hexdigest() == segments[-1].sha256


def _snapshot(directory: Path) -> tuple[list[Segment], bytes, Verification]:
    """Index and active file of one moment: a rotation between the two readings is waited out."""
    index = index_bytes(directory)
    active = _read_trail(directory / TRAIL)
    for _ in range(TRIES):
        before = index
        index = index_bytes(directory)
        if index == before:
            break
        active = _read_trail(directory / TRAIL)
    segments, problems, _ = read_index(index)
    seen = Verification(segments=len(segments))
    for where, found in problems:
        seen.blame(where, found)
    return segments, active, seen


def _judge_segments(
    directory: Path, segments: list[Segment], seen: Verification, followed: set[str], budget: int
) -> int:
    """Judge all sealed segments: some are followed, of the others the digests are compared as far as the budget goes."""
    contents: dict[str, bytes] = {}
    for segment in reversed(segments):
        path = directory / segment.name
        if not path.is_file():
            seen.blame(segment.name, f"is missing: {segment.last_seq - segment.first_seq + 1} sealed records are gone")
        elif path.stat().st_size != segment.size:
            seen.blame(segment.name, f"has {path.stat().st_size} bytes, it was sealed with {segment.size}")
        elif segment.name in followed:
            contents[segment.name] = path.read_bytes()
        else:
            budget -= segment.size
            _judge_digest(path, segment, seen, read=budget >= 0)
    for segment in segments:
        for found in segment.breaks:
            seen.blame(segment.name, f"when it was sealed: {found}")
    return _follow_segments(segments, contents, seen)


def _judge_digest(path: Path, segment: Segment, seen: Verification, *, read: bool) -> None:
    count = segment.last_seq - segment.first_seq + 1
    if not read:
        seen.unread += count
        return
    seen.digested += count
    with path.open("rb") as sealed:
        if hashlib.file_digest(sealed, "sha256").hexdigest() != segment.sha256:
            seen.blame(segment.name, "was changed after it was sealed: its digest is not that of the index")


def _follow_segments(segments: list[Segment], contents: dict[str, bytes], seen: Verification) -> int:
    """Follow the chain through what was read; where the last segment's records begin to end among `seen.records`."""
    for at, segment in enumerate(segments):
        content = contents.get(segment.name)
        if content is not None:
            seen.seq, seen.hash = segment.first_seq - 1, segment.start
            known = len(seen.problems)
            records = follow(content, segment.name, seen)
            if hashlib.sha256(content).hexdigest() != segment.sha256:
                seen.blame(segment.name, "was changed after it was sealed: its digest is not that of the index")
            elif segment.breaks:
                del seen.problems[known:]  # as it was sealed; what was wrong with it then is in the index
            elif (seen.seq, seen.hash) != (segment.last_seq, segment.hash):
                seen.blame(segment.name, f"ends at record {seen.seq}, in the index at {segment.last_seq}")
            _judge_opening(seen, records, segments[:at], segment.name)
            seen.records = records
        seen.seq, seen.hash = segment.last_seq, segment.hash
    return len(seen.records)


def _judge_opening(seen: Verification, records: list[Record], before: list[Segment], name: str) -> None:
    """The first record of each part names the index as it was then, so that a shortened index is found."""
    if not records or not name:
        return
    first = records[0]
    named = first["details"].get("index") if first["event"] == OPENED else None
    if named != (before[-1].entry if before else None):
        seen.blame(
            INDEX, f"{name} was opened after another segment than the {len(before)} that the index lists before it"
        )


def _judge_strays(files: list[str], segments: list[Segment], seen: Verification) -> None:
    """Files named like segments that the index does not list; the next one may be in the making."""
    following = name_of(segments[-1].last_seq + 1 if segments else 1)
    for name in sorted({*files} - {segment.name for segment in segments} - {following}):
        seen.blame(name, "is a segment that the index does not list")


def _judge_head(directory: Path, head: tuple[int, str] | None, seen: Verification, segments: list[Segment]) -> None:
    if head is None:
        if seen.records or segments:
            seen.blame(HEAD, "missing or unreadable, so a cut trail could not be noticed")
        return
    seq, digest = head
    if seq > seen.seq:
        seen.blame(TRAIL, f"the trail was cut: the head is at record {seq}, the trail ends at {seen.seq}")
    elif seq and (seq, digest) not in _positions(directory, seen, segments, seq):
        seen.blame(TRAIL, f"record {seq} is not the one that the head names")


def _positions(directory: Path, seen: Verification, segments: list[Segment], seq: int) -> set[tuple[int, str]]:
    """Records near the one that is sought; a segment whose records are not at hand is read only where it has that one."""
    found = {(one["seq"], one["hash"]) for one in seen.records} | {(one.last_seq, one.hash) for one in segments}
    holder = next((one for one in segments if one.first_seq <= seq < one.last_seq), None)
    at_hand = bool(seen.records) and seen.records[0]["seq"] <= seq
    if holder and not at_hand and (directory / holder.name).is_file():
        records = follow((directory / holder.name).read_bytes(), holder.name, Verification())
        found |= {(one["seq"], one["hash"]) for one in records}
    return found


def _read_trail(path: Path) -> bytes:
    """The trail's bytes. A last line without its end may be one that is being written: then it is read once more."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        time.sleep(WRITING_S)
        content = path.read_bytes()
    return content


def _parse_head(path: Path) -> tuple[int, str] | None:
    try:
        head = json.loads(path.read_bytes())
        return int(head["seq"]), str(head["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the caller reports it
