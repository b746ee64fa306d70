"""Cut a large file into pieces that other processes count; the parts, in order, go to `kpi.reading.combine`.

CSV is cut at line ends, so a tape with quotes is not cut: a line end may then be inside a field, and only who has read
from the start knows. It is refused as `unsplittable`, by whoever meets the first quote; read such a tape as one stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from kpi.findings import Finding, KpiError
from kpi.personal import Privacy, publishing
from kpi.tapes.batch import TapePart
from kpi.tapes.content import GZIP_MAGIC, PARQUET_MAGIC, Content
from kpi.tapes.layout import Layout, split_header
from kpi.tapes.records import record_blocks
from kpi.tapes.rules import InputRules
from kpi.tapes.stream import csv_stream

PIECE_BYTES = 64 << 20
_LOOK_BYTES = 1 << 16
STRICT = InputRules()
HIDING = Privacy("mask")


class UnsplittableError(KpiError):
    """The tape can be read, but not in pieces."""


@dataclass(frozen=True)
class CsvPiece:
    """Some bytes of a CSV tape, from the start of a line to the end of one; the first piece has the header."""

    path: Path
    begin: int
    end: int
    layout: Layout


@dataclass(frozen=True)
class ParquetPiece:
    """Some row groups of a Parquet tape."""

    path: Path
    groups: tuple[int, ...]


Piece = CsvPiece | ParquetPiece


def split(path: Path, rules: InputRules = STRICT, piece_bytes: int = PIECE_BYTES) -> list[Piece]:
    """The pieces of a tape, in its order; they are small values that can be sent to other processes."""
    content = Content(path.name, path)
    magic = content.magic
    if magic == PARQUET_MAGIC:
        from kpi.tapes import parquet

        with content.watched() as raw:
            groups = parquet.opened(path.name, raw).metadata.num_row_groups
        return [ParquetPiece(path, (group,)) for group in range(groups)]
    if magic.startswith(GZIP_MAGIC):
        raise _unsplittable(path, "it is packed as a whole")
    edges = [*_edges(content, path.stat().st_size, piece_bytes)]
    layout, _ = split_header(_records(content, 0, edges[1], rules), path.name, rules)
    return [CsvPiece(path, begin, end, layout) for begin, end in pairwise(edges)]


def tally_piece(piece: Piece) -> TapePart:
    """The part that a piece comes to."""
    with publishing(HIDING):  # the columns were judged when it was split, by the policy that holds there
        return _aggregate(piece)


def _aggregate(piece: Piece) -> TapePart:
    content = Content(piece.path.name, piece.path)
    total = TapePart()
    if isinstance(piece, ParquetPiece):
        from kpi.tapes import parquet

        with content.watched() as raw:
            groups = parquet.Groups(content.name, piece.path, parquet.opened(content.name, raw).metadata)
            for group in piece.groups:
                total += groups.aggregate(group)
        return total
    blocks = _unquoted(piece.path, _records(content, piece.begin, piece.end, piece.layout.rules))
    if piece.begin == 0:
        _, blocks = split_header(blocks, content.name, piece.layout.rules)
    stream = csv_stream(piece.layout, blocks)
    for block in stream.shares:
        total += stream.aggregate(block)
    return total


def _edges(content: Content, size: int, piece_bytes: int) -> Iterator[int]:
    """Where pieces begin and end: behind the first line feed of each stretch, and at both ends of the file."""
    yield 0
    place = piece_bytes
    while place < size:
        seen = b"".join(content.span(place, min(place + _LOOK_BYTES, size)))
        feed = seen.find(b"\n")
        if feed >= 0 and place + feed + 1 < size:
            yield place + feed + 1
            place += feed + 1 + piece_bytes
        else:
            place += len(seen)
    yield size


def _records(content: Content, begin: int, end: int, rules: InputRules) -> Iterator[bytes]:
    span = content.span(begin, end)
    return record_blocks(span, content.name, rules.separator, rules.longest_record_bytes, begin)


def _unquoted(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        if b'"' in block:
            raise _unsplittable(path, "it has quoted fields")
        yield block


def _unsplittable(path: Path, found: str) -> UnsplittableError:
    return UnsplittableError(Finding("unsplittable", str(path), found, "read it as one stream"))
