"""A tape as a stream of pieces, whatever it is kept in: bytes, a file (CSV, Parquet, gzip), columns in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi.tapes import arrow, memory, plain
from kpi.tapes.batch import Batch, TapePart, aggregate_batch
from kpi.tapes.content import GZIP_MAGIC, PARQUET_MAGIC, Content, no_sign
from kpi.tapes.layout import Layout, split_header
from kpi.tapes.records import record_blocks
from kpi.tapes.rules import InputRules
from kpi.tapes.unpacking import unpacked

Source = Path | bytes | memory.Columns


@dataclass(frozen=True)
class Stream:
    """An open tape: its column names, its pieces in order and how one is read; its shares in order and how one is counted.

    Any thread may do both. A share is a piece, but where counting has a better cut. Only one of the two may be gone through.
    """

    names: tuple[str, ...]
    pieces: Iterator[Any]
    read: Callable[[Any], Batch]
    shares: Iterator[Any]
    aggregate: Callable[[Any], TapePart]


@contextmanager
def opened(
    name: str, source: Source, rules: InputRules, sha256: str = "", alive: Callable[[], None] = no_sign
) -> Iterator[Stream]:
    """The tape as a stream; what is wrong with it is raised here or while the pieces are taken."""
    if not isinstance(source, bytes | Path):
        names = tuple(str(one) for one in source)
        batches = memory.batches(name, source)
        yield Stream(names, batches, lambda batch: batch, batches, aggregate_batch)
        return
    content = Content(name, source, sha256)
    magic = content.magic
    if magic == PARQUET_MAGIC:
        from kpi.tapes import parquet

        with content.watched() as raw:
            file = parquet.opened(name, raw)
            groups = parquet.Groups(name, content.held, file.metadata)
            names = tuple(file.schema_arrow.names)
            yield Stream(names, parquet.batches(name, file), parquet.read_batch, iter(groups), groups.aggregate)
            content.compare(alive)
        return
    chunks = content.chunks()
    if magic.startswith(GZIP_MAGIC):
        chunks = unpacked(chunks, name, rules)
    layout, blocks = split_header(record_blocks(chunks, name, rules.separator, rules.longest_record_bytes), name, rules)
    yield csv_stream(layout, blocks)


def csv_stream(layout: Layout, blocks: Iterator[bytes]) -> Stream:
    """Blocks of whole records behind a known header."""

    def read(block: bytes) -> Batch:
        fast = arrow.read_block(block, layout) if layout.large and arrow.is_available() else None
        return fast or plain.read_block(block, layout)

    def aggregate(block: bytes) -> TapePart:
        fast = arrow.aggregate_block(block, layout) if layout.large and arrow.is_available() else None
        return fast or aggregate_batch(plain.read_block(block, layout))

    return Stream(layout.names, blocks, read, blocks, aggregate)
